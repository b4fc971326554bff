"""The state held against the provider's own ledger and log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from batchveo.core.models import Job, JobState
from batchveo.provider import ApiClient
from batchveo.provider.billing import read_charges
from batchveo.provider.clients import label_errors
from batchveo.provider.usage_log import Row, hours_since, read_log, read_success
from batchveo.storage.stored_video import size_of, video_at
from batchveo.store import Store

SAME_USD = 0.005
"""Prices that differ by less are the same."""
ONE_HOUR = 3600.0


class Kind(StrEnum):
    """What may be off, each with the words for it."""

    BOUGHT_TWICE = "bought twice"
    NOT_ON_DISK = "bought, but not on disk"
    NEVER_CHARGED = "on disk, but never charged"
    PRICE_DIFFERS = "charged otherwise than expected"
    UNKNOWN = "a generation nobody here asked for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is off. ``usd`` is what the ledger says was charged, ``key`` the label of whose it was."""

    kind: Kind
    generation_id: str
    usd: float | None
    job: Job | None = None
    detail: str = ""
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRecords:
    """What the provider says: charges by generation id, generation ids by client request id.

    ``keys``: the label of the first key whose ledger tells of a generation. ``whole``: every log was read to its
    end; else there may be more in it.
    """

    charges: Mapping[str, float]
    requests: Mapping[str, str]
    keys: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What is off. Not ``whole``: what was bought twice further back than the log was read is not among it."""

    findings: Sequence[Finding]
    whole: bool

    @property
    def ok(self) -> bool:
        """Whether nothing is off, and all that there is was looked at."""
        return self.whole and not self.findings


async def read_all_records(apis: Mapping[str, ApiClient], *, since: float, now: float) -> ProviderRecords:
    """The books of every key as one: what several tell, since they have one account, counts once."""
    charges: dict[str, float] = {}
    requests: dict[str, str] = {}
    keys: dict[str, str] = {}
    whole = True
    for label, api in apis.items():
        with label_errors(label):
            books = await read_records(api, since=since, now=now)
        charges = {**books.charges, **charges}
        requests = {**books.requests, **requests}
        keys = {**dict.fromkeys(books.charges, label), **keys}
        whole &= books.whole
    return ProviderRecords(charges=charges, requests=requests, keys=keys, whole=whole)


async def read_records(api: ApiClient, *, since: float, now: float) -> ProviderRecords:
    """Read ledger and log back to ``since``; raises ``ServiceTrouble`` or ``KeyRejected``."""
    requests: dict[str, str] = {}

    def take(rows: Sequence[Row]) -> bool:
        requests.update(filter(None, map(read_success, rows)))
        return False

    whole = await read_log(api, hours=hours_since(since, now), take=take)
    charges = await read_charges(api, since=since - ONE_HOUR)
    return ProviderRecords(charges=charges, requests=requests, whole=whole)


async def audit(store: Store, apis: Mapping[str, ApiClient], *, now: float) -> Audit:
    """Everything that is off between the state and the provider; raises ``ServiceTrouble`` or ``KeyRejected``.

    ``apis`` are the clients of all keys, by their labels.
    """
    first = next(store.queries.list_attempts(), None)
    books = await read_all_records(apis, since=float(first["started_at"]) if first else now, now=now)
    return Audit(findings=list(compare_records(store, books)), whole=books.whole)


def compare_records(store: Store, books: ProviderRecords) -> Iterator[Finding]:
    """Hold the state against the books."""
    keys: dict[str, str | None] = dict(books.keys)
    for finding in _compare(store, books, keys):
        yield replace(finding, key=keys.get(finding.generation_id) or None)


def _compare(store: Store, books: ProviderRecords, keys: dict[str, str | None]) -> Iterator[Finding]:
    """The findings; ``keys`` learns with which key each of our generations was asked for."""
    jobs = {job.seq: job for job in store.jobs() if job.attempts}
    prices: dict[int, float] = {}
    bought: dict[int, set[str]] = {seq: set() for seq in jobs}
    for attempt in store.queries.list_attempts():
        for generation in (attempt["generation_id"], books.requests.get(attempt["client_request_id"])):
            if generation:
                bought[attempt["job"]].add(generation)
                keys[generation] = attempt["key"]
        if attempt["price_usd"] is not None:
            prices[attempt["job"]] = attempt["price_usd"]
    for seq, job in jobs.items():
        yield from _job_findings(job, bought[seq], prices.get(seq), books.charges)
    ours = set().union(*bought.values(), *({job.generation_id} for job in jobs.values()))
    for generation, usd in books.charges.items():
        if generation not in ours:
            yield Finding(kind=Kind.UNKNOWN, generation_id=generation, usd=usd)


def _job_findings(
    job: Job, generations: set[str], price: float | None, charges: Mapping[str, float]
) -> Iterator[Finding]:
    charged = sorted(generation for generation in generations if generation in charges)
    own = job.generation_id if job.generation_id in charges else next(iter(charged), None)
    for generation in charged:
        if generation != own:
            yield _finding(Kind.BOUGHT_TWICE, job, generation, charges, f"beside {own}")
    missing = _missing(job)
    if missing and own is not None:
        yield _finding(Kind.NOT_ON_DISK, job, own, charges, missing)
    if job.state is JobState.SUCCEEDED and job.generation_id and job.generation_id not in charges:
        yield _finding(Kind.NEVER_CHARGED, job, job.generation_id, charges, "")
    for expected in (job.cost_usd, price):
        if own is not None and expected is not None and abs(charges[own] - expected) > SAME_USD:
            yield _finding(Kind.PRICE_DIFFERS, job, own, charges, f"expected ${expected:.4f}")
            return


def _missing(job: Job) -> str | None:
    """Why the job's video is not on disk; ``None`` where it is."""
    if job.state is not JobState.SUCCEEDED:
        return f"the job is {'held in doubt' if job.held else job.state.replace('_', ' ')}"
    path = video_at(job)
    try:
        size = size_of(path)
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None if size == job.bytes else f"{path} has {size} bytes, recorded were {job.bytes}"


def _finding(kind: Kind, job: Job, generation: str, charges: Mapping[str, float], detail: str) -> Finding:
    return Finding(kind=kind, generation_id=generation, usd=charges.get(generation), job=job, detail=detail)
