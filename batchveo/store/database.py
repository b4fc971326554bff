"""An open database: its transactions, and how its file is opened.

The file is checked, private to its owner, durable, and at the newest schema.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from batchveo.core.destination import expand_home
from batchveo.core.errors import BatchveoError, DiskTrouble, StateLocked, StateUnusable, UsageError
from batchveo.core.hints import format_command
from batchveo.core.models import JobState
from batchveo.store import file_locks
from batchveo.store.file_locks import RunLock

logger = logging.getLogger(__name__)

STEPS_BETWEEN_LOOKS = 20_000
"""Instructions of SQLite between two looks at the clock."""

APPLICATION_ID = 0x62766A31
"""``PRAGMA application_id`` of our databases ("bvj1"): another program's file is refused by it."""

STEPS = (
    "first_schema",
    "totals",
    "quotes",
    "keys",
    "aside_and_tries",
    "url_expiry",
    "normal_keys",
    "run_options_and_key_prints",
    "catalogs",
    "rewrites",
    "clip_checks",
    "asked_takes",
    "hooks",
    "priorities",
    "chains",
    "replacements",
)
"""The migrations, in their order; a test compares them with the migrations."""

# the table of sqlite-utils, read without sqlite-utils, which takes long to import
HAS_STEPS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlite_migrations'"
STEPS_OF = "SELECT name FROM _sqlite_migrations WHERE migration_set = 'batchveo'"

PAGE_BYTES = 8192
"""Of new databases: a million jobs move into such pages in a sixth less time than into SQLite's 4,096."""
BUSY_SECONDS = 30.0
"""The longest wait of a statement for another process's write."""
LOOK_SECONDS = 2.0
"""The same for a reading that a run can do without."""
JOBS_AT_ONCE = 10_000
"""Jobs that one statement changes at most during a run."""


class Connection:
    """An open database; one connection, one thread. Writes go through ``transaction``."""

    def __init__(self, path: str | os.PathLike[str], *, writing: bool = True) -> None:
        self.path = expand_home(path)
        self.lock = RunLock(self.path)
        self._sharing = False
        self._lost: BaseException | None = None
        """Why SQLite rolled back earlier writes of the open transaction."""
        self.db = open_for_writing(self.path) if writing else open_for_reading(self.path)

    def close(self) -> None:
        """Close the file and release the run lock."""
        self.db.close()
        self.lock.release()

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Let writes share transactions, and so fsyncs: each is on disk for good only after the next ``flush``.

        Each is still whole or absent, and visible at once to this connection. After a loss every ``flush`` raises until
        the end: nothing may be built on a write that is gone. The end flushes. Writes must be small meanwhile: what is
        needed to undo one is kept in memory.
        """
        # else SQLite writes that into a temporary file, thirteen times as often as into the database itself; of no
        # effect if the connection has shared before, since such a statement from Python's cache does nothing
        self.db.execute("PRAGMA temp_store = MEMORY")
        self._sharing = True
        try:
            yield
        finally:
            self._sharing = False
            self.flush()
            self.db.execute("PRAGMA temp_store = DEFAULT")  # what follows may sort many rows

    def read_version(self) -> int:
        """A number that is another one once another process has written."""
        return int(self.db.execute("PRAGMA data_version").fetchone()[0])

    @property
    def unflushed(self) -> bool:
        """Whether a write is not on disk for good."""
        return self.db.in_transaction or self._lost is not None

    def flush(self) -> None:
        """Put all writes on disk; raises ``sqlite3.Error`` if that fails, and then none of them is there."""
        try:
            if self._lost is not None:
                raise self._lost  # noqa: TRY301 - it fails here for the caller
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
            logger.debug("committed %s in %.1f ms", self.path.name, 1000 * (time.perf_counter() - began))

    def _roll_back(self) -> None:
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")
            logger.debug("rolled back %s", self.path.name)

    @contextmanager
    def limit_time(self, seconds: float) -> Iterator[None]:
        """Interrupt statements that are not done by then; raises ``UsageError``."""
        until = time.monotonic() + seconds
        self.db.set_progress_handler(lambda: time.monotonic() > until, STEPS_BETWEEN_LOOKS)
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            raise UsageError(f"this takes longer than {seconds:.0f} s with so many jobs") from None
        finally:
            self.db.set_progress_handler(None, 0)

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing. Inside another transaction it is a part of that, all or nothing by itself."""
        return self._open_part() if self.db.in_transaction else self._open_whole()

    @contextmanager
    def _open_whole(self) -> Iterator[None]:
        lost, changes = self._lost, self.db.total_changes
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            if not (self._sharing and self.db.total_changes > changes):
                self._commit()
        except BaseException:
            self._lost = lost  # no write of others was in this transaction
            self._roll_back()
            raise

    @contextmanager
    def _open_part(self) -> Iterator[None]:
        self.db.execute("SAVEPOINT part")
        try:
            yield
        except BaseException as error:
            try:
                self._roll_back_part()
            finally:
                if not self.db.in_transaction:
                    self._lost = self._lost or error
            raise
        self.db.execute("RELEASE part")

    def _roll_back_part(self) -> None:
        if self.db.in_transaction:  # else SQLite has rolled back everything, as it does when the disk is full
            self.db.execute("ROLLBACK TO part")
            self.db.execute("RELEASE part")


