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
from batchveo.store.connection import Connection, Part, transaction
from batchveo.store.former_ids import recognise
from batchveo.store.runs import TAKE_ON_ALL
from batchveo.store.sql import UNFINISHED, UNSETTLED
from batchveo.store.staging import NAME, StagingTable, prepare

NAMED_INPUTS = "SELECT DISTINCT inputs FROM temp.named WHERE inputs IS NOT NULL"
COUNT_NAMED = "SELECT count(*) FROM temp.written"
# the one look at every job that is named and known; the moves below go by what it found
MATCH = f"""INSERT OR IGNORE INTO temp.known
    SELECT jobs.seq, named.position, jobs.state,
           jobs.meta != named.meta OR jobs.tries IS NOT named.tries
               OR (jobs.name != named.name AND jobs.state = 'pending'),
           jobs.run != :run AND jobs.state IN ({UNFINISHED})
    FROM temp.named AS named CROSS JOIN jobs ON jobs.id = named.id ORDER BY named.position"""
KNOWN_BY_STATE = "SELECT state, count(*) AS jobs FROM temp.known GROUP BY state"
NO_LONGER_NAMED = """SELECT state, count(*) AS jobs FROM jobs
    WHERE (SELECT count(*) FROM jobs) > (SELECT count(*) FROM temp.known)
    AND seq NOT IN (SELECT seq FROM temp.known) AND manifest IN (SELECT DISTINCT manifest FROM temp.named)
    GROUP BY state"""
# pending -> pending: a manifest may rename what is not submitted yet, and re-label anything
RENAME_PENDING = """UPDATE OR IGNORE jobs SET name = named.name, stem = named.stem, fold = named.fold
    FROM temp.known CROSS JOIN temp.named USING (position)
    WHERE edited AND jobs.seq = known.seq AND jobs.state = 'pending' AND jobs.name != named.name"""
RELABEL = """UPDATE jobs SET meta = named.meta, tries = named.tries
    FROM temp.known CROSS JOIN temp.named USING (position)
    WHERE edited AND jobs.seq = known.seq AND (jobs.meta != named.meta OR jobs.tries IS NOT named.tries)"""
# pending -> pending: the run that names a job takes it on
TAKE_ON_NAMED = "UPDATE jobs SET run = :run WHERE seq IN (SELECT seq FROM temp.known WHERE left_over)"
# (any unsettled state) -> the same: what a manifest paid for is fetched, though this run chose other jobs of it
TAKE_ON_UNSETTLED = f"""UPDATE jobs SET run = :run WHERE state IN ({UNSETTLED})
    AND manifest IN (SELECT DISTINCT manifest FROM temp.named)"""
# what is cancelled counts too: `retry` may put it back while this run goes on, which named it or did not
NAMES_ALL = f"""SELECT (SELECT count(*) FROM temp.known WHERE left_over OR state = 'cancelled')
    = (SELECT sum(jobs) FROM tallies WHERE state IN ({UNFINISHED}, 'cancelled'))"""
# (none) -> pending
ADD_NAMED = """INSERT OR IGNORE INTO jobs
    (id, name, stem, fold, state, model, request, repeat_index, meta, manifest, source, line, tries,
     run, created_at)
    SELECT id, name, stem, fold, 'pending', model, request, repeat_index, meta, manifest, source, line, tries,
           :run, :now
    FROM temp.named WHERE position NOT IN (SELECT position FROM temp.known) ORDER BY position"""
NOT_ADDED = "SELECT * FROM temp.named WHERE id NOT IN (SELECT id FROM jobs) ORDER BY position"
ADD_ONE = """INSERT INTO jobs
    (id, name, stem, fold, state, model, request, repeat_index, meta, manifest, source, line, tries,
     run, created_at)
    VALUES (:id, :name, :stem, :fold, 'pending', :model, :request, :repeat_index, :meta, :manifest, :source,
            :line, :tries, :run, :now)"""
ADD_INPUT = "INSERT OR IGNORE INTO inputs (sha256, media_type, content) VALUES (?, ?, ?)"
HAS_INPUT = "SELECT 1 FROM inputs WHERE sha256 = ?"
INPUT = "SELECT media_type, content FROM inputs WHERE sha256 = ?"
# (none) -> pending, in bulk: what the trigger on moves does not see
TALLY_NEW = "UPDATE tallies SET jobs = jobs + :new WHERE state = 'pending' AND held = 0"


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
            self._db.executemany(NAME, map(JobRow.from_spec, named))
            return _taken_in(self._db, stamp)

    def read_input_file(self, sha256: str) -> tuple[str, bytes]:
        """Media type and content of an input file kept in the state."""
        row = self._db.execute(INPUT, (sha256,)).fetchone()
        return row["media_type"], row["content"]


def _taken_in(db: sqlite3.Connection, stamp: Mapping[str, object], *, partial: bool = False) -> Added:
    """Move what the table ``named`` holds into the jobs of the same connection.

    ``partial``: the manifests name more than that, so nothing can be said of what they no longer name.
    """
    recognise(db)
    _keep_inputs(db)
    db.execute(MATCH, stamp)
    known = _by_state(db, KNOWN_BY_STATE)
    gone = {} if partial else _by_state(db, NO_LONGER_NAMED)
    renamed = db.execute(RENAME_PENDING).rowcount
    db.execute(RELABEL)
    _take_on(db, stamp)
    if partial:
        db.execute(TAKE_ON_UNSETTLED, stamp)
    named = db.execute(COUNT_NAMED).fetchone()[0]
    missing = named - sum(known.values())
    new = _add_new(db, stamp, missing) if missing else 0
    states = known | {JobState.PENDING: new + known.get(JobState.PENDING, 0)} if new else known
    return Added(named=named, new=new, renamed=renamed, by_state=states, no_longer_named=gone)


def _by_state(db: sqlite3.Connection, query: str) -> dict[JobState, int]:
    return {JobState(row["state"]): row["jobs"] for row in db.execute(query)}


def _add_new(db: sqlite3.Connection, stamp: Mapping[str, object], missing: int) -> int:
    """Add the jobs that the state has not; those whose file name is taken get one of their own."""
    new = db.execute(ADD_NAMED, stamp).rowcount
    namesakes = db.execute(NOT_ADDED).fetchall() if new < missing else []
    for row in namesakes:
        stem = distinct_stem(row["stem"], row["id"])
        db.execute(ADD_ONE, {**dict(row), **stamp, "stem": stem, "fold": stem})
    new += len(namesakes)
    db.execute(TALLY_NEW, {"new": new})
    return new


def _take_on(db: sqlite3.Connection, stamp: Mapping[str, object]) -> None:
    """Make what is named this run's business: most often that is all there is to do."""
    if db.execute(NAMES_ALL).fetchone()[0]:
        db.execute(TAKE_ON_ALL, stamp)
    else:
        db.execute(TAKE_ON_NAMED, stamp)


def _keep_inputs(db: sqlite3.Connection) -> None:
    for row in db.execute(NAMED_INPUTS).fetchall():
        for item in input_files(row["inputs"]):
            if not db.execute(HAS_INPUT, (item.sha256,)).fetchone():
                db.execute(ADD_INPUT, (item.sha256, item.media_type, _content(item)))


def _content(item: InputFile) -> bytes:
    """The bytes of an input file, which must still be those that were validated."""
    content = Path(item.path).read_bytes()
    if hashlib.sha256(content).hexdigest() != item.sha256:
        raise UsageError(f"{item.path} changed while the manifest was read; nothing was written, run again")
    return content
