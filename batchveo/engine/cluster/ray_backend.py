"""Actors on Ray, and whether its head answers."""

from __future__ import annotations

import hashlib
import os
import socket
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import anyio.to_thread

from batchveo.core.errors import ClusterTrouble, StateLocked, find_reason
from batchveo.engine.cluster.coordinator_actor import CoordinatorActor
from batchveo.engine.cluster.protocol import Actor, ActorLost
from batchveo.engine.cluster.worker_actor import WorkerActor

CHECK_SECONDS = 10.0
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS_FRAME = 4
_NO_SETTINGS = bytes([0, 0, 0, _SETTINGS_FRAME, 0, 0, 0, 0, 0])


def check_address(address: str, patience: float = CHECK_SECONDS) -> None:
    """Raise ``ClusterTrouble`` unless a Ray head answers at ``address`` within ``patience`` seconds.

    Ray's head speaks HTTP/2, whose servers answer the first bytes with a frame of settings (RFC 9113, 3.4).
    """
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=patience) as line:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            line.sendall(_HTTP2_PREFACE + _NO_SETTINGS)
            answer = line.makefile("rb").read(len(_NO_SETTINGS))
    except (OSError, OverflowError) as error:
        reason = find_reason(error)
        raise ClusterTrouble(f"no Ray answers at {address}: {reason}") from None
    if len(answer) < len(_NO_SETTINGS) or answer[3] != _SETTINGS_FRAME:
        raise ClusterTrouble(
            f"no Ray answers at {address}, but something else: give the port of `ray start --head`, usually 6379"
        )


NAMESPACE = "batchveo"
CONCURRENT_CALLS = 10_000
"""Calls that an actor runs at the same time: long polls must not delay short calls."""
NAME_SECONDS = 10.0
"""Seconds to wait for the coordinator of a killed driver to end."""
LOOK_SECONDS = 5.0
"""Seconds between two checks of the cluster's head, and for each check."""
MISSES = 4
"""Failed checks in a row after which the head is lost; after a minute Ray would end all its processes, ours too."""


class RayBackend:
    """Actors on Ray."""

    def __init__(self, ray: ModuleType, state: Path) -> None:
        self._ray = ray
        self._state = state.absolute()
        self._starts: Counter[str] = Counter()

    @property
    def nodes(self) -> int:
        """See ``ActorBackend``."""
        return len(self._list_nodes())

    def _list_nodes(self) -> list[str]:
        return [str(node["NodeID"]) for node in self._ray.nodes() if node["Alive"]]

    async def start_coordinator(self) -> Actor:
        """See ``ActorBackend``. One for each state, known to the whole cluster by its name."""
        name = f"coordinator-{hashlib.sha256(os.fsencode(self._state)).hexdigest()[:16]}"
        with anyio.move_on_after(NAME_SECONDS):
            while True:
                try:
                    return self._start_named(name)
                except self._ray.exceptions.ActorAlreadyExistsError:
                    await anyio.sleep(0.2)
        raise StateLocked(f"another run on this cluster holds {self._state}")

    def _start_named(self, name: str) -> Actor:
        here = str(self._ray.get_runtime_context().get_node_id())
        options = {
            "name": name,
            "namespace": NAMESPACE,
            "num_cpus": 0,
            "max_restarts": -1,
            "max_task_retries": 0,
            "max_concurrency": CONCURRENT_CALLS,
            "scheduling_strategy": _pin_to_node(here),
        }
        return RayActor(self._ray.remote(CoordinatorActor).options(**options).remote())

    def start_worker(self) -> Actor:
        """See ``ActorBackend``. The nodes take turns, so that one on which nothing starts delays no worker for long."""
        node = min(self._list_nodes(), key=lambda node: self._starts[node], default=None)
        if node is None:
            raise ActorLost("no machine of the cluster is left")
        self._starts[node] += 1
        options = {
            "num_cpus": 0,
            "max_restarts": 0,
            "max_concurrency": CONCURRENT_CALLS,
            "scheduling_strategy": _pin_to_node(node),
        }
        return RayActor(self._ray.remote(WorkerActor).options(**options).remote())

    async def wait_lost(self) -> str:
        """See ``ActorBackend``."""
        address = str(self._ray.get_runtime_context().gcs_address)
        misses = 0
        while misses < MISSES:
            await anyio.sleep(LOOK_SECONDS)
            try:
                await anyio.to_thread.run_sync(check_address, address, LOOK_SECONDS, abandon_on_cancel=True)
            except ClusterTrouble:
                misses += 1
            else:
                misses = 0
        return f"the head of the Ray cluster, at {address}, does not answer any more"


class RayActor:
    """An actor by its handle; it may be sent to others."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def call_method(self, method: str, *arguments: object) -> object:
        """See ``Actor``."""
        from ray.exceptions import RayError, RayTaskError

        try:
            return await getattr(self._handle, method).remote(*arguments)
        except RayTaskError as error:
            cause: BaseException = error.cause
            raise cause from None
        except RayError as error:
            raise ActorLost(_describe_loss(error)) from None

    def kill(self, *, again: bool = False) -> None:
        """See ``Actor``."""
        import ray

        ray.kill(self._handle, no_restart=not again)


def _pin_to_node(node: str) -> object:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node_id=node, soft=False)


def _describe_loss(error: BaseException) -> str:
    """Describe what happened to an actor, in words for a user."""
    from ray.exceptions import ActorUnavailableError

    text = str(error)
    if isinstance(error, ActorUnavailableError):
        return "it does not answer"
    if "node has died" in text:
        return "its machine died"
    if "worker process has died" in text and "low on memory" not in text:
        return "its process died"
    return first_line(error)


def first_line(error: BaseException) -> str:
    """What went wrong, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
