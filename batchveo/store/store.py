"""The state of every job, in SQLite: the queue, the record, the history.

The only room that speaks SQL. Its methods are verbs of the domain; each that writes is one transaction, and
each move compares the state it comes from, so that two processes never move one job twice.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from batchveo.errors import StateLocked, UsageError
from batchveo.models import InputFile, Job, JobSpec, JobState
from batchveo.paths import distinct_stem, fold
from batchveo.states import MOVES, Move
from batchveo.store import sql
from batchveo.store.lock import RunLock
from batchveo.store.opening import open_for_reading, open_for_writing
from batchveo.store.rows import columns_of, job_of, named_row
from batchveo.version import __version__

Price = Callable[[Job], float | None]
"""What a job will cost, in US dollars; ``None`` where that is not known."""
MICRO = 1e-6


def no_price(job: Job) -> float | None:  # noqa: ARG001 - the shape of a Price
    """The price of those who set no budget."""
    return None


def micros(usd: float | None) -> int:
    """US dollars as whole millionths, which add up without drift."""
    return 0 if usd is None else round(usd / MICRO)


class BudgetShort(Exception):
    """The next job costs more than the budget has left, or nobody knows what it costs; nothing was changed."""

    def __init__(self, job: Job, usd: float | None) -> None:
        self.job = job
        self.usd = usd
        super().__init__(job.name)


class MoveLost(Exception):
    """Another process moved this job first; nothing was changed."""


class GenerationTaken(Exception):
    """Another job already has this generation id; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What expanding the manifests did to the state."""

    named: int = 0
    new: int = 0
    renamed: int = 0
    no_longer_named: Mapping[JobState, int] = field(default_factory=dict)

    @property
    def known(self) -> int:
        """Jobs that the state had already."""
        return self.named - self.new


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many jobs stand where. ``held`` is a part of ``by_state[IN_DOUBT]``."""

    by_state: Mapping[JobState, int]
    held: int = 0

    def __getitem__(self, state: JobState) -> int:
        return self.by_state.get(state, 0)

    @property
    def total(self) -> int:
        """All jobs."""
        return sum(self.by_state.values())


