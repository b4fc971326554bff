"""Moves that only a person may make."""

from __future__ import annotations

from batchveo.core.hints import format_command, job_argument
from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.state_machine import BOUGHT_NOTHING, Move
from batchveo.store.connection import Connection, Part
from batchveo.store.importer import Importer
from batchveo.store.queries import Queries
from batchveo.store.runs import Runs
from batchveo.store.transitions import Transitions

NO_TRY_LEFT = 1_000
"""More than any limit of tries: what a person gave up is made again by ``retry`` alone."""


class Manual(Part):
    """Moves of ``retry``, ``cancel``, ``resolve`` and ``adopt``."""

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
        """Let a failed or cancelled job be bought anew; raises ``ValueError`` or ``MoveLost``."""
        fresh = {**BOUGHT_NOTHING, "troubles": 0, "tried": 0, "not_before": now}
        again = Move(to=JobState.PENDING, detail="retry", set=fresh)
        return self._transitions.apply_move(job, again, run=None, now=now)

    def resubmit_job(self, job: Job, *, now: float) -> Job:
        """A person says that a doubtful submit bought nothing. Its price stays reserved: they may be wrong."""
        detail = "resolved by hand: to be submitted again"
        again = Move(to=JobState.PENDING, detail=detail, set={"not_before": now, "error": None, "troubles": 0})
        return self._transitions.apply_move(job, again, run=None, now=now)

    def give_up_job(self, job: Job, *, now: float) -> Job:
        """A person gives up a doubtful submit or a generation. Its price stays reserved: it may be charged."""
        detail = "resolved by hand: given up"
        given_up = {"error": detail, "finished_at": now, "tried": NO_TRY_LEFT}
        lost = Move(to=JobState.FAILED, detail=detail, set=given_up)
        return self._transitions.apply_move(job, lost, run=None, now=now)

    def adopt_new_job(self, spec: JobSpec, generation_id: str, *, run: int, now: float, key: str | None = None) -> Job:
        """Add a job for a generation that no manifest asked for: both or neither. Raises as ``adopt_generation``."""
        with self._transaction():
            self._imports.add_jobs([spec], run=run, now=now)
            (job,) = self._queries.find_jobs(spec.id)
            return (
                job
                if job.generation_id == generation_id
                else self.adopt_generation(job, generation_id, now=now, key=key)
            )

    def adopt_generation(
        self,
        job: Job,
        generation_id: str,
        *,
        now: float,
        client_request_id: str | None = None,
        key: str | None = None,
    ) -> Job:
        """Give a doubtful or pending job a generation that exists already.

        ``key`` is the label of the API key that knows it, empty for the only one; ``None`` leaves it as it is.
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
                job = self._transitions.adopt_attempt(job, client_request_id, run=self._latest_run(), now=now)
            return self._transitions.apply_move(job, move, run=None, now=now)

    def _latest_run(self) -> int:
        row = self._runs.find_latest()
        return int(row["id"]) if row else self._runs.begin_run(command="adopt", service="", now=0.0)

    def cancel_job(self, job: Job, *, now: float) -> Job:
        """Withdraw a pending job; raises ``ValueError`` or ``MoveLost``."""
        withdrawn = Move(to=JobState.CANCELLED, detail="cancelled", set={"finished_at": now})
        return self._transitions.apply_move(job, withdrawn, run=None, now=now)
