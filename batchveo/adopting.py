"""Generations that exist at the provider, taken into a state that does not know them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from batchveo.api import Api
from batchveo.api.usage_log import Row, read_log, success_of
from batchveo.models import Job, JobSpec, JobState
from batchveo.paths import safe_stem
from batchveo.store import GenerationTaken, Store

_OURS = re.compile(r"bv\.([0-9a-f]{20})\.(\d{1,9})\.[0-9a-f]{8}")
"""A client request id of ours: job id, attempt, nonce."""


@dataclass(slots=True)
class Adopted:
    """What was taken in, and what could not be: ``surplus`` generations were bought for a job that has one."""

    jobs: list[Job] = field(default_factory=list)
    surplus: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


async def adopt_from_log(store: Store, api: Api, *, hours: int, now: float) -> Adopted:
    """Match the log's successes to the state's pending and doubtful jobs, by the job ids in their request ids.

    A job's latest success is adopted. Raises ``ServiceTrouble`` or ``KeyRejected``.
    """
    rows: dict[str, tuple[str, str]] = {}

    def take(page: Sequence[Row]) -> bool:
        for request, generation in filter(None, map(success_of, page)):
            match = _OURS.fullmatch(request)
            if match and generation:
                rows.setdefault(generation, (match[1], request))
        return False

    await read_log(api, hours=hours, take=take)
    adopted = Adopted()
    for generation, (job_id, request) in rows.items():
        _take_in(store, adopted, generation, job_id, request, now)
    return adopted


def _take_in(store: Store, adopted: Adopted, generation: str, job_id: str, request: str, now: float) -> None:
    found = store.find(job_id)
    if not found:
        adopted.unknown.append(generation)
        return
    job = found[0]
    if job.generation_id == generation:
        return
    if job.state not in (JobState.PENDING, JobState.IN_DOUBT):
        adopted.surplus.append(generation)
        return
    try:
        adopted.jobs.append(store.adopt(job, generation, now=now, client_request_id=request))
    except GenerationTaken:
        adopted.surplus.append(generation)


def adopt_stranger(store: Store, generation_id: str, *, run: int, now: float) -> Job:
    """Make a job for a generation bought elsewhere, named after its id; raises ``GenerationTaken``."""
    model = generation_id.partition(":")[2] or "unknown"
    spec = JobSpec(
        id=hashlib.sha256(f"adopted:{generation_id}".encode()).hexdigest()[:20],
        name=generation_id,
        stem=safe_stem(generation_id),
        model=model,
        request={"model": model, "prompt": ""},
        manifest="adopted",
    )
    return store.adopt_new(spec, generation_id, run=run, now=now)
