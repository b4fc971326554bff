"""Moves that no outcome leads to: those of a person, and the adoption of generations and videos."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from batchveo.core.filenames import distinct_stem
from batchveo.core.hints import format_command, job_argument
from batchveo.core.job_row import normal_key
from batchveo.core.links import ParentLink
from batchveo.core.models import CatalogInfo, Job, JobSpec, JobState
from batchveo.core.state_machine import BOUGHT_NOTHING, MADE_AGAIN, Move
from batchveo.store.database import Connection, Part
from batchveo.store.importer import TALLY_NEW, Importer, find_or_add_catalog
from batchveo.store.links import COUNT_OPEN
from batchveo.store.queries import Queries
from batchveo.store.runs import Runs
from batchveo.store.transitions import Transitions

# any state -> the same: the sidecar of its video will say so, for a time when the database is lost
NOTE_REPLACED = """UPDATE jobs SET in_place_of = (SELECT json_group_array(id) FROM (
        SELECT value AS id FROM json_each(coalesce(jobs.in_place_of, '[]'))
        UNION SELECT value FROM jobs AS old, json_each(coalesce(old.in_place_of, '[]')) WHERE old.seq = :old
        UNION SELECT old.id FROM jobs AS old WHERE old.seq = :old) WHERE id != jobs.id)
    WHERE id = :new"""
FOLD = "SELECT fold FROM jobs WHERE seq = :seq"
# any state -> the same: the file name goes to the job that replaces this one
GIVE_UP_STEM = "UPDATE jobs SET stem = :stem, fold = :stem WHERE seq = :seq"
# (none) -> pending: what a manifest asked for, under another model
ADD_SUCCESSOR = """INSERT INTO jobs
    (id, name, stem, fold, state, model, request, repeat_index, meta, manifest, source, line, tries,
     unchecked, policy, priority, catalog, run, created_at, normal_key, link)
    SELECT :id, name, :stem, :fold, 'pending', :model, :request, repeat_index, meta, manifest, source, line, tries,
           unchecked, policy, priority, :catalog, run, :now, :normal_key, link
    FROM jobs WHERE seq = :seq"""
ADD_LINK = """INSERT OR IGNORE INTO links (child, parent, part, takes_data, from_take)
    SELECT :child, seq, :part, :takes_data,
           coalesce((SELECT from_take FROM links WHERE child = :former AND parent = jobs.seq AND part = :part), 1)
    FROM jobs WHERE id = :parent"""
# pending -> pending
JOIN_CHAIN = "UPDATE jobs SET chain = :chain WHERE seq = :seq"
# cancelled -> the same: what another job replaces is no link of its chain any more
LEAVE_CHAIN = "UPDATE jobs SET chain = NULL WHERE seq = :seq AND chain IS NOT NULL"

NO_TRY_LEFT = 1_000
"""More than any limit of tries: only ``retry`` makes a job again that a person gave up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedVideo:
    """A whole video in ``folder``, with the facts of its sidecar.

    Times are seconds since the epoch, ``cost_usd`` is US dollars; ``None`` if the sidecar does not have it.
    """

    folder: str
    file: str
    bytes: int
    sha256: str
    generation_id: str
    client_request_id: str | None = None
    key: str | None = None
    cost_usd: float | None = None
    submitted_at: float | None = None
    completed_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """The job that replaces another one, under the model ``model`` or with another prompt.

    ``request`` is canonical JSON.

    ``parents``: its links. ``is_known``: it is in the database already; ``cancelled``: as this job, which becomes
    pending again. ``stays_cancelled``: the job that it replaces was cancelled, and nobody asks for it.
    ``is_recognised_by_request``: no manifest gives its id, so that it is found by the normal form of its request.
    """

    id: str
    model: str
    request: str
    parents: tuple[ParentLink, ...] = ()
    is_known: bool = False
    cancelled: Job | None = None
    is_recognised_by_request: bool = False
    stays_cancelled: bool = False


