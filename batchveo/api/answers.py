"""What an answer of the service means, decided without any I/O.

The codes and bodies are those of the service's public error page; where it is silent, only what was refused in
so many words is known not to have been bought.
"""

from __future__ import annotations

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from batchveo.api.html_text import is_markup, page_words, without_page
from batchveo.outcomes import (
    Accepted,
    Blocked,
    Completed,
    GenerationFailed,
    Lost,
    PollOutcome,
    PollTrouble,
    Refused,
    StillGenerating,
    Stop,
    SubmitOutcome,
    Throttled,
    TurnedAway,
)

CREDITS_PER_USD = 2_000_000
WAITING_WORDS = frozenset({"queued", "generating", "waiting", "active", "pending", "processing"})
DONE_WORDS = frozenset({"completed", "complete", "succeeded"})
ERROR_WORDS = frozenset({"error"})
FAILED_WORDS = frozenset({"failed"})
"""Not a documented word: believed only together with an ``error`` object."""

LONGEST_RETRY_AFTER = 600.0
"""Seconds; a longer ``Retry-After`` is cut to this, so that a wrong header does not end a night."""
LARGEST_USD = 1e6
"""No video costs more."""
LONGEST_URL = 16_384
LONGEST_MESSAGE = 400
LONGEST_ID = 512
LONGEST_TEXT = 64 * 1024
"""Bytes of a body that is not JSON, looked at for words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One whole HTTP answer: its status, its headers (lower-case names), its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON, or ``None`` where it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


def submit_outcome(answer: Answer) -> SubmitOutcome:
    """What the answer to a submit means for the job."""
    if 200 <= answer.status < 300:
        generation = _generation_id(answer)
        if generation is None:
            return Lost(reason=one_line(f"accepted without a readable id{_seen(answer)}"))
        return Accepted(generation_id=generation)
    reason = error_reason(answer)
    match answer.status:
        case 429:
            return Throttled(reason=reason, retry_after=retry_after(answer))
        case 401:
            return Blocked(stop=Stop.KEY, reason=reason)
        case 403:
            return Blocked(stop=Stop.CREDITS, reason=reason)
        case 404 | 405:
            return Blocked(stop=Stop.SERVICE, reason=reason)
        case 400 | 413 | 415 | 422 if isinstance(answer.json(), dict):
            return Refused(reason=reason)
        case 500 | 503 if is_api_error(answer):
            return TurnedAway(reason=reason, retry_after=retry_after(answer))
        case _:
            return Lost(reason=reason)


def poll_outcome(answer: Answer, *, generation_id: str) -> PollOutcome:
    """What the answer to a poll of ``generation_id`` means for the job."""
    if answer.status == 401:
        return Blocked(stop=Stop.KEY, reason=error_reason(answer))
    if not 200 <= answer.status < 300:
        return PollTrouble(
            reason=error_reason(answer),
            retry_after=retry_after(answer),
            throttled=answer.status == 429,
            unknown=answer.status == 404,
        )
    body = answer.json()
    if not isinstance(body, dict) or not isinstance(body.get("status"), str):
        reason = f"unreadable answer to a poll (HTTP {answer.status}){_seen(answer)}"
        return PollTrouble(reason=one_line(reason))
    if not _same(body.get("id"), generation_id):
        return PollTrouble(reason="the answer speaks of another generation")
    return _status_outcome(body, answer)


def _same(said: object, generation_id: str) -> bool:
    """Whether an answer speaks of this generation; some leave the ``:model`` of an id away."""
    named = read_id(said)
    return said is None or (named is not None and named.partition(":")[0] == generation_id.partition(":")[0])


def _status_outcome(body: Mapping[str, Any], answer: Answer) -> PollOutcome:
    word = body["status"].strip().lower()
    if word in DONE_WORDS:
        url = _video_url(body)
        cost = _cost_usd(body, answer)
        return Completed(url=url, cost_usd=cost) if url else PollTrouble(reason=f"{word}, but without a video URL")
    if word in ERROR_WORDS or (word in FAILED_WORDS and isinstance(body.get("error"), dict)):
        return GenerationFailed(reason=_provider_reason(body))
    return StillGenerating(word=one_line(word), known=word in WAITING_WORDS)


def _generation_id(answer: Answer) -> str | None:
    body = answer.json()
    given = body.get("id") if isinstance(body, dict) else None
    return read_id(given) or read_id(answer.headers.get("x-inference-id"))


def read_id(value: object) -> str | None:
    """The generation id that a value is, a whole number's digits among them; ``None`` where it can be none."""
    if isinstance(value, int) and not isinstance(value, bool) and value < 10**LONGEST_ID:
        value = str(value)
    fits = isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable()
    return value if isinstance(value, str) and fits else None


