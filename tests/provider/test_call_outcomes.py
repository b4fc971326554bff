"""What the answer to a submit means, and whom it concerns, row by row."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.outcomes import (
    Accepted,
    Blocked,
    Denied,
    Refused,
    RejectedTemporarily,
    Scope,
    Stop,
    SubmitUncertain,
    Throttled,
    Withdrawn,
)
from batchveo.provider.call_outcomes import SUBMIT_RULES, find_rule, interpret_submit
from batchveo.provider.responses import Response
from tests.provider.test_responses import answer, api_error

PAGE = b"<html><title>Not here</title></html>"

ROWS: list[tuple[Response, type, Scope | None]] = [
    (answer(201, {"id": "g", "status": "queued"}), Accepted, Scope.JOB),
    (answer(200, {"id": "g", "status": "queued", "more": [1]}), Accepted, Scope.JOB),
    (answer(200, {"generation_id": "g"}), Accepted, Scope.JOB),
    (answer(200, PAGE, x_inference_id="g"), Accepted, Scope.JOB),
    (answer(200, {"id": ""}), SubmitUncertain, Scope.JOB),
    (answer(200, {"id": 7.5}), SubmitUncertain, Scope.JOB),
    (answer(200, {"id": True}), SubmitUncertain, Scope.JOB),
    (answer(200, {"id": 10**600}), SubmitUncertain, Scope.JOB),
    (answer(200, b"{half"), SubmitUncertain, Scope.JOB),
    (answer(204, b""), SubmitUncertain, Scope.JOB),
    (answer(201, {"id": "x" * 1000}), SubmitUncertain, Scope.JOB),
    (answer(201, {"id": "a\u0000b"}), SubmitUncertain, Scope.JOB),
    (api_error(429), Throttled, Scope.KEY),
    (answer(429, PAGE), Throttled, Scope.KEY),
    (api_error(401), Blocked, Scope.KEY),
    (api_error(402), Denied, Scope.MODEL),
    (api_error(403), Denied, Scope.MODEL),
    (answer(403, PAGE), Denied, Scope.MODEL),
    (api_error(404), Withdrawn, Scope.MODEL),
    (answer(404, {"detail": "no such model"}), Withdrawn, Scope.MODEL),
    (api_error(410), Withdrawn, Scope.MODEL),
    (answer(404, PAGE), Blocked, Scope.SERVICE),
    (answer(404, b""), Blocked, Scope.SERVICE),
    (api_error(405), Blocked, Scope.SERVICE),
    (api_error(400), Refused, Scope.JOB),
    (api_error(413), Refused, Scope.JOB),
    (answer(422, {"detail": [{"msg": "too long"}]}), Refused, Scope.JOB),
    (api_error(451), Refused, Scope.JOB),
    (api_error(500), RejectedTemporarily, Scope.SERVICE),
    (api_error(503), RejectedTemporarily, Scope.SERVICE),
    (answer(302, b""), SubmitUncertain, None),
    (answer(500, PAGE), SubmitUncertain, None),
    (answer(503, PAGE), SubmitUncertain, None),
    (answer(503, {"message": "from some proxy"}), SubmitUncertain, None),
    (api_error(502), SubmitUncertain, None),
    (api_error(504), SubmitUncertain, None),
    (answer(408, b""), SubmitUncertain, None),
    (answer(400, PAGE), SubmitUncertain, None),
    (answer(520, b""), SubmitUncertain, None),
]


@pytest.mark.parametrize(("given_answer", "kind", "concerns"), ROWS)
def test_each_answer_has_one_meaning(given_answer: Response, kind: type, concerns: Scope | None) -> None:
    """Only what was refused in so many words is known not to have been bought."""
    row = find_rule(given_answer)
    assert isinstance(interpret_submit(given_answer), kind)
    assert (row.concerns if row else None) == concerns


def test_every_row_of_the_table_is_tested() -> None:
    """And none can never be reached."""
    assert {id(find_rule(given_answer)) for given_answer, _, _ in ROWS} == {*map(id, SUBMIT_RULES), id(None)}


@given(st.integers(100, 999), st.binary(max_size=60))
def test_a_strange_answer_never_counts_as_refused(status: int, body: bytes) -> None:
    """Without a documented refusal a submit is accepted, in doubt, or one of the documented codes."""
    outcome = interpret_submit(Response(status=status, headers={}, body=body))
    if isinstance(outcome, Refused | RejectedTemporarily):
        assert status in (400, 413, 415, 422, 451, 500, 503)


def test_why_a_key_or_the_run_stops() -> None:
    """401 is the key; 405, or a page that is not the service's, the address."""
    stops = [interpret_submit(given) for given in (api_error(401), api_error(405), answer(404, PAGE))]
    assert [s.stop for s in stops if isinstance(s, Blocked)] == [Stop.KEY, Stop.SERVICE, Stop.SERVICE]


@pytest.mark.parametrize(
    ("given_answer", "about_money"),
    [
        (api_error(402, "no"), True),
        (api_error(403, "You've run out of credits"), True),
        (api_error(403, "Please top up"), True),
        (api_error(403, "Your plan does not include this model"), False),
        (answer(403, PAGE), False),
    ],
)
def test_whether_a_refusal_speaks_of_money(given_answer: Response, about_money: bool) -> None:
    """It counts if the balance cannot be read."""
    outcome = interpret_submit(given_answer)
    assert isinstance(outcome, Denied)
    assert outcome.about_money == about_money


@pytest.mark.parametrize(
    ("body", "headers", "usd"),
    [
        ({"id": "g", "meta": {"usage": {"usd_spent": 0.26, "credits_used": 520_000}}}, {}, 0.26),
        ({"id": "g", "meta": {"usage": {"credits_used": 520_000}}}, {}, 0.26),
        ({"id": "g"}, {"x_aimlapi_usd_spent": "0.26"}, 0.26),
        ({"id": "g", "meta": None}, {"x_aimlapi_usd_spent": "0"}, None),
    ],
)
def test_the_exact_price_of_an_accepted_submit(body: Any, headers: dict[str, str], usd: float | None) -> None:
    """At the moment of paying."""
    assert interpret_submit(answer(201, body, **headers)) == Accepted(generation_id="g", cost_usd=usd)


def test_a_whole_number_is_an_id() -> None:
    """Of a service that counts."""
    assert interpret_submit(answer(200, {"id": 7})) == Accepted(generation_id="7")
