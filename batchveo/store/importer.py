"""How the jobs that manifests name are added to a database."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from batchveo.core.errors import UsageError
from batchveo.core.filenames import distinct_stem
from batchveo.core.job_row import JobRow, input_files
from batchveo.core.models import CatalogInfo, InputFile, Job, JobSpec, JobState
from batchveo.core.state_machine import JUDGED_FIRST
from batchveo.store.database import Connection, Part, transaction
from batchveo.store.manifest_changes import ManifestChanges
from batchveo.store.mapping import REJECTED_AT_LAST, UNFINISHED, UNSETTLED
from batchveo.store.runs import TAKE_ON_ALL
from batchveo.store.staging import ADD_ROW, StagingTable, make_tables, recognise_former_ids

NAMED_INPUTS = "SELECT DISTINCT inputs FROM temp.named WHERE inputs IS NOT NULL"
COUNT_NAMED = "SELECT count(*) FROM temp.written"
ADD_POLICIES = """INSERT OR IGNORE INTO policies (policy)
    SELECT DISTINCT policy FROM temp.named WHERE policy IS NOT NULL"""
_POLICY = "(SELECT id FROM policies WHERE policies.policy = named.policy)"
# the only reading of all jobs that are named and known; the statements below use its result
MATCH = f"""INSERT OR IGNORE INTO temp.known
    SELECT jobs.seq, named.position, jobs.state,
           jobs.meta != named.meta OR jobs.tries IS NOT named.tries OR jobs.policy IS NOT {_POLICY}
               OR jobs.priority != named.priority
               OR ((jobs.name != named.name OR jobs.stem != named.stem) AND jobs.state = 'pending'),
           jobs.run != :run AND jobs.state IN ({UNFINISHED})
    FROM temp.named AS named CROSS JOIN jobs ON jobs.id = named.id ORDER BY named.position"""
KNOWN_BY_STATE = "SELECT state, count(*) AS jobs FROM temp.known GROUP BY state"
NO_LONGER_NAMED = """SELECT state, count(*) AS jobs FROM jobs
    WHERE (SELECT count(*) FROM jobs) > (SELECT count(*) FROM temp.known)
    AND seq NOT IN (SELECT seq FROM temp.known) AND take_of IS NULL
    AND manifest IN (SELECT DISTINCT manifest FROM temp.named)
    GROUP BY state"""
# pending -> pending: a manifest may rename a job that is not submitted yet, or give its file another place
RENAME_PENDING = """UPDATE OR IGNORE jobs SET name = named.name, stem = named.stem, fold = named.fold
    FROM temp.known CROSS JOIN temp.named USING (position)
    WHERE edited AND jobs.seq = known.seq AND jobs.state = 'pending'
    AND (jobs.name != named.name OR jobs.stem != named.stem)"""
# pending jobs that keep another name, since the file name of the new one is taken
STILL_NAMED_OTHERWISE = """SELECT jobs.seq, jobs.stem AS held, named.id, named.name, named.stem
    FROM temp.known CROSS JOIN temp.named USING (position) CROSS JOIN jobs ON jobs.seq = known.seq
    WHERE edited AND jobs.state = 'pending' AND (jobs.name != named.name OR jobs.stem != named.stem)"""
# pending -> pending; if that one is taken too, the job keeps the name that it has
RENAME_ONE = "UPDATE OR IGNORE jobs SET name = :name, stem = :stem, fold = :stem WHERE seq = :seq"
# any state -> the same: a manifest may change the labels of any job
RELABEL = """UPDATE jobs SET meta = named.meta, tries = named.tries, priority = named.priority
    FROM temp.known CROSS JOIN temp.named USING (position)
    WHERE edited AND jobs.seq = known.seq
    AND (jobs.meta != named.meta OR jobs.tries IS NOT named.tries OR jobs.priority != named.priority)"""
# any state -> the same: by other gates the clip is judged anew
SET_POLICIES = f"""UPDATE jobs SET policy = {_POLICY}, verdict = NULL
    FROM temp.known CROSS JOIN temp.named USING (position)
    WHERE edited AND jobs.seq = known.seq AND jobs.policy IS NOT {_POLICY}"""
# pending -> cancelled: the clip before is judged first by other gates or tries, and this take may not be needed
_WAITING = f"""FROM temp.known CROSS JOIN temp.named USING (position)
    CROSS JOIN jobs AS first ON first.seq = known.seq CROSS JOIN jobs AS take ON take.take_of = first.seq
    WHERE edited AND take.state = 'pending' AND NOT take.asked
    AND (first.tries IS NOT named.tries OR first.policy IS NOT {_POLICY})"""
NOTE_WITHDRAWN = f"""INSERT INTO events (job, run, at, from_state, to_state, detail)
    SELECT take.seq, :run, :now, 'pending', 'cancelled', '{JUDGED_FIRST}' {_WAITING}"""
WITHDRAW_TAKES = f"""UPDATE jobs SET state = 'cancelled', error = '{JUDGED_FIRST}', finished_at = :now
    WHERE seq IN (SELECT take.seq {_WAITING})"""
# clips that the run judges: those without a verdict, and rejected ones, since there may be more tries now
TO_JUDGE = f"""SELECT seq FROM jobs INDEXED BY jobs_to_check
    WHERE state = 'succeeded' AND policy IS NOT NULL AND verdict IS NULL
    AND coalesce(take_of, seq) IN (SELECT seq FROM temp.known)
    UNION ALL SELECT seq FROM jobs WHERE policy IS NOT NULL AND {REJECTED_AT_LAST}
    AND coalesce(take_of, seq) IN (SELECT seq FROM temp.known)"""
# any state -> the same: the other takes of a job are as it is
RELABEL_TAKES = """UPDATE jobs SET meta = first.meta, policy = first.policy, priority = first.priority,
        verdict = CASE WHEN jobs.policy IS first.policy THEN jobs.verdict END
    FROM temp.known JOIN jobs AS first ON first.seq = known.seq
    WHERE edited AND jobs.take_of = known.seq"""
# any unfinished state -> the same: the run that names a job takes on its other takes
TAKE_ON_TAKES = f"""UPDATE jobs SET run = :run WHERE take_of IN (SELECT seq FROM temp.known)
    AND state IN ({UNFINISHED}) AND run != :run"""
# any unfinished state -> the same: the run that names a job takes it on
TAKE_ON_NAMED = "UPDATE jobs SET run = :run WHERE seq IN (SELECT seq FROM temp.known WHERE left_over)"
# any unsettled state -> the same: videos that a manifest paid for are downloaded, though the run chose other jobs
TAKE_ON_UNSETTLED = f"""UPDATE jobs SET run = :run WHERE state IN ({UNSETTLED})
    AND manifest IN (SELECT DISTINCT manifest FROM temp.named)"""
# cancelled jobs count too: `retry` may make one pending during this run
NAMES_ALL = f"""SELECT (SELECT count(*) FROM temp.known WHERE left_over OR state = 'cancelled')
    = (SELECT sum(jobs) FROM tallies WHERE state IN ({UNFINISHED}, 'cancelled'))"""
# (none) -> pending
ADD_NAMED = f"""INSERT OR IGNORE INTO jobs
    (id, name, stem, fold, state, model, request, repeat_index, meta, manifest, source, line, tries,
     unchecked, policy, priority, catalog, run, created_at)
    SELECT id, name, stem, fold, 'pending', model, request, repeat_index, meta, manifest, source, line, tries,
           unchecked, {_POLICY}, priority, :catalog, :run, :now
    FROM temp.named WHERE position NOT IN (SELECT position FROM temp.known) ORDER BY position"""
NOT_ADDED = "SELECT * FROM temp.named WHERE id NOT IN (SELECT id FROM jobs) ORDER BY position"
ADD_ONE = """INSERT INTO jobs
    (id, name, stem, fold, state, model, request, repeat_index, meta, manifest, source, line, tries,
     unchecked, policy, priority, catalog, run, created_at)
    VALUES (:id, :name, :stem, :fold, 'pending', :model, :request, :repeat_index, :meta, :manifest, :source,
            :line, :tries, :unchecked, (SELECT id FROM policies WHERE policy = :policy), :priority, :catalog, :run,
            :now)"""
# pending -> pending: new jobs with parents wait for them
ADD_LINKS = """INSERT OR IGNORE INTO links (child, parent, part, takes_data)
    SELECT child.seq, parent.seq, json_extract(link.value, '$[0]'), json_extract(link.value, '$[2]')
    FROM temp.named CROSS JOIN json_each(named.chain, '$[2]') AS link
    CROSS JOIN jobs AS child ON child.id = named.id
    CROSS JOIN jobs AS parent ON parent.id = json_extract(link.value, '$[1]')
    WHERE named.chain IS NOT NULL"""
PLACE_LINKS = """UPDATE jobs SET link = json_extract(named.chain, '$[1]'),
        chain = (SELECT seq FROM jobs AS first WHERE first.id = json_extract(named.chain, '$[0]')),
        waits = (SELECT count(*) FROM links WHERE child = jobs.seq AND value IS NULL)
    FROM temp.named WHERE named.chain IS NOT NULL AND jobs.id = named.id AND jobs.link = 1"""
_FIRSTS = """(SELECT first.seq FROM temp.named CROSS JOIN jobs AS first
    ON first.id = json_extract(named.chain, '$[0]') WHERE named.chain IS NOT NULL)"""
PLACE_FIRSTS = f"""UPDATE jobs SET chain = coalesce(take_of, seq)
    WHERE chain IS NULL AND (seq IN {_FIRSTS} OR take_of IN {_FIRSTS})"""
ADD_CATALOG = """INSERT INTO catalogs (digest, made, source, first_used) VALUES (:digest, :made, :source, :now)
    ON CONFLICT DO NOTHING"""
# pending -> pending, once for a call: a million jobs are not each compared with the unknown models
CLEAR_CATALOG = """UPDATE jobs SET catalog = NULL
    WHERE created_at = :now AND run = :run AND model IN (SELECT value FROM json_each(:unknown))"""
CATALOG = "SELECT id FROM catalogs WHERE digest = :digest"
# any state -> the same: its video was made elsewhere, validated against another catalogue
SET_CATALOG = "UPDATE jobs SET catalog = :catalog WHERE seq = :seq"
ADD_INPUT = "INSERT OR IGNORE INTO inputs (sha256, media_type, content) VALUES (?, ?, ?)"
HAS_INPUT = "SELECT 1 FROM inputs WHERE sha256 = ?"
# a file of a manifest is kept, also if a frame has the same content
KEEP_INPUT = "UPDATE inputs SET taken = 0 WHERE sha256 = ? AND taken"
INPUT_TYPE = "SELECT media_type FROM inputs WHERE sha256 = ?"
INPUT = "SELECT media_type, content FROM inputs WHERE sha256 = ?"
# (none) -> pending, in bulk: what the trigger on moves does not see
TALLY_NEW = "UPDATE tallies SET jobs = jobs + :new WHERE state = 'pending' AND held = 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What the manifests changed in the database.

    ``to_judge``: the jobs, by number, whose clips a run with these manifests judges before others come.
    """

    named: int = 0
    new: int = 0
    renamed: int = 0
    by_state: Mapping[JobState, int] = field(default_factory=dict)
    no_longer_named: Mapping[JobState, int] = field(default_factory=dict)
    to_judge: Sequence[int] = ()

    @property
    def known(self) -> int:
        """Jobs that the database had already."""
        return self.named - self.new


