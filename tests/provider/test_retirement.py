"""The feed of retired models: what is read from it, and what a person reads about it."""

from __future__ import annotations

import json
from datetime import date

import httpx
import pytest

from batchveo.provider import ApiClient, ProviderError
from batchveo.provider.retirement import Retirement, Status, fetch_retirements, read_retirements

TODAY = date(2026, 11, 27)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            {"status": "withdrawn", "shutdown_at": "2026-06-30", "replaced_by": "google/veo-3.1-t2v-fast"},
            "m was withdrawn on 2026-06-30; use google/veo-3.1-t2v-fast instead",
        ),
        (
            {"status": "withdrawn", "deprecated_at": "2026-01-01", "replaced_by": ["a", "b"]},
            "m was withdrawn on 2026-01-01; use a or b instead",
        ),
        ({"status": "withdrawn", "shutdown_at": "2027-01-01"}, "m was withdrawn"),  # 404 already, whatever the date
        ({"status": "withdrawn"}, "m was withdrawn"),
        (
            {"status": "deprecated", "shutdown_at": "2026-12-01", "replaced_by": "a"},
            "m is to be shut down on 2026-12-01 (in 4 days); use a instead",
        ),
        ({"status": "deprecated", "shutdown_at": "2026-11-28"}, "m is to be shut down on 2026-11-28 (in 1 day)"),
        ({"status": "deprecated", "shutdown_at": "2026-11-27"}, "m is to be shut down on 2026-11-27 (today)"),
        ({"status": "deprecated", "shutdown_at": "2026-11-26"}, "m is to be shut down on 2026-11-26 (1 day ago)"),
        ({"status": "deprecated", "deprecated_at": "2026-10-01"}, "m is deprecated since 2026-10-01"),
        ({"status": "superseded", "replaced_by": "a"}, "m was superseded by a: it is made by a"),
        ({"status": "superseded"}, "m was superseded"),
        (
            {"status": "sunset", "shutdown_at": "2026-12-27"},
            "m is sunset, with a shutdown on 2026-12-27 (in 30 days)",
        ),
        ({"status": "sunset"}, "m is sunset"),
        ({}, "m is deprecated"),
    ],
)
def test_the_sentence_about_a_model(row: dict[str, object], sentence: str) -> None:
    (retired,) = read_retirements([{"id": "m", **row}])
    assert retired.describe(TODAY) == sentence
    assert retired.describe(TODAY, name="mine") == sentence.replace("m ", "mine ", 1)


def test_strange_rows_are_left_out_and_strange_fields_count_as_absent() -> None:
    strange = {
        "id": "x",
        "aliases": "one",
        "status": "WITHDRAWN",
        "deprecated_at": 7,
        "shutdown_at": "soon",
        "replaced_by": [None, "y", 3, " ", "y"],
        "reason": "gone\x1b[31m\nfor good",
        "extra": {},
    }
    rows = read_retirements(
        [None, 3, {}, {"id": None}, {"id": " "}, [], strange, {"id": "t", "shutdown_at": "2026-06-30T00:00:00Z"}]
    )
    assert [row.id for row in rows] == ["x", "t"]
    assert rows[0] == Retirement(
        id="x", aliases=("one",), status=Status.WITHDRAWN, replaced_by=("y",), reason="gone [31m for good"
    )
    assert rows[1].shutdown_at == date(2026, 6, 30)


@pytest.mark.parametrize("rows", [None, {}, "no", 3])
def test_what_is_no_list_has_no_rows(rows: object) -> None:
    assert len(read_retirements(rows)) == 0


def test_a_model_is_found_by_its_id_before_other_names_and_the_newest_row_counts() -> None:
    rows = read_retirements(
        [
            {"id": "new", "aliases": ["old", "other"], "status": "deprecated"},
            {"id": "old", "status": "withdrawn"},
            {"id": "old", "status": "deprecated"},
        ]
    )
    found = rows.find("old")
    assert found is not None
    assert found.is_over
    assert rows.find("other") == rows.find("new") == rows[0]
    assert rows.find("unknown", "other") == rows[0]
    assert rows.find("unknown") is None
    assert rows.find() is None


def test_rows_that_are_written_read_back_equal() -> None:
    rows = read_retirements(
        [
            {
                "id": "google/veo-2.0",
                "aliases": ["veo2"],
                "status": "withdrawn",
                "deprecated_at": "2026-01-01",
                "shutdown_at": "2026-06-30",
                "replaced_by": ["google/veo3"],
                "reason": "Its maker ended it",
            },
            {"id": "y", "status": "sunset", "aliases": []},
        ]
    )
    again = read_retirements(json.loads(json.dumps(rows.write())))
    assert list(again) == list(rows)
    assert rows.write()[1] == {"id": "y", "status": "sunset"}


def test_only_a_superseded_model_needs_no_action() -> None:
    rows = read_retirements([{"id": word, "status": word} for word in ("deprecated", "superseded", "withdrawn", "new")])
    assert [row.id for row in rows if not row.needs_action] == ["superseded"]
    assert [row.id for row in rows if row.is_over] == ["withdrawn"]


@pytest.mark.anyio
async def test_the_feed_is_asked_without_the_key() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/models/deprecations"
        assert "authorization" not in request.headers
        return httpx.Response(200, json={"data": [{"id": "m"}]})

    async with ApiClient(None, transport=httpx.MockTransport(answer)) as api:
        assert [row.id for row in await fetch_retirements(api)] == ["m"]


@pytest.mark.anyio
@pytest.mark.parametrize("body", [[], {"data": None}, "no"])
async def test_an_answer_without_rows_is_an_error(body: object) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    async with ApiClient(None, transport=transport) as api:
        with pytest.raises(ProviderError, match="the answer has no rows"):
            await fetch_retirements(api)
