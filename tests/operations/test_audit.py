"""Audits: the database compared with the usage log and the ledger of the provider."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from batchveo.core.errors import KeyRejected
from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import Accepted, Completed, Downloaded, Outcome
from batchveo.core.state_machine import next_state
from batchveo.operations.audit import Finding, Kind, audit, compare_records
from batchveo.provider import ApiClient, ApiKey, ProviderError, service_lists
from batchveo.provider.service_lists import read_charges
from batchveo.sandbox import Settings, transport
from batchveo.store import Store
from batchveo.store.provider_records import Listing, ProviderRecords
from tests.helpers.factories import make_spec
from tests.helpers.several_keys import AccountsByKey, break_off_log
from tests.helpers.virtual_run import BASE_URL, Night, specs

S = JobState


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        store.runs.begin_run(command="run", service="s", now=1.0)
        yield store


def move(store: Store, job: Job, outcome: Outcome) -> Job:
    step = next_state(job, outcome, now=10.0, jitter=0.0)
    assert step is not None
    return store.transitions.apply_move(job, step, run=1, now=10.0)


def bought(store: Store, folder: Path, name: str = "a", *, fetched: bool = True, price: float = 1.0) -> Job:
    store.imports.add_jobs([make_spec(name)], run=1, now=1.0)
    job = store.transitions.claim_job(run=1, now=2.0, price=lambda job: price)
    assert job is not None
    job = move(store, job, Accepted(generation_id=f"g-{name}"))
    if not fetched:
        return job
    (folder / f"{name}.mp4").write_bytes(b"abc")
    job = move(store, job, Completed(url="https://x/v", cost_usd=price))
    return move(store, job, Downloaded(folder=str(folder), file=f"{name}.mp4", bytes=3, sha256="00"))


def compare(store: Store, charges: dict[str, float], requests: dict[str, str] | None = None) -> list[Finding]:
    with ProviderRecords(store.path) as records:
        records.add_window("k", Listing.LEDGER, (0.0, 1.0), charges.items(), read_at=1.0)
        records.add_window("k", Listing.LOG, (0.0, 1.0), (requests or {}).items(), read_at=1.0)
        records.match_keys({"k": ""})
        findings = list(compare_records(store, records))
        records.drop_changing()
    return findings


def found(store: Store, charges: dict[str, float], requests: dict[str, str] | None = None) -> list[Kind]:
    return [finding.kind for finding in compare(store, charges, requests)]


def test_books_that_agree(store: Store, tmp_path: Path) -> None:
    """Nothing is off."""
    bought(store, tmp_path)
    assert found(store, {"g-a": 1.0}) == []


def test_bought_twice(store: Store, tmp_path: Path) -> None:
    """The log knows a second generation under one of the job's own request ids."""
    job = bought(store, tmp_path)
    assert job.client_request_id
    again = {job.client_request_id: "g-other"}
    assert found(store, {"g-a": 1.0, "g-other": 1.0}, again) == [Kind.BOUGHT_TWICE]


def test_bought_but_not_on_disk(store: Store, tmp_path: Path) -> None:
    """Not fetched yet, gone, or cut short."""
    bought(store, tmp_path, "a", fetched=False)
    assert found(store, {"g-a": 1.0}) == [Kind.NOT_ON_DISK]
    job = bought(store, tmp_path, "b")
    (tmp_path / "b.mp4").write_bytes(b"ab")
    assert found(store, {"g-b": 1.0}) == [Kind.NOT_ON_DISK]
    (tmp_path / "b.mp4").unlink()
    (finding,) = compare(store, {"g-b": 1.0})
    assert finding.job == job
    assert "No such file" in finding.detail


def test_a_doubt_that_was_charged_is_bought_and_not_on_disk(store: Store) -> None:
    """Found by its request id though the state has no generation for it."""
    store.imports.add_jobs([make_spec("a")], run=1, now=1.0)
    job = store.transitions.claim_job(run=1, now=2.0)
    assert job is not None
    store.transitions.mark_sent(job, now=2.5)
    store.transitions.recover_jobs(run=1, now=3.0)
    assert found(store, {"g-x": 1.0}, {str(job.client_request_id): "g-x"}) == [Kind.NOT_ON_DISK]


def test_on_disk_but_never_charged(store: Store, tmp_path: Path) -> None:
    """Worth a look."""
    bought(store, tmp_path)
    assert found(store, {}) == [Kind.NEVER_CHARGED]


def test_charged_otherwise_than_expected(store: Store, tmp_path: Path) -> None:
    """Than quoted, or than the generation itself reported."""
    bought(store, tmp_path)
    assert found(store, {"g-a": 1.5}) == [Kind.PRICE_DIFFERS]


def test_a_stranger(store: Store) -> None:
    """Charged to this key, asked for by nobody here."""
    assert found(store, {"g-stranger": 2.0}) == [Kind.UNKNOWN]