class Importer(Part):
    """Adds the jobs that manifests name."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._path = connection.path

    def add_jobs(
        self,
        named: StagingTable | Iterable[JobSpec],
        *,
        run: int,
        now: float,
        catalog: CatalogInfo | None = None,
        unknown: Sequence[str] = (),
        compare: Callable[[ManifestChanges], None] | None = None,
    ) -> Added:
        """Add named jobs: new ones become pending, known ones keep their state.

        ``catalog`` is what they were validated against, without those of the ``unknown`` models; known jobs keep
        theirs. ``compare`` is called before new jobs are added if the manifests no longer name some that may be bought
        already. One transaction: if ``named`` or ``compare`` raises, nothing is added.
        """
        stamp = {"run": run, "now": now, "unknown": json.dumps(unknown) if unknown else None}
        if isinstance(named, StagingTable):
            with named.attach_database(self._path) as db, transaction(db):
                named.fit_to_database(is_attached=True)
                stamp["catalog"] = find_or_add_catalog(db, catalog, now)
                return _add_named(db, stamp, partial=named.is_partial, compare=compare)
        with self._transaction():
            make_tables(self._db)
            self._db.executemany(ADD_ROW, map(JobRow.from_spec, named))
            recognise_former_ids(self._db)
            stamp["catalog"] = find_or_add_catalog(self._db, catalog, now)
            return _add_named(self._db, stamp, compare=compare)

    def set_catalog(self, job: Job, catalog: CatalogInfo | None, *, now: float) -> None:
        """Record that the video of ``job`` was made elsewhere, validated against that catalogue."""
        with self._transaction():
            self._db.execute(SET_CATALOG, {"seq": job.seq, "catalog": find_or_add_catalog(self._db, catalog, now)})

    def find_input_file(self, sha256: str) -> tuple[str, bytes] | None:
        """Media type and content of an input file; ``None`` if it is not kept, as a frame that is not needed now."""
        row = self._db.execute(INPUT, (sha256,)).fetchone()
        return (row["media_type"], row["content"]) if row else None

    def find_media_type(self, sha256: str) -> str | None:
        """The media type of an input file; ``None`` if it is not kept."""
        row = self._db.execute(INPUT_TYPE, (sha256,)).fetchone()
        return str(row["media_type"]) if row else None


def find_or_add_catalog(db: sqlite3.Connection, catalog: CatalogInfo | None, now: float) -> int | None:
    """The number of a catalogue, for ``jobs.catalog``; ``None`` for none. In the caller's transaction."""
    if catalog is None:
        return None
    db.execute(ADD_CATALOG, {**asdict(catalog), "now": now})
    number: int = db.execute(CATALOG, {"digest": catalog.digest}).fetchone()[0]
    return number


