"""Starts Ray for a run, or joins the one there is; ends what it has started."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import sniffio

from batchveo.core.errors import ClusterTrouble, UsageError
from batchveo.core.settings import Cluster
from batchveo.engine.cluster.backend import ActorBackend
from batchveo.engine.cluster.ray_backend import NAMESPACE, RayBackend, first_line
from batchveo.engine.cluster.ray_probe import knock
from batchveo.engine.cluster.temp_dir import scratch
from batchveo.engine.signals import hangup
from batchveo.provider.api_key import VARIABLES

STORE_BYTES = 80 * 1024 * 1024
"""Of Ray's object store on this machine, the least that it takes; no video goes through it."""
LOOPBACK = "127.0.0.2" if sys.platform == "linux" else None
"""Where a local Ray's processes look for each other; Ray replaces 127.0.0.1 by the machine's outer address."""

_HINT = " (is it the port of `ray start --head`, with the same Ray and Python, and is its RAY_AUTH_TOKEN set here?)"
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
def started(cluster: Cluster, state: Path) -> Iterator[ActorBackend]:
    """Ray, connected or started, for a run over ``state``; what it has started ends with the block."""
    if cluster.address is not None and ":" in cluster.address:
        knock(cluster.address)
    with ExitStack() as stack:
        ray = _ray(local=cluster.is_local)
        if not ray.is_initialized():
            _keep_signals(stack)
            stack.callback(ray.shutdown)
            _connect(ray, cluster, stack)
        yield RayBackend(ray, state)


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
    except SystemExit as ending:
        if ending.code in [128 + number for number in hangup()]:
            raise
        _end(signal.SIGTERM)  # so says Ray's own handler, with another status
    except (RuntimeError, ConnectionError, ValueError, OSError) as error:
        if "Could not find any running Ray" in str(error):
            raise ClusterTrouble(_NO_RAY) from None
        where = "on this machine" if cluster.is_local else f"at {cluster.address}"
        hint = "" if cluster.is_local else _HINT
        raise ClusterTrouble(f"Ray {where} cannot be used: {first_line(error)}{hint}") from None
    finally:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, *hangup()):
                signal.signal(number, _end)


def _keep_signals(stack: ExitStack) -> None:
    """Ray puts a handler of its own in place of SIGTERM's, and would be left behind by SIGHUP."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, *hangup()):
            stack.callback(signal.signal, number, signal.getsignal(number) or signal.SIG_DFL)
        for number in hangup():
            signal.signal(number, _end)


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
