"""One connection to a database, its transactions, and the base of what uses it."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from batchveo.core.destination import expand_home
from batchveo.store.database import open_for_reading, open_for_writing
from batchveo.store.file_locks import RunLock

_log = logging.getLogger(__name__)


class Connection:
    """An open database; one connection, one thread. Writes go through ``transaction``."""

    def __init__(self, path: str | os.PathLike[str], *, writing: bool = True) -> None:
        self.path = expand_home(path)
        self.lock = RunLock(self.path)
        self._sharing = False
        self._lost: BaseException | None = None
        """Why SQLite took back what other writes had put into the open transaction."""
        self.db = open_for_writing(self.path) if writing else open_for_reading(self.path)

    def close(self) -> None:
        """Close the file and let go of the run lock."""
        self.db.close()
        self.lock.release()

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Let writes share transactions, and so fsyncs: each is on disk for good only after the next ``flush``.

        Each is still whole or not there at all, and seen at once by this connection. Once anything is lost, every
        ``flush`` says so until the end: nothing may be built on what is not there. The end flushes.
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
        return self.db.in_transaction or self._lost is not None

    def flush(self) -> None:
        """Put on disk what was written; raises ``sqlite3.Error`` where it cannot, and then none of it is there."""
        try:
            if self._lost is not None:
                raise self._lost  # noqa: TRY301 - told as if it failed here
            self._commit()
        except BaseException as error:
            self._lost = error if self._sharing else None
            raise
        finally:
            self._roll_back()

    def _commit(self) -> None:
        if self.db.in_transaction:
            began = time.perf_counter()
            self.db.execute("COMMIT")
            _log.debug("committed %s in %.1f ms", self.path.name, 1000 * (time.perf_counter() - began))

    def _roll_back(self) -> None:
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")
            _log.debug("rolled back %s", self.path.name)

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing. Within another one it is a part of that, all or nothing by itself."""
        return self._part() if self.db.in_transaction else self._whole()

    @contextmanager
    def _whole(self) -> Iterator[None]:
        lost, changes = self._lost, self.db.total_changes
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            if not (self._sharing and self.db.total_changes > changes):
                self._commit()
        except BaseException:
            self._lost = lost  # nothing of others was in it
            self._roll_back()
            raise

    @contextmanager
    def _part(self) -> Iterator[None]:
        self.db.execute("SAVEPOINT part")
        try:
            yield
        except BaseException as error:
            try:
                self._take_back_part()
            finally:
                if not self.db.in_transaction:
                    self._lost = self._lost or error
            raise
        self.db.execute("RELEASE part")

    def _take_back_part(self) -> None:
        if self.db.in_transaction:  # else SQLite has taken back all by itself, as it does when the disk is full
            self.db.execute("ROLLBACK TO part")
            self.db.execute("RELEASE part")


class Part:
    """Base of the store's parts: methods that belong together, over the one connection that all parts share."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection.db
        self._transaction = connection.transaction


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing of what is written inside, on a connection that is no ``Connection``'s."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
