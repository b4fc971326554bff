"""Compares the database with the provider's ledger and usage log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from batchveo.core.models import Job, JobState
from batchveo.provider import ApiClient
from batchveo.provider.service import label_errors
from batchveo.provider.service_lists import Row, hours_since, read_charges, read_log, read_success
from batchveo.storage.stored_video import size_of, video_at
from batchveo.store import Store

SAME_USD = 0.005
"""Prices that differ by less are the same."""
ONE_HOUR = 3600.0


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
class ProviderRecords:
    """The provider's records: charges by generation id, generation ids by client request id.

    ``keys``: the label of the first key whose ledger lists a generation. ``whole``: every log was read to its end.
    """

    charges: Mapping[str, float]
    requests: Mapping[str, str]
    keys: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """All differences; if it is not ``whole``, without double purchases that are older than what was read."""

    findings: Sequence[Finding]
    whole: bool

    @property
    def ok(self) -> bool:
        """Whether there is no difference, and every record was read."""
        return self.whole and not self.findings


async def audit(store: Store, apis: Mapping[str, ApiClient], *, now: float) -> Audit:
    """Every difference between database and provider; raises ``ProviderError`` or ``KeyRejected``.

    ``apis`` are the clients of all keys, by their labels.
    """
    first = next(store.queries.list_attempts(), None)
    records = await read_records(apis, since=float(first["started_at"]) if first else now, now=now)
    return Audit(findings=list(compare_records(store, records)), whole=records.whole)


async def read_records(apis: Mapping[str, ApiClient], *, since: float, now: float) -> ProviderRecords:
    """The ledgers and logs of all keys, back to ``since``; what several keys of one account list counts once."""
    charges: dict[str, float] = {}
    requests: dict[str, str] = {}
    keys: dict[str, str] = {}
    whole = True

    def keep_successes(rows: Sequence[Row]) -> bool:
        requests.update(filter(None, map(read_success, rows)))
        return False

    for label, api in apis.items():
        with label_errors(label):
            whole &= await read_log(api, hours=hours_since(since, now), take=keep_successes)
            charged = await read_charges(api, since=since - ONE_HOUR)
        charges = {**charged, **charges}
        keys = {**dict.fromkeys(charged, label), **keys}
    return ProviderRecords(charges=charges, requests=requests, keys=keys, whole=whole)


def compare_records(store: Store, records: ProviderRecords) -> Iterator[Finding]:
    """The differences, job by job, then the charges that are no job's."""
    charges = records.charges
    keys: dict[str, str | None] = dict(records.keys)

    def make_finding(kind: Kind, generation: str, job: Job | None = None, detail: str = "") -> Finding:
        key = keys.get(generation) or None
        return Finding(
            kind=kind, generation_id=generation, usd=charges.get(generation), job=job, detail=detail, key=key
        )

    jobs = {job.seq: job for job in store.jobs() if job.attempts}
    prices: dict[int, float] = {}
    bought: dict[int, set[str]] = {seq: set() for seq in jobs}
    for attempt in store.queries.list_attempts():
        for generation in (attempt["generation_id"], records.requests.get(attempt["client_request_id"])):
            if generation:
                bought[attempt["job"]].add(generation)
                keys[generation] = attempt["key"]
        if attempt["price_usd"] is not None:
            prices[attempt["job"]] = attempt["price_usd"]
    for seq, job in jobs.items():
        for kind, generation, detail in _compare_job(job, bought[seq], prices.get(seq), charges):
            yield make_finding(kind, generation, job, detail)
    ours = set().union(*bought.values(), *({job.generation_id} for job in jobs.values()))
    for generation in charges:
        if generation not in ours:
            yield make_finding(Kind.UNKNOWN, generation)


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
        return f"{path}: {error.strerror}"
    return None if size == job.bytes else f"{path} has {size} bytes, recorded were {job.bytes}"
