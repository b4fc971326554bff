"""The engine that runs are spread over: Ray. The only module that imports it."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import anyio
import anyio.to_thread
import sniffio

from batchveo.api.key import VARIABLES
from batchveo.cluster.coordinator_actor import CoordinatorActor
from batchveo.cluster.engine import Actor, Engine, Lost
from batchveo.cluster.scratch import scratch
from batchveo.cluster.settings import Cluster
from batchveo.cluster.worker_actor import WorkerActor
from batchveo.errors import ClusterTrouble, StateLocked, UsageError

NAMESPACE = "batchveo"
CONCURRENT_CALLS = 10_000
"""Calls that an actor has under way: long polls must not keep short ones waiting."""
STORE_BYTES = 80 * 1024 * 1024
"""Of Ray's object store on this machine, the least that it takes; no video goes through it."""
NAME_SECONDS = 10.0
"""How long the coordinator of a driver that was killed may take to be gone."""
KNOCK_SECONDS = 10.0
LOOK_SECONDS = 5.0
"""How often a run looks whether the head of its cluster answers, and how long that may take."""
MISSES = 4
"""In a row, after which the head is lost; after a minute Ray itself would end all of its processes, ours too."""
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS_FRAME = 4
_NO_SETTINGS = bytes([0, 0, 0, _SETTINGS_FRAME, 0, 0, 0, 0, 0])
LOOPBACK = "127.0.0.2" if sys.platform == "linux" else None
"""Where a local Ray's processes look for each other; Ray replaces 127.0.0.1 by the machine's outer address."""

_HINT = (
    " (is it the port of `ray start --head`, with the same Ray and Python, and is its RAY_AUTH_TOKEN set here?)"
)
_NO_RAY = (
    "no Ray runs on this machine: `ray start` makes it part of a cluster, and --ray without an address starts one "
    "for this run alone"
)
_LOCAL_SETTINGS = {
    "RAY_AUTH_MODE": "token",  # its ports are open to the network: nobody without the token may run code
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "5",
}


def check_ray() -> None:
    """Raise ``UsageError`` where Ray is not installed, or could not be waited for."""
    if find_spec("ray") is None:
        raise UsageError("--ray needs Ray: pip install 'batchveo[ray]'")
    if sniffio.current_async_library() != "asyncio":
        raise UsageError("a run on a cluster needs asyncio")


@contextmanager
def started(cluster: Cluster, state: Path) -> Iterator[Engine]:
    """Ray, connected or started, for a run over ``state``; what it has started ends with the block."""
    if cluster.address is not None and ":" in cluster.address:
        _knock(cluster.address)
    with ExitStack() as stack:
        ray = _ray(local=cluster.is_local)
        if not ray.is_initialized():
            _keep_sigterm(stack)
            stack.callback(ray.shutdown)
            _connect(ray, cluster, stack)
        yield RayEngine(ray, state)


def _knock(address: str, patience: float = KNOCK_SECONDS) -> None:
    """Raise ``ClusterTrouble`` where no Ray listens; it would itself try for minutes, and say so line by line.

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
        reason = getattr(error, "strerror", None) or error
        raise ClusterTrouble(f"no Ray answers at {address}: {reason}") from None
    if len(answer) < len(_NO_SETTINGS) or answer[3] != _SETTINGS_FRAME:
        raise ClusterTrouble(
            f"no Ray answers at {address}, but something else: give the port of `ray start --head`, usually 6379"
        )


def _ray(*, local: bool) -> ModuleType:
    """The library, told to stay silent before it is imported."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if local and "ray" not in sys.modules:
        for name, value in {**_LOCAL_SETTINGS, "RAY_AUTH_TOKEN": secrets.token_hex(32)}.items():
            os.environ.setdefault(name, value)
    import ray
    from ray._private import worker

    if hasattr(worker, "print_to_stdstream"):  # it would write to our standard output, whatever it is told
        worker.print_to_stdstream = lambda *_, **__: None
    module: ModuleType = ray
    return module


def _connect(ray: ModuleType, cluster: Cluster, stack: ExitStack) -> None:
    quiet: dict[str, Any] = {
        "namespace": NAMESPACE,
        "log_to_driver": False,
        "logging_level": "ERROR",
        "configure_logging": False,
    }
    if cluster.is_local:
        folder = stack.enter_context(scratch())
        stack.callback(ray.shutdown)  # before its folder goes
        quiet |= {
            "address": "local",
            "include_dashboard": False,
            "object_store_memory": STORE_BYTES,
            "_temp_dir": str(folder),
            **({"_node_ip_address": LOOPBACK} if LOOPBACK else {}),
        }
    else:
        quiet["address"] = cluster.address
    try:
        with _without_secrets() if cluster.is_local else ExitStack():
            ray.init(**quiet)
    except SystemExit:
        _end(signal.SIGTERM)  # so says Ray's own handler, with another status
    except (RuntimeError, ConnectionError, ValueError, OSError) as error:
        if "Could not find any running Ray" in str(error):
            raise ClusterTrouble(_NO_RAY) from None
        where = "on this machine" if cluster.is_local else f"at {cluster.address}"
        hint = "" if cluster.is_local else _HINT
        raise ClusterTrouble(f"Ray {where} cannot be used: {_line(error)}{hint}") from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _end)


