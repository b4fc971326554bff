"""Jobs and counts as JSON that scripts rely on."""

from __future__ import annotations

import time

from batchveo.models import Job, JobState
from batchveo.store import Store
from batchveo.verifying import video_path

RATE_WINDOW = 3600.0
"""Seconds of the past over which the rate of finished videos is measured."""


def job_row(job: Job) -> dict[str, object]:
    """One line of ``batchveo jobs --json``. Fields are added over time, never taken away."""
    return {
        "id": job.id,
        "name": job.name,
        "state": job.state.value,
        "model": job.model,
        "prompt": job.prompt,
        "generation_id": job.generation_id,
        "client_request_id": job.client_request_id,
        "file": str(video_path(job)) if job.file else None,
        "bytes": job.bytes,
        "sha256": job.sha256,
        "cost_usd": job.cost_usd,
        "attempts": job.attempts,
        "error": job.error,
        "held": job.held,
        "index": job.index,
        "seed": job.request.get("seed"),
        "meta": dict(job.meta),
        "manifest": job.manifest,
        "source": job.source,
        "line": job.line,
    }


def status_row(store: Store, *, now: float | None = None) -> dict[str, object]:
    """``batchveo status --json``: counts by state, money, speed, what is in doubt."""
    now = time.time() if now is None else now
    counts = store.counts()
    usd, unknown = store.spend()
    last = store.last_run()
    begun = max(now - RATE_WINDOW, last["started_at"]) if last else now - RATE_WINDOW
    finished = store.finished_since(begun)
    rate = finished / max(now - begun, 1.0)
    unfinished = sum(counts[state] for state in UNFINISHED) - counts.held
    return {
        "state": str(store.path),
        "total": counts.total,
        "counts": {state.value: counts[state] for state in JobState},
        "held": counts.held,
        "spend_usd": round(usd, 6),
        "committed_usd": round(store.committed(), 6),
        "price_unknown": unknown,
        "running": store.is_running(),
        "videos_per_hour": round(rate * 3600.0, 2),
        "eta_seconds": round(unfinished / rate, 1) if rate and unfinished else None,
        "in_doubt": [
            {"id": job.id, "name": job.name, "held": job.held, "client_request_id": job.client_request_id}
            for job in store.jobs(JobState.IN_DOUBT)
        ],
    }


UNFINISHED = (
    JobState.PENDING,
    JobState.SUBMITTING,
    JobState.IN_DOUBT,
    JobState.GENERATING,
    JobState.DOWNLOADING,
)