class Manual(Part):
    """Moves of ``retry``, ``cancel``, ``resolve``, ``adopt``, and of the recovery of a lost database."""

    def __init__(
        self, connection: Connection, *, queries: Queries, transitions: Transitions, imports: Importer, runs: Runs
    ) -> None:
        super().__init__(connection)
        self._path = connection.path
        self._queries = queries
        self._transitions = transitions
        self._imports = imports
        self._runs = runs

    def retry_job(self, job: Job, *, now: float) -> Job:
        """A failed or cancelled job becomes pending: it may be bought again. Raises ``ValueError`` or ``MoveLost``."""
        fresh = {**BOUGHT_NOTHING, "troubles": 0, "tried": 0, "not_before": now}
        again = Move(to=JobState.PENDING, detail="retry", set=fresh)
        return self._transitions.apply_move(job, again, run=None, now=now)

    def resubmit_job(self, job: Job, *, now: float) -> Job:
        """A job in doubt becomes pending. Its price stays reserved: the person who resolved it may be wrong."""
        detail = "resolved by hand: to be submitted again"
        again = Move(to=JobState.PENDING, detail=detail, set={"not_before": now, "error": None, "troubles": 0})
        return self._transitions.apply_move(job, again, run=None, now=now)

    def give_up_job(self, job: Job, *, now: float) -> Job:
        """A job in doubt, or a generation, fails. Its price stays reserved: it may be charged."""
        detail = "resolved by hand: given up"
        given_up = {"error": detail, "finished_at": now, "tried": NO_TRY_LEFT}
        lost = Move(to=JobState.FAILED, detail=detail, set=given_up)
        return self._transitions.apply_move(job, lost, run=None, now=now)

    def adopt_new_job(self, spec: JobSpec, generation_id: str, *, run: int, now: float, key: str | None = None) -> Job:
        """Add a generating job for a generation that no manifest names. Raises as ``adopt_generation``."""
        with self._transaction():
            self._imports.add_jobs([spec], run=run, now=now)
            (job,) = self._queries.find_jobs(spec.id)
            if job.generation_id == generation_id:
                return job
            return self.adopt_generation(job, generation_id, now=now, key=key)

    def adopt_generation(
        self,
        job: Job,
        generation_id: str,
        *,
        now: float,
        client_request_id: str | None = None,
        key: str | None = None,
    ) -> Job:
        """A pending job, or one in doubt, becomes generating, with a generation that exists already.

        ``key`` is the label of the generation's API key, empty for the only one; ``None`` changes nothing.
        Raises ``ValueError``, ``MoveLost`` or ``GenerationTaken``.
        """
        if job.state not in (JobState.PENDING, JobState.IN_DOUBT):
            again = format_command("retry", job_argument(job.name, job.id), state=self._path)
            allowed = f"only pending and doubtful jobs take a generation; `{again}` makes a failed one pending"
            raise ValueError(f"{job.name!r} is {job.state}; {allowed}")
        found = {"generation_id": generation_id, "not_before": now, "troubles": 0, "error": None}
        move = Move(to=JobState.GENERATING, detail="adopted", set=found)
        with self._transaction():
            job = self._transitions.set_key_label(job, key)
            if job.state is JobState.PENDING:
                job = self._transitions.adopt_attempt(job, client_request_id, run=self._find_or_begin_run(), now=now)
            return self._transitions.apply_move(job, move, run=None, now=now)

    def _find_or_begin_run(self) -> int:
        row = self._runs.find_latest()
        return int(row["id"]) if row else self._runs.begin_run(command="adopt", service="", now=0.0)

    def cancel_job(self, job: Job, *, now: float) -> Job:
        """A pending job becomes cancelled. Raises ``ValueError`` or ``MoveLost``."""
        withdrawn = Move(to=JobState.CANCELLED, detail="cancelled", set={"finished_at": now})
        return self._transitions.apply_move(job, withdrawn, run=None, now=now)

    def replace_jobs(
        self, pairs: Iterable[tuple[Job, Successor]], *, now: float, catalog: CatalogInfo | None = None
    ) -> None:
        """Cancel each job, and add its successor, which gets its name and its file name, or retry it. One transaction.

        ``catalog`` is what the requests of the successors were validated against.
        Raises ``MoveLost`` or ``ValueError``; then nothing is written.
        """
        with self._transaction():
            number = find_or_add_catalog(self._db, catalog, now)
            replaced: dict[int, int] = {}
            for job, successor in sorted(pairs, key=lambda pair: pair[0].link):  # parents before their children
                how = "with another prompt" if successor.model == job.model else f"under {successor.model}"
                detail = f"{MADE_AGAIN} {successor.id} {how}"
                given_up = Move(to=JobState.CANCELLED, detail=detail, set={"finished_at": now, "error": detail})
                self._transitions.apply_move(job, given_up, run=None, now=now)
                if successor.cancelled is not None and not successor.stays_cancelled:
                    self.retry_job(successor.cancelled, now=now)
                elif not successor.is_known:
                    replaced[job.seq] = self._add_successor(job, successor, number, replaced, now)
                self._db.execute(LEAVE_CHAIN, {"seq": job.seq})
                self._db.execute(NOTE_REPLACED, {"old": job.seq, "new": successor.id})

    def _add_successor(
        self, job: Job, successor: Successor, catalog: int | None, replaced: Mapping[int, int], now: float
    ) -> int:
        """Add the job that replaces ``job``; returns its number. ``replaced``: such numbers of its parents."""
        fold = self._db.execute(FOLD, {"seq": job.seq}).fetchone()["fold"]
        # both names are unique in the table: the old job, which makes no video, gives up its own; its id is in the one
        # that it gets, since a manifest may give the successor one with that job's id
        self._db.execute(GIVE_UP_STEM, {"seq": job.seq, "stem": distinct_stem(job.stem, job.id)})
        key = normal_key(successor.request, job.index) if successor.is_recognised_by_request else None
        names = {"seq": job.seq, "stem": job.stem, "fold": fold, "normal_key": key, "now": now, "catalog": catalog}
        columns = {"id": successor.id, "model": successor.model, "request": successor.request}
        self._db.execute(ADD_SUCCESSOR, {**names, **columns})
        self._db.execute(TALLY_NEW, {"new": 1})
        seq: int = self._db.execute("SELECT last_insert_rowid()").fetchone()[0]
        for link in successor.parents:
            self._db.execute(ADD_LINK, {**asdict(link), "child": seq, "former": job.seq})
        self._db.execute(COUNT_OPEN, {"child": seq})
        if job.chain is not None:
            chain = seq if job.chain == job.seq else replaced.get(job.chain, job.chain)
            self._db.execute(JOIN_CHAIN, {"seq": seq, "chain": chain})
        if successor.stays_cancelled:
            self.cancel_job(self._queries.read_job(seq), now=now)
        return seq

    def adopt_video(self, job: Job, video: FinishedVideo, *, run: int, now: float) -> Job:
        """A pending job succeeds with a video that was found: nothing is bought.

        Its cost counts against the budget, as in the database that is lost. Raises ``MoveLost``, or
        ``GenerationTaken`` if another job has that generation.
        """
        done = {
            "generation_id": video.generation_id,
            "cost_usd": video.cost_usd,
            "folder": video.folder,
            "file": video.file,
            "bytes": video.bytes,
            "sha256": video.sha256,
            "submitted_at": video.submitted_at,
            "completed_at": video.completed_at,
            "finished_at": now if video.completed_at is None else video.completed_at,
            "troubles": 0,
            "error": None,
        }
        detail = f"taken in: {video.file} was found with its sidecar"
        move = Move(to=JobState.SUCCEEDED, detail=detail, set=done)
        with self._transaction():
            known = self._transitions.set_key_label(job, video.key)
            adopting = self._transitions.adopt_attempt(known, video.client_request_id, run=run, now=now)
            return self._transitions.apply_move(adopting, move, run=run, now=now)
