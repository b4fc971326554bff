"""How many other clips look the same as each: counted in the background, for the cards of the gallery."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from threading import Lock, Thread

from batchveo.core.errors import BatchveoError
from batchveo.media.near_copies import group_near_copies
from batchveo.store import Store

MOST_CLIPS = 100_000
"""Clips that are compared: with all of a very large database the page would be slow for minutes."""
REST_SECONDS = 10.0
"""Between two counts, at the least; a count that took long is followed by a longer rest."""
REST_FACTOR = 10.0


class NearCopies:
    """The counts for the database at ``path``; an old one is shown until the next is ready."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts: Mapping[int, int] = {}
        self._lock = Lock()
        self._thread: Thread | None = None
        self._next = 0.0

    def find_counts(self) -> Mapping[int, int]:
        """By the number of a job, how many other clips look the same; others are left out."""
        with self._lock:
            is_free = self._thread is None or not self._thread.is_alive()
            if is_free and time.monotonic() >= self._next:
                self._thread = Thread(target=self._count, name="near-copies", daemon=True)
                self._thread.start()
        return self._counts

    def wait(self) -> None:
        """Wait for a count that has begun."""
        if self._thread is not None:
            self._thread.join()

    def _count(self) -> None:
        began = time.monotonic()
        try:
            with Store(self._path, writing=False) as store:
                groups = group_near_copies(islice(store.checks.list_hashes(), MOST_CLIPS))
            self._counts = {seq: len(group) - 1 for group in groups for seq in group}
        except (sqlite3.Error, OSError, BatchveoError):  # the answers that need the database report it
            pass
        ended = time.monotonic()
        self._next = ended + max(REST_SECONDS, REST_FACTOR * (ended - began))