class Part:
    """Base of the store's parts: methods that belong together, over the connection that all parts share."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection.db
        self._transaction = connection.transaction

    def _update_jobs(self, values: str, condition: str, columns: Mapping[str, object], *, index: str = "") -> int:
        """Set ``values`` in all jobs of ``condition``, both SQL, some thousand at a time; returns how many they were.

        ``index``: which one finds them, as ``INDEXED BY``.
        """
        # as one statement, a million jobs would need 500 MB to be able to undo it (see ``Connection.sharing``)
        found = [row[0] for row in self._db.execute(f"SELECT seq FROM jobs {index} WHERE {condition}", columns)]
        update = (
            f"UPDATE jobs NOT INDEXED SET {values} WHERE seq IN (SELECT value FROM json_each(:seqs)) AND {condition}"
        )
        changed = 0
        for first in range(0, len(found), JOBS_AT_ONCE):
            with self._transaction():
                seqs = json.dumps(found[first : first + JOBS_AT_ONCE])
                changed += self._db.execute(update, {**columns, "seqs": seqs}).rowcount
        return changed


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, on a connection that is not a ``Connection``'s."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def open_for_writing(path: Path) -> sqlite3.Connection:
    """A connection that may write; the file is made, or migrated to the newest schema, if needed."""
    try:
        _make_private(path)
        connection = _connect(path, seconds=BUSY_SECONDS)
    except (OSError, sqlite3.DatabaseError) as error:
        raise explain_unusable(path, error) from None
    try:
        _check_owner(path, connection)
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of no effect on a file that has pages
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL, not NORMAL: an intent that is forgotten in a power cut is a video paid twice
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: plain fsync leaves it in the disk's own cache
        connection.execute("PRAGMA foreign_keys = ON")
        _migrate(connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise explain_unusable(path, error) from None
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path, *, shared: bool = False) -> sqlite3.Connection:
    """A connection that cannot write; the file must exist. ``shared``: threads use it in turns."""
    if not path.is_file():
        raise StateUnusable(_explain_missing(path))
    try:
        connect = _connect_unchanging if _never_changes(path) else partial(_connect, seconds=BUSY_SECONDS)
        connection = connect(path, shared=shared)
        connection.execute("PRAGMA query_only = ON")
    except sqlite3.DatabaseError as error:
        raise explain_unusable(path, error) from None
    try:
        _check_owner(path, connection)
        if not read_steps(connection).issuperset(STEPS):
            connection.close()
            open_for_writing(path).close()
            return open_for_reading(path, shared=shared)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise explain_unusable(path, error) from None
    except StateUnusable:
        connection.close()
        raise
    return connection


def open_untouched(path: Path) -> sqlite3.Connection:
    """A connection to any file, for one reading: nothing is written or migrated.

    Raises ``sqlite3.Error`` or ``OSError``.
    """
    connection = _connect_unchanging(path) if _never_changes(path) else _connect(path, seconds=LOOK_SECONDS)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _explain_missing(path: Path) -> str:
    if str(path) in [*JobState]:
        return f"there is no database at {path}; --state-is {path} chooses jobs by their state"
    make = format_command("run", "MANIFEST", state=path)
    return f"there is no database at {path}; `{make}` makes one, --state names another"


def explain_unusable(path: Path, error: Exception) -> BatchveoError:
    """The error for a person, with the next step: a full disk and another process's write pass, the rest does not."""
    # SQLite reports a file system without locks as a held lock, or as a disk that has failed
    why = file_locks.find_cause(path.parent) if str(error) in ("database is locked", "disk I/O error") else None
    if why is not None:
        return file_locks.explain_missing(path, why)
    if is_full(error):
        return DiskTrouble(f"the state {path} cannot be written: {error}")
    if str(error) == "database is locked":
        return StateLocked(f"another process is writing {path}; try again when it has ended")
    hint = {
        "file is not a database": "this is not a batchveo state; --state names another",
        "database disk image is malformed": "it is corrupt; keep a copy, and try `sqlite3 FILE .recover`",
        "attempt to write a readonly database": "it cannot be written; check its owner and its folder",
        "unable to open database file": "it cannot be opened; check the folder and its permissions",
    }.get(str(error), "nothing was written")
    return StateUnusable(f"the state {path} cannot be used: {error}: {hint}")


