"""The provider's records as far as they are read, in a file beside the database: with it an audit resumes."""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Self

from batchveo.core.errors import DiskTrouble
from batchveo.store.database import transaction

SUFFIX = ".audit"
HOUR = 3600.0
TOO_RECENT_SECONDS = HOUR
"""A window that ended so shortly before it was read is read again by the audit that resumes."""
RESUME_SECONDS = 6 * HOUR
"""An audit that is interrupted resumes for so long without reading again what can still change."""
SETTLED_SECONDS = 24 * HOUR
"""A window that ended so long before it was read is never read again: rows of the usage log come late."""

FORMAT = 1
PREPARE = (
    "DROP TABLE IF EXISTS windows",
    "DROP TABLE IF EXISTS successes",
    "DROP TABLE IF EXISTS charges",
    """CREATE TABLE windows (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL, list TEXT NOT NULL, began REAL NOT NULL, ended REAL NOT NULL,
        read_at REAL NOT NULL)""",
    "CREATE TABLE successes (window INTEGER NOT NULL, request TEXT NOT NULL, generation TEXT NOT NULL)",
    "CREATE TABLE charges (window INTEGER NOT NULL, generation TEXT NOT NULL, usd REAL NOT NULL)",
    f"PRAGMA user_version = {FORMAT}",
)
# without indexes: ids come in no order, and each row would write a page of its own
PREPARE_MATCHED = (
    "CREATE TEMP TABLE requests (request TEXT, generation TEXT, PRIMARY KEY (request, generation)) WITHOUT ROWID",
    """CREATE TEMP TABLE charged (generation TEXT PRIMARY KEY, usd REAL, label TEXT, ours INTEGER NOT NULL DEFAULT 0)
        WITHOUT ROWID""",
)
WINDOWS = """SELECT began, ended FROM windows
    WHERE key = :key AND list = :list AND ended > :start AND began < :end ORDER BY began DESC"""
ADD_WINDOW = "INSERT INTO windows (key, list, began, ended, read_at) VALUES (:key, :list, :start, :end, :read_at)"
ADD_SUCCESS = "INSERT INTO successes VALUES (?, ?, ?)"
ADD_CHARGE = "INSERT INTO charges VALUES (?, ?, ?)"
DROP_CHANGING = """DELETE FROM windows WHERE ended > read_at - :too_recent
    OR (ended > read_at - :settled AND read_at < :read_before) OR read_at > :now + :too_recent"""
DROP_ROWS = (
    "DELETE FROM successes WHERE window NOT IN (SELECT id FROM windows)",
    "DELETE FROM charges WHERE window NOT IN (SELECT id FROM windows)",
)
# in the order of their ids, so that the table is written once from its beginning to its end
MATCH_REQUESTS = """INSERT OR IGNORE INTO temp.requests SELECT request, generation FROM successes
    WHERE window IN (SELECT id FROM windows WHERE key = :key) ORDER BY request, generation"""
MATCH_CHARGES = """INSERT OR IGNORE INTO temp.charged (generation, usd, label)
    SELECT generation, sum(usd), :label FROM charges
    WHERE window IN (SELECT id FROM windows WHERE key = :key) GROUP BY generation ORDER BY generation"""
GENERATIONS_OF = "SELECT request, generation FROM temp.requests WHERE request IN (SELECT value FROM json_each(?))"
CHARGES_OF = "SELECT generation, usd, label FROM temp.charged WHERE generation IN (SELECT value FROM json_each(?))"
MARK_OURS = "UPDATE temp.charged SET ours = 1 WHERE generation IN (SELECT value FROM json_each(?))"
STRANGERS = "SELECT generation, usd, label FROM temp.charged WHERE NOT ours ORDER BY generation"


class Listing(StrEnum):
    """A list of the provider: its usage log, or its ledger."""

    LOG = "log"
    LEDGER = "ledger"


class Charge(NamedTuple):
    """What the ledger charges for a generation, and the label of the first key whose ledger has it."""

    generation: str
    usd: float
    label: str


