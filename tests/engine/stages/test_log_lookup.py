"""Doubts and the usage log."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import AbsentFromLog, FailedInLog, FoundInLog, LogOutcome
from batchveo.engine.stages.log_lookup import ANOTHER_KEY, KEY_NOT_KNOWN, NAMES_NONE, LogKey, LogLookup, compare_keys
from batchveo.provider import ApiClient, ApiKey, ProviderError
from tests.helpers.factories import make_job

pytestmark = pytest.mark.anyio


def doubt(request: str, **more: Any) -> Job:
    fields = {"client_request_id": request, "submitted_at": 0.0, "doubted_at": 10.0, **more}
    return make_job(JobState.IN_DOUBT, **fields)


def row(request: str | None, *, status: str = "succeeded", generation: Any = None) -> dict[str, Any]:
    return {"client_request_id": request, "status": status, "inference_id": generation or f"g-{request}"}


class Log:
    """A log with rows newest first; ``arriving`` rows join its head after each page."""

    def __init__(self, rows: list[dict[str, Any]], arriving: int = 0) -> None:
        self.rows = rows
        self.arriving = arriving
        self.calls: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        self.calls.append(query)
        offset, limit = int(query["offset"]), int(query["limit"])
        page = self.rows[offset : offset + limit]
        more = offset + limit < len(self.rows)
        self.rows = [row(None) for _ in range(self.arriving)] + self.rows
        pagination = {"limit": limit, "offset": offset, "total": len(self.rows), "has_more": more}
        return httpx.Response(200, json={"data": page, "pagination": pagination})


async def remove_parts(
    log: Any,
    *doubts: Job,
    now: float = 100.0,
    settle: float = 1800,
    resubmit: bool = False,
    whose: LogKey = LogKey.SAME,
) -> list[LogOutcome]:
    async with ApiClient(ApiKey("k"), base_url="https://x.example", transport=httpx.MockTransport(log)) as api:
        reconciler = LogLookup(
            api,
            settle=settle,
            resubmit=resubmit,
            now=lambda: now,
            compare_key=lambda job: whose,
            wall=lambda: 0.0,
        )
        found: list[LogOutcome] = [outcome for _, outcome in await reconciler.sweep_log(doubts)]
        return found


async def test_found_failed_and_absent() -> None:
    """One sweep serves all doubts."""
    log = Log([row("a"), row("b", status="failed"), row("other")])
    outcomes = await remove_parts(log, doubt("a"), doubt("b"), doubt("c"))
    assert outcomes[0] == FoundInLog(generation_id="g-a")
    assert isinstance(outcomes[1], FailedInLog)
    assert outcomes[2] == AbsentFromLog(settled=False)
    assert len(log.calls) == 1


async def test_rows_that_shift_while_paging_are_not_missed() -> None:
    """New rows push others down; a page may repeat some, but none falls between two pages."""
    log = Log([row(f"r{i}") for i in range(500)] + [row("a")], arriving=7)
    outcomes = await remove_parts(log, doubt("a"))
    assert outcomes == [FoundInLog(generation_id="g-a")]
    assert 6 <= len(log.calls) <= 7


async def test_it_stops_reading_when_all_are_found() -> None:
    """Calls are limited, 200 a minute."""
    log = Log([row("a")] + [row(f"r{i}") for i in range(5000)])
    await remove_parts(log, doubt("a"))
    assert len(log.calls) == 1


async def test_the_window_reaches_back_to_the_oldest_doubt() -> None:
    """With an hour to spare, by the service's own clock."""
    log = Log([])
    await remove_parts(log, doubt("a", submitted_at=0.0), doubt("b", submitted_at=9000.0), now=9001.0, settle=1e6)
    assert log.calls[0]["period"] == "4h"


async def test_the_window_is_never_longer_than_the_service_takes() -> None:
    """92 days."""
    log = Log([])
    await remove_parts(log, doubt("a"), now=1e9)
    assert log.calls[0]["period"] == "2208h"


@pytest.mark.parametrize(("now", "settled"), [(1809.0, False), (1811.0, True)])
async def test_silence_counts_after_the_settling_time(now: float, settled: bool) -> None:
    """Rows come late: counted from the moment of doubt."""
    assert await remove_parts(Log([]), doubt("a"), now=now) == [AbsentFromLog(settled=settled)]


async def test_resubmitting_is_for_settled_silence_only() -> None:
    """And for those who asked for it."""
    early = await remove_parts(Log([]), doubt("a"), now=20.0, resubmit=True)
    late = await remove_parts(Log([]), doubt("a"), now=9999.0, resubmit=True)
    assert early == [AbsentFromLog(settled=False)]
    assert late == [AbsentFromLog(settled=True, resubmit=True)]


async def test_an_unfinished_sweep_proves_nothing() -> None:
    """Where the log has more pages than a sweep may read, silence does not count."""

    page = json.dumps({"data": [row("x")] * 100, "pagination": {"has_more": True}})

    def endless(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=page)

    assert await remove_parts(endless, doubt("a"), now=9999.0) == [AbsentFromLog(settled=False)]