def _add_named(
    db: sqlite3.Connection,
    stamp: Mapping[str, object],
    *,
    partial: bool = False,
    compare: Callable[[ManifestChanges], None] | None = None,
) -> Added:
    """Add the jobs of the table ``named`` to the jobs of the same connection.

    ``partial``: the manifests name more jobs, so it is not known which ones they no longer name.
    """
    _add_inputs(db)
    db.execute(ADD_POLICIES)
    db.execute(MATCH, stamp)
    known = _count_by_state(db, KNOWN_BY_STATE)
    gone = {} if partial else _count_by_state(db, NO_LONGER_NAMED)
    renamed = db.execute(RENAME_PENDING).rowcount + _rename_namesakes(db)
    db.execute(NOTE_WITHDRAWN, stamp)
    db.execute(WITHDRAW_TAKES, stamp)
    db.execute(RELABEL)
    db.execute(SET_POLICIES)
    db.execute(RELABEL_TAKES)
    to_judge = tuple(row[0] for row in db.execute(TO_JUDGE))
    _assign_run(db, stamp)
    if partial:
        db.execute(TAKE_ON_UNSETTLED, stamp)
    named = db.execute(COUNT_NAMED).fetchone()[0]
    missing = named - sum(known.values())
    if compare is not None and missing and any(state.may_be_bought for state in gone):
        compare(ManifestChanges(db))
    new = _add_new(db, stamp, missing) if missing else 0
    states = known | {JobState.PENDING: new + known.get(JobState.PENDING, 0)} if new else known
    return Added(named=named, new=new, renamed=renamed, by_state=states, no_longer_named=gone, to_judge=to_judge)


