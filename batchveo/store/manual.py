"""Moves that only a person may make."""

from __future__ import annotations

from dataclasses import replace

from batchveo.core.hints import key_of, pasteable
from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.state_machine import BOUGHT_NOTHING, Move
from batchveo.store import sql
from batchveo.store.importer import Expanding
from batchveo.store.mapping import job_of
from batchveo.store.runs import Runs
from batchveo.store.transitions import MoveLost, Moving

NO_TRY_LEFT = 1_000
"""More than any limit of tries: what a person gave up is made again by ``retry`` alone."""


class ByHand(Moving, Expanding, Runs):
    """Verbs of ``retry``, ``cancel``, ``resolve`` and ``adopt``."""

    def retry(self, job: Job, *, now: float) -> Job:
        """Let a failed or cancelled job be bought anew; raises ``ValueError`` or ``MoveLost``."""
        fresh = {**BOUGHT_NOTHING, "troubles": 0, "tried": 0, "not_before": now}
        again = Move(to=JobState.PENDING, detail="retry", set=fresh)
        return self.apply(job, again, run=None, now=now)

    def resubmit(self, job: Job, *, now: float) -> Job:
        """A person says that a doubtful submit bought nothing. Its price stays reserved: they may be wrong."""
        detail = "resolved by hand: to be submitted again"
        again = Move(to=JobState.PENDING, detail=detail, set={"not_before": now, "error": None, "troubles": 0})
        return self.apply(job, again, run=None, now=now)

    def give_up(self, job: Job, *, now: float) -> Job:
        """A person gives up a doubtful submit or a generation. Its price stays reserved: it may be charged."""
        detail = "resolved by hand: given up"
        given_up = {"error": detail, "finished_at": now, "tried": NO_TRY_LEFT}
        lost = Move(to=JobState.FAILED, detail=detail, set=given_up)
        return self.apply(job, lost, run=None, now=now)

    def adopt_new(self, spec: JobSpec, generation_id: str, *, run: int, now: float, key: str | None = None) -> Job:
        """Make a job for a generation that nobody here asked for: both or neither. Raises as ``adopt`` does."""
        with self._transaction():
            self.add([spec], run=run, now=now)
            (job,) = self.find(spec.id)
            return job if job.generation_id == generation_id else self.adopt(job, generation_id, now=now, key=key)

    def adopt(
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
            again = pasteable("retry", key_of(job.name, job.id), state=self.path)
            allowed = f"only pending and doubtful jobs take a generation; `{again}` makes a failed one pending"
            raise ValueError(f"{job.name!r} is {job.state}; {allowed}")
        found = {"generation_id": generation_id, "not_before": now, "troubles": 0, "error": None}
        move = Move(to=JobState.GENERATING, detail="adopted", set=found)
        with self._transaction():
            job = self._known_by(job, key)
            if job.state is JobState.PENDING:
                job = self._adopting(job, client_request_id, now)
            return self.apply(job, move, run=None, now=now)

    def _known_by(self, job: Job, key: str | None) -> Job:
        """Record which key the generation is known by."""
        if key is None or job.key == (key or None):
            return job
        columns = {"seq": job.seq, "from_state": job.state, "attempts": job.attempts, "key": key or None}
        if self._db.execute(sql.SET_KEY, columns).rowcount != 1:
            raise MoveLost(f"job {job.id} is no longer {job.state}")
        return replace(job, key=key or None)

    def _adopting(self, job: Job, client_request_id: str | None, now: float) -> Job:
        """Record the attempt that someone else made for a pending job."""
        request = client_request_id or f"adopted.{job.id}.{job.attempts + 1}"
        known = self._db.execute(sql.ATTEMPT, {"client_request_id": request}).fetchone() is not None
        columns = {"seq": job.seq, "now": now, "client_request_id": request, "new": int(not known)}
        row = self._db.execute(sql.ADOPT, columns).fetchone()
        if row is None:
            raise MoveLost(f"job {job.id} is no longer {job.state}")
        adopting = job_of(row)
        if known:
            self._db.execute(sql.RESERVE_AGAIN, columns)
        else:
            self._begin_attempt(adopting, None, self._latest_run(), now)
        return adopting

    def _latest_run(self) -> int:
        row = self.last_run()
        return int(row["id"]) if row else self.begin_run(command="adopt", service="", now=0.0)

    def cancel(self, job: Job, *, now: float) -> Job:
        """Withdraw a pending job; raises ``ValueError`` or ``MoveLost``."""
        withdrawn = Move(to=JobState.CANCELLED, detail="cancelled", set={"finished_at": now})
        return self.apply(job, withdrawn, run=None, now=now)
