"""Imports generations that are already bought into a database that lacks them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from batchveo.core.errors import UsageError
from batchveo.core.filenames import safe_stem
from batchveo.core.job_row import canonical_json
from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.outcomes import Completed, GenerationFailed, StillGenerating
from batchveo.engine.clip_judgement import change_seed
from batchveo.provider import ApiClient
from batchveo.provider.service import label_errors
from batchveo.provider.service_lists import Row, read_log, read_success
from batchveo.store import GenerationTaken, Store

_OURS = re.compile(r"bv\.([0-9a-f]{20})\.(\d{1,9})\.[0-9a-f]{8}")
"""A client request id of ours: job id, attempt, nonce."""


MOST_TAKES = 10
"""The highest number of a take that is looked for in the log."""
RESTORED = "restored because of the usage log, which does not show its seed: it may be another one"


@dataclass(slots=True)
class ImportedGenerations:
    """The jobs that got a generation; the ids of generations that got no job.

    ``surplus`` ones were bought for a job that has another generation, ``unknown`` ones for no job of the database.
    ``whole``: the log was read to its end; else there may be more.
    """

    jobs: list[Job] = field(default_factory=list)
    surplus: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    whole: bool = True


@dataclass(slots=True)
class _Bought:
    """A success in the log, with the labels of all keys whose log lists it."""

    job_id: str
    request: str
    created: str
    keys: list[str] = field(default_factory=list)


async def import_from_log(
    store: Store, apis: Mapping[str, ApiClient], *, hours: int, now: float
) -> ImportedGenerations:
    """Match the successes in the logs to jobs that are pending or in doubt, by the job ids in their request ids.

    ``apis`` are the clients of all keys, by their labels. A job gets its latest success. Raises ``ProviderError``
    or ``KeyRejected``.
    """
    found: dict[str, _Bought] = {}
    adopted = ImportedGenerations()
    for label, api in apis.items():
        with label_errors(label):
            adopted.whole &= await _read_successes(api, label, hours, found)
    takes = _restore_takes(store, {bought.job_id for bought in found.values()}, now)
    # each log has its newest first; over several logs the newest must be first again
    for generation, bought in sorted(found.items(), key=lambda item: item[1].created, reverse=True):
        _import_success(store, adopted, generation, bought, now)
    for take in map(store.queries.read_job, takes):
        if take.state is JobState.PENDING:
            store.takes.withdraw_take(take, now=now)
    return adopted


def _restore_takes(store: Store, job_ids: Collection[str], now: float) -> list[int]:
    """Add the takes of rejected clips that a lost database made: no manifest names them. Returns their numbers.

    ``job_ids`` are those in the log. A seed follows from that of the take before, most often as it did then.
    """
    left = {job_id for job_id in job_ids if not store.queries.find_jobs(job_id)}
    restored = []
    for number in range(2, MOST_TAKES + 1) if left else ():
        firsts = store.takes.find_firsts(dict.fromkeys(left, number))
        left -= firsts.keys()
        for first in firsts.values():
            request = _make_request(store, first, number)
            take = store.takes.restore_take(first, number, request, run=None, now=now, detail=RESTORED)
            restored.append(take.seq)
    return restored


def _make_request(store: Store, first: Job, number: int) -> str:
    job, used = store.takes.list_family(first)[-1], store.takes.list_seeds(first)
    text = canonical_json(job.request)
    for _ in range(job.take, number):
        text, seed = change_seed(job, used)
        job, used = replace(job, request=json.loads(text)), used | ({seed} if seed is not None else set())
    return text


async def _read_successes(api: ApiClient, label: str, hours: int, found: dict[str, _Bought]) -> bool:
    """Add the successes of one log to ``found``; returns whether its end was reached."""

    def take(page: Sequence[Row]) -> bool:
        for row in page:
            request, generation = read_success(row) or ("", "")
            match = _OURS.fullmatch(request)
            if match and generation:
                bought = found.setdefault(generation, _Bought(match[1], request, str(row.get("created"))))
                bought.keys.append(label)
        return False

    return await read_log(api, hours=hours, take=take)


def _import_success(store: Store, adopted: ImportedGenerations, generation: str, bought: _Bought, now: float) -> None:
    jobs = store.queries.find_jobs(bought.job_id)
    if not jobs:
        adopted.unknown.append(generation)
        return
    job = jobs[0]
    if job.generation_id == generation:
        return
    if job.state not in (JobState.PENDING, JobState.IN_DOUBT):
        adopted.surplus.append(generation)
        return
    # an account may have several keys; the one of the job's own attempt can certainly poll it
    key = job.api_key_label if job.api_key_label in bought.keys else bought.keys[0]
    try:
        adopted.jobs.append(
            store.manual.adopt_generation(job, generation, now=now, client_request_id=bought.request, key=key)
        )
    except GenerationTaken:  # another job of this database has it already
        adopted.surplus.append(generation)


async def find_key_label(apis: Mapping[str, ApiClient], generation_id: str) -> str:
    """The label of the key that knows a generation; raises ``UsageError`` if none does."""
    reasons = []
    for label, api in apis.items():
        outcome = await api.poll(generation_id)
        if isinstance(outcome, StillGenerating | Completed | GenerationFailed):
            return label
        reasons.append(f"{label}: {outcome.reason}")
    why = "; ".join(reasons)
    raise UsageError(f"no key knows {generation_id} ({why}); --key LABEL names the one that bought it")


def import_generation(store: Store, generation_id: str, *, run: int, now: float, key: str | None = None) -> Job:
    """Make a job for a generation bought elsewhere, named after its id; raises ``GenerationTaken``.

    ``key`` is the label of the key that bought it.
    """
    model = generation_id.partition(":")[2] or "unknown"
    spec = JobSpec(
        id=hashlib.sha256(f"adopted:{generation_id}".encode()).hexdigest()[:20],
        name=generation_id,
        stem=safe_stem(generation_id),
        model=model,
        request={"model": model, "prompt": ""},
        manifest="adopted",
    )
    return store.manual.adopt_new_job(spec, generation_id, run=run, now=now, key=key)
