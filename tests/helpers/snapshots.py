"""Snapshots for tests, with everything in place that a test does not care about."""

from __future__ import annotations

from typing import Any

from batchveo.core.events import ThrottleChanged, ThrottleReason
from batchveo.core.forecast import Forecast
from batchveo.core.models import JobState
from batchveo.operations.status import Snapshot
from batchveo.store import Counts
from tests.helpers.factories import make_job

NOW = 1_800_000_000.0
HOSTILE = "[red]\x1b[31m<b>\n\r\x07\u202e狐と月👩‍🚀" + "é" * 200


def make_pace(**changes: Any) -> ThrottleChanged:
    """Twelve places, nine of them left by a 429."""
    fields = {"brake": ThrottleReason.PLACES, "limit": 9, "was": 9, "ceiling": 12, "lowered_at": NOW - 60}
    return ThrottleChanged(**{**fields, **changes})


def make_shot(**changes: Any) -> Snapshot:
    """The middle of a night that has seen everything."""
    by_state = {
        JobState.PENDING: 547,
        JobState.GENERATING: 8,
        JobState.DOWNLOADING: 2,
        JobState.SUCCEEDED: 431,
        JobState.FAILED: 7,
        JobState.IN_DOUBT: 3,
        JobState.CANCELLED: 2,
    }
    doubts = tuple(make_job(JobState.IN_DOUBT, seq=n, name=HOSTILE, held=n == 0) for n in range(3))
    fields: dict[str, Any] = {
        "now": NOW,
        "counts": Counts(by_state=by_state, held=1),
        "begun": NOW - 8049,
        "spent": 336.18,
        "committed": 345.54,
        "unpriced": 3,
        "budget": 800.0,
        "videos_per_hour": 196.4,
        "usd_per_hour": 152.88,
        "ahead": Forecast(low=10_200, likely=11_400, high=13_200),
        "doubts": doubts,
        "pace": make_pace(),
    }
    return Snapshot(**{**fields, **changes})
