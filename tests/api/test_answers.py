"""What an answer means, code by code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.api.answers import LONGEST_MESSAGE, Answer, one_line, poll_outcome, retry_after, submit_outcome
from batchveo.outcomes import (
    Accepted,
    Blocked,
    Completed,
    GenerationFailed,
    Lost,
    PollTrouble,
    Refused,
    StillGenerating,
    Stop,
    Throttled,
    TurnedAway,
)


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=raw)


def api_error(status: int, message: str = "no") -> Answer:
    return answer(status, {"message": message, "path": "/", "requestId": "r", "statusCode": str(status)})


SUBMITS = [
    (answer(201, {"id": "g", "status": "queued"}), Accepted),
    (answer(200, {"id": "g", "status": "queued", "more": [1]}), Accepted),
    (answer(200, b"<html>", x_inference_id="g"), Accepted),
    (answer(200, {"id": ""}), Lost),
    (answer(200, {"id": 7.5}), Lost),
    (answer(200, {"id": True}), Lost),
    (answer(200, {"id": 10**600}), Lost),
    (answer(200, b"{half"), Lost),
    (answer(204, b""), Lost),
    (answer(302, b""), Lost),
    (api_error(400), Refused),
    (api_error(422), Refused),
    (api_error(401), Blocked),
    (api_error(403), Blocked),
    (api_error(404), Blocked),
    (api_error(429), Throttled),
    (answer(429, b"<html>"), Throttled),
    (api_error(500), TurnedAway),
    (api_error(503), TurnedAway),
    (answer(500, b"<html>"), Lost),
    (answer(503, {"message": "from some proxy"}), Lost),
    (api_error(502), Lost),
    (api_error(504), Lost),
    (answer(408, b""), Lost),
    (answer(400, b"<html>a firewall</html>"), Lost),
    (answer(201, {"id": "x" * 1000}), Lost),
    (answer(201, {"id": "a\u0000b"}), Lost),
    (answer(520, b""), Lost),
]


@pytest.mark.parametrize(("given_answer", "kind"), SUBMITS)
def test_submits(given_answer: Answer, kind: type) -> None:
    """Only what was refused in so many words is known not to have been bought."""
    assert isinstance(submit_outcome(given_answer), kind)


@given(st.integers(100, 999), st.binary(max_size=60))
def test_a_strange_answer_never_counts_as_refused(status: int, body: bytes) -> None:
    """Without a documented refusal a submit is accepted, in doubt, or one of the documented codes."""
    outcome = submit_outcome(Answer(status=status, headers={}, body=body))
    if isinstance(outcome, Refused | TurnedAway):
        assert status in (400, 413, 415, 422, 500, 503)


def test_why_the_run_stops() -> None:
    """401 is the key, 403 the credits, 404 the address."""
    stops = [submit_outcome(api_error(code)) for code in (401, 403, 404, 405)]
    assert [s.stop for s in stops if isinstance(s, Blocked)] == [
        Stop.KEY,
        Stop.CREDITS,
        Stop.SERVICE,
        Stop.SERVICE,
    ]


def body(status: str, **more: Any) -> Answer:
    return answer(200, {"id": "g", "status": status, "video": None, **more})


@pytest.mark.parametrize("word", ["queued", "generating", "waiting", "active", "QUEUED"])
def test_known_words_go_on(word: str) -> None:
    """Every documented word of waiting."""
    outcome = poll_outcome(body(word), generation_id="g")
    assert isinstance(outcome, StillGenerating)
    assert outcome.known


@pytest.mark.parametrize("word", ["postprocessing", "failed", "", "cancelled?"])
def test_an_unknown_word_is_not_an_end(word: str) -> None:
    """It is polled on, and said."""
    outcome = poll_outcome(body(word), generation_id="g")
    assert isinstance(outcome, StillGenerating)
    assert not outcome.known


@pytest.mark.parametrize("word", ["completed", "complete", "succeeded"])
def test_done_words(word: str) -> None:
    """Every spelling of done, with the price in credits."""
    video = {"url": "https://cdn.example/v.mp4"}
    done = body(word, video=video, meta={"usage": {"credits_used": 3_120_000}})
    assert poll_outcome(done, generation_id="g") == Completed(url="https://cdn.example/v.mp4", cost_usd=1.56)


def test_a_video_that_is_its_url_is_taken_as_such() -> None:
    """It is paid for, whatever the shape of the answer."""
    done = body("completed", video="https://cdn.example/v.mp4")
    assert poll_outcome(done, generation_id="g") == Completed(url="https://cdn.example/v.mp4")


def test_done_without_a_url_is_asked_again() -> None:
    """A finished video is never given up for a missing URL."""
    assert isinstance(poll_outcome(body("completed"), generation_id="g"), PollTrouble)


def test_the_price_may_come_in_a_header() -> None:
    """Where meta.usage is missing."""
    done = answer(200, {"id": "g", "status": "completed", "video": {"url": "u"}}, x_aimlapi_usd_spent="0.5")
    assert poll_outcome(done, generation_id="g") == Completed(url="u", cost_usd=0.5)


@pytest.mark.parametrize("credits_used", ["x", True, -1, 0, None, float("nan"), 10**400, 1e300])
def test_a_senseless_price_is_no_price(credits_used: Any) -> None:
    """It costs the price, not the video."""
    done = body("completed", video={"url": "u"}, meta={"usage": {"credits_used": credits_used}})
    assert poll_outcome(done, generation_id="g") == Completed(url="u", cost_usd=None)


def test_a_price_of_zero_is_no_price() -> None:
    """It may be that of the poll itself, and would set the reserved money free."""
    done = answer(200, {"id": "g", "status": "completed", "video": {"url": "u"}}, x_aimlapi_usd_spent="0")
    assert poll_outcome(done, generation_id="g") == Completed(url="u", cost_usd=None)


@pytest.mark.parametrize("url", ["https://x/\ud800", "https://x/\n", "x" * 20_000, 7, ""])
def test_a_senseless_url_is_asked_for_again(url: Any) -> None:
    """It must not reach the state."""
    assert isinstance(poll_outcome(body("completed", video={"url": url}), generation_id="g"), PollTrouble)


def test_an_id_without_its_model_is_the_same_id() -> None:
    """Some answers leave the `:model` away."""
    done = answer(200, {"id": "5246", "status": "queued"})
    assert isinstance(poll_outcome(done, generation_id="5246:google/veo3"), StillGenerating)


def test_a_whole_number_is_an_id() -> None:
    """Of a service that counts: accepted, and known again in a poll."""
    assert submit_outcome(answer(200, {"id": 7})) == Accepted(generation_id="7")
    assert isinstance(poll_outcome(answer(200, {"id": 7, "status": "queued"}), generation_id="7"), StillGenerating)
    assert isinstance(poll_outcome(answer(200, {"id": 8, "status": "queued"}), generation_id="7"), PollTrouble)


def test_an_error_in_one_string_has_its_words_too() -> None:
    """Not every model of the endpoint wraps them."""
    assert poll_outcome(body("error", error="unsafe\nprompt"), generation_id="g") == GenerationFailed(
        reason="unsafe prompt"
    )


def test_errors_of_the_generation() -> None:
    """The provider's own error ends the job, with its words."""
    failed = body("error", error={"name": "Safety", "message": "blocked\x1b[31m"})
    assert poll_outcome(failed, generation_id="g") == GenerationFailed(reason="Safety: blocked [31m")
    assert isinstance(poll_outcome(body("error"), generation_id="g"), GenerationFailed)
    assert isinstance(poll_outcome(body("failed", error={"name": "x"}), generation_id="g"), GenerationFailed)


