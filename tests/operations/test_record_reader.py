"""The usage log and the ledger, read in windows: interrupted anywhere, and read again if they can change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from heapq import heapify
from pathlib import Path

import anyio
import httpx
import pytest

from batchveo.core.clock import Clock
from batchveo.core.errors import KeyRejected
from batchveo.operations import record_reader
from batchveo.operations.audit import Finding, Kind, audit, ignore_progress
from batchveo.operations.record_reader import Progress, Watch, read_records
from batchveo.provider import ApiClient, ApiKey, ProviderError, service_lists
from batchveo.provider.client import PassingFault
from batchveo.store import Store
from batchveo.store.provider_records import HOUR, ProviderRecords
from tests.helpers.several_keys import AccountsByKey
from tests.helpers.virtual_run import BASE_URL

pytestmark = pytest.mark.anyio

DAY = 24 * HOUR
JOBS = 8
NOW = 1_800_000_000.0


class Interrupted(BaseException):
    """As if the process were killed: nothing handles it."""


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four rows in a window."""
    monkeypatch.setattr(service_lists, "PAGE", 2)
    monkeypatch.setattr(record_reader, "WINDOW_PAGES", 2)


class Account:
    """A night of ``JOBS`` jobs, two of which are bought twice, and an audit of them."""

    def __init__(self, folder: Path) -> None:
        self.accounts = AccountsByKey(folder, jobs=JOBS)
        self.asked = 0
        self.faults: dict[int, httpx.Response] = {}
        """The answers to some calls, by their number."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Mapping[str, ApiClient]]:
        async with self.accounts.apis("a") as apis:
            api = apis["a"]
            call = api._gets.handle_async_request

            async def count_call(request: httpx.Request) -> httpx.Response:
                self.asked += 1
                return self.faults.get(self.asked) or await call(request)

            api._gets.handle_async_request = count_call  # type: ignore[method-assign]
            yield apis

    async def buy_all(self, *, gap: float) -> None:
        """Buy every job, ``gap`` seconds apart, every fourth of them twice."""
        async with self.accounts.apis("a") as apis:
            for number in range(JOBS):
                job, _ = await self.accounts.buy(apis, "a")
                if number % 4 == 1:
                    await apis["a"].submit(job.request, client_request_id=str(job.client_request_id))
                self.accounts.now += gap

    async def audit(self, watch: Watch = ignore_progress) -> list[Finding]:
        self.accounts.now += 61.0  # of the service, which has a limit of its own
        async with self.opened() as apis:
            audited = await audit(self.store, apis, now=self.accounts.now, watch=watch)
        assert audited.whole
        return list(audited.findings)

    @property
    def store(self) -> Store:
        return self.accounts.store

    def forget(self) -> None:
        """Remove what audits have kept."""
        self.asked = 0
        Path(f"{self.store.path}.audit").unlink(missing_ok=True)


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path)


def raise_at(number: int) -> Watch:
    """Interrupts the audit when it has read so many windows."""
    seen = 0

    def watch(progress: Progress) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            raise Interrupted

    return watch


def doubles(findings: list[Finding]) -> int:
    return sum(finding.kind is Kind.BOUGHT_TWICE for finding in findings)


async def interrupt(account: Account, watch: Watch) -> None:
    with pytest.raises(Interrupted):
        await account.audit(watch)


async def test_an_audit_that_is_interrupted_after_any_window_finds_the_same(account: Account) -> None:
    """And asks for no settled window again."""
    await account.buy_all(gap=2 * HOUR)
    account.accounts.now += 2 * DAY
    whole: list[Progress] = []
    expected = await account.audit(whole.append)
    assert doubles(expected) == 2
    pages, read = account.asked, sum(1 for _ in whole)
    assert read > 5
    for number in range(1, read + 1):
        account.forget()
        await interrupt(account, raise_at(number))
        assert await account.audit() == expected, number
        assert account.asked <= pages + 4, number  # the windows that both lists were in, and the last hour


async def test_an_audit_that_is_interrupted_at_any_call_finds_the_same(account: Account) -> None:
    """In the middle of a window, too."""
    await account.buy_all(gap=600.0)
    account.accounts.now += 3 * HOUR
    expected = await account.audit()
    pages = account.asked
    for number in range(1, pages + 1):
        account.forget()
        account.faults = {number: httpx.Response(401, json={"message": "no"})}
        with pytest.raises(KeyRejected):
            await account.audit()
        assert await account.audit() == expected, number


async def test_an_audit_that_is_interrupted_again_and_again_ends(account: Account) -> None:
    """Each goes a little further."""
    await account.buy_all(gap=2 * HOUR)
    account.accounts.now += 2 * DAY
    expected = await account.audit()
    account.forget()
    for _ in range(30):
        try:
            found = await account.audit(raise_at(5))
        except Interrupted:
            continue
        assert found == expected
        return
    pytest.fail("it never ended")


async def test_an_audit_resumes_though_all_is_of_today(account: Account) -> None:
    """Only its last hour is read again, unless it is left for hours."""
    await account.buy_all(gap=600.0)
    account.accounts.now += 3 * HOUR
    expected = await account.audit()
    pages = account.asked
    account.forget()
    await interrupt(account, raise_at(5))
    before = account.asked
    assert await account.audit() == expected
    assert account.asked - before < pages - before / 2
    await interrupt(account, raise_at(5))
    account.accounts.now += 7 * HOUR
    before = account.asked
    assert await account.audit() == expected
    assert account.asked - before >= pages


async def test_a_row_that_comes_late_is_found_by_the_next_audit(account: Account) -> None:
    """What is younger than a day is read again; what is older is not."""
    await account.buy_all(gap=600.0)
    (held,) = account.accounts.service._state.accounts.values()
    shown_at, ordinal, late = held.log._hidden[2]
    held.log._hidden[2] = (shown_at + 12 * HOUR, ordinal, late)
    heapify(held.log._hidden)
    account.accounts.now += HOUR
    assert doubles(await account.audit()) == 1
    account.accounts.now += 13 * HOUR
    assert doubles(await account.audit()) == 2
    account.accounts.now += 2 * DAY
    assert doubles(await account.audit()) == 2
    before = account.asked
    assert doubles(await account.audit()) == 2
    assert (
        account.asked - before == 6
    )  # what became a day old, the rest of the last day, and the last hour, of both lists


async def test_many_rows_of_one_moment_are_read_whole(account: Account) -> None:
    """More than a window has."""
    async with account.accounts.apis("a") as apis:
        for number in range(11):
            await apis["a"].submit({"model": "veo2", "prompt": "x"}, client_request_id=f"other-{number}")
    account.accounts.now += 600.0
    findings = await account.audit()
    assert [finding.kind for finding in findings] == [Kind.UNKNOWN] * 11
    assert len({finding.generation_id for finding in findings}) == 11


@pytest.mark.parametrize("status", [429, 503])
async def test_a_passing_fault_is_waited_out(account: Account, status: int) -> None:
    """As long as the service asks for."""
    await account.buy_all(gap=600.0)
    account.accounts.now += DAY
    expected = await account.audit()
    for number in (1, 5):
        account.forget()
        began = anyio.current_time()
        account.faults = {number: httpx.Response(status, headers={"retry-after": "300"}, json={"message": "later"})}
        assert await account.audit() == expected
        assert anyio.current_time() - began >= 300.0


async def test_a_service_that_is_not_reached_ends_the_audit_at_once(tmp_path: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    async with ApiClient(ApiKey("k"), base_url=BASE_URL, transport=httpx.MockTransport(refuse)) as api:
        began = anyio.current_time()
        with Store(tmp_path / "b.db") as store, pytest.raises(PassingFault):
            await audit(store, {"": api}, now=1.0)
    assert anyio.current_time() == began


async def test_a_fault_that_does_not_pass_ends_the_audit(account: Account) -> None:
    await account.buy_all(gap=600.0)
    account.accounts.now += DAY
    account.faults = {number: httpx.Response(502, json={"message": "down"}) for number in range(5, 99)}
    with pytest.raises(ProviderError, match="down"):
        await account.audit()


async def test_a_database_older_than_the_longest_window(account: Account) -> None:
    """It is read in several, and whole."""
    await account.buy_all(gap=20 * DAY)
    assert doubles(await account.audit()) == 2


async def test_the_rate_limit_of_the_log_holds(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its calls are counted in any minute."""
    times: list[float] = []
    page = service_lists.read_rows

    async def note_call(api: ApiClient, path: str, *args: object, **kwargs: object) -> object:
        if path == service_lists.USAGE_LOG:
            times.append(anyio.current_time())
        return await page(api, path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr("batchveo.provider.client.LOG_CALLS_PER_MINUTE", 3)
    monkeypatch.setattr(service_lists, "read_rows", note_call)
    await account.buy_all(gap=600.0)
    account.accounts.now += DAY
    await account.audit()
    assert len(times) > 6
    assert all(later - earlier >= 60.0 for earlier, later in zip(times, times[3:], strict=False))


async def test_thousands_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With windows and pages as they are: no row is asked for twice but at the edges, and none is missed."""
    monkeypatch.undo()
    calls = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        if request.url.path != service_lists.USAGE_LOG:
            return httpx.Response(200, json={"data": []})
        calls += 1
        query = request.url.params
        start, end = (datetime.fromisoformat(query[name]).timestamp() - NOW for name in ("start", "end"))
        # one request each ten seconds, the newest two hours ago, named by their seconds before now
        ages = [age for age in range(7_200, 57_200, 10) if start <= -age <= end]
        offset, limit = int(query["offset"]), int(query["limit"])
        rows = [make_row(age) for age in ages[offset : offset + limit]]
        more = offset + limit < len(ages)
        return httpx.Response(200, json={"data": rows, "pagination": {"total": len(ages), "has_more": more}})

    seen: list[Progress] = []
    with ProviderRecords(tmp_path / "b.db") as records:
        async with ApiClient(ApiKey("k"), base_url=BASE_URL, transport=httpx.MockTransport(answer)) as api:
            clock = Clock(wall=lambda: NOW)
            assert await read_records(records, {"": api}, secret=b"s", since=NOW - DAY, clock=clock, watch=seen.append)
        records.match_keys({record_reader.name_key(api, b"s"): ""})
        assert len(records.find_generations([f"bv.{age}" for age in range(7_200, 57_200, 10)])) == 5_000
    assert calls <= 55
    assert [progress.left for progress in seen if progress.left] == [3_000, 1_001]  # one of them at the edge


def make_row(age: int) -> dict[str, object]:
    made = datetime.fromtimestamp(NOW - age, UTC).isoformat()
    return {"created": made, "status": "succeeded", "client_request_id": f"bv.{age}", "inference_id": f"g-{age}"}


Answer = Callable[[Mapping[str, str]], dict[str, object]]


async def read_ledger(folder: Path, answer: Answer) -> tuple[bool, dict[str, float]]:
    """Whether a ledger that answers so was read whole, and the charges of it that were kept."""

    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path == service_lists.USAGE_LOG:
            return httpx.Response(200, json={"data": []})
        return httpx.Response(200, json=answer(request.url.params))

    with ProviderRecords(folder / "b.db") as records:
        async with ApiClient(ApiKey("k"), base_url=BASE_URL, transport=httpx.MockTransport(reply)) as api:
            clock = Clock(wall=lambda: NOW)
            whole = await read_records(
                records, {"": api}, secret=b"s", since=NOW - DAY, clock=clock, watch=ignore_progress
            )
        records.match_keys({record_reader.name_key(api, b"s"): ""})
        return whole, {charge.generation: charge.usd for charge in records.list_strangers()}


def list_charges(query: Mapping[str, str], ages: Iterable[int]) -> list[dict[str, object]]:
    """The charges of that time, one dollar each, in the order of ``ages``."""
    start, end = (datetime.fromisoformat(query[name]).timestamp() - NOW for name in ("from", "to"))
    return [
        {"created_at": make_row(age)["created"], "reference_id": f"g-{age}", "amount": {"usd": 1.0}}
        for age in ages
        if start <= -age < end
    ]


async def test_a_ledger_in_no_order_is_read_to_its_end(tmp_path: Path) -> None:
    """A window ends where the rest is older, and here nobody knows what comes."""
    ages = [30_000, 10_000, 20_000, 40_000, 15_000, 12_000, 50_000, 11_000, 10_500]

    def answer(query: Mapping[str, str]) -> dict[str, object]:
        rows, first = list_charges(query, ages), int(query.get("cursor", "0"))
        more = first + 2 < len(rows)
        return {
            "data": rows[first : first + 2],
            "pagination": {"has_more": more, "next_cursor": str(first + 2) if more else None},
        }

    assert await read_ledger(tmp_path, answer) == (True, {f"g-{age}": 1.0 for age in ages})


@pytest.mark.parametrize("cursors", [{}, {"": "1", "1": ""}, {"": "1", "1": "1"}], ids=["none", "circle", "same"])
async def test_a_ledger_whose_cursor_leads_nowhere_is_read_by_time(tmp_path: Path, cursors: dict[str, str]) -> None:
    """Whole, and no row counts twice."""
    ages = range(10_000, 20_000, 1_000)

    def answer(query: Mapping[str, str]) -> dict[str, object]:
        rows, cursor = list_charges(query, ages), query.get("cursor", "")
        first = 2 * int(cursor or "0")
        following = cursors.get(cursor)
        return {
            "data": rows[first : first + 2],
            "pagination": {"has_more": len(rows) > first + 2, "next_cursor": following},
        }

    assert await read_ledger(tmp_path, answer) == (True, {f"g-{age}": 1.0 for age in ages})


async def test_a_ledger_without_an_end_is_not_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page leads to another one, and all rows are of one moment."""
    monkeypatch.setattr(record_reader, "MOST_PAGES", 20)
    asked = 0

    def answer(query: Mapping[str, str]) -> dict[str, object]:
        nonlocal asked
        asked += 1
        assert asked < 200
        rows = list_charges(query, [10_000])
        return {"data": rows, "pagination": {"has_more": bool(rows), "next_cursor": f"c{asked}"}}

    whole, _ = await read_ledger(tmp_path, answer)
    assert not whole


async def test_what_another_service_has_said_is_not_the_providers(tmp_path: Path) -> None:
    """A sandbox takes any key, and knows of no purchase."""
    rows = [{"created_at": make_row(50_000)["created"], "reference_id": "g", "amount": {"usd": 1.0}}]
    found: list[list[str]] = []
    with Store(tmp_path / "b.db") as store:
        for base_url, data in (("http://127.0.0.1:9", []), (BASE_URL, rows)):
            wire = httpx.MockTransport(lambda request, data=data: httpx.Response(200, json={"data": data}))
            async with ApiClient(ApiKey("k"), base_url=base_url, transport=wire) as api:
                store.runs.begin_run(command="run", service=base_url, now=NOW)
                with ProviderRecords(store.path) as records:
                    clock = Clock(wall=lambda: NOW)
                    await read_records(
                        records, {"": api}, secret=b"s", since=NOW - 3 * DAY, clock=clock, watch=ignore_progress
                    )
                    records.match_keys({record_reader.name_key(api, b"s"): ""})
                    found.append([charge.generation for charge in records.list_strangers()])
    assert found == [[], ["g"]]
