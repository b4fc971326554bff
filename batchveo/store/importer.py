"""How the jobs that manifests name are added to a database, and a preview of that."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from batchveo.core.errors import UsageError
from batchveo.core.filenames import distinct_stem
from batchveo.core.job_row import JobRow, chain_place, input_files
from batchveo.core.models import CatalogInfo, InputFile, Job, JobSpec, JobState
from batchveo.core.state_machine import JUDGED_FIRST
from batchveo.store.database import APPLICATION_ID, Connection, Part, open_untouched, transaction
from batchveo.store.manifest_changes import ManifestChanges
from batchveo.store.mapping import IS_LATER, REJECTED_AT_LAST, UNFINISHED, UNSETTLED
from batchveo.store.queries import LastTake
from batchveo.store.runs import SERVICES, TAKE_ON_ALL
from batchveo.store.staging import ADD_ROW, StagingTable, make_tables, recognise_former_ids

# -- adding

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

    def read_input_file(self, sha256: str) -> tuple[str, bytes]:
        """Media type and content of an input file that is kept in the database."""
        row = self._db.execute(INPUT, (sha256,)).fetchone()
        return row["media_type"], row["content"]

    def read_media_type(self, sha256: str) -> str:
        """The media type of an input file that is kept in the database."""
        return str(self._db.execute(INPUT_TYPE, (sha256,)).fetchone()["media_type"])


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


# -- preview: before they are added

# a file name is taken if a job of the database has it, also in another case or another Unicode form
_PREVIEW = """SELECT named.fold, named.id, named.name, coalesce(jobs.stem, named.stem), named.model, named.request,
        named.source, named.line, named.inputs, jobs.state,
        jobs.id IS NULL AND EXISTS (SELECT 1 FROM jobs AS other WHERE other.fold = named.fold),
        named.policy, named.tries, {last}, named.chain
    FROM temp.named LEFT JOIN jobs ON jobs.id = named.id {takes} ORDER BY named.position"""
PREVIEW = _PREVIEW.format(last="1, jobs.state, NULL, 0", takes="")
PREVIEW_TAKES = _PREVIEW.format(
    last="""coalesce(last.take, 1), last.state,
        CASE WHEN last.policy IS (SELECT id FROM policies WHERE policies.policy = named.policy)
             THEN CASE WHEN jobs.verdict = 'accepted' THEN jobs.verdict ELSE last.verdict END END,
        (jobs.state = 'pending' AND jobs.seq != last.seq) + (SELECT count(*) FROM jobs AS other
            WHERE other.take_of = jobs.seq AND other.state = 'pending' AND other.seq != last.seq)""",
    takes=f"""LEFT JOIN jobs AS last ON last.seq = coalesce(
        (SELECT seq FROM jobs AS later WHERE later.take_of = jobs.seq AND {IS_LATER.format("jobs")}
         ORDER BY later.take DESC LIMIT 1), jobs.seq)""",
)
# most databases have no takes, and to look for those of a million jobs takes seconds
HAS_TAKES = """SELECT EXISTS (SELECT 1 FROM jobs WHERE take_of IS NOT NULL)
    OR EXISTS (SELECT 1 FROM temp.written WHERE policy IS NOT NULL)"""
PREVIEW_ALONE = """SELECT fold, id, name, stem, model, request, source, line, inputs, NULL, 0, policy, tries,
        1, NULL, NULL, 0, chain
    FROM temp.named ORDER BY position"""
NAMED_IDS = "SELECT id FROM temp.written ORDER BY position"
STATES_OF = "SELECT state, count(*) FROM jobs WHERE id IN ({marks}) GROUP BY state"
IDS_AT_ONCE = 500
_STATES: Mapping[str | None, JobState | None] = {None: None, **{state.value: state for state in JobState}}


class PreviewedJob(NamedTuple):
    """A named job as it would be in the database; a tuple because a million of them pass.

    ``state`` is ``None`` if the job is new.

    ``taken``: a job of the database, or an earlier one of the same call, has its file name. ``last``: its last take,
    with the policy that is named now. ``parents``: the ids of the jobs whose videos it is made from.
    """

    id: str
    name: str
    stem: str
    model: str
    request: Mapping[str, Any]
    source: str
    line: int | None
    inputs: tuple[InputFile, ...]
    state: JobState | None
    taken: bool
    last: LastTake = LastTake()
    parents: tuple[str, ...] = ()

    @property
    def is_due(self) -> bool:
        """Whether a run that names it would submit it."""
        return self.state in (None, JobState.PENDING)


def preview_jobs(named: StagingTable, state: Path | None) -> Iterator[PreviewedJob]:
    """Each job of ``named`` in its order; ``state`` is a database, or ``None`` if there is none yet."""
    if state is not None:
        Connection(state, writing=False).close()  # refuses other files, and migrates an older database
    with nullcontext(named.connection) if state is None else named.attach_database(state) as db:
        query = PREVIEW_ALONE
        named.fit_to_database(is_attached=state is not None)
        if state is not None:
            query = PREVIEW_TAKES if db.execute(HAS_TAKES).fetchone()[0] else PREVIEW
        yield from _preview_rows(db, query)


def _preview_rows(db: sqlite3.Connection, query: str) -> Iterator[PreviewedJob]:
    folds: set[int] = set()
    with closing(db.execute(query)) as rows:
        for row in rows:
            fold, job_id, name, stem, model, request, source, line, inputs, state, taken = row[:11]
            policy, tries, number, last_state, verdict, waiting, chain = row[11:]
            key = hash(fold)
            is_taken = bool(taken) or (state is None and key in folds)
            folds.add(key)
            yield PreviewedJob(
                id=job_id,
                name=name,
                stem=stem,
                model=model,
                request=json.loads(request),
                source=source,
                line=line,
                inputs=input_files(inputs),
                state=_STATES[state],
                taken=is_taken,
                last=LastTake(policy, tries, number, _STATES[last_state], verdict, waiting or 0),
                parents=_list_parents(chain),
            )


def _list_parents(chain: str | None) -> tuple[str, ...]:
    place = chain_place(chain)
    return () if place is None else tuple(link.parent for link in place.parents)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownJobs:
    """How many of ``named`` jobs the database at ``path`` has, by their states.

    ``services``: the names of the services of its runs.
    """

    path: Path
    named: int
    by_state: Mapping[str, int]
    services: frozenset[str]

    @property
    def known(self) -> int:
        """How many it has."""
        return sum(self.by_state.values())


def count_known_jobs(named: StagingTable, path: Path, *, any_will_do: bool = False) -> KnownJobs | None:
    """How many jobs of ``named`` the database at ``path`` has, without a write or a lock.

    ``None`` if it is no database of ours, or unreadable. ``any_will_do``: stop at the first known jobs.
    """
    try:
        with closing(open_untouched(path)) as db:
            if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                return None
            services = frozenset(row[0] for row in db.execute(SERVICES))
            states: Counter[str] = Counter()
            total = 0
            for ids in _list_id_chunks(named):
                total += len(ids)
                query = STATES_OF.format(marks=",".join("?" * len(ids)))
                states.update({row[0]: row[1] for row in db.execute(query, ids)})
                if states and any_will_do:
                    break
    except (sqlite3.Error, OSError):
        return None
    return KnownJobs(path=path, named=total, by_state=states, services=services)


def _list_id_chunks(named: StagingTable) -> Iterator[list[str]]:
    with closing(named.connection.execute(NAMED_IDS)) as rows:
        while chunk := rows.fetchmany(IDS_AT_ONCE):
            yield [row[0] for row in chunk]
