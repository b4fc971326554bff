"""Steps of a job's life, as a run takes them."""

from __future__ import annotations

from batchveo.core.models import Job
from batchveo.core.outcomes import Outcome
from batchveo.core.state_machine import next_state
from batchveo.store import Store


def move(store: Store, job: Job, outcome: Outcome, now: float = 10.0) -> Job:
    step = next_state(job, outcome, now=now, jitter=0.0)
    assert step is not None
    return store.transitions.apply_move(job, step, run=1, now=now)


def claimed(store: Store, run: int = 1, now: float = 5.0, *, key: str | None = None) -> Job:
    job = store.transitions.claim_job(run=run, now=now, key=key)
    assert job is not None
    return job
