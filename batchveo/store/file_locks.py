"""The run lock; and file systems without file locks, as some mounts of NFS and SMB are."""

from __future__ import annotations

import errno
import tempfile
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from batchveo.core.errors import StateLocked, StateUnusable, find_reason

HELD = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES})
"""Errors of a lock that another process holds; every other error is about the file system."""


def find_cause(folder: Path) -> str | None:
    """Why no file in ``folder`` can be locked, in the system's words; ``None`` if locks work, or nobody knows."""
    # tried with a file of its own: to close one of SQLite's files would release SQLite's locks
    try:
        import fcntl
    except ImportError:  # Windows locks everywhere
        return None
    with suppress(OSError), tempfile.TemporaryFile(dir=folder, prefix=".batchveo-lock-") as file:
        for lock in (fcntl.flock, fcntl.lockf):
            try:
                lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                lock(file, fcntl.LOCK_UN)
            except OSError as error:
                if error.errno not in HELD:
                    return find_reason(error)
    return None


def explain_missing(path: Path, why: str) -> StateUnusable:
    """The error for a person: no other run is active, and where the file could be instead."""
    return StateUnusable(
        f"{path} is on a file system without file locks ({why}), and without them two runs could buy the same "
        "video twice: name a state on a local disk with --state, or mount that folder with locks (NFS: without "
        "nolock, with lockd running). The videos may stay where they are"
    )


class RunLock:
    """Held by a run until it ends; the operating system frees it if the process dies."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._lock = FileLock(f"{state}.lock", mode=0o600, thread_local=False)

    def acquire(self) -> None:
        """Take the lock at once; raises ``StateLocked``, or ``StateUnusable`` if files cannot be locked."""
        why = find_cause(self._state.parent)  # filelock would report a held lock, or pretend to have one
        if why is not None:
            raise explain_missing(self._state, why)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise StateLocked("another run holds the state") from None

    def release(self) -> None:
        """Release the lock; harmless if it is not held."""
        self._lock.release()
