from __future__ import annotations

from collections.abc import Sequence

import pytest

from batchveo.sandbox.calls import format_moment
from tests.helpers.sandbox_client import OPENED, SandboxClient


def balance(sandbox: SandboxClient) -> dict[str, object]:
    return sandbox.get("/v2/billing").json()


def test_the_balance_falls_on_completion(sandbox: SandboxClient) -> None:
    """A running generation has cost nothing yet."""
    sandbox.submit()
    assert balance(sandbox) == {"current_balance": 1000.0, "currency": "USD"}
    sandbox.now += 10
    assert balance(sandbox) == {"current_balance": 999.22, "currency": "USD"}


def test_a_charge(sandbox: SandboxClient) -> None:
    """A charge lands when the generation completes and refers to it."""
    generation_id = sandbox.submit()
    assert len(sandbox.transactions()["data"]) == 1
    sandbox.now += 60
    assert sandbox.transactions(("type", "MODEL_USAGE"))["data"] == [
        {
            "created_at": format_moment(OPENED + 10),
            "direction": "CHARGE",
            "type": "MODEL_USAGE",
            "amount": {"usd": 0.78, "credits": 1_560_000},
            "model": "google/veo-3.1-t2v-fast",
            "reference_id": generation_id,
        }
    ]
    assert [charge.generation_id for charge in sandbox.service.charges()] == [generation_id]


def test_a_failed_generation_is_not_charged() -> None:
    """An error costs nothing."""
    sandbox = SandboxClient(faults={"generation-error": 1.0})
    sandbox.submit()
    sandbox.now += 10
    assert sandbox.service.charges() == ()
    assert balance(sandbox)["current_balance"] == 1000.0


def test_the_ledger_starts_with_the_opening_balance(sandbox: SandboxClient) -> None:
    """The oldest entry is money coming in."""
    entry = sandbox.transactions(("direction", "TOPUP"))["data"][0]
    assert (entry["type"], entry["amount"]["usd"], entry["reference_id"]) == ("INIT", 1000.0, None)


def test_pages_hold_still_while_new_charges_arrive(sandbox: SandboxClient) -> None:
    """Following the cursors lists every entry of the start once, whatever comes in between."""
    submitted = []
    for _ in range(7):
        submitted.append(sandbox.submit())
        sandbox.now += 1
    sandbox.now += 10
    seen, query = [], [("limit", 3), ("direction", "CHARGE")]
    while query:
        page = sandbox.transactions(*query)
        seen += [entry["reference_id"] for entry in page["data"]]
        sandbox.submit()
        sandbox.now += 10
        cursor = page["pagination"]["next_cursor"]
        assert page["pagination"]["has_more"] is (cursor is not None)
        query = [*query[:2], ("cursor", cursor)] if cursor else []
    assert seen == submitted[::-1]


def test_moments(sandbox: SandboxClient) -> None:
    """From is included, to is not."""
    for _ in range(3):
        sandbox.submit()
        sandbox.now += 10
    first, last = format_moment(OPENED + 20), format_moment(OPENED + 30)
    assert [entry["created_at"] for entry in sandbox.transactions(("from", first), ("to", last))["data"]] == [first]
    assert len(sandbox.transactions(("from", first))["data"]) == 2


@pytest.mark.parametrize(
    "query",
    [
        (("from", "2026-07-01T00:00:00"),),
        (("from", "then"),),
        (("from", "2026-07-02T00:00:00Z"), ("to", "2026-07-01T00:00:00Z")),
        (("direction", "charge"),),
        (("type", "USAGE"),),
        (("limit", 0),),
        (("cursor", "abc"),),
        (("cursor", "é"),),
        (("cursor", "eyJ2IjogMSwgInAiOiA5OX0"),),
        (("offset", 5),),
    ],
)
def test_wrong_queries(sandbox: SandboxClient, query: Sequence[tuple[str, object]]) -> None:
    """What the schema does not allow is 400, a cursor that is not ours too."""
    assert sandbox.get("/v2/billing/transactions", *query).status == 400


