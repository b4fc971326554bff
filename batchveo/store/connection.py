"""One connection to a state file, and its transactions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from batchveo.store.lock import RunLock
from batchveo.store.opening import open_for_reading, open_for_writing


class Connection:
    """An open state file. Use as a context manager; one connection, one thread."""

    def __init__(self, path: str | os.PathLike[str], *, writing: bool = True) -> None:
        self.path = Path(path)
        self._lock = RunLock(self.path)
        self._db = open_for_writing(self.path) if writing else open_for_reading(self.path)

    @classmethod
    def existing(cls, path: str | os.PathLike[str]) -> Self:
        """Open for writing a state that must be there: making an empty one would hide a slip."""
        cls(path, writing=False).close()
        return cls(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let go of the run lock."""
        self._db.close()
        self._lock.release()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._db.in_transaction:  # a part of a larger one
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
