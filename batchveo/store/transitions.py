"""How jobs move from state to state.

A move is one transaction: it compares the state that the job comes from, so that two processes never make the same
move, and it is recorded with its event. The moves::

    claim_job     pending -> submitting: a new attempt, its price reserved
    mark_sent     submitting -> submitting: from now on its request may have arrived
    apply_move    any state -> the state that core.state_machine has chosen for an outcome
    recover_job   submitting -> in doubt, or pending if the request was not marked as sent

A comment above a statement names the states that it moves a job from and to.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace

from batchveo.core.models import Job, JobState
from batchveo.core.state_machine import MOVES, Move
from batchveo.store.database import Connection, Part
from batchveo.store.mapping import COLUMNS, UNSETTLED, columns_of, job_of
from batchveo.store.queries import MICRO, Queries

# -- claims

# pending -> submitting
CLAIM = """UPDATE jobs SET state = 'submitting', attempts = attempts + 1, submitted_at = :now,
        client_request_id = 'bv.' || id || '.' || (attempts + 1) || '.' || :nonce, key_name = :key, error = NULL
    WHERE seq = :seq AND state = 'pending'
    RETURNING attempts, submitted_at, client_request_id, key_name AS api_key_label"""
# submitting -> submitting: from now on the request may have arrived
MARK_SENT = """UPDATE attempts SET sent_at = :now WHERE client_request_id = :client_request_id
    AND EXISTS (SELECT 1 FROM jobs WHERE seq = :seq AND state = 'submitting'
                AND client_request_id = :client_request_id)"""

# -- moves

# any state -> the state of the move; the job goes over to the run that moves it, if that run took it on, but one that
# becomes pending again keeps its run, by which claims are ordered
MOVE = """UPDATE jobs SET run = CASE :state WHEN 'pending' THEN run ELSE coalesce(
            (SELECT id FROM runs WHERE id = :run AND jobs.run >= coalesce(takes_from, id)), run) END,
        state = :state, held = :held, troubles = :troubles, tried = :tried, not_before = :not_before,
        generation_id = :generation_id, video_url = :video_url, url_expires_at = :url_expires_at,
        error = :error, cost_usd = :cost_usd,
        folder = :folder, file = :file, bytes = :bytes, sha256 = :sha256, submitted_at = :submitted_at,
        doubted_at = :doubted_at, completed_at = :completed_at, finished_at = :finished_at,
        verdict = CASE WHEN sha256 IS :sha256 THEN verdict END
    WHERE seq = :seq AND state = :from_state AND attempts = :attempts"""
ADD_EVENT = """INSERT INTO events (job, run, at, from_state, to_state, detail)
    VALUES (:job, :run, :now, :from_state, :to_state, :detail)"""

# -- attempts, and the price that each counts against the budget

ATTEMPT = "SELECT 1 FROM attempts WHERE client_request_id = :client_request_id"
ADD_ATTEMPT = """INSERT INTO attempts
    (job, run, number, client_request_id, started_at, price_usd, micros, key_name, key_print)
    VALUES (:job, :run, :number, :client_request_id, :now, :price_usd, :micros, :key, :key_print)"""
END_ATTEMPT = """UPDATE attempts SET ended_at = :now, outcome = :outcome, detail = :detail,
    generation_id = :generation_id WHERE client_request_id = :client_request_id"""
ADD_STRAY = """UPDATE attempts SET generation_id = :generation_id
    WHERE client_request_id = :client_request_id AND generation_id IS NOT :generation_id"""
SET_MICROS = "UPDATE attempts SET micros = :micros WHERE client_request_id = :client_request_id"
RESERVE = """UPDATE attempts SET price_usd = :usd, micros = :micros
    WHERE client_request_id = :client_request_id AND price_usd IS NULL"""
# an attempt that seemed to have bought nothing did buy: its price counts again
RESERVE_AGAIN = """UPDATE attempts SET micros = CAST(round(coalesce(price_usd, 0) * 1000000) AS INTEGER)
    WHERE client_request_id = :client_request_id AND micros = 0"""
# any state -> the same
SET_COST = "UPDATE jobs SET cost_usd = :usd WHERE seq = :seq AND cost_usd IS NULL"

# -- adoption of generations that exist already

# pending -> pending, before its move to generating or succeeded
ADOPT = f"""UPDATE jobs SET attempts = attempts + :new, client_request_id = :client_request_id,
        submitted_at = :now
    WHERE seq = :seq AND state = 'pending' RETURNING {COLUMNS}"""
# pending or in doubt -> the same, before its move to generating or succeeded
SET_KEY = "UPDATE jobs SET key_name = :key WHERE seq = :seq AND state = :from_state AND attempts = :attempts"

# -- recovery after a run that ended in the middle

LEFT_SUBMITTING = f"SELECT {COLUMNS} FROM jobs WHERE state = 'submitting' ORDER BY seq"
WAS_SENT = "SELECT sent_at IS NOT NULL FROM attempts WHERE client_request_id = :client_request_id"
# pending -> pending
RELEASE = "aside = 0"
SKIPPED = "aside != 0"
# pending or any unsettled state -> the same; the clocks of runs differ: no back-off may reach further than a run's own
# longest one
CLAMP = "not_before = :now"
PENDING_TOO_LATE = "state = 'pending' AND not_before > 0 AND not_before > :latest"
UNSETTLED_TOO_LATE = f"state IN ({UNSETTLED}) AND not_before > :latest"

LONGEST_BACK_OFF = 3600.0
"""Seconds."""

Price = Callable[[Job], float | None]
"""The price of a job in US dollars; ``None`` if it is not known."""


class BudgetShort(Exception):
    """The next job costs more than the rest of the budget, or its price is not known; nothing was changed."""

    def __init__(self, job: Job, usd: float | None, kept: float = 0.0) -> None:
        self.job = job
        self.usd = usd
        self.kept = kept
        """US dollars of the rest that are kept for others."""
        super().__init__(job.name)


class MoveLost(Exception):
    """Another process moved this job first; nothing was changed."""


class GenerationTaken(Exception):
    """Another job already has this generation id; nothing was changed."""


def no_price(job: Job) -> float | None:  # noqa: ARG001 - the signature of a Price
    """The price of all jobs without a budget."""
    return None


def keep_nothing(job: Job) -> float:  # noqa: ARG001 - the signature of what is kept
    """Let a job have all that is left."""
    return 0.0


def allow_claim(job: Job) -> None:
    """Let any job be claimed."""


def to_micros(usd: float | None) -> int:
    """US dollars as whole millionths, which add up without drift."""
    return 0 if usd is None else round(usd / MICRO)


class Transitions(Part):
    """Moves jobs from state to state, and records their attempts."""

    def __init__(self, connection: Connection, queries: Queries) -> None:
        super().__init__(connection)
        self._queries = queries

    def claim_job(
        self,
        *,
        run: int,
        now: float,
        price: Price = no_price,
        budget: float | None = None,
        key: str | None = None,
        refused: Sequence[str] = (),
        key_print: str | None = None,
        check: Callable[[Job], None] = allow_claim,
        kept: Callable[[Job], float] = keep_nothing,
        of_begun: bool = False,
    ) -> Job | None:
        """Claim the next pending job, by priority, with a new client request id; ``None`` if there is none.

        ``price`` is that of a job, ``budget`` the cap over the whole life of the database, both in US dollars. ``key``
        is the label of the API key that submits it, ``key_print`` its fingerprint (see ``AttemptKeys``); jobs of the
        ``refused`` models are left alone. Raises ``BudgetShort`` if the job does not fit, or has no price, and what
        ``check`` raises if the job may not be claimed as it is; then nothing was changed. ``kept``: US dollars that a
        job must leave of the budget. ``of_begun``: see ``find_due_job``.
        """
        # one transaction for the claim and its price: spent, in flight and in doubt together never exceed the budget,
        # even if the process dies in between
        with self._transaction():
            pending = self._queries.find_due_job(run, now=now, refused=refused, of_begun=of_begun)
            if pending is None:
                return None
            pending = self._queries.fill_links(pending)
            usd = self._check_budget(pending, price, budget, kept)
            check(pending)
            claim = {"seq": pending.seq, "now": now, "nonce": secrets.token_hex(4), "key": key or None}
            claimed = self._db.execute(CLAIM, claim).fetchone()
            job = replace(pending, state=JobState.SUBMITTING, error=None, **dict(claimed))
            self._add_attempt(job, usd, run, now, key_print)
            self._add_event(job, JobState.PENDING, job.state, "", run, now)
        return job

    def mark_sent(self, job: Job, *, now: float) -> None:
        """Record that the request of a claimed job leaves now.

        If this raises, the request must not leave: ``MoveLost`` if the job was taken from its claimer,
        ``sqlite3.DatabaseError`` if the database does not have the claim.
        """
        with self._transaction():
            columns = {"client_request_id": job.client_request_id, "seq": job.seq, "now": now}
            if self._db.execute(MARK_SENT, columns).rowcount == 1:
                return
            if self._db.execute(ATTEMPT, columns).fetchone() is None:
                raise sqlite3.DatabaseError(f"the claim of job {job.id} is not in it")
            raise MoveLost(f"job {job.id} is no longer being submitted")

    def apply_move(self, job: Job, move: Move, *, run: int | None, now: float) -> Job:
        """Move ``job`` and record it; returns the job after the move.

        Raises ``MoveLost`` if the job is not as ``job`` is, ``GenerationTaken`` if another job has the generation id
        of the move, ``ValueError`` if the table of moves does not have it.
        """
        if move.to not in MOVES[job.state]:
            raise ValueError(f"{job.state} -> {move.to} is not in the table of moves")
        held = move.to is JobState.IN_DOUBT and move.set.get("held", job.held)  # only doubts can be held
        moved = replace(job, **{**move.set, "state": move.to, "held": held})  # type: ignore[arg-type]
        with self._transaction():
            self._write_move(job, moved, run)
            adopted = job.state is JobState.PENDING and move.to in (JobState.GENERATING, JobState.SUCCEEDED)
            if adopted or job.state in (JobState.SUBMITTING, JobState.IN_DOUBT):
                self._end_attempt(moved, move.detail, now)
            # the reserved price becomes the charge, or nothing; until either is known it stays reserved
            if move.released:
                self._set_counted(moved, 0.0)
            elif "cost_usd" in move.set and moved.cost_usd is not None:
                self._set_counted(moved, moved.cost_usd)
            self._add_event(moved, job.state, move.to, move.detail, run, now)
        if job.state is JobState.SUBMITTING and job.link > 1:
            # what was sent has the values of the links, some of which are secret addresses; the record has the links
            return replace(moved, request=self._queries.read_job(job.seq).request)
        return moved

    def recover_jobs(self, *, run: int, now: float) -> list[Job]:
        """Recover every job that a dead run left in ``submitting``, and release all skipped jobs."""
        times = {"now": now, "latest": now + LONGEST_BACK_OFF}
        self._update_jobs(CLAMP, PENDING_TOO_LATE, times, index="INDEXED BY jobs_put_off")
        self._update_jobs(CLAMP, UNSETTLED_TOO_LATE, times)
        self._update_jobs(RELEASE, SKIPPED, {})
        left = [job_of(row) for row in self._db.execute(LEFT_SUBMITTING)]
        return [self.recover_job(job, run=run, now=now) for job in left]

    def recover_job(self, job: Job, *, run: int, now: float, why: str = "the run ended") -> Job:
        """Move a job whose submitter is dead, or given up for the reason ``why``, out of ``submitting``."""
        lost = f"{why} before the answer was recorded"
        doubt = Move(to=JobState.IN_DOUBT, detail=lost, set={"doubted_at": now, "error": lost})
        # without the mark no byte left, since the mark comes first: the job may be submitted again
        unsent = Move(to=JobState.PENDING, detail=f"{why} before the request left", released=True)
        return self.apply_move(job, doubt if self._was_sent(job) else unsent, run=run, now=now)

    def record_cost(self, seq: int, usd: float) -> None:
        """Record the price of a completed generation, from the ledger."""
        with self._transaction():
            self._db.execute(SET_COST, {"seq": seq, "usd": usd})
            self._set_counted(self._queries.read_job(seq), usd)

    def reserve_price(self, job: Job, usd: float) -> None:
        """Let the latest attempt of ``job``, for which no price is reserved, count against the budget."""
        columns = {"usd": usd, "micros": to_micros(usd), "client_request_id": job.client_request_id}
        with self._transaction():
            self._db.execute(RESERVE, columns)

    def record_stray(self, job: Job, generation_id: str, *, run: int, now: float) -> bool:
        """Record a generation that an earlier attempt of ``job`` did buy; returns whether that is new.

        The job stays in its state; the price of the attempt counts again.
        """
        current = self._queries.read_job(job.seq)
        with self._transaction():
            columns = {"generation_id": generation_id, "client_request_id": job.client_request_id}
            # known only if the attempt is there and has this id; an attempt that is not there is news all the same
            if self._db.execute(ADD_STRAY, columns).rowcount != 1 and self._db.execute(ATTEMPT, columns).fetchone():
                return False
            self._db.execute(RESERVE_AGAIN, columns)
            detail = f"generation {generation_id} of attempt {job.attempts} was accepted too"
            self._add_event(current, current.state, current.state, detail, run, now)
        return True

    def record_note(self, job: Job, detail: str, *, run: int | None, now: float) -> None:
        """Add a sentence to the history of a job, which stays in its state."""
        with self._transaction():
            self._add_event(job, job.state, job.state, detail, run, now)

    def adopt_attempt(self, job: Job, client_request_id: str | None, *, run: int, now: float) -> Job:
        """Record an attempt that was made elsewhere for a pending job, in the caller's transaction with its move.

        An attempt of this database that seemed lost is used again. Raises ``MoveLost`` if the job is not pending.
        """
        request = client_request_id or f"adopted.{job.id}.{job.attempts + 1}"
        known = self._db.execute(ATTEMPT, {"client_request_id": request}).fetchone() is not None
        columns = {"seq": job.seq, "now": now, "client_request_id": request, "new": int(not known)}
        row = self._db.execute(ADOPT, columns).fetchone()
        if row is None:
            raise MoveLost(f"job {job.id} is no longer {job.state}")
        adopting = job_of(row)
        if known:
            self._db.execute(RESERVE_AGAIN, columns)
        else:
            self._add_attempt(adopting, None, run, now)
        return adopting

    def set_key_label(self, job: Job, key: str | None) -> Job:
        """Record the label of the API key of a job's generation; ``None`` changes nothing.

        In the caller's transaction with the job's move. Raises ``MoveLost`` if the job is not as ``job`` is.
        """
        if key is None or job.api_key_label == (key or None):
            return job
        columns = {"seq": job.seq, "from_state": job.state, "attempts": job.attempts, "key": key or None}
        if self._db.execute(SET_KEY, columns).rowcount != 1:
            raise MoveLost(f"job {job.id} is no longer {job.state}")
        return replace(job, api_key_label=key or None)

    def _check_budget(self, job: Job, price: Price, budget: float | None, kept: Callable[[Job], float]) -> float | None:
        usd = price(job)
        if budget is None:
            return usd
        others = kept(job)
        if usd is None or self._queries.read_committed() + usd + others > budget + MICRO / 2:
            raise BudgetShort(job, usd, others)
        return usd

    def _was_sent(self, job: Job) -> bool:
        row = self._db.execute(WAS_SENT, {"client_request_id": job.client_request_id}).fetchone()
        return row is None or bool(row[0])  # without a record, the worse is assumed

    def _write_move(self, job: Job, moved: Job, run: int | None) -> None:
        columns = {**columns_of(moved), "from_state": job.state.value, "run": run}
        try:
            cursor = self._db.execute(MOVE, columns)
        except sqlite3.IntegrityError as error:
            if "generation_id" in str(error):
                raise GenerationTaken(moved.generation_id) from None
            raise
        if cursor.rowcount != 1:
            raise MoveLost(f"job {job.id} is no longer {job.state}")

    def _add_attempt(
        self, job: Job, usd: float | None, run: int | None, now: float, key_print: str | None = None
    ) -> None:
        attempt = {
            "job": job.seq,
            "run": run,
            "number": job.attempts,
            "client_request_id": job.client_request_id,
            "now": now,
            "price_usd": usd,
            "micros": to_micros(usd),
            "key": job.api_key_label,
            "key_print": key_print,
        }
        self._db.execute(ADD_ATTEMPT, attempt)

    def _end_attempt(self, moved: Job, detail: str, now: float) -> None:
        columns = {
            "now": now,
            "outcome": moved.state.value,
            "detail": detail,
            "generation_id": moved.generation_id,
            "client_request_id": moved.client_request_id,
        }
        self._db.execute(END_ATTEMPT, columns)

    def _set_counted(self, job: Job, usd: float) -> None:
        """Set the amount of the latest attempt of ``job`` that counts against the budget."""
        columns = {"micros": to_micros(usd), "client_request_id": job.client_request_id}
        self._db.execute(SET_MICROS, columns)

    def _add_event(self, job: Job, was: JobState, to: JobState, detail: str, run: int | None, now: float) -> None:
        columns = {"job": job.seq, "run": run, "now": now, "from_state": was.value, "to_state": to.value}
        self._db.execute(ADD_EVENT, {**columns, "detail": detail})