class Store:
    """An open state file. Use as a context manager; one connection, one thread."""

    def __init__(self, path: str | os.PathLike[str], *, writing: bool = True) -> None:
        self.path = Path(path)
        self._lock = RunLock(self.path)
        self._db = open_for_writing(self.path) if writing else open_for_reading(self.path)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let go of the run lock."""
        self._db.close()
        self._lock.release()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._db.in_transaction:  # a part of a larger one
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    # -- runs

    def lock(self) -> None:
        """Make this the one run of the state; raises ``StateLocked`` with the other's pid and host."""
        try:
            self._lock.acquire()
        except StateLocked:
            row = self._db.execute(sql.LAST_RUN).fetchone()
            who = f" (pid {row['pid']} on {row['host']})" if row else ""
            raise StateLocked(f"another run holds {self.path}{who}") from None

    def is_running(self) -> bool:
        """Whether a run goes on now, as far as can be told without disturbing it."""
        row = self.last_run()
        if row is None or row["ended_at"] is not None:
            return False
        return row["host"] != socket.gethostname() or _is_alive(int(row["pid"]))

    def begin_run(self, *, command: str, service: str, now: float) -> int:
        """Record that a run begins; returns its number."""
        columns = {
            "command": command,
            "service": service,
            "version": __version__,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "now": now,
        }
        with self._transaction():
            return int(self._db.execute(sql.BEGIN_RUN, columns).fetchone()[0])

    def end_run(self, run: int, *, status: int, now: float) -> None:
        """Record how a run ended."""
        with self._transaction():
            self._db.execute(sql.END_RUN, {"run": run, "status": status, "now": now})

    def services(self) -> set[str]:
        """The addresses this state's runs have spoken to."""
        return {row[0] for row in self._db.execute(sql.SERVICES)}

    # -- expanding

    def add(self, specs: Iterable[JobSpec], *, run: int, now: float) -> Added:
        """Take in what the manifests name: new jobs become pending, known ones stay what they are.

        One transaction: where ``specs`` raises, nothing is added.
        """
        with self._transaction():
            self._db.execute(sql.CREATE_NAMED)
            self._db.execute(sql.CLEAR_NAMED)
            self._db.executemany(sql.NAME, self._named_rows(specs))
            stamp = {"run": run, "now": now}
            renamed = self._db.execute(sql.RENAME_PENDING).rowcount
            self._db.execute(sql.RELABEL)
            new = self._db.execute(sql.ADD_NAMED, stamp).rowcount + self._add_namesakes(stamp)
            self._db.execute(sql.TAKE_ON_NAMED, stamp)
            named = self._db.execute(sql.COUNT_NAMED).fetchone()[0]
            gone = {JobState(row["state"]): row["jobs"] for row in self._db.execute(sql.NO_LONGER_NAMED)}
        return Added(named=named, new=new, renamed=renamed, no_longer_named=gone)

    def _named_rows(self, specs: Iterable[JobSpec]) -> Iterator[dict[str, object]]:
        for position, spec in enumerate(specs):
            for item in spec.inputs:
                if not self._db.execute(sql.HAS_INPUT, (item.sha256,)).fetchone():
                    self._db.execute(sql.ADD_INPUT, (item.sha256, item.media_type, _content(item)))
            yield named_row(spec, position)

    def _add_namesakes(self, stamp: Mapping[str, object]) -> int:
        """Add the jobs whose file name another job has, under a name of their own."""
        namesakes = self._db.execute(sql.NOT_ADDED).fetchall()
        for row in namesakes:
            stem = distinct_stem(row["stem"], row["id"])
            self._db.execute(sql.ADD_ONE, {**dict(row), **stamp, "stem": stem, "fold": fold(stem)})
        return len(namesakes)

    def take_on_all(self, run: int) -> None:
        """Make every unfinished job this run's business."""
        with self._transaction():
            self._db.execute(sql.TAKE_ON_ALL, {"run": run})

    def input_file(self, sha256: str) -> tuple[str, bytes]:
        """Media type and content of an input file kept in the state."""
        row = self._db.execute(sql.INPUT, (sha256,)).fetchone()
        return row["media_type"], row["content"]

    # -- moving

    def recover(self, *, run: int, now: float) -> list[Job]:
        """Settle what a dead run left in ``submitting``: in doubt where its request was about to leave.

        Where not even that was recorded, no byte left, and the job is pending again.
        """
        self._clamp(now)
        left = [job_of(row) for row in self._db.execute(sql.LEFT_SUBMITTING)]
        why = "the run ended before the answer was recorded"
        doubt = Move(to=JobState.IN_DOUBT, detail=why, set={"doubted_at": now, "error": why})
        unsent = Move(to=JobState.PENDING, detail="the run ended before the request left", released=True)
        return [self.apply(job, doubt if self._was_sent(job) else unsent, run=run, now=now) for job in left]

    def _was_sent(self, job: Job) -> bool:
        row = self._db.execute(sql.WAS_SENT, {"client_request_id": job.client_request_id}).fetchone()
        return row is None or bool(row[0])

    def mark_sent(self, job: Job, *, now: float) -> None:
        """Record that the request of a claimed job is about to leave; from here on it may have arrived."""
        with self._transaction():
            self._db.execute(sql.MARK_SENT, {"client_request_id": job.client_request_id, "now": now})

    def _clamp(self, now: float) -> None:
        with self._transaction():
            self._db.execute(sql.CLAMP_NOT_BEFORE, {"now": now, "latest": now + 3600.0})

    def claim(self, *, run: int, now: float, price: Price = no_price, budget: float | None = None) -> Job | None:
        """Take the next pending job for submission, its fresh client request id committed with it.

        Its price is reserved in the same transaction: what is spent, in flight and in doubt never exceeds
        ``budget`` (US dollars, over the state's whole life), whatever dies in between. Raises ``BudgetShort``
        where the job does not fit, or has no price.
        """
        with self._transaction():
            row = self._db.execute(sql.NEXT_TO_CLAIM, {"run": run, "now": now}).fetchone()
            if row is None:
                return None
            usd = self._affordable(job_of(row), price, budget)
            nonce = secrets.token_hex(4)
            claim = {"seq": row["seq"], "now": now, "nonce": nonce}
            job = job_of(self._db.execute(sql.CLAIM, claim).fetchone())
            self._begin_attempt(job, usd, run, now)
            self._event(job, JobState.PENDING, job.state, "", run, now)
        return job

    def _affordable(self, job: Job, price: Price, budget: float | None) -> float | None:
        usd = price(job)
        if budget is not None and (usd is None or self.committed() + usd > budget + MICRO / 2):
            raise BudgetShort(job, usd)
        return usd

    def _begin_attempt(self, job: Job, usd: float | None, run: int | None, now: float) -> None:
        attempt = {
            "job": job.seq,
            "run": run,
            "number": job.attempts,
            "client_request_id": job.client_request_id,
            "now": now,
            "price_usd": usd,
            "micros": micros(usd),
        }
        self._db.execute(sql.ADD_ATTEMPT, attempt)

    def apply(self, job: Job, move: Move, *, run: int | None, now: float) -> Job:
        """Move ``job`` and record it; returns the job as it is now.

        Raises ``MoveLost`` where the job is no longer what ``job`` says, ``GenerationTaken`` where the
        move's generation id belongs to another job, ``ValueError`` where the table has no such move.
        """
        if move.to not in MOVES[job.state]:
            raise ValueError(f"{job.state} -> {move.to} is not in the table of moves")
        moved = replace(job, state=move.to, **dict(move.set))  # type: ignore[arg-type]
        moved = replace(moved, held=moved.held and moved.state is JobState.IN_DOUBT)
        with self._transaction():
            self._write(job, moved)
            if job.state in (JobState.SUBMITTING, JobState.IN_DOUBT):
                self._end_attempt(moved, move.detail, now)
            if move.released:
                self._count(moved, 0.0)
            elif "cost_usd" in move.set and moved.cost_usd is not None:
                self._count(moved, moved.cost_usd)
            self._event(moved, job.state, move.to, move.detail, run, now)
        return moved

    def _write(self, job: Job, moved: Job) -> None:
        try:
            cursor = self._db.execute(sql.MOVE, {**columns_of(moved), "from_state": job.state.value})
        except sqlite3.IntegrityError as error:
            if "generation_id" in str(error):
                raise GenerationTaken(moved.generation_id) from None
            raise
        if cursor.rowcount != 1:
            raise MoveLost(f"job {job.id} is no longer {job.state}")

    def _count(self, job: Job, usd: float) -> None:
        """What the latest attempt of ``job`` counts against the budget from now on."""
        columns = {"micros": micros(usd), "client_request_id": job.client_request_id}
        self._db.execute(sql.SET_MICROS, columns)

    def _end_attempt(self, moved: Job, detail: str, now: float) -> None:
        columns = {
            "now": now,
            "outcome": moved.state.value,
            "detail": detail,
            "generation_id": moved.generation_id,
            "client_request_id": moved.client_request_id,
        }
        self._db.execute(sql.END_ATTEMPT, columns)

    def _event(self, job: Job, was: JobState, to: JobState, detail: str, run: int | None, now: float) -> None:
        columns = {"job": job.seq, "run": run, "now": now, "from_state": was.value, "to_state": to.value}
        self._db.execute(sql.ADD_EVENT, {**columns, "detail": detail})

    def retry(self, job: Job, *, now: float) -> Job:
        """Let a failed or cancelled job be bought anew; raises ``ValueError`` or ``MoveLost``."""
        fresh = dict.fromkeys(("generation_id", "video_url", "error", "cost_usd", "completed_at", "finished_at"))
        again = Move(to=JobState.PENDING, detail="retry", set={**fresh, "troubles": 0, "not_before": now})
        return self.apply(job, again, run=None, now=now)

    def resubmit(self, job: Job, *, now: float) -> Job:
        """A person says that a doubtful submit bought nothing. Its price stays reserved: they may be wrong."""
        detail = "resolved by hand: to be submitted again"
        again = Move(to=JobState.PENDING, detail=detail, set={"not_before": now, "error": None, "troubles": 0})
        return self.apply(job, again, run=None, now=now)

    def give_up(self, job: Job, *, now: float) -> Job:
        """A person gives a doubtful submit up. Its price stays reserved: it may have been charged."""
        detail = "resolved by hand: given up"
        lost = Move(to=JobState.FAILED, detail=detail, set={"error": detail, "finished_at": now})
        return self.apply(job, lost, run=None, now=now)

    def adopt(self, job: Job, generation_id: str, *, now: float, client_request_id: str | None = None) -> Job:
        """Give a doubtful or pending job a generation that exists already.

        Raises ``ValueError``, ``MoveLost`` or ``GenerationTaken``.
        """
        found = {"generation_id": generation_id, "not_before": now, "troubles": 0, "error": None}
        move = Move(to=JobState.GENERATING, detail="adopted", set=found)
        with self._transaction():
            if job.state is JobState.PENDING:
                job = self._adopting(job, client_request_id, now)
            return self.apply(job, move, run=None, now=now)

    def _adopting(self, job: Job, client_request_id: str | None, now: float) -> Job:
        """Record the attempt that someone else made for a pending job."""
        request = client_request_id or f"adopted.{job.id}.{job.attempts + 1}"
        columns = {"seq": job.seq, "now": now, "client_request_id": request}
        row = self._db.execute(sql.ADOPT, columns).fetchone()
        if row is None:
            raise MoveLost(f"job {job.id} is no longer {job.state}")
        adopting = job_of(row)
        self._begin_attempt(adopting, None, self._latest_run(), now)
        return adopting

    def _latest_run(self) -> int:
        row = self.last_run()
        return int(row["id"]) if row else self.begin_run(command="adopt", service="", now=0.0)

    def cancel(self, job: Job, *, now: float) -> Job:
        """Withdraw a pending job; raises ``ValueError`` or ``MoveLost``."""
        withdrawn = Move(to=JobState.CANCELLED, detail="cancelled", set={"finished_at": now})
        return self.apply(job, withdrawn, run=None, now=now)

    # -- looking

    def next_pending(self, run: int) -> float | None:
        """When the first pending job of ``run`` may be claimed; ``None`` where none is left."""
        when: float | None = self._db.execute(sql.NEXT_PENDING, {"run": run}).fetchone()[0]
        return when

    def jobs(self, *states: JobState) -> Iterator[Job]:
        """The jobs in ``states`` (all jobs where none is named), in manifest order, streamed."""
        if not states:
            yield from map(job_of, self._db.execute(sql.JOBS))
        for state in states:
            yield from map(job_of, self._db.execute(sql.JOBS_IN_STATE, {"state": state.value}))

    def job(self, seq: int) -> Job:
        """The job numbered ``seq``."""
        return job_of(self._db.execute(sql.JOB, {"seq": seq}).fetchone())

    def same_file(self, job: Job) -> Job | None:
        """Another job whose video is byte for byte that of ``job``."""
        row = self._db.execute(sql.SAME_FILE, {"sha256": job.sha256, "seq": job.seq}).fetchone()
        return None if row is None else job_of(row)

    def unpriced(self) -> dict[str, int]:
        """The completed generations whose price nobody told, with the number of their job."""
        return {row["generation_id"]: row["seq"] for row in self._db.execute(sql.UNPRICED)}

    def set_cost(self, seq: int, usd: float) -> None:
        """Record the price of a completed generation, as the ledger tells it."""
        with self._transaction():
            self._db.execute(sql.SET_COST, {"seq": seq, "usd": usd})
            self._count(self.job(seq), usd)

    def find(self, key: str) -> Sequence[Job]:
        """The jobs meant by ``key``: an id or its beginning, a name, a generation or client request id."""
        rows = self._db.execute(sql.FIND, {"key": key}).fetchall()
        if not rows and len(key) >= 4:
            rows = self._db.execute(sql.FIND_PREFIX, {"key": key, "after": key + "\uffff"}).fetchall()
        return [job_of(row) for row in rows]

    def counts(self, *, run: int | None = None) -> Counts:
        """How many jobs stand where, in the whole state or among those that ``run`` took on."""
        query = sql.COUNTS if run is None else sql.COUNTS_OF_RUN
        by_state: dict[JobState, int] = {}
        held = 0
        for row in self._db.execute(query, {} if run is None else {"run": run}):
            state = JobState(row["state"])
            by_state[state] = by_state.get(state, 0) + row["jobs"]
            held += row["jobs"] if row["held"] else 0
        return Counts(by_state=by_state, held=held)

    def spend(self) -> tuple[float, int]:
        """US dollars known to be charged, with the number of finished videos whose price is not known."""
        row = self._db.execute(sql.SPEND).fetchone()
        return float(row["usd"]), int(row["unknown"])

    def attempts(self) -> Iterator[sqlite3.Row]:
        """Every POST: ``job, client_request_id, generation_id, price_usd, outcome, started_at``, oldest first."""
        yield from self._db.execute(sql.ATTEMPTS)

    def committed(self) -> float:
        """US dollars spent, in flight and in doubt, over the state's whole life."""
        return int(self._db.execute(sql.MICROS).fetchone()[0]) * MICRO

    def pending_models(self, run: int) -> list[str]:
        """The models that ``run`` still has to submit to."""
        return [row[0] for row in self._db.execute(sql.PENDING_MODELS, {"run": run})]

    def generation_seconds(self, model: str, *, most: int = 50) -> list[float]:
        """The latest generation times of a model, newest first."""
        rows = self._db.execute(sql.GENERATION_SECONDS, {"model": model, "most": most})
        return [float(row["seconds"]) for row in rows]

    def settled_ids(self) -> set[str]:
        """The ids of the jobs that are bought, being bought, or withdrawn."""
        return {row[0] for row in self._db.execute(sql.SETTLED_IDS)}

    def finished_since(self, since: float) -> int:
        """Videos finished at or after ``since``."""
        return int(self._db.execute(sql.FINISHED_SINCE, {"since": since}).fetchone()["jobs"])

    def history(self, job: Job) -> list[sqlite3.Row]:
        """Every move of one job, oldest first: ``at, from_state, to_state, detail``."""
        return self._db.execute(sql.EVENTS_OF_JOB, {"seq": job.seq}).fetchall()

    def last_run(self) -> sqlite3.Row | None:
        """The latest run: ``id, command, service, host, pid, started_at, ended_at``."""
        row: sqlite3.Row | None = self._db.execute(sql.LAST_RUN).fetchone()
        return row


def _content(item: InputFile) -> bytes:
    """The bytes of an input file, which must still be those that were validated."""
    content = Path(item.path).read_bytes()
    if hashlib.sha256(content).hexdigest() != item.sha256:
        raise UsageError(f"{item.path} changed while the manifest was read; nothing was written, run again")
    return content


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
