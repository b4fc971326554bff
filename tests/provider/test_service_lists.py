"""The lists of the service, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from batchveo.provider import ApiClient, ApiKey, ProviderError
from batchveo.provider.service_lists import (
    LONGEST_HOURS,
    PAGE,
    Row,
    hours_since,
    read_charge,
    read_charges,
    read_log,
    read_success,
)

pytestmark = pytest.mark.anyio


def answering(*bodies: Any) -> tuple[ApiClient, list[httpx.URL]]:
    """A client whose calls get these answers in turn, and the addresses that are asked."""
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(200, json=bodies[len(asked) - 1])

    return ApiClient(ApiKey("k"), transport=httpx.MockTransport(answer)), asked


def charge(reference: object, usd: object) -> dict[str, object]:
    return {"reference_id": reference, "amount": {"usd": usd}}


async def test_the_ledger_is_read_by_its_cursor_and_charges_add_up() -> None:
    first = {"data": [charge("g1", 1.5), charge(None, 9), None], "pagination": {"has_more": True, "next_cursor": "c/1"}}
    last = {"data": [charge("g1", 0.5), charge("g2", 2)], "pagination": {"has_more": False, "next_cursor": "c/2"}}
    api, asked = answering(first, last)
    async with api:
        assert await read_charges(api, since=0.0) == {"g1": 2.0, "g2": 2.0}
    assert [url.params.get("cursor") for url in asked] == [None, "c/1"]


@pytest.mark.parametrize("body", [[], {"data": None}, "no", {"rows": []}])
async def test_an_answer_without_rows_is_an_error(body: object) -> None:
    api, _ = answering(body, body)
    async with api:
        with pytest.raises(ProviderError, match="the answer has no rows"):
            await read_charges(api, since=0.0)
        with pytest.raises(ProviderError, match="the answer has no rows"):
            await read_log(api, hours=1, take=lambda rows: False)


@pytest.mark.parametrize(
    ("pages", "enough_at", "whole"),
    [
        ([{"data": [{}], "pagination": {"has_more": False}}], 9, True),
        ([{"data": [{}] * PAGE}, {"data": [{}]}], 9, True),  # a full page means more
        ([{"data": [{}, None], "pagination": {"has_more": False, "total": 3}}, {"data": [{}]}], 9, True),
        ([{"data": [], "pagination": {"has_more": True}}], 9, False),  # more is promised and nothing comes
        ([{"data": [{}], "pagination": {"has_more": True}}] * 2, 1, False),  # the caller has enough
    ],
)
async def test_how_the_usage_log_ends(pages: list[object], enough_at: int, whole: bool) -> None:
    """Each page begins after the rows of those before, also after rows that are no objects."""
    taken: list[int] = []

    def take(rows: Sequence[Row]) -> bool:
        taken.append(len(rows))
        return len(taken) >= enough_at

    api, asked = answering(*pages)
    async with api:
        assert await read_log(api, hours=2, take=take) == whole
    assert [int(url.params["offset"]) for url in asked] == [sum(taken[:number]) for number in range(len(asked))]
    assert all(url.params["period"] == "2h" for url in asked)


def test_a_window_reaches_back_with_an_hour_to_spare() -> None:
    assert hours_since(1000.0, 1000.0) == 1
    assert hours_since(0.0, 3601.0) == 3
    assert hours_since(2000.0, 1000.0) == 1  # a clock that was set back
    assert hours_since(0.0, 1e12) == LONGEST_HOURS


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"status": "succeeded", "client_request_id": "bv.1", "inference_id": "g1"}, ("bv.1", "g1")),
        ({"status": "failed", "client_request_id": "bv.1", "inference_id": "g1"}, None),
        ({"status": "succeeded", "client_request_id": None, "inference_id": "g1"}, None),
        ({"status": "succeeded", "client_request_id": "bv.1", "inference_id": ""}, None),
    ],
)
def test_only_a_success_with_both_ids_counts(row: Row, found: tuple[str, str] | None) -> None:
    assert read_success(row) == found


@pytest.mark.parametrize(
    "cursors",
    [[None], [""], ["c1", "c1"], ["c1", "c2", "c1"], ["c1", "c2", "c3", "c2"]],
    ids=["none", "empty", "same", "circle", "later circle"],
)
async def test_a_ledger_that_breaks_off_or_turns_in_a_circle_is_no_answer(cursors: list[str | None]) -> None:
    """What seems not to be charged would be bought again."""
    bodies = [{"data": [charge("g1", 1)], "pagination": {"has_more": True, "next_cursor": one}} for one in cursors]
    api, _ = answering(*bodies)
    async with api:
        with pytest.raises(ProviderError, match="no end"):
            await read_charges(api, since=0.0)


@pytest.mark.parametrize("usd", ["NaN", "Infinity", "-1e999", "1" + "0" * 400])
async def test_a_charge_that_is_no_amount_of_money_is_an_error(usd: str) -> None:
    """Neither nothing nor a price."""
    body = f'{{"data": [{{"reference_id": "g1", "amount": {{"usd": {usd}}}}}]}}'
    answer = httpx.MockTransport(lambda request: httpx.Response(200, text=body))
    async with ApiClient(ApiKey("k"), transport=answer) as api:
        with pytest.raises(ProviderError, match="no amount"):
            await read_charges(api, since=0.0)


def test_ids_have_no_halves_of_characters() -> None:
    """A database would not take them."""
    assert read_charge(charge("g\ud800", 1)) == ("g\\ud800", 1.0)
    assert read_success({"status": "succeeded", "client_request_id": "\udfff", "inference_id": "g"}) == ("\\udfff", "g")


@pytest.mark.parametrize("pagination", [None, {}, {"next_cursor": None}])
async def test_a_full_page_of_the_ledger_that_says_nothing_about_its_end_is_none(pagination: object) -> None:
    """Later charges would be missed."""
    full = {"data": [charge(f"g{number}", 1) for number in range(PAGE)], "pagination": pagination}
    api, _ = answering(full, {"data": [charge("g", 1)], "pagination": pagination})
    async with api:
        with pytest.raises(ProviderError, match="no end"):
            await read_charges(api, since=0.0)
    api, _ = answering({**full, "pagination": {"next_cursor": "c"}}, {"data": [charge("g", 1)]})
    async with api:
        assert len(await read_charges(api, since=0.0)) == PAGE + 1
