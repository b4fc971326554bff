"""What takes seconds to find in a large database: found in a thread, while answers have what was found last."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock, Thread
from typing import Generic, TypeVar

from batchveo.core.errors import BatchveoError
from batchveo.store import Store

REST_FACTOR = 10.0
"""Times as long as it took, nothing is looked for again."""

T = TypeVar("T")


class Background(Generic[T]):
    """What ``read`` finds in the database at ``path``; ``known`` before it has found anything.

    ``rest``: the least number of seconds between two looks; a look that took long is followed by a longer rest.
    """

    def __init__(self, path: Path, read: Callable[[Store], T], known: T, *, rest: float = 0.0) -> None:
        self._path = path
        self._read = read
        self._known = known
        self._rest = rest
        self._lock = Lock()
        self._thread: Thread | None = None
        self._next = 0.0

    def find(self, patience: float = 0.0) -> T:
        """What was found last; ``patience``: how many seconds to wait for a look that has begun."""
        with self._lock:
            is_free = self._thread is None or not self._thread.is_alive()
            if is_free and time.monotonic() >= self._next:
                self._thread = Thread(target=self._look, name="background", daemon=True)
                self._thread.start()
            thread = self._thread
        if thread is not None and patience:
            thread.join(patience)
        return self._known

    def wait(self) -> None:
        """Wait for a look that has begun."""
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        began = time.monotonic()
        try:
            with Store(self._path, writing=False) as store:
                self._known = self._read(store)
        except (sqlite3.Error, OSError, BatchveoError):  # the answers that need the database report it
            pass
        ended = time.monotonic()
        self._next = ended + max(self._rest, REST_FACTOR * (ended - began))