@pytest.mark.parametrize("code", [403, 404, 429, 500, 502, 503, 504, 302])
def test_faults_of_a_poll_pass(code: int) -> None:
    """No code on a poll ends a job."""
    assert isinstance(poll_outcome(api_error(code), generation_id="g"), PollTrouble)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"status": 3}', b"[" * 100_000])
def test_unreadable_polls_pass(raw: bytes) -> None:
    """Nor does an answer that cannot be read."""
    assert isinstance(poll_outcome(answer(200, raw), generation_id="g"), PollTrouble)


def test_an_answer_about_another_generation_is_not_believed() -> None:
    """Someone else's video must not be fetched for this job."""
    other = answer(200, {"id": "h", "status": "completed", "video": {"url": "u"}})
    assert isinstance(poll_outcome(other, generation_id="g"), PollTrouble)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("999999", 600.0),
        ("soon", None),
        ("-3", None),
        ("", None),
        ("1e9", None),
        ("Mon, 01 Jan 99999999999999 00:00:00 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    """Seconds, within reason."""
    assert retry_after(answer(429, None, retry_after=value)) == seconds


def test_retry_after_as_a_date_counts_by_the_servers_clock() -> None:
    """Ours may be wrong."""
    headers = {"retry_after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert retry_after(answer(429, None, **headers)) == 30.0
    assert retry_after(answer(429, None, retry_after=headers["retry_after"])) is None


@given(st.text())
def test_one_line_is_safe_to_print(text: str) -> None:
    """One printable line of bounded length."""
    line = one_line(text)
    assert len(line) <= LONGEST_MESSAGE
    assert line.isprintable()
