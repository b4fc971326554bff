"""Starts Ray for a run, or joins the one there is; ends what it has started."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import sniffio

from batchveo.core.errors import ClusterTrouble, UsageError
from batchveo.core.settings import Cluster
from batchveo.engine.cluster.protocol import ActorBackend
from batchveo.engine.cluster.ray_backend import NAMESPACE, RayBackend, check_address, first_line
from batchveo.engine.signals import hangup_signals
from batchveo.provider.api_key import VARIABLES

TEMP_PREFIX = "bvray-"


@contextmanager
def make_temp_dir(place: Path | None = None) -> Iterator[Path]:
    """Yield a new folder in ``place``, without the folders that killed processes of batchveo left there.

    The process holds a lock on the folder, which the operating system releases when the process dies.
    """
    place = place or _find_short_folder()
    _remove_leftovers(place)
    folder, lock = _make_locked_dir(place)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _find_short_folder() -> Path:
    """A folder with a short path: the paths of Ray's sockets are bounded."""
    short = Path("/tmp")  # noqa: S108
    return short if short.is_dir() else Path(tempfile.gettempdir())


def _make_locked_dir(place: Path) -> tuple[Path, int | None]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=TEMP_PREFIX, dir=place))
        lock = _lock_dir(folder, wait=True)
        if folder.is_dir():  # else another process removed it as a leftover before it was locked
            return folder, lock


def _remove_leftovers(place: Path) -> None:
    for folder in place.glob(f"{TEMP_PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            lock = _lock_dir(folder, wait=False)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def _lock_dir(folder: Path, *, wait: bool) -> int | None:
    """A descriptor that holds the lock; ``None`` if another process does, or the system has no such lock."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


STORE_BYTES = 80 * 1024 * 1024
"""Of Ray's object store on this machine, the least that it takes; no video goes through it."""
LOOPBACK = "127.0.0.2" if sys.platform == "linux" else None
"""The address of a local Ray's processes; Ray replaces 127.0.0.1 by the machine's outer address."""

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
    """Raise ``UsageError`` if Ray is not installed, or the event loop is not asyncio."""
    if find_spec("ray") is None:
        raise UsageError("--ray needs Ray: pip install 'batchveo[ray]'")
    if sniffio.current_async_library() != "asyncio":
        raise UsageError("a run on a cluster needs asyncio")


@contextmanager
def start_ray(cluster: Cluster, state: Path) -> Iterator[ActorBackend]:
    """Yield Ray, connected or started, for a run over ``state``; what was started ends with the block."""
    if cluster.address is not None and ":" in cluster.address:
        check_address(cluster.address)
    with ExitStack() as stack:
        ray = _import_ray(local=cluster.is_local)
        if not ray.is_initialized():
            _keep_signals(stack)
            stack.callback(ray.shutdown)
            _connect_ray(ray, cluster, stack)
        yield RayBackend(ray, state)


def _import_ray(*, local: bool) -> ModuleType:
    """Import Ray with the environment that keeps it silent."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if local and "ray" not in sys.modules:
        for name, value in {**_LOCAL_SETTINGS, "RAY_AUTH_TOKEN": secrets.token_hex(32)}.items():
            os.environ.setdefault(name, value)
    import ray
    from ray._private import worker

    if hasattr(worker, "print_to_stdstream"):  # it writes to our standard output whatever its options say
        worker.print_to_stdstream = lambda *_, **__: None
    module: ModuleType = ray
    return module


def _connect_ray(ray: ModuleType, cluster: Cluster, stack: ExitStack) -> None:
    quiet: dict[str, Any] = {
        "namespace": NAMESPACE,
        "log_to_driver": False,
        "logging_level": "ERROR",
        "configure_logging": False,
    }
    if cluster.is_local:
        folder = stack.enter_context(make_temp_dir())
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
        if ending.code in [128 + number for number in hangup_signals()]:
            raise
        _exit_by_signal(signal.SIGTERM)  # Ray's own handler of SIGTERM, with another status
    except (RuntimeError, ConnectionError, ValueError, OSError) as error:
        if "Could not find any running Ray" in str(error):
            raise ClusterTrouble(_NO_RAY) from None
        where = "on this machine" if cluster.is_local else f"at {cluster.address}"
        hint = "" if cluster.is_local else _HINT
        raise ClusterTrouble(f"Ray {where} cannot be used: {first_line(error)}{hint}") from None
    finally:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, *hangup_signals()):
                signal.signal(number, _exit_by_signal)


def _keep_signals(stack: ExitStack) -> None:
    """Ray puts a handler of its own in place of SIGTERM's, and would be left behind by SIGHUP."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, *hangup_signals()):
            stack.callback(signal.signal, number, signal.getsignal(number) or signal.SIG_DFL)
        for number in hangup_signals():
            signal.signal(number, _exit_by_signal)


def _exit_by_signal(number: int, _: object = None) -> NoReturn:
    """End this process with the status of the signal; what it has started ends first."""
    sys.exit(128 + number)


@contextmanager
def _without_secrets() -> Iterator[None]:
    """Hide our variables from the environment that Ray's processes inherit; keys travel as arguments of calls."""
    ours = [name for name in os.environ if name in VARIABLES or name.startswith("BATCHVEO_")]
    kept = {name: os.environ.pop(name) for name in ours}
    try:
        yield
    finally:
        os.environ.update(kept)