def _rename_namesakes(db: sqlite3.Connection) -> int:
    """Give pending jobs whose new file name is taken one of their own; returns how many had another name."""
    renamed = 0
    for row in db.execute(STILL_NAMED_OTHERWISE).fetchall():
        stem = distinct_stem(row["stem"], row["id"])
        if stem != row["held"]:
            renamed += db.execute(RENAME_ONE, {"seq": row["seq"], "name": row["name"], "stem": stem}).rowcount
    return renamed


def _count_by_state(db: sqlite3.Connection, query: str) -> dict[JobState, int]:
    return {JobState(row["state"]): row["jobs"] for row in db.execute(query)}


def _add_new(db: sqlite3.Connection, stamp: Mapping[str, object], missing: int) -> int:
    """Add the jobs that the database does not have; those whose file name is taken get one of their own."""
    new = db.execute(ADD_NAMED, stamp).rowcount
    namesakes = db.execute(NOT_ADDED).fetchall() if new < missing else []
    for row in namesakes:
        stem = distinct_stem(row["stem"], row["id"])
        db.execute(ADD_ONE, {**dict(row), **stamp, "stem": stem, "fold": stem})
    new += len(namesakes)
    for statement in (ADD_LINKS, PLACE_LINKS, PLACE_FIRSTS):
        db.execute(statement)
    db.execute(TALLY_NEW, {"new": new})
    if stamp["unknown"] is not None:
        db.execute(CLEAR_CATALOG, stamp)
    return new


def _assign_run(db: sqlite3.Connection, stamp: Mapping[str, object]) -> None:
    """Let the run take on the named jobs."""
    # most often these are all unfinished jobs, and one row of the run says so
    if db.execute(NAMES_ALL).fetchone()[0]:
        db.execute(TAKE_ON_ALL, stamp)
    else:
        db.execute(TAKE_ON_NAMED, stamp)
        db.execute(TAKE_ON_TAKES, stamp)


def _add_inputs(db: sqlite3.Connection) -> None:
    for row in db.execute(NAMED_INPUTS).fetchall():
        for item in input_files(row["inputs"]):
            if not db.execute(HAS_INPUT, (item.sha256,)).fetchone():
                db.execute(ADD_INPUT, (item.sha256, item.media_type, _read_content(item)))
            db.execute(KEEP_INPUT, (item.sha256,))


def _read_content(item: InputFile) -> bytes:
    """The bytes of an input file; raises ``UsageError`` if they are not those that were validated."""
    content = Path(item.path).read_bytes()
    if hashlib.sha256(content).hexdigest() != item.sha256:
        raise UsageError(f"{item.path} changed while the manifest was read; nothing was written, run again")
    return content