def _keep_sigterm(stack: ExitStack) -> None:
    """Ray puts a handler of its own in place of what is there."""
    if threading.current_thread() is threading.main_thread():
        stack.callback(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM) or signal.SIG_DFL)


def _end(number: int, _: object = None) -> NoReturn:
    """End this process as the signal demands, and what it has started before it."""
    sys.exit(128 + number)


@contextmanager
def _without_secrets() -> Iterator[None]:
    """Nothing of ours in the environment that Ray's processes inherit: they are told what they need."""
    ours = [name for name in os.environ if name in VARIABLES or name.startswith("BATCHVEO_")]
    kept = {name: os.environ.pop(name) for name in ours}
    try:
        yield
    finally:
        os.environ.update(kept)


class RayEngine:
    """Actors on Ray."""

    def __init__(self, ray: ModuleType, state: Path) -> None:
        self._ray = ray
        self._state = state.absolute()
        self._starts: Counter[str] = Counter()

    @property
    def nodes(self) -> int:
        """See ``Engine``."""
        return len(self._alive())

    def _alive(self) -> list[str]:
        return [str(node["NodeID"]) for node in self._ray.nodes() if node["Alive"]]

    async def coordinator(self) -> Actor:
        """See ``Engine``. One for each state, known to the whole cluster by its name."""
        name = f"coordinator-{hashlib.sha256(os.fsencode(self._state)).hexdigest()[:16]}"
        with anyio.move_on_after(NAME_SECONDS):
            while True:
                try:
                    return self._coordinator(name)
                except self._ray.exceptions.ActorAlreadyExistsError:
                    await anyio.sleep(0.2)
        raise StateLocked(f"another run on this cluster holds {self._state}")

    def _coordinator(self, name: str) -> Actor:
        here = str(self._ray.get_runtime_context().get_node_id())
        options = {
            "name": name,
            "namespace": NAMESPACE,
            "num_cpus": 0,
            "max_restarts": -1,
            "max_task_retries": 0,
            "max_concurrency": CONCURRENT_CALLS,
            "scheduling_strategy": _on(here),
        }
        return RayActor(self._ray.remote(CoordinatorActor).options(**options).remote())

    def worker(self) -> Actor:
        """See ``Engine``. The nodes take turns, so that one on which nothing starts holds up no place for long."""
        node = min(self._alive(), key=lambda node: self._starts[node], default=None)
        if node is None:
            raise Lost("no machine of the cluster is left")
        self._starts[node] += 1
        options = {
            "num_cpus": 0,
            "max_restarts": 0,
            "max_concurrency": CONCURRENT_CALLS,
            "scheduling_strategy": _on(node),
        }
        return RayActor(self._ray.remote(WorkerActor).options(**options).remote())

    async def gone(self) -> str:
        """See ``Engine``."""
        address = str(self._ray.get_runtime_context().gcs_address)
        misses = 0
        while misses < MISSES:
            await anyio.sleep(LOOK_SECONDS)
            try:
                await anyio.to_thread.run_sync(_knock, address, LOOK_SECONDS, abandon_on_cancel=True)
            except ClusterTrouble:
                misses += 1
            else:
                misses = 0
        return f"the head of the Ray cluster, at {address}, does not answer any more"


class RayActor:
    """An actor by its handle; it may be sent to others."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def ask(self, method: str, *arguments: object) -> object:
        """See ``Actor``."""
        from ray.exceptions import RayError, RayTaskError

        try:
            return await getattr(self._handle, method).remote(*arguments)
        except RayTaskError as error:
            cause: BaseException = error.cause
            raise cause from None
        except RayError as error:
            raise Lost(_loss(error)) from None

    def kill(self, *, again: bool = False) -> None:
        """See ``Actor``."""
        import ray

        ray.kill(self._handle, no_restart=not again)


def _on(node: str) -> object:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node_id=node, soft=False)


def _loss(error: BaseException) -> str:
    """What became of an actor, in a user's words where Ray's are about itself."""
    from ray.exceptions import ActorUnavailableError

    text = str(error)
    if isinstance(error, ActorUnavailableError):
        return "it does not answer"
    if "node has died" in text:
        return "its machine died"
    if "worker process has died" in text and "low on memory" not in text:
        return "its process died"
    return _line(error)


def _line(error: BaseException) -> str:
    """What went wrong, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
