"""Compares the database with the provider's ledger and usage log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from batchveo.core.clock import Clock
from batchveo.core.errors import find_reason
from batchveo.core.models import Job, JobState
from batchveo.operations.record_reader import ONE_HOUR, Progress, Watch, name_key, read_records
from batchveo.provider import ApiClient
from batchveo.storage.stored_video import size_of, video_at
from batchveo.store import Store
from batchveo.store.provider_records import RESUME_SECONDS, ProviderRecords

SAME_USD = 0.005
"""Prices that differ by less are the same."""
JOBS_AT_ONCE = 1_000
"""Jobs that are compared together."""


class Kind(StrEnum):
    """What a finding is about, each with its words."""

    BOUGHT_TWICE = "bought twice"
    NOT_ON_DISK = "bought, but not on disk"
    NEVER_CHARGED = "on disk, but never charged"
    PRICE_DIFFERS = "charged otherwise than expected"
    UNKNOWN = "a generation nobody here asked for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference. ``usd`` is what the ledger charges, ``key`` the label of the API key that bought it."""

    kind: Kind
    generation_id: str
    usd: float | None
    job: Job | None = None
    detail: str = ""
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """All differences; if it is not ``whole``, without those in what could not be read."""

    findings: Sequence[Finding]
    whole: bool

    @property
    def ok(self) -> bool:
        """Whether there is no difference, and every record was read."""
        return self.whole and not self.findings


def ignore_progress(progress: Progress) -> None:
    """Show nothing."""


async def audit(store: Store, apis: Mapping[str, ApiClient], *, now: float, watch: Watch = ignore_progress) -> Audit:
    """Every difference between database and provider; raises ``ProviderError`` or ``KeyRejected``.

    ``apis`` are the clients of all keys, by their labels. What was read is kept beside the database, so that an audit
    that ended early resumes.
    """
    first = store.queries.find_first_attempt()
    secret = store.keys.read_secret()
    with ProviderRecords(store.path) as records:
        records.drop_changing(read_before=now - RESUME_SECONDS, now=now)
        whole = await read_records(
            records,
            apis,
            secret=secret,
            since=(now if first is None else first) - ONE_HOUR,
            clock=Clock(wall=lambda: now),
            watch=watch,
        )
        records.match_keys({name_key(api, secret): label for label, api in apis.items()})
        findings = list(compare_records(store, records))
        if whole:
            records.drop_changing()  # the next audit reads them again: late rows of them may have come by then
    return Audit(findings=findings, whole=whole)


def compare_records(store: Store, records: ProviderRecords) -> Iterator[Finding]:
    """The differences, job by job, then the charges that are no job's. ``records`` have their keys matched."""
    jobs = (job for job in store.jobs() if job.attempts)
    while some := list(islice(jobs, JOBS_AT_ONCE)):
        yield from _compare_jobs(store, records, some)
    for charge in records.list_strangers():
        yield Finding(kind=Kind.UNKNOWN, generation_id=charge.generation, usd=charge.usd, key=charge.label or None)


def _compare_jobs(store: Store, records: ProviderRecords, jobs: Sequence[Job]) -> Iterator[Finding]:
    attempts = store.queries.list_attempts_of_jobs(jobs)
    logged: dict[str, list[str]] = {}
    for request, generation in records.find_generations([attempt["client_request_id"] for attempt in attempts]):
        logged.setdefault(request, []).append(generation)
    bought: dict[int, dict[str, str | None]] = {job.seq: {} for job in jobs}
    prices: dict[int, float] = {}
    for attempt in attempts:
        own = [attempt["generation_id"]] if attempt["generation_id"] else []
        bought[attempt["job"]] |= dict.fromkeys([*own, *logged.get(attempt["client_request_id"], ())], attempt["key"])
        if attempt["price_usd"] is not None:
            prices[attempt["job"]] = attempt["price_usd"]
    ours = {generation for generations in bought.values() for generation in generations}
    charges = records.find_charges([*ours.union(job.generation_id for job in jobs if job.generation_id)])
    usd = {generation: charge.usd for generation, charge in charges.items()}
    for job in jobs:
        keys = bought[job.seq]
        for kind, generation, detail in _compare_job(job, set(keys), prices.get(job.seq), usd):
            label = keys.get(generation)
            if generation not in keys and generation in charges:
                label = charges[generation].label
            yield Finding(
                kind=kind,
                generation_id=generation,
                usd=usd.get(generation),
                job=job,
                detail=detail,
                key=label or None,
            )


def _compare_job(
    job: Job, generations: set[str], price: float | None, charges: Mapping[str, float]
) -> Iterator[tuple[Kind, str, str]]:
    """Kind, generation id and detail of each difference in the ``generations`` that a job bought."""
    charged = sorted(generation for generation in generations if generation in charges)
    # a job that has no charged generation of its own may have lost the response of one
    own = job.generation_id if job.generation_id in charges else next(iter(charged), None)
    for generation in charged:
        if generation != own:
            yield Kind.BOUGHT_TWICE, generation, f"beside {own}"
    missing = _explain_missing(job)
    if missing and own is not None:
        yield Kind.NOT_ON_DISK, own, missing
    if job.state is JobState.SUCCEEDED and job.generation_id and job.generation_id not in charges:
        yield Kind.NEVER_CHARGED, job.generation_id, ""
    for expected in (job.cost_usd, price):
        if own is not None and expected is not None and abs(charges[own] - expected) > SAME_USD:
            yield Kind.PRICE_DIFFERS, own, f"expected ${expected:.4f}"
            return


def _explain_missing(job: Job) -> str | None:
    """Why the job's video is not on disk; ``None`` if it is."""
    if job.state is not JobState.SUCCEEDED:
        return f"the job is {'held in doubt' if job.held else job.state.replace('_', ' ')}"
    path = video_at(job)
    try:
        size = size_of(path)
    except OSError as error:
        return f"{path}: {find_reason(error)}"
    return None if size == job.bytes else f"{path} has {size} bytes, recorded were {job.bytes}"
