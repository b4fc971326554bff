"""File systems without file locks, as some mounts of NFS and SMB are: told apart from a lock that is held."""

from __future__ import annotations

import errno
import tempfile
from contextlib import suppress
from pathlib import Path

from batchveo.core.errors import StateUnusable

HELD = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES})
"""What a lock that somebody else holds answers; everything else is about the file system."""


def cause(folder: Path) -> str | None:
    """Why no file in ``folder`` can be locked, in the system's words; ``None`` where that works, or nobody knows.

    A file of its own is tried: to close one of SQLite's would let go of SQLite's locks.
    """
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
                    return error.strerror or str(error)
    return None


def missing(path: Path, why: str) -> StateUnusable:
    """What a person needs to hear: nobody else is at work, and where the file could be instead."""
    return StateUnusable(
        f"{path} is on a file system without file locks ({why}), and without them two runs could buy the same "
        "video twice: name a state on a local disk with --state, or mount that folder with locks (NFS: without "
        "nolock, with lockd running). The videos may stay where they are"
    )
