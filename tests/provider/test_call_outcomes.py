"""What the answer to a submit or a poll means, code by code, and an error without an answer."""

from __future__ import annotations

import inspect
import ssl
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.outcomes import (
    Accepted,
    Blocked,
    Completed,
    Denied,
    GenerationFailed,
    PollError,
    Refused,
    RejectedTemporarily,
    Scope,
    StillGenerating,
    Stop,
    SubmitUncertain,
    Throttled,
    Withdrawn,
)
from batchveo.provider.call_outcomes import (
    NEVER_SENT,
    SUBMIT_RULES,
    find_rule,
    interpret_poll,
    interpret_poll_error,
    interpret_submit,
    interpret_submit_error,
)
from batchveo.provider.responses import Response
from tests.provider.test_responses import answer


def api_error(status: int, message: str = "no") -> Response:
    return answer(status, {"message": message, "path": "/", "requestId": "r", "statusCode": str(status)})


def body(status: str, **more: Any) -> Response:
    return answer(200, {"id": "g", "status": status, "video": None, **more})


def leaves(kind: type[Exception]) -> list[type[Exception]]:
    found = [leaf for sub in kind.__subclasses__() for leaf in leaves(sub)]
    return found or [kind]


def made(kind: type[Exception]) -> Exception:
    arguments: dict[str, object] = {}
    for name in inspect.signature(kind).parameters:
        arguments[name] = {"request": httpx.Request("POST", "https://x"), "response": httpx.Response(500)}.get(
            name, "why"
        )
    arguments.pop("kwargs", None)
    arguments.pop("args", None)
    return kind(**arguments)


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
WORDS_OF_FAILURE = [
    "failed",
    "content_filtered",
    "canceled",
    "CANCELLED",
    "safety-rejected",
    "timed out",
    "TimedOut",
]
ALL = sorted(leaves(httpx.HTTPError), key=lambda kind: kind.__name__)


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


@pytest.mark.parametrize("word", ["queued", "generating", "waiting", "active", "QUEUED"])
def test_known_words_go_on(word: str) -> None:
    """Every documented word of waiting."""
    outcome = interpret_poll(body(word), generation_id="g")
    assert isinstance(outcome, StillGenerating)
    assert outcome.known


@pytest.mark.parametrize("word", ["postprocessing", "", "cancelled?", "moderation_pending", "not_failed"])
def test_an_unknown_word_is_not_an_end(word: str) -> None:
    """It is polled on, and said."""
    outcome = interpret_poll(body(word), generation_id="g")
    assert isinstance(outcome, StillGenerating)
    assert not outcome.known


@pytest.mark.parametrize("word", ["completed", "complete", "succeeded"])
def test_done_words(word: str) -> None:
    """Every spelling of done, with the price in credits."""
    video = {"url": "https://cdn.example/v.mp4"}
    done = body(word, video=video, meta={"usage": {"credits_used": 3_120_000}})
    assert interpret_poll(done, generation_id="g") == Completed(url="https://cdn.example/v.mp4", cost_usd=1.56)


def test_a_video_that_is_its_url_is_taken_as_such() -> None:
    """It is paid for, whatever the shape of the answer."""
    done = body("completed", video="https://cdn.example/v.mp4")
    assert interpret_poll(done, generation_id="g") == Completed(url="https://cdn.example/v.mp4")


@pytest.mark.parametrize(
    "video",
    [
        [{"url": "https://cdn.example/v.mp4"}],
        ["https://cdn.example/v.mp4"],
        [None, {"url": ""}, {"url": "https://cdn.example/v.mp4"}],
    ],
)
def test_a_list_of_videos_holds_the_video(video: Any) -> None:
    """Of a dozen models of the endpoint."""
    assert interpret_poll(body("completed", video=video), generation_id="g") == Completed(
        url="https://cdn.example/v.mp4"
    )


def test_further_videos_of_a_list_are_not_forgotten() -> None:
    """They may be paid for too."""
    done = interpret_poll(body("completed", video=["https://x/1", {"url": "https://x/2"}]), generation_id="g")
    assert done == Completed(url="https://x/1", others=("https://x/2",))


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        ({"usd_spent": 0.8}, 0.8),
        ({"credits_used": 1_600_000}, 0.8),
        ({"credits_used": 1_600_000, "usd_spent": 0.8}, 0.8),
        ({"credits_used": 1_600_000, "usd_spent": 0}, 0.8),
        ({"usd_spent": "0.8"}, 0.8),
        ({"tokens_used": 7}, None),
    ],
)
def test_the_price_in_either_unit(usage: Any, usd: float | None) -> None:
    """US dollars, or credits of which two million are one."""
    done = body("completed", video="https://x/1", meta={"usage": usage})
    assert interpret_poll(done, generation_id="g") == Completed(url="https://x/1", cost_usd=usd)