DAY = ("period", "24h")


def test_a_row(sandbox: SandboxClient) -> None:
    """A completed generation's row has all the documented keys."""
    answer = sandbox.post(headers={"x-client-request-id": "mine"})
    sandbox.now += 10
    row = sandbox.logs()["data"][0]
    assert row == {
        "created": format_moment(OPENED),
        "status": "succeeded",
        "origin": "api",
        "model": "google/veo-3.1-t2v-fast",
        "cost": {"usd": 0.78, "credits": 1_560_000},
        "tokens": {"input": 0, "output": 0, "total": 0},
        "request_id": sandbox.service.requests()[0].request_id,
        "inference_id": answer.json()["id"],
        "client_request_id": "mine",
    }


def test_rows_come_late() -> None:
    """A request shows only after the lag; a running one counts as succeeded at no cost."""
    sandbox = SandboxClient(log_lag=5.0)
    sandbox.submit()
    sandbox.now += 4.9
    assert sandbox.logs()["data"] == []
    sandbox.now += 0.1
    row = sandbox.logs()["data"][0]
    assert (row["status"], row["cost"]["credits"]) == ("succeeded", 0)


def test_a_straggler_takes_its_place_by_time() -> None:
    """A row that comes late is sorted in by the time of its request."""
    sandbox = SandboxClient(log_lag=1.0, faults={"late-log": 0.5})
    submitted: list[str] = []
    for _ in range(20):
        submitted.insert(0, sandbox.submit())
        sandbox.now += 1.0
    early = [row["inference_id"] for row in sandbox.logs()["data"]]
    sandbox.now += 10.0
    assert 0 < len(early) < 20
    assert [row["inference_id"] for row in sandbox.logs()["data"]] == submitted


def test_a_failed_generation_turns_its_row() -> None:
    """Once the generation has ended in an error its row says failed."""
    sandbox = SandboxClient(faults={"generation-error": 1.0})
    sandbox.submit()
    sandbox.now += 5
    assert sandbox.logs()["data"][0]["status"] == "succeeded"
    sandbox.now += 5
    row = sandbox.logs()["data"][0]
    assert (row["status"], row["cost"]["credits"]) == ("failed", 0)


@pytest.mark.parametrize("fault", ["403", "throttle", "answer-500", "answer-503"])
def test_a_refused_request_has_a_row(fault: str) -> None:
    """What the API refused is listed as failed, under an id of its own."""
    sandbox = SandboxClient(faults={fault: 1.0})
    sandbox.post(headers={"x-client-request-id": "mine"})
    sandbox.post(duration=5)
    sandbox.now += 1
    rows = sandbox.logs()["data"]
    assert [(row["status"], row["cost"]["usd"]) for row in rows] == [("failed", 0.0)] * 2
    assert len({row["inference_id"] for row in rows}) == 2
    assert rows[1]["client_request_id"] == "mine"


def test_an_invalid_request_has_a_row(sandbox: SandboxClient) -> None:
    """A 400 is listed as failed with the model as it was named, or none."""
    for body in ({"model": "google/veo-9"}, {"prompt": "x"}):
        assert sandbox.post(body).status == 400
    sandbox.now += 1
    assert [row["model"] for row in sandbox.logs()["data"]] == ["", "google/veo-9"]


@pytest.mark.parametrize("fault", ["drop-before", "answer-502", "401"])
def test_what_never_reached_the_api_has_no_row(fault: str) -> None:
    """A request lost on the way, or without an account, is not listed."""
    sandbox = SandboxClient(faults={fault: 1.0})
    sandbox.post()
    assert not sandbox.service.requests()


