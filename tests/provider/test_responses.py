"""The words and headers of a response; a page of HTML in place of an answer of the API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.outcomes import GenerationFailed, PollError, SubmitUncertain
from batchveo.provider.call_outcomes import interpret_poll, interpret_submit
from batchveo.provider.responses import (
    LONGEST_MESSAGE,
    LONGEST_PAGE,
    Response,
    describe_error,
    extract_page_words,
    extract_words,
    is_markup,
    read_retry_after,
    replace_page,
    to_one_line,
)

NGINX = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center>"
PAGES = [
    (NGINX, "502 Bad Gateway"),
    (
        b"<!DOCTYPE html><head><style>h1{color:red}</style></head><h1>Access &amp; more</h1><p>x</p>",
        "Access & more",
    ),
    (b"\xef\xbb\xbf\n<!-- proxy -->\n<HTML><BODY>Blocked by <b>policy</b> 7</BODY></HTML>", "Blocked by policy 7"),
    (
        b"<?xml version='1.0'?><Error><Code>Denied</Code><Message>No such key</Message></Error>",
        "Denied No such key",
    ),
    (b"<title>  two\n lines </title><script>alert('<title>no</title>')</script>", "two lines"),
]


def answer(status: int, body: Any = None, **headers: str) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=raw)


def body(status: str, **more: Any) -> Response:
    return answer(200, {"id": "g", "status": status, "video": None, **more})


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
    assert read_retry_after(answer(429, None, retry_after=value)) == seconds


def test_retry_after_as_a_date_counts_by_the_servers_clock() -> None:
    """Ours may be wrong."""
    headers = {"retry_after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert read_retry_after(answer(429, None, **headers)) == 30.0
    assert read_retry_after(answer(429, None, retry_after=headers["retry_after"])) is None


@given(st.text())
def test_one_line_is_safe_to_print(text: str) -> None:
    """One printable line of bounded length."""
    line = to_one_line(text)
    assert len(line) <= LONGEST_MESSAGE
    assert line.isprintable()


def failed(status: int, body: bytes) -> Response:
    return Response(status=status, headers={}, body=body)


@pytest.mark.parametrize(("body", "words"), PAGES)
def test_a_page_is_shown_by_its_words(body: bytes, words: str) -> None:
    """The status, the words, and that it is a page; never a tag."""
    reason = describe_error(failed(502, body))
    assert reason == f"HTTP 502: {words} (a web page, not an answer of the API)"


def test_a_page_without_words_is_named_as_one() -> None:
    """Not shown empty."""
    assert describe_error(failed(403, b"<html><script>1</script></html>")).startswith("HTTP 403: a web page")


def test_a_gateway_that_wraps_a_page_into_json() -> None:
    """In `message`, or as the reason of a failed generation."""
    page = NGINX.decode()
    assert "<" not in describe_error(failed(503, json.dumps({"message": f"upstream: {page}"}).encode()))
    body = json.dumps({"status": "error", "error": {"name": "Upstream", "message": page}}).encode()
    outcome = interpret_poll(Response(status=200, headers={}, body=body), generation_id="g")
    assert isinstance(outcome, GenerationFailed)
    assert outcome.reason == "Upstream: 502 Bad Gateway (a web page, not an answer of the API)"


def test_a_hotels_page_with_status_200() -> None:
    """Its title says whom to ask."""
    page = Response(status=200, headers={}, body=b"<html><title>Hotel WiFi: log in</title></html>")
    polled, submitted = interpret_poll(page, generation_id="g"), interpret_submit(page)
    assert isinstance(polled, PollError)
    assert "Hotel WiFi: log in (a web page" in polled.reason
    assert isinstance(submitted, SubmitUncertain)
    assert "Hotel WiFi: log in (a web page" in submitted.reason


def test_plain_words_of_a_proxy_are_shown() -> None:
    """As they are, on one line."""
    assert describe_error(failed(503, b"upstream connect error\r\nreset")) == "HTTP 503: upstream connect error reset"
    assert describe_error(failed(503, b"\xff\xfe\x00")) == "HTTP 503"


def test_words_in_angle_brackets_are_no_page() -> None:
    """A message may speak of a tag or a placeholder."""
    text = "<lora:x> is no word, and 3 < 4"
    assert replace_page(text) == text
    assert not is_markup("3 < 4")


def test_an_endless_page_is_cut() -> None:
    """Within a tag, too: half of one must not pass for text."""
    assert extract_page_words("<p>first</p>" + "<i class=x>" * LONGEST_PAGE).startswith("first")
    assert len(extract_page_words("<title>" + "x" * LONGEST_PAGE * 2)) < 300


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"name": "GenerationError", "message": "no faces"}, "no faces"),
        ({"name": "ContentPolicyError", "message": "no faces"}, "ContentPolicyError: no faces"),
        ({"name": "GenerationError"}, "GenerationError"),
    ],
)
def test_a_name_that_says_nothing_is_left_out(error: dict[str, str], words: str) -> None:
    """Beside a message; a name that has news, or is all there is, stays."""
    assert extract_words(error) == words
