"""Jobs and counts as JSON that scripts rely on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from batchveo.core.forecast import Forecast
from batchveo.core.formatting import format_forecast
from batchveo.core.models import Job, JobState
from batchveo.operations.status import Snapshot, SnapshotReader
from batchveo.storage.stored_video import video_at
from batchveo.store import Store


def make_job_row(job: Job) -> dict[str, object]:
    """One line of ``batchveo jobs --json``. Fields are added over time, never taken away."""
    return {
        "id": job.id,
        "name": job.name,
        "state": job.state.value,
        "model": job.model,
        "prompt": job.prompt,
        "generation_id": job.generation_id,
        "client_request_id": job.client_request_id,
        "file": str(video_at(job)) if job.file else None,
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
        "key": job.api_key_label,
    }


def make_status_row(store: Store, *, now: float | None = None) -> dict[str, object]:
    """``batchveo status --json``: counts by state, money, speed, what is in doubt."""
    shot = SnapshotReader(store=store).look(time.time() if now is None else now)
    return {
        "state": str(store.path),
        **make_progress_row(shot),
        "put_aside": store.skipped.count_by_reason(),
        "in_doubt": [
            {"id": job.id, "name": job.name, "held": job.held, "client_request_id": job.client_request_id}
            for job in store.jobs(JobState.IN_DOUBT)
        ],
    }


def make_progress_row(shot: Snapshot) -> dict[str, object]:
    """How far a state is; a part of ``status --json``, and the object that ``run --log-json`` writes of it."""
    ahead = shot.ahead
    return {
        "total": shot.counts.total,
        "counts": {state.value: shot.counts[state] for state in JobState},
        "held": shot.counts.held,
        "spend_usd": round(shot.spent, 6),
        "committed_usd": round(shot.committed, 6),
        "budget_usd": shot.budget,
        "price_unknown": shot.unpriced,
        "running": shot.going,
        "videos_per_hour": round(shot.videos_per_hour, 2),
        "usd_per_hour": round(shot.usd_per_hour, 6),
        "eta_seconds": ahead and round(ahead.likely, 1),
        "eta_low_seconds": ahead and round(ahead.low, 1),
        "eta_high_seconds": ahead and round(ahead.high, 1),
    }


def describe_time_left(row: Mapping[str, Any]) -> str | None:
    """What is left by such a row, as the live display says it; ``None`` where nobody knows."""
    low, likely, high = (row[f"eta_{end}seconds"] for end in ("low_", "", "high_"))
    return None if likely is None else format_forecast(Forecast(low=low, likely=likely, high=high))