def test_pages(sandbox: SandboxClient) -> None:
    """Newest first, by offset, with the total over all pages."""
    ids = [sandbox.submit() for _ in range(5)][::-1]
    sandbox.now += 1
    page = sandbox.logs(DAY, ("limit", 2), ("offset", 2))
    assert [row["inference_id"] for row in page["data"]] == ids[2:4]
    assert page["pagination"] == {"limit": 2, "offset": 2, "total": 5, "has_more": True}
    assert sandbox.logs(DAY, ("limit", 2), ("offset", 4))["pagination"]["has_more"] is False
    assert sandbox.logs(DAY, ("offset", 9))["data"] == []


def test_rows_shift_while_paging(sandbox: SandboxClient) -> None:
    """A new row at the head moves the others down."""
    first = sandbox.submit()
    sandbox.now += 1
    assert sandbox.logs(DAY, ("limit", 1))["data"][0]["inference_id"] == first
    sandbox.submit()
    sandbox.now += 1
    assert sandbox.logs(DAY, ("limit", 1), ("offset", 1))["data"][0]["inference_id"] == first


def test_filters(sandbox: SandboxClient) -> None:
    """Models and statuses are repeated; a list with commas matches no model and is no status."""
    sandbox.submit()
    sandbox.submit(model="google/veo3")
    sandbox.post({"model": "google/veo3"})
    sandbox.now += 1

    def count(*query: tuple[str, object]) -> int:
        page = sandbox.logs(DAY, *query)
        assert page["pagination"]["total"] == len(page["data"])
        return len(page["data"])

    assert count(("model", "google/veo3")) == count(("model", "veo3")) == 2
    assert count(("model", "google/veo3"), ("model", "google/veo-3.1-t2v-fast")) == 3
    assert count(("model", "google/veo3,google/veo-3.1-t2v-fast")) == 0
    assert count(("status", "failed")) == 1
    assert count(("status", "failed"), ("status", "succeeded")) == 3
    assert count(("status", "succeeded"), ("model", "google/veo3")) == 1
    assert sandbox.get("/v2/logs", DAY, ("status", "succeeded,failed")).status == 400


def test_windows(sandbox: SandboxClient) -> None:
    """A window of two moments takes its rows; a moment without an offset is UTC."""
    sandbox.submit()
    sandbox.now += 7200
    assert sandbox.logs(("period", "1h"))["data"] == []
    assert len(sandbox.logs(("period", "3h"))["data"]) == 1
    naive = format_moment(OPENED).removesuffix("Z")
    assert len(sandbox.logs(("start", naive), ("end", format_moment(OPENED + 1)))["data"]) == 1
    assert sandbox.logs(("start", format_moment(OPENED + 1)), ("end", format_moment(OPENED + 2)))["data"] == []


@pytest.mark.parametrize(
    "query",
    [
        (),
        (("period", "24h"), ("start", "2026-07-01"), ("end", "2026-07-02")),
        (("period", "24h"), ("end", "2026-07-02")),
        (("start", "2026-07-01"),),
        (("start", "2026-07-02"), ("end", "2026-07-01")),
        (("start", "2026-01-01"), ("end", "2026-07-01")),
        (("start", "yesterday"), ("end", "2026-07-01")),
        (("period", "93d"),),
        (("period", "0h"),),
        (("period", "1w"),),
        (("period", "1h"), ("period", "2h")),
        (DAY, ("limit", "0")),
        (DAY, ("limit", "101")),
        (DAY, ("limit", "ten")),
        (DAY, ("offset", "-1")),
        (DAY, ("status", "done")),
        (DAY, ("sort", "asc")),
        (DAY, *[("model", str(n)) for n in range(51)]),
    ],
)
def test_wrong_log_queries(sandbox: SandboxClient, query: Sequence[tuple[str, object]]) -> None:
    """What the schema does not allow is 400."""
    assert sandbox.get("/v2/logs", *query).status == 400


def test_too_many_calls(sandbox: SandboxClient) -> None:
    """The call after 200 within a minute is refused, and later there is room again."""
    for _ in range(200):
        sandbox.logs()
    refused = sandbox.get("/v2/logs", DAY)
    assert (refused.status, refused.headers["retry-after"]) == (429, "60")
    sandbox.now += 60
    sandbox.logs()