def test_done_without_a_url_is_asked_again() -> None:
    """A finished video is never given up for a missing URL."""
    assert isinstance(interpret_poll(body("completed"), generation_id="g"), PollError)


def test_the_price_may_come_in_a_header() -> None:
    """Where meta.usage is missing."""
    done = answer(200, {"id": "g", "status": "completed", "video": {"url": "u"}}, x_aimlapi_usd_spent="0.5")
    assert interpret_poll(done, generation_id="g") == Completed(url="u", cost_usd=0.5)


@pytest.mark.parametrize("credits_used", ["x", True, -1, 0, None, float("nan"), 10**400, 1e300])
def test_a_senseless_price_is_no_price(credits_used: Any) -> None:
    """It costs the price, not the video."""
    done = body("completed", video={"url": "u"}, meta={"usage": {"credits_used": credits_used}})
    assert interpret_poll(done, generation_id="g") == Completed(url="u", cost_usd=None)


def test_a_price_of_zero_is_no_price() -> None:
    """It may be that of the poll itself, and would set the reserved money free."""
    done = answer(200, {"id": "g", "status": "completed", "video": {"url": "u"}}, x_aimlapi_usd_spent="0")
    assert interpret_poll(done, generation_id="g") == Completed(url="u", cost_usd=None)


@pytest.mark.parametrize("url", ["https://x/\ud800", "https://x/\n", "x" * 20_000, 7, ""])
def test_a_senseless_url_is_asked_for_again(url: Any) -> None:
    """It must not reach the state."""
    assert isinstance(interpret_poll(body("completed", video={"url": url}), generation_id="g"), PollError)


def test_of_two_ids_the_header_names_the_generation() -> None:
    """A poll of the other one finds nothing, and the video is paid for."""
    both = {"id": "task", "generation_id": "g"}
    assert interpret_submit(answer(200, both, **{"x-inference-id": "g"})) == Accepted(generation_id="g")
    for header in ("task", "gateway"):
        outcome = interpret_submit(answer(200, both, **{"x-inference-id": header}))
        assert outcome == Accepted(generation_id="task")


def test_a_poll_may_name_the_generation_beside_an_id_of_its_own() -> None:
    done = {"id": "task", "generation_id": "g", "status": "completed", "video": [{"url": "u"}]}
    assert interpret_poll(answer(200, done), generation_id="g") == Completed(url="u", cost_usd=None)
    assert isinstance(interpret_poll(answer(200, done | {"generation_id": "h"}), generation_id="g"), PollError)


def test_an_id_without_its_model_is_the_same_id() -> None:
    """Some answers leave the `:model` away."""
    done = answer(200, {"id": "5246", "status": "queued"})
    assert isinstance(interpret_poll(done, generation_id="5246:google/veo3"), StillGenerating)


def test_a_whole_number_is_known_again_in_a_poll() -> None:
    """Of a service that counts."""
    assert isinstance(interpret_poll(answer(200, {"id": 7, "status": "queued"}), generation_id="7"), StillGenerating)
    assert isinstance(interpret_poll(answer(200, {"id": 8, "status": "queued"}), generation_id="7"), PollError)


def test_an_error_in_one_string_has_its_words_too() -> None:
    """Not every model of the endpoint wraps them."""
    assert interpret_poll(body("error", error="unsafe\nprompt"), generation_id="g") == GenerationFailed(
        reason="unsafe prompt"
    )


def test_errors_of_the_generation() -> None:
    """The provider's own error ends the job, with its words."""
    failed = body("error", error={"name": "Safety", "message": "blocked\x1b[31m"})
    assert interpret_poll(failed, generation_id="g") == GenerationFailed(reason="Safety: blocked [31m")
    assert isinstance(interpret_poll(body("error"), generation_id="g"), GenerationFailed)
    assert isinstance(interpret_poll(body("failed", error={"name": "x"}), generation_id="g"), GenerationFailed)


