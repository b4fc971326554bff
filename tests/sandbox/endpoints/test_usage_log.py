from __future__ import annotations

import pytest

from batchveo.sandbox.times import iso
from tests.helpers.manual_sandbox import OPENED, Desk

DAY = ("period", "24h")


def test_a_row(desk):
    """A completed generation's row has all the documented keys."""
    answer = desk.post(headers={"x-client-request-id": "mine"})
    desk.now += 10
    row = desk.logs()["data"][0]
    assert row == {
        "created": iso(OPENED),
        "status": "succeeded",
        "origin": "api",
        "model": "google/veo-3.1-t2v-fast",
        "cost": {"usd": 0.78, "credits": 1_560_000},
        "tokens": {"input": 0, "output": 0, "total": 0},
        "request_id": desk.service.requests()[0].request_id,
        "inference_id": answer.json()["id"],
        "client_request_id": "mine",
    }


def test_rows_come_late():
    """A request shows only after the lag; a running one counts as succeeded at no cost."""
    desk = Desk(log_lag=5.0)
    desk.submit()
    desk.now += 4.9
    assert desk.logs()["data"] == []
    desk.now += 0.1
    row = desk.logs()["data"][0]
    assert (row["status"], row["cost"]["credits"]) == ("succeeded", 0)


def test_a_straggler_takes_its_place_by_time():
    """A row that comes late is sorted in by the time of its request."""
    desk = Desk(log_lag=1.0, faults={"late-log": 0.5})
    submitted = []
    for _ in range(20):
        submitted.insert(0, desk.submit())
        desk.now += 1.0
    early = [row["inference_id"] for row in desk.logs()["data"]]
    desk.now += 10.0
    assert 0 < len(early) < 20
    assert [row["inference_id"] for row in desk.logs()["data"]] == submitted


def test_a_failed_generation_turns_its_row():
    """Once the generation has ended in an error its row says failed."""
    desk = Desk(faults={"generation-error": 1.0})
    desk.submit()
    desk.now += 5
    assert desk.logs()["data"][0]["status"] == "succeeded"
    desk.now += 5
    row = desk.logs()["data"][0]
    assert (row["status"], row["cost"]["credits"]) == ("failed", 0)


@pytest.mark.parametrize("fault", ["403", "throttle", "answer-500", "answer-503"])
def test_a_refused_request_has_a_row(fault):
    """What the API refused is listed as failed, under an id of its own."""
    desk = Desk(faults={fault: 1.0})
    desk.post(headers={"x-client-request-id": "mine"})
    desk.post(duration=5)
    desk.now += 1
    rows = desk.logs()["data"]
    assert [(row["status"], row["cost"]["usd"]) for row in rows] == [("failed", 0.0)] * 2
    assert len({row["inference_id"] for row in rows}) == 2
    assert rows[1]["client_request_id"] == "mine"


def test_an_invalid_request_has_a_row(desk):
    """A 400 is listed as failed with the model as it was named, or none."""
    for body in ({"model": "google/veo-9"}, {"prompt": "x"}):
        assert desk.post(body).status == 400
    desk.now += 1
    assert [row["model"] for row in desk.logs()["data"]] == ["", "google/veo-9"]


@pytest.mark.parametrize("fault", ["drop-before", "answer-502", "401"])
def test_what_never_reached_the_api_has_no_row(fault):
    """A request lost on the way, or without an account, is not listed."""
    desk = Desk(faults={fault: 1.0})
    desk.post()
    assert not desk.service.requests()


def test_pages(desk):
    """Newest first, by offset, with the total over all pages."""
    ids = [desk.submit() for _ in range(5)][::-1]
    desk.now += 1
    page = desk.logs(DAY, ("limit", 2), ("offset", 2))
    assert [row["inference_id"] for row in page["data"]] == ids[2:4]
    assert page["pagination"] == {"limit": 2, "offset": 2, "total": 5, "has_more": True}
    assert desk.logs(DAY, ("limit", 2), ("offset", 4))["pagination"]["has_more"] is False
    assert desk.logs(DAY, ("offset", 9))["data"] == []


def test_rows_shift_while_paging(desk):
    """A new row at the head moves the others down."""
    first = desk.submit()
    desk.now += 1
    assert desk.logs(DAY, ("limit", 1))["data"][0]["inference_id"] == first
    desk.submit()
    desk.now += 1
    assert desk.logs(DAY, ("limit", 1), ("offset", 1))["data"][0]["inference_id"] == first


def test_filters(desk):
    """Models and statuses are repeated; a list with commas matches no model and is no status."""
    desk.submit()
    desk.submit(model="google/veo3")
    desk.post({"model": "google/veo3"})
    desk.now += 1

    def count(*query):
        page = desk.logs(DAY, *query)
        assert page["pagination"]["total"] == len(page["data"])
        return len(page["data"])

    assert count(("model", "google/veo3")) == count(("model", "veo3")) == 2
    assert count(("model", "google/veo3"), ("model", "google/veo-3.1-t2v-fast")) == 3
    assert count(("model", "google/veo3,google/veo-3.1-t2v-fast")) == 0
    assert count(("status", "failed")) == 1
    assert count(("status", "failed"), ("status", "succeeded")) == 3
    assert count(("status", "succeeded"), ("model", "google/veo3")) == 1
    assert desk.get("/v2/logs", DAY, ("status", "succeeded,failed")).status == 400


def test_windows(desk):
    """A window of two moments takes its rows; a moment without an offset is UTC."""
    desk.submit()
    desk.now += 7200
    assert desk.logs(("period", "1h"))["data"] == []
    assert len(desk.logs(("period", "3h"))["data"]) == 1
    naive = iso(OPENED).removesuffix("Z")
    assert len(desk.logs(("start", naive), ("end", iso(OPENED + 1)))["data"]) == 1
    assert desk.logs(("start", iso(OPENED + 1)), ("end", iso(OPENED + 2)))["data"] == []


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
def test_wrong_queries(desk, query):
    """What the schema does not allow is 400."""
    assert desk.get("/v2/logs", *query).status == 400


def test_too_many_calls(desk):
    """The call after 200 within a minute is refused, and later there is room again."""
    for _ in range(200):
        desk.logs()
    refused = desk.get("/v2/logs", DAY)
    assert (refused.status, refused.headers["retry-after"]) == (429, "60")
    desk.now += 60
    desk.logs()
