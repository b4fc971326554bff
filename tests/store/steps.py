"""Steps of a run and of a job's life, and the tallies that must agree with the rows."""

from __future__ import annotations

from batchveo.core.job_row import JobRow
from batchveo.core.models import Job, JobSpec
from batchveo.core.outcomes import Outcome
from batchveo.core.state_machine import next_state
from batchveo.store import StagingTable, Store

COUNTED = "SELECT state, held, count(*) FROM jobs GROUP BY state, held ORDER BY state, held"
KEPT = "SELECT state, held, jobs FROM tallies WHERE jobs != 0 ORDER BY state, held"
SUMMED = """SELECT (SELECT coalesce(sum(micros), 0) FROM attempts),
    (SELECT coalesce(sum(CAST(round(cost_usd * 1e6) AS INTEGER)), 0) FROM jobs),
    (SELECT count(*) FROM jobs WHERE completed_at IS NOT NULL AND cost_usd IS NULL)"""
SUMS = "SELECT micros, spent, unpriced FROM money"


def move(store: Store, job: Job, outcome: Outcome, now: float = 10.0) -> Job:
    step = next_state(job, outcome, now=now, jitter=0.0)
    assert step is not None
    return store.transitions.apply_move(job, step, run=1, now=now)


def claimed(store: Store, run: int = 1, now: float = 5.0, *, key: str | None = None) -> Job:
    job = store.transitions.claim_job(run=run, now=now, key=key)
    assert job is not None
    return job


def assert_agrees(store: Store) -> None:
    """What is kept is what a look at every row finds."""
    for kept, looked in ((KEPT, COUNTED), (SUMS, SUMMED)):
        assert list(map(tuple, store.connection.db.execute(kept))) == list(
            map(tuple, store.connection.db.execute(looked))
        )


def begun(store: Store, *specs: JobSpec, scratch: bool = True) -> int:
    """A run that names ``specs``."""
    run = store.runs.begin_run(command="run", service="s", now=1.0)
    if scratch:
        with StagingTable() as named:
            named.add_rows(map(JobRow.from_spec, specs))
            store.imports.add_jobs(named, run=run, now=1.0)
    else:
        store.imports.add_jobs(specs, run=run, now=1.0)
    return run


def names_claimed(store: Store, run: int) -> list[str]:
    """The jobs that ``run`` submits, in their order."""
    return [job.name for job in iter(lambda: store.transitions.claim_job(run=run, now=5.0), None)]


def moved(store: Store, job: Job, outcome: Outcome, run: int | None = None) -> Job:
    step = next_state(job, outcome, now=5.0, jitter=0.0)
    return job if step is None else store.transitions.apply_move(job, step, run=run, now=5.0)