class ProviderRecords:
    """Windows of time of the provider's lists that are read, each with its rows; a context manager.

    A window is of one key, named by its fingerprint, and of one list. ``state`` is the database; in a folder that
    cannot be written the records are kept in a temporary file, and end with the audit.
    """

    def __init__(self, state: Path) -> None:
        self._db = _open_records(state)
        self.is_kept = bool(self._db.execute("PRAGMA database_list").fetchone()["file"])
        """Whether the next audit finds what this one has read."""
        for statement in PREPARE_MATCHED:
            self._db.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._db.close()

    # -- reading on

    def drop_changing(self, *, read_before: float = math.inf, now: float = math.inf) -> None:
        """Forget windows that can have changed since they were read, if they were read before this time.

        Those that are ``TOO_RECENT_SECONDS`` or less older than their reading are forgotten in any case, and those that
        were read after ``now``: the clock was wrong, so nobody knows how old they were.
        """
        bounds = {
            "too_recent": TOO_RECENT_SECONDS,
            "settled": SETTLED_SECONDS,
            "read_before": read_before,
            "now": now,
        }
        with transaction(self._db):
            if self._db.execute(DROP_CHANGING, bounds).rowcount:
                for statement in DROP_ROWS:
                    self._db.execute(statement)

    def list_gaps(self, key: str, listing: Listing, start: float, end: float) -> list[tuple[float, float]]:
        """The parts of the time from ``start`` to ``end`` that no window covers, newest first."""
        gaps = []
        wanted = {"key": key, "list": listing, "start": start, "end": end}
        for window in self._db.execute(WINDOWS, wanted).fetchall():
            if window["ended"] < end:
                gaps.append((window["ended"], end))
            end = window["began"]
        return [*gaps, (start, end)] if start < end else gaps

    def add_window(
        self,
        key: str,
        listing: Listing,
        span: tuple[float, float],
        rows: Iterable[tuple[str, object]],
        *,
        read_at: float,
    ) -> None:
        """Keep a window with its rows: request and generation of a success, or generation and US dollars of a charge.

        All or nothing, on disk when it returns. Raises ``DiskTrouble``.
        """
        start, end = span
        window = {"key": key, "list": listing, "start": start, "end": end, "read_at": read_at}
        add = ADD_SUCCESS if listing is Listing.LOG else ADD_CHARGE
        try:
            with transaction(self._db):
                number = self._db.execute(ADD_WINDOW, window).lastrowid
                self._db.executemany(add, ((number, *row) for row in rows))
        except sqlite3.OperationalError as error:
            raise DiskTrouble(f"the records of the audit cannot be written: {error}") from None

    # -- comparing

    def match_keys(self, labels: Mapping[str, str]) -> None:
        """Prepare the methods below: ``labels`` of the keys that count, by fingerprint, the first one first."""
        for key, label in labels.items():
            self._db.execute(MATCH_REQUESTS, {"key": key})
            self._db.execute(MATCH_CHARGES, {"key": key, "label": label})

    def find_generations(self, requests: Sequence[str]) -> list[tuple[str, str]]:
        """Pairs of client request id and generation id: the successes of these requests."""
        return [tuple(row) for row in self._db.execute(GENERATIONS_OF, (json.dumps(requests),))]

    def find_charges(self, generations: Sequence[str]) -> dict[str, Charge]:
        """The charges of these generations, which are marked as ours."""
        wanted = (json.dumps(generations),)
        self._db.execute(MARK_OURS, wanted)
        return {row["generation"]: Charge(*row) for row in self._db.execute(CHARGES_OF, wanted)}

    def list_strangers(self) -> Iterator[Charge]:
        """The charges of generations that ``find_charges`` was never asked for."""
        return (Charge(*row) for row in self._db.execute(STRANGERS))


def _open_records(state: Path) -> sqlite3.Connection:
    """The file beside the database, made if needed.

    A temporary one if its folder cannot be written, or if another audit has it: two would keep the same rows twice.
    """
    path = state.with_name(f"{state.name}{SUFFIX}")
    try:
        try:
            return _lock_file(path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:  # damaged: all that was in it can be read again
            path.unlink()
            return _lock_file(path)
    except (OSError, sqlite3.OperationalError):
        return _lock_records("")


def _lock_file(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # the ids in it are nobody else's business
    return _lock_records(path)


def _lock_records(path: str | Path) -> sqlite3.Connection:
    """The file, locked until it is closed. Raises ``sqlite3.DatabaseError`` if it is damaged."""
    db = sqlite3.connect(path, timeout=0.0, isolation_level=None)
    db.row_factory = sqlite3.Row
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        with transaction(db):
            if _check_format(db) != FORMAT:
                for statement in PREPARE:
                    db.execute(statement)
    except BaseException:
        db.close()
        raise
    return db


def _check_format(db: sqlite3.Connection) -> int:
    """The number of the format; 0 for an empty file. Raises ``sqlite3.DatabaseError``: the file is not to be used."""
    # a part of a file, as after a power cut, shows only here: later the audit would fail, again and again
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(found)
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 0 and db.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise sqlite3.OperationalError("it is another database")
    return version
