"""How jobs come into the state."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batchveo.core.errors import UsageError
from batchveo.core.filenames import distinct_stem
from batchveo.core.job_row import JobRow, input_files
from batchveo.core.models import InputFile, JobSpec, JobState
from batchveo.store import sql
from batchveo.store.connection import Connection, Part, transaction
from batchveo.store.former_ids import recognise
from batchveo.store.staging import StagingTable, prepare


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What expanding the manifests did to the state."""

    named: int = 0
    new: int = 0
    renamed: int = 0
    by_state: Mapping[JobState, int] = field(default_factory=dict)
    no_longer_named: Mapping[JobState, int] = field(default_factory=dict)

    @property
    def known(self) -> int:
        """Jobs that the state had already."""
        return self.named - self.new


class Importer(Part):
    """Takes in what manifests name."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._path = connection.path

    def add_jobs(self, named: StagingTable | Iterable[JobSpec], *, run: int, now: float) -> Added:
        """Take in what the manifests name: new jobs become pending, known ones stay what they are.

        One transaction: where ``named`` raises, nothing is added.
        """
        stamp = {"run": run, "now": now}
        if isinstance(named, StagingTable):
            with named.joined(self._path) as db, transaction(db):
                return _taken_in(db, stamp, partial=named.is_partial)
        with self._transaction():
            prepare(self._db)
            self._db.executemany(sql.NAME, map(JobRow.of, named))
            return _taken_in(self._db, stamp)

    def read_input_file(self, sha256: str) -> tuple[str, bytes]:
        """Media type and content of an input file kept in the state."""
        row = self._db.execute(sql.INPUT, (sha256,)).fetchone()
        return row["media_type"], row["content"]


def _taken_in(db: sqlite3.Connection, stamp: Mapping[str, object], *, partial: bool = False) -> Added:
    """Move what the table ``named`` holds into the jobs of the same connection.

    ``partial``: the manifests name more than that, so nothing can be said of what they no longer name.
    """
    recognise(db)
    _keep_inputs(db)
    db.execute(sql.MATCH, stamp)
    known = _by_state(db, sql.KNOWN_BY_STATE)
    gone = {} if partial else _by_state(db, sql.NO_LONGER_NAMED)
    renamed = db.execute(sql.RENAME_PENDING).rowcount
    db.execute(sql.RELABEL)
    _take_on(db, stamp)
    if partial:
        db.execute(sql.TAKE_ON_UNSETTLED, stamp)
    named = db.execute(sql.COUNT_NAMED).fetchone()[0]
    missing = named - sum(known.values())
    new = _add_new(db, stamp, missing) if missing else 0
    states = known | {JobState.PENDING: new + known.get(JobState.PENDING, 0)} if new else known
    return Added(named=named, new=new, renamed=renamed, by_state=states, no_longer_named=gone)


def _by_state(db: sqlite3.Connection, query: str) -> dict[JobState, int]:
    return {JobState(row["state"]): row["jobs"] for row in db.execute(query)}


def _add_new(db: sqlite3.Connection, stamp: Mapping[str, object], missing: int) -> int:
    """Add the jobs that the state has not; those whose file name is taken get one of their own."""
    new = db.execute(sql.ADD_NAMED, stamp).rowcount
    namesakes = db.execute(sql.NOT_ADDED).fetchall() if new < missing else []
    for row in namesakes:
        stem = distinct_stem(row["stem"], row["id"])
        db.execute(sql.ADD_ONE, {**dict(row), **stamp, "stem": stem, "fold": stem})
    new += len(namesakes)
    db.execute(sql.TALLY_NEW, {"new": new})
    return new


def _take_on(db: sqlite3.Connection, stamp: Mapping[str, object]) -> None:
    """Make what is named this run's business: most often that is all there is to do."""
    if db.execute(sql.NAMES_ALL).fetchone()[0]:
        db.execute(sql.TAKE_ON_ALL, stamp)
    else:
        db.execute(sql.TAKE_ON_NAMED, stamp)


def _keep_inputs(db: sqlite3.Connection) -> None:
    for row in db.execute(sql.NAMED_INPUTS).fetchall():
        for item in input_files(row["inputs"]):
            if not db.execute(sql.HAS_INPUT, (item.sha256,)).fetchone():
                db.execute(sql.ADD_INPUT, (item.sha256, item.media_type, _content(item)))


def _content(item: InputFile) -> bytes:
    """The bytes of an input file, which must still be those that were validated."""
    content = Path(item.path).read_bytes()
    if hashlib.sha256(content).hexdigest() != item.sha256:
        raise UsageError(f"{item.path} changed while the manifest was read; nothing was written, run again")
    return content
