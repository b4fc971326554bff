"""One connection to a state file, and its transactions."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
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

    def _transaction(self) -> AbstractContextManager[None]:
        return transaction(self._db)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing of what is written inside; within another transaction, a part of that."""
    if db.in_transaction:
        yield
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