@pytest.mark.anyio
async def test_a_whole_night_agrees_with_the_sandboxs_books(tmp_path: Path) -> None:
    """Lost answers and all."""
    night = Night(tmp_path, Settings(generation_median=60.0, faults={"lose-answer": 0.3, "generation-error": 0.2}))
    await night.run(specs(50), concurrency=20)

    async def findings() -> Sequence[Finding]:
        with night.store() as store:
            async with ApiClient(ApiKey("k"), base_url=BASE_URL, transport=transport(night.service)) as api:
                return (await audit(store, {"": api}, now=night.clock.now())).findings

    assert await findings() == []
    next((tmp_path / "videos").glob("*.mp4")).unlink()
    assert [finding.kind for finding in await findings()] == [Kind.NOT_ON_DISK]


@pytest.mark.anyio
async def test_a_log_of_any_length_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that other readers give up at; but if the service breaks off, of any key, that is told."""
    monkeypatch.setattr(service_lists, "PAGE", 2)
    monkeypatch.setattr(service_lists, "MOST_PAGES", 1)
    accounts = AccountsByKey(tmp_path)
    with accounts.store as store:
        async with accounts.apis("a", "b") as opened:
            for _ in range(3):
                await accounts.buy(opened, "b")
            accounts.now += 5.0  # nothing is charged yet, and the log tells of all
            assert (await audit(store, opened, now=accounts.now)).ok
            break_off_log(monkeypatch)
            audited = await audit(store, opened, now=accounts.now)
            assert (list(audited.findings), audited.whole, audited.ok) == ([], False, False)


@pytest.mark.anyio
async def test_the_ledger_is_read_to_its_end() -> None:
    """Page by page, the cursor handed back unchanged; charges of one generation add up."""
    pages: dict[str | None, dict[str, Any]] = {
        None: {"data": [row("a", 1.0), row("b", 2.0)], "pagination": {"has_more": True, "next_cursor": "c+/="}},
        "c+/=": {"data": [row("a", 0.5), {}, None], "pagination": {"has_more": False, "next_cursor": None}},
    }

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url.params["type"] == "MODEL_USAGE"
        return httpx.Response(200, json=pages[request.url.params.get("cursor")])

    async with ApiClient(ApiKey("k"), base_url=BASE_URL, transport=httpx.MockTransport(handler)) as api:
        assert await read_charges(api, since=0.0) == {"a": 1.5, "b": 2.0}


@pytest.mark.anyio
async def test_an_unreadable_ledger_is_trouble() -> None:
    """Not an empty one."""
    wire = httpx.MockTransport(lambda request: httpx.Response(200, json={"data": 3}))
    async with ApiClient(ApiKey("k"), base_url=BASE_URL, transport=wire) as api:
        with pytest.raises(ProviderError):
            await read_charges(api, since=0.0)


def row(generation: str, usd: float) -> dict[str, Any]:
    return {"reference_id": generation, "amount": {"usd": usd, "credits": 1}}


@pytest.mark.anyio
async def test_the_books_of_several_keys_are_one(tmp_path: Path) -> None:
    """Each tells of its own; a purchase that nobody here knows is named with its key."""
    accounts = AccountsByKey(tmp_path)
    with accounts.store as store:
        async with accounts.apis("a", "b") as opened:
            for label in opened:
                await accounts.buy(opened, label)
            accounts.now += 3600.0
            findings = (await audit(store, opened, now=accounts.now)).findings
            assert [(finding.kind, finding.key) for finding in findings] == [
                (Kind.NOT_ON_DISK, "a"),
                (Kind.NOT_ON_DISK, "b"),
            ]
            await opened["b"].submit({"model": "veo2", "prompt": "x"}, client_request_id="someone-else")
            accounts.now += 3600.0
            (*_, last) = (await audit(store, opened, now=accounts.now)).findings
            assert (last.kind, last.key) == (Kind.UNKNOWN, "b")


@pytest.mark.anyio
async def test_keys_of_one_account_are_not_counted_twice(tmp_path: Path) -> None:
    """Both ledgers have the same rows; the label is that of the key that was sent."""
    accounts = AccountsByKey(tmp_path, per_key=False)
    with accounts.store as store:
        async with accounts.apis("a", "b") as opened:
            await accounts.buy(opened, "b")
            accounts.now += 3600.0
            (finding,) = (await audit(store, opened, now=accounts.now)).findings
    assert (finding.kind, finding.key) == (Kind.NOT_ON_DISK, "b")
    assert finding.usd == pytest.approx(accounts.service.charges()[0].credits / 2e6)


@pytest.mark.anyio
async def test_a_key_whose_books_cannot_be_read_is_named(tmp_path: Path) -> None:
    """An audit with the records of half the keys would be wrong."""
    accounts = AccountsByKey(tmp_path)
    with accounts.store as store:
        async with accounts.apis("a", "b") as opened:
            opened["b"]._headers.pop("Authorization")
            with pytest.raises(KeyRejected, match="key 'b'"):
                await audit(store, opened, now=accounts.now)