async def test_an_unreadable_log_is_trouble() -> None:
    """Not silence."""
    for answer in (httpx.Response(500), httpx.Response(200, json={}), httpx.Response(200, text="<html>")):
        with pytest.raises(ProviderError):
            await remove_parts(lambda request, answer=answer: answer, doubt("a"))


async def test_strange_rows_are_passed_over() -> None:
    """No row makes the sweep fail, and a success without an id is no find."""
    rows: list[Any] = [None, 7, {}, {"client_request_id": 3}, {"client_request_id": "a", "status": "succeeded"}]
    assert await remove_parts(Log(rows), doubt("a")) == [AbsentFromLog(settled=False, reason=NAMES_NONE)]


@pytest.mark.parametrize("pagination", [{"has_more": True}, {"has_more": 1}, {"has_more": False, "total": 500}])
async def test_an_end_that_is_not_clear_is_none(pagination: dict[str, Any]) -> None:
    """More is promised, and nothing comes: that is not silence."""
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["offset"])
        rows = [row("x")] * 100 if len(asked) == 1 else []
        return httpx.Response(200, json={"data": rows, "pagination": pagination})

    outcome = await remove_parts(handler, doubt("a"), now=9999.0, resubmit=True)
    assert asked == ["0", "100"]
    if pagination["has_more"]:
        assert outcome == [AbsentFromLog(settled=False)]


async def test_a_full_page_without_pagination_is_not_the_end() -> None:
    """Nor is it read again and again."""
    pages = [[row("x")] * 100, [row("a")]]

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"data": pages.pop(0)})

    assert await remove_parts(handler, doubt("a")) == [FoundInLog(generation_id="g-a")]


@pytest.mark.parametrize("strange", [{"inference_id": None}, {"inference_id": 7.5}, {"inference_id": "\x1b"}])
async def test_a_row_without_an_id_is_evidence_not_silence(strange: dict[str, Any]) -> None:
    """It is held after its time, never submitted again by itself; other doubts do not hide it."""
    rows = [{**row("a"), **strange}, row("b")]
    outcomes = await remove_parts(Log(rows), doubt("a"), doubt("b"), now=9999.0, resubmit=True)
    assert outcomes == [AbsentFromLog(settled=True, reason=NAMES_NONE), FoundInLog(generation_id="g-b")]


async def test_a_row_of_another_status_with_an_id_is_a_generation() -> None:
    """Whatever has not failed may have been bought."""
    assert await remove_parts(Log([row("a", status="processing")]), doubt("a")) == [FoundInLog(generation_id="g-a")]


async def test_silence_counts_only_over_a_day_at_least() -> None:
    """The machine may have slept since, or its clock been set."""
    log = Log([])
    await remove_parts(log, doubt("a", submitted_at=9990.0), now=10_000.0, settle=1.0)
    assert log.calls[0]["period"] == "24h"


async def test_a_success_outweighs_a_failure_of_the_same_request() -> None:
    """Whatever the log's order."""
    for rows in ([row("a", status="failed"), row("a")], [row("a"), row("a", status="failed")]):
        assert await remove_parts(Log(rows), doubt("a")) == [FoundInLog(generation_id="g-a")]


@pytest.mark.parametrize(
    ("attempt", "key", "verdict"),
    [
        ("a", "a", LogKey.SAME),
        ("a", "b", LogKey.ANOTHER),
        (None, "a", LogKey.UNKNOWN),
        ("a", None, LogKey.UNKNOWN),
    ],
)
def test_two_fingerprints_tell_whose_log_it_is(attempt: str | None, key: str | None, verdict: LogKey) -> None:
    """Where one is not known, nothing is."""
    assert compare_keys(attempt, key) is verdict


@pytest.mark.parametrize(
    ("whose", "now", "outcome"),
    [
        (LogKey.ANOTHER, 20.0, AbsentFromLog(settled=True, reason=ANOTHER_KEY)),
        (LogKey.ANOTHER, 9999.0, AbsentFromLog(settled=True, reason=ANOTHER_KEY)),
        (LogKey.UNKNOWN, 20.0, AbsentFromLog(settled=False, reason=KEY_NOT_KNOWN)),
        (LogKey.UNKNOWN, 9999.0, AbsentFromLog(settled=True, reason=KEY_NOT_KNOWN)),
    ],
)
async def test_silence_of_a_log_that_may_be_anothers(whose: LogKey, now: float, outcome: LogOutcome) -> None:
    """Is never a reason to submit again; waiting is of no use where the key is another for certain."""
    assert await remove_parts(Log([]), doubt("a"), now=now, resubmit=True, whose=whose) == [outcome]


async def test_a_row_counts_whoever_shows_it() -> None:
    """A service may show the requests of all keys of an account."""
    outcomes = await remove_parts(
        Log([row("a"), row("b", status="failed")]), doubt("a"), doubt("b"), whose=LogKey.ANOTHER
    )
    assert outcomes[0] == FoundInLog(generation_id="g-a")
    assert isinstance(outcomes[1], FailedInLog)
