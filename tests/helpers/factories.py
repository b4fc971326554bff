"""Records for tests, with everything in place that a test does not care about."""

from __future__ import annotations

import hashlib
from typing import Any

from batchveo.core.models import Job, JobSpec, JobState

DEFAULTS: dict[JobState, dict[str, Any]] = {
    JobState.SUBMITTING: {"client_request_id": "bv.x.1", "attempts": 1},
    JobState.IN_DOUBT: {"client_request_id": "bv.x.1", "attempts": 1, "doubted_at": 0.0},
    JobState.GENERATING: {"generation_id": "g-1", "attempts": 1},
    JobState.DOWNLOADING: {"generation_id": "g-1", "attempts": 1, "video_url": "https://cdn.example/v.mp4"},
    JobState.SUCCEEDED: {"generation_id": "g-1", "file": "x.mp4", "sha256": "00", "folder": "/v", "bytes": 1},
}


def make_job(state: JobState = JobState.PENDING, **changes: Any) -> Job:
    """A job in ``state``."""
    fields: dict[str, Any] = {
        "seq": 1,
        "id": "0123456789abcdef0123",
        "name": "a cat",
        "stem": "a cat",
        "state": state,
        "model": "google/veo3",
        "request": {"model": "google/veo3", "prompt": "a cat"},
        **DEFAULTS.get(state, {}),
        **changes,
    }
    return Job(**fields)


def make_spec(name: str = "a cat", **changes: Any) -> JobSpec:
    """An expanded job called ``name``."""
    fields: dict[str, Any] = {
        "id": hashlib.sha256(name.encode()).hexdigest()[:20],
        "name": name,
        "stem": name,
        "model": "google/veo3",
        "request": {"model": "google/veo3", "prompt": name},
        "manifest": "m.yaml",
        "source": "m.yaml",
        "line": 1,
        **changes,
    }
    return JobSpec(**fields)