@pytest.mark.parametrize("word", [*WORDS_OF_FAILURE, "error_nsfw", "request_expired", "generation.failure", "aborted"])
def test_words_of_failure_are_failures(word: str) -> None:
    """With a reason or without."""
    bare = interpret_poll(body(word), generation_id="g")
    assert bare == GenerationFailed(reason=f"the service ended it as {word.lower()!r}, without a reason")
    said = interpret_poll(body(word, error={"message": "not this"}), generation_id="g")
    assert isinstance(said, GenerationFailed)
    assert said.reason.endswith("not this")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"error": {"code": 13, "details": "out of capacity"}}, "13: out of capacity"),
        ({"error": None, "detail": [{"loc": ["body", "seed"], "msg": "too large"}]}, "seed: too large"),
        ({"error": {"message": {"text": "odd"}}}, "text: odd"),
        ({"error": ["one", {"message": "two"}]}, "one; two"),
        ({"error": {"name": "", "message": "plain"}}, "plain"),
        ({"message": "beside it"}, "beside it"),
        ({"failure_reason": "late"}, "late"),
    ],
)
def test_the_reason_in_every_shape(said: Any, reason: str) -> None:
    """As the makers of the models word it, passed on by the service."""
    assert interpret_poll(body("error", **said), generation_id="g") == GenerationFailed(reason=reason)


def test_a_failure_that_names_a_price_was_charged() -> None:
    """It is then never made again by itself."""
    failed = body("error", error={"message": "no"}, meta={"usage": {"usd_spent": 1.5}})
    assert interpret_poll(failed, generation_id="g") == GenerationFailed(reason="no", cost_usd=1.5)


@pytest.mark.parametrize(
    ("given_answer", "final"),
    [
        (body("completed"), True),
        (body("completed", error={"message": "filtered"}), True),
        (body("odd", error={"message": "filtered"}), True),
        (answer(200, {"error": {"message": "no such thing"}}), True),
        (api_error(400, "moderated"), True),
        (api_error(403, "moderated"), True),
        (api_error(404), True),
        (answer(410, b""), True),
        (api_error(408), False),
        (api_error(429), False),
        (api_error(500), False),
        (answer(200, b"<html>"), False),
    ],
)
def test_which_useless_answers_have_the_form_of_a_last_word(given_answer: Response, final: bool) -> None:
    """They are about this generation alone."""
    trouble = interpret_poll(given_answer, generation_id="g")
    assert isinstance(trouble, PollError)
    assert trouble.final == final


@pytest.mark.parametrize("code", [403, 404, 429, 500, 502, 503, 504, 302])
def test_faults_of_a_poll_pass(code: int) -> None:
    """No code on a poll ends a job."""
    assert isinstance(interpret_poll(api_error(code), generation_id="g"), PollError)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"status": 3}', b"[" * 100_000])
def test_unreadable_polls_pass(raw: bytes) -> None:
    """Nor does an answer that cannot be read."""
    assert isinstance(interpret_poll(answer(200, raw), generation_id="g"), PollError)


def test_an_answer_about_another_generation_is_not_believed() -> None:
    """Someone else's video must not be fetched for this job."""
    other = answer(200, {"id": "h", "status": "completed", "video": {"url": "u"}})
    assert isinstance(interpret_poll(other, generation_id="g"), PollError)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_a_failed_submit_is_lost_unless_it_never_left(kind: type[Exception]) -> None:
    """Every exception that httpx may raise."""
    outcome = interpret_submit_error(made(kind))
    assert isinstance(outcome, RejectedTemporarily if issubclass(kind, NEVER_SENT) else SubmitUncertain)


@pytest.mark.parametrize(
    ("kind", "sent", "expected"),
    [
        (httpx.ConnectError, True, Blocked),  # the spare was gone after the mark
        (httpx.ReadError, False, Blocked),
        (httpx.ReadError, True, SubmitUncertain),  # a server may show another certificate within a connection
    ],
)
def test_a_certificate_blocks_a_submit_only_before_it_left(kind: type[Exception], sent: bool, expected: type) -> None:
    error = made(kind)
    error.__cause__ = ssl.SSLCertVerificationError(1, "certificate verify failed")
    assert isinstance(interpret_submit_error(error, sent=sent), expected)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_a_failed_poll_passes(kind: type[Exception]) -> None:
    """Asking again costs nothing."""
    assert isinstance(interpret_poll_error(made(kind)), PollError)
