"""How a state file is opened: checked, private to its owner, durable, at the newest schema."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from batchveo.core.errors import BatchveoError, DiskTrouble, StateLocked, StateUnusable
from batchveo.core.hints import format_command
from batchveo.store import file_locks

APPLICATION_ID = 0x62766A31
"""``PRAGMA application_id`` of a state file ("bvj1"), so that another program's file is not taken for one."""

STEPS = (
    "first_schema",
    "totals",
    "quotes",
    "keys",
    "aside_and_tries",
    "url_expiry",
    "normal_keys",
    "run_options_and_key_prints",
)
"""The migrations, in their order; a test holds them against ``migrations.migrations``."""

# the table is that of sqlite-utils' migrations, without which this can be read: it takes long to import
HAS_STEPS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlite_migrations'"
STEPS_OF = "SELECT name FROM _sqlite_migrations WHERE migration_set = 'batchveo'"

PAGE_BYTES = 8192
"""Of new states: a million jobs move into pages of this size in a sixth less time than into SQLite's 4,096."""
BUSY_SECONDS = 30.0
"""How long a statement waits for another process's write to end."""

LOOK_SECONDS = 2.0
"""The same for a look that a run can do without."""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """A connection that may write; the file is made, and brought to the newest schema, where needed."""
    try:
        _make_private(path)
        connection = _connect(path, seconds=BUSY_SECONDS)
    except (OSError, sqlite3.DatabaseError) as error:
        raise unusable(path, error) from None
    try:
        _check(path, connection)
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of no effect on a file that has pages
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL, not NORMAL: an intent that is forgotten in a power cut is a video paid twice
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: plain fsync leaves it in the disk's own cache
        connection.execute("PRAGMA foreign_keys = ON")
        _migrate(connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise unusable(path, error) from None
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write; the file must exist."""
    if not path.is_file():
        make = format_command("run", "MANIFEST", state=path)
        raise StateUnusable(f"there is no state at {path}; `{make}` makes one, --state names another")
    try:
        connection = _connect_unchanging(path) if _never_changes(path) else _connect(path, seconds=BUSY_SECONDS)
        connection.execute("PRAGMA query_only = ON")
    except sqlite3.DatabaseError as error:
        raise unusable(path, error) from None
    try:
        _check(path, connection)
        if not steps_of(connection).issuperset(STEPS):
            connection.close()
            open_for_writing(path).close()
            return open_for_reading(path)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise unusable(path, error) from None
    except StateUnusable:
        connection.close()
        raise
    return connection


def open_untouched(path: Path) -> sqlite3.Connection:
    """A connection to what may be anybody's file, for a look: nothing is written, no schema brought up to date.

    Raises ``sqlite3.Error`` or ``OSError``.
    """
    connection = _connect_unchanging(path) if _never_changes(path) else _connect(path, seconds=LOOK_SECONDS)
    connection.execute("PRAGMA query_only = ON")
    return connection


def unusable(path: Path, error: Exception) -> BatchveoError:
    """What a person needs to hear: a full disk and another's write pass, the rest does not."""
    # SQLite says of a missing lock that it is held, or that the disk has failed
    why = file_locks.cause(path.parent) if str(error) in ("database is locked", "disk I/O error") else None
    if why is not None:
        return file_locks.missing(path, why)
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
    """Whether the disk has no room; SQLite says so in words only, and of a file size limit as an I/O error."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return full or str(error) in ("database or disk is full", "disk I/O error")


def _make_private(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def _connect(path: Path, *, seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=seconds, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def _never_changes(path: Path) -> bool:
    """Whether the file is on a read-only file system, where SQLite cannot make what readers share, and is whole.

    What a run was writing when it was copied stands in the file beside it, and would be missed.
    """
    try:
        rest = Path(f"{path}-wal").stat().st_size  # one look: the last connection that closes removes it
    except FileNotFoundError:
        rest = 0
    return rest == 0 and hasattr(os, "statvfs") and bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _connect_unchanging(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def _check(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse a file that is another program's, or a newer batchveo's, before anything is written to it."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    empty = not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    if application != APPLICATION_ID and not (application == 0 and empty):
        raise StateUnusable(f"{path} is a database of another program; --state names another file")
    newer = steps_of(connection).difference(STEPS)
    if newer:
        raise StateUnusable(
            f"the state {path} was written by a newer batchveo (it has {', '.join(sorted(newer))}); "
            "upgrade, or use another --state. Nothing was written"
        )


def _migrate(connection: sqlite3.Connection) -> None:
    if steps_of(connection).issuperset(STEPS):
        return
    # only now: where pandas is installed, sqlite-utils takes half a second to import
    from sqlite_utils import Database

    from batchveo.store.migrations import migrations

    # first of all: a death between the two must not leave what looks like another program's file
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    migrations.apply(Database(connection))


def steps_of(db: sqlite3.Connection) -> set[str]:
    """The migrations that a state file has been through; none of an empty one."""
    if not db.execute(HAS_STEPS).fetchone():
        return set()
    return {row[0] for row in db.execute(STEPS_OF)}
