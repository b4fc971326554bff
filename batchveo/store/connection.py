"""One connection to a state file, and its transactions."""

from __future__ import annotations

import os
import sqlite3
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
        self._sharing = False
        self._lost: BaseException | None = None
        """Why SQLite took back what other writes had put into the open transaction."""
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
    def sharing(self) -> Iterator[None]:
        """Let writes share transactions, and so fsyncs: each is on disk for good only after the next ``flush``.

        Each is still whole or not there at all, and seen at once by this connection. The end flushes.
        """
        self._sharing = True
        try:
            yield
        finally:
            self._sharing = False
            self.flush()

    @property
    def unflushed(self) -> bool:
        """Whether something written is not on disk for good."""
        return self._db.in_transaction or self._lost is not None

    def flush(self) -> None:
        """Put on disk what was written; raises ``sqlite3.Error`` where it cannot, and then none of it is there."""
        lost, self._lost = self._lost, None
        try:
            if lost is not None:
                raise lost
            if self._db.in_transaction:
                self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing. Within another one it is a part of that, all or nothing by itself."""
        outermost = not self._db.in_transaction
        changes = self._db.total_changes
        if outermost:
            self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("SAVEPOINT part")
        try:
            yield
        except BaseException as error:
            self._take_back(error, whole=outermost)
            raise
        self._db.execute("RELEASE part")
        if outermost and not (self._sharing and self._db.total_changes > changes):
            self.flush()

    def _take_back(self, error: BaseException, *, whole: bool) -> None:
        if not self._db.in_transaction:  # SQLite has taken back all by itself, as it does when the disk is full
            self._lost = None if whole else error
        elif whole:
            self._db.execute("ROLLBACK")
        else:
            self._db.execute("ROLLBACK TO part")
            self._db.execute("RELEASE part")


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
