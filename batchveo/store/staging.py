"""What manifests name, on its way into the state."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from batchveo.core.errors import DiskTrouble
from batchveo.core.job_row import Row
from batchveo.store.database import BUSY_SECONDS

PREPARE = (
    # what repeats the column before it is left out: half of a large file's bytes
    """CREATE TEMP TABLE IF NOT EXISTS written (
        position INTEGER PRIMARY KEY, id TEXT, name TEXT, stem TEXT, fold TEXT, model TEXT, request TEXT,
        repeat_index INTEGER, meta TEXT, manifest TEXT, source TEXT, line INTEGER, inputs TEXT,
        tries INTEGER)""",
    """CREATE TEMP VIEW IF NOT EXISTS named AS
        SELECT position, id, name, coalesce(stem, name) AS stem, coalesce(fold, stem, name) AS fold, model,
               request, repeat_index, meta, manifest, coalesce(source, manifest) AS source, line, inputs, tries
        FROM temp.written""",
    "CREATE INDEX IF NOT EXISTS temp.written_inputs ON written (inputs) WHERE inputs IS NOT NULL",
    """CREATE TEMP TABLE IF NOT EXISTS known (
        seq INTEGER PRIMARY KEY, position INTEGER, state TEXT, edited INTEGER, left_over INTEGER)""",
    "CREATE INDEX IF NOT EXISTS temp.known_edited ON known (position) WHERE edited",
    "DELETE FROM temp.written",
    "DELETE FROM temp.known",
)
NAME = """INSERT INTO temp.written (id, name, stem, fold, model, request, repeat_index, meta, manifest, source,
    line, inputs, tries)
    VALUES (?1, ?2, nullif(?3, ?2), nullif(?4, ?3), ?5, ?6, ?7, ?8, ?9, nullif(?10, ?9), ?11, ?12, ?13)"""
ATTACH_STATE = "ATTACH ? AS state"
DETACH_STATE = "DETACH state"

CACHE_KIB = 160 * 1024
"""Memory for pages of the state while jobs move in: in the indices, ids and names come in no order."""


class StagingTable:
    """A table for all that the manifests of one call name: the state is touched only if everything is good.

    The database has no name. SQLite keeps it in memory while it is small, and beyond that in a file of
    ``TMPDIR`` (or ``/var/tmp``, ``/tmp``) that is deleted as soon as it is open: nobody else can read it, and
    nothing of it stays behind, whatever dies. A million jobs take some 250 MB.

    ``is_partial``: the manifests name more jobs than these, which were chosen from them.
    """

    def __init__(self) -> None:
        self.is_partial = False
        self._db = sqlite3.connect("", timeout=BUSY_SECONDS, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        # the table's CHECKs are for others: what moves in is JSON of our own encoder, a second old, and constants;
        # asking json_valid two million times takes a quarter of the move
        for pragma in (
            "ignore_check_constraints = ON",
            "temp.page_size = 32768",
            "temp.journal_mode = MEMORY",
            "foreign_keys = ON",
        ):
            self._db.execute(f"PRAGMA {pragma}")
        prepare(self._db)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Throw everything away; harmless when that is done already."""
        self._db.close()

    def take(self, jobs: Iterable[Row]) -> None:
        """Take jobs, whose ids must all be different. Raises ``DiskTrouble`` where there is no room for them."""
        try:
            self._db.execute("BEGIN")
            self._db.executemany(NAME, jobs)
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise DiskTrouble(f"temporary files cannot be written: {error}; TMPDIR names another folder") from None

    @property
    def alone(self) -> sqlite3.Connection:
        """The connection that has the jobs in its table ``named``."""
        return self._db

    @contextmanager
    def joined(self, state: Path) -> Iterator[sqlite3.Connection]:
        """A connection that has the jobs of an existing state too.

        The state joins the scratch, as a database without a name can join nothing.
        """
        self._db.execute(ATTACH_STATE, (str(state.absolute()),))
        try:
            self._db.execute(f"PRAGMA state.cache_size = -{CACHE_KIB}")
            self._db.execute("PRAGMA state.synchronous = FULL")
            yield self._db
        finally:
            self._db.execute(DETACH_STATE)


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables of what is named, or empty them."""
    for statement in PREPARE:
        db.execute(statement)