def is_full(error: Exception) -> bool:
    """Whether the disk is full; SQLite reports it in words only, and a file size limit as an I/O error."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return full or str(error) in ("database or disk is full", "disk I/O error")


def _make_private(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def _connect(path: Path, *, seconds: float, shared: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=seconds, isolation_level=None, check_same_thread=not shared)
    connection.row_factory = sqlite3.Row
    return connection


def _never_changes(path: Path) -> bool:
    """Whether the file is whole and on a read-only file system, where readers cannot make the files they share."""
    # writes of a run that was copied while it went on are in the file beside it, and would be missed
    try:
        rest = Path(f"{path}-wal").stat().st_size  # not exists() before: the last connection that closes removes it
    except FileNotFoundError:
        rest = 0
    return rest == 0 and hasattr(os, "statvfs") and bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _connect_unchanging(path: Path, *, shared: bool = False) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?immutable=1"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=not shared)
    connection.row_factory = sqlite3.Row
    return connection


def _check_owner(path: Path, connection: sqlite3.Connection) -> None:
    """Raise ``StateUnusable`` for another program's file, or a newer batchveo's, before anything is written to it."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID and not (application == 0 and _is_empty(connection)):
        raise StateUnusable(f"{path} is a database of another program; --state names another file")
    newer = read_steps(connection).difference(STEPS)
    if newer:
        raise StateUnusable(
            f"the state {path} was written by a newer batchveo (it has {', '.join(sorted(newer))}); "
            "upgrade, or use another --state. Nothing was written"
        )


def _migrate(connection: sqlite3.Connection) -> None:
    if read_steps(connection).issuperset(STEPS):
        return
    from batchveo.store.migrations import list_migrations, make_schema

    if _is_empty(connection):
        with transaction(connection):
            if not read_steps(connection):  # another process was not faster
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                make_schema(connection)
    if not read_steps(connection).issuperset(STEPS):
        # only now: where pandas is installed, sqlite-utils imports it, which takes 0.3 s and 80 MB
        from sqlite_utils import Database

        list_migrations().apply(Database(connection))


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


def read_steps(db: sqlite3.Connection) -> set[str]:
    """The migrations that a database has had; none for an empty one."""
    if not db.execute(HAS_STEPS).fetchone():
        return set()
    return {row[0] for row in db.execute(STEPS_OF)}