def _video_url(body: Mapping[str, Any]) -> str | None:
    video = body.get("video")
    url = video.get("url") if isinstance(video, dict) else video
    return url if isinstance(url, str) and url.isprintable() and 0 < len(url) <= LONGEST_URL else None


def _cost_usd(body: Mapping[str, Any], answer: Answer) -> float | None:
    """What the service says the generation cost: ``meta.usage`` first, the headers otherwise."""
    usage = meta.get("usage") if isinstance(meta := body.get("meta"), dict) else None
    credits_used = usage.get("credits_used") if isinstance(usage, dict) else None
    if isinstance(credits_used, int | float) and not isinstance(credits_used, bool):
        return amount(credits_used, CREDITS_PER_USD)
    return amount(answer.headers.get("x-aimlapi-usd-spent"))


def amount(value: object, per: float = 1.0) -> float | None:
    """US dollars, or ``None`` for what cannot be a price. Zero is none: it may be that of the question itself."""
    try:
        number = float(value) / per  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < number <= LARGEST_USD else None


def _provider_reason(body: Mapping[str, Any]) -> str:
    error = body.get("error")
    if isinstance(error, str) and error.strip():
        return one_line(error)
    if not isinstance(error, dict):
        return "the service reports an error without a reason"
    return one_line(": ".join(str(error[key]) for key in ("name", "message") if error.get(key)))


def is_api_error(answer: Answer) -> bool:
    """Whether the body is the service's own error object, not that of a proxy in between."""
    body = answer.json()
    return isinstance(body, dict) and isinstance(body.get("message"), str) and "statusCode" in body


def error_reason(answer: Answer) -> str:
    """The status with the service's own words, fit for one line of a terminal."""
    body = answer.json()
    message = body.get("message") if isinstance(body, dict) else None
    if isinstance(message, list):
        message = "; ".join(map(str, message))
    details = body.get("errors") or body.get("meta") if isinstance(body, dict) else None
    text = message if isinstance(message, str) else _plain_words(answer) if body is None else ""
    if details:
        text = f"{text} {json.dumps(details, ensure_ascii=False)}"
    return one_line(f"HTTP {answer.status}: {text}" if text else f"HTTP {answer.status}")


def _plain_words(answer: Answer) -> str:
    """What a body that is not JSON says: the words of a page, or plain text; nothing where it is neither."""
    body = answer.body[:LONGEST_TEXT]
    try:
        text = getincrementaldecoder("utf-8-sig")().decode(body)  # a character that the cut has halved is left out
    except UnicodeDecodeError:
        text = body.decode("latin-1")
        return page_words(text) if is_markup(text) else ""
    return page_words(text) if is_markup(text) else text


def _seen(answer: Answer) -> str:
    """The words of a page that came with a status of success: who stands in between shows by its title."""
    words = _plain_words(answer) if answer.json() is None else ""
    return f": {words}" if words else ""


def retry_after(answer: Answer) -> float | None:
    """Seconds of the ``Retry-After`` header (seconds or a date), at most ten minutes; ``None`` without one."""
    value = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return min(float(value), LONGEST_RETRY_AFTER)
    try:
        # measured against the server's own clock, since ours may differ
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(answer.headers["date"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    return min(max(wait.total_seconds(), 0.0), LONGEST_RETRY_AFTER)


def one_line(text: str) -> str:
    """``text`` without control characters (a server's words must not steer a terminal) or tags, in one line."""
    text = without_page(text)
    clean = "".join(char if char.isprintable() else " " for char in text)
    clean = " ".join(clean.split())
    return clean if len(clean) <= LONGEST_MESSAGE else clean[: LONGEST_MESSAGE - 1] + "…"
