"""One run a state: the lock that says so."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from batchveo.core.errors import StateLocked
from batchveo.store import file_locks


class RunLock:
    """Held by a run for as long as it lives; the operating system frees it when the process dies."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._lock = FileLock(f"{state}.lock", mode=0o600, thread_local=False)

    def acquire(self) -> None:
        """Take the lock at once; raises ``StateLocked``, or ``StateUnusable`` where files cannot be locked."""
        why = file_locks.cause(self._state.parent)  # filelock would take it for a lock that is held, or pretend
        if why is not None:
            raise file_locks.missing(self._state, why)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise StateLocked("another run holds the state") from None

    def release(self) -> None:
        """Let go; harmless when it is not held."""
        self._lock.release()
