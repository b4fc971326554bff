"""A small state that a run is busy with, and the events of that run."""

from __future__ import annotations

from pathlib import Path

from batchveo.core.events import RunStarted
from batchveo.core.models import Job, JobState
from batchveo.core.state_machine import Move
from batchveo.store import Store
from tests.helpers.factories import make_spec


def going(store: Store, count: int = 40, *, now: float, budget: float | None = 9.0) -> RunStarted:
    """A run that has taken on ``count`` jobs."""
    run = store.runs.begin_run(command="run", service="x", now=now)
    store.imports.add_jobs([make_spec(f"job {n}") for n in range(count)], run=run, now=now)
    store.runs.set_budget(run, budget)
    return RunStarted(run=run, state=store.path, output=Path("v"), concurrency=4, budget=budget)


def moved_on(store: Store, run: int, *states: JobState, now: float, **columns: object) -> Job:
    """The next pending job, claimed at ``now`` and moved through ``states``, ten seconds each."""
    job = store.transitions.claim_job(run=run, now=now, price=lambda job: 0.5, budget=None)
    assert job is not None
    filled: dict[JobState, dict[str, object]] = {
        JobState.GENERATING: {"generation_id": f"g-{job.seq}"},
        JobState.DOWNLOADING: {"completed_at": now + 20, "cost_usd": 0.5, "video_url": "https://x/y.mp4"},
        JobState.SUCCEEDED: {"file": f"{job.stem}.mp4", "folder": "/v", "sha256": str(job.seq), "bytes": 1},
        JobState.IN_DOUBT: {"doubted_at": now},
    }
    for n, state in enumerate(states):
        later = now + 10 * (n + 1)
        over = {"finished_at": later} if state in (JobState.SUCCEEDED, JobState.FAILED) else {}
        move = Move(to=state, detail=str(state), set={**filled.get(state, {}), **over, **columns})
        job = store.transitions.apply_move(job, move, run=run, now=later)
    return job
