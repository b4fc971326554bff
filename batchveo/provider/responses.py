"""What an answer of the service says, read without any I/O; ``verdicts`` decides about those to submits."""

from __future__ import annotations

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from batchveo.core.outcomes import (
    Blocked,
    Completed,
    GenerationFailed,
    PollError,
    PollOutcome,
    StillGenerating,
    Stop,
)
from batchveo.provider.error_text import SENTENCES, error_words
from batchveo.provider.generation_status import Standing, standing_of
from batchveo.provider.html_text import is_markup, page_words, without_page

CREDITS_PER_USD = 2_000_000

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


def poll_outcome(answer: Answer, *, generation_id: str) -> PollOutcome:
    """What the answer to a poll of ``generation_id`` means for the job."""
    if answer.status == 401:
        return Blocked(stop=Stop.KEY, reason=error_reason(answer))
    if not 200 <= answer.status < 300:
        return PollError(
            reason=error_reason(answer),
            retry_after=retry_after(answer),
            throttled=answer.status == 429,
            unknown=answer.status == 404,
            final=400 <= answer.status < 500 and answer.status not in PASSING_STATUSES,
        )
    body = answer.json()
    if not isinstance(body, dict):
        reason = f"unreadable answer to a poll (HTTP {answer.status}){seen_in(answer)}"
        return PollError(reason=one_line(reason))
    if not isinstance(body.get("status"), str):
        words = _failure_words(body)
        reason = f"the answer to a poll names no status{f': {words}' if words else ''}"
        return PollError(reason=reason, final=bool(words))
    if not _same(body.get("id"), generation_id):
        return PollError(reason="the answer speaks of another generation")
    return _status_outcome(body, answer)


PASSING_STATUSES = frozenset({408, 425, 429})
"""Client errors of HTTP that say "later", not "no"."""


def _same(said: object, generation_id: str) -> bool:
    """Whether an answer speaks of this generation; some leave the ``:model`` of an id away."""
    named = read_id(said)
    return said is None or (named is not None and named.partition(":")[0] == generation_id.partition(":")[0])


def _status_outcome(body: Mapping[str, Any], answer: Answer) -> PollOutcome:
    word = one_line(body["status"].strip().lower())
    standing = standing_of(word)
    if standing is Standing.DONE:
        return _completed(body, answer, word)
    if standing is Standing.FAILED:
        return GenerationFailed(reason=_failure_reason(body, word), cost_usd=usage_usd(body))
    if standing is Standing.UNKNOWN and (words := _failure_words(body)):
        return PollError(reason=f"status {word!r}: {words}", final=True)
    return StillGenerating(word=word, known=standing is Standing.WAITING)


def _completed(body: Mapping[str, Any], answer: Answer, word: str) -> PollOutcome:
    urls = list(_video_urls(body.get("video")))
    if not urls:
        words = _failure_words(body)
        return PollError(reason=f"{word}, but without a video URL{f': {words}' if words else ''}", final=True)
    return Completed(url=urls[0], cost_usd=charged_usd(body, answer), others=tuple(urls[1:]))


def accepted_id(answer: Answer) -> str | None:
    """The id of the generation that an accepted submit bought; ``None`` if the answer names none."""
    body = answer.json()
    named = [body.get("id"), body.get("generation_id")] if isinstance(body, dict) else []
    return next(filter(None, map(read_id, [*named, answer.headers.get("x-inference-id")])), None)


def accepted_usd(answer: Answer) -> float | None:
    """The exact price (US dollars) that the answer to a submit names: ``meta.usage`` or the headers."""
    body = answer.json()
    return charged_usd(body if isinstance(body, dict) else {}, answer)


def read_id(value: object) -> str | None:
    """The generation id that a value is, a whole number's digits among them; ``None`` where it can be none."""
    if isinstance(value, int) and not isinstance(value, bool) and value < 10**LONGEST_ID:
        value = str(value)
    fits = isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable()
    return value if isinstance(value, str) and fits else None


def _video_urls(video: object) -> Iterator[str]:
    """The addresses in ``video``: an object with ``url``, an address, or a list of either."""
    if isinstance(video, list):
        for item in video:
            yield from _video_urls(item) if not isinstance(item, list) else ()
        return
    url = video.get("url") if isinstance(video, dict) else video
    if isinstance(url, str) and url.isprintable() and 0 < len(url) <= LONGEST_URL:
        yield url


def charged_usd(body: Mapping[str, Any], answer: Answer) -> float | None:
    """What the answer says the generation cost (US dollars): ``meta.usage``, or else the headers."""
    return usage_usd(body) or amount(answer.headers.get("x-aimlapi-usd-spent"))


def usage_usd(body: Mapping[str, Any]) -> float | None:
    """What ``meta.usage`` says the generation cost (US dollars): ``usd_spent``, or else ``credits_used``."""
    usage = meta.get("usage") if isinstance(meta := body.get("meta"), dict) else None
    if not isinstance(usage, dict):
        return None
    return _number(usage.get("usd_spent")) or _number(usage.get("credits_used"), CREDITS_PER_USD)


def _number(value: object, per: float = 1.0) -> float | None:
    return None if isinstance(value, bool) else amount(value, per)


def amount(value: object, per: float = 1.0) -> float | None:
    """US dollars, or ``None`` for what cannot be a price. Zero is none: it may be that of the question itself."""
    try:
        number = float(value) / per  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < number <= LARGEST_USD else None


def _failure_reason(body: Mapping[str, Any], word: str) -> str:
    """Why the service ended a generation, its status word first if that is more than ``error``."""
    words = _failure_words(body)
    if not words:
        return f"the service ended it as {word!r}, without a reason"
    return words if word in ("error", "failed") else one_line(f"{word}: {words}")


def _failure_words(body: Mapping[str, Any]) -> str:
    said = error_words(body.get("error")) or error_words(
        {key: body[key] for key in SENTENCES if key != "error" and key in body}
    )
    return one_line(said)


def is_api_error(answer: Answer) -> bool:
    """Whether the body is the service's own error object, not that of a proxy in between."""
    body = answer.json()
    return isinstance(body, dict) and isinstance(body.get("message"), str) and "statusCode" in body


def error_reason(answer: Answer) -> str:
    """The status with the service's own words, fit for one line of a terminal."""
    body = answer.json()
    words = _plain_words(answer) if body is None else error_words(body) if isinstance(body, dict | list) else ""
    meta = body.get("meta") if isinstance(body, dict) else None
    if meta:
        words = f"{words} {json.dumps(meta, ensure_ascii=False)}"
    return one_line(f"HTTP {answer.status}: {words}" if words else f"HTTP {answer.status}")


def _plain_words(answer: Answer) -> str:
    """What a body that is not JSON says: the words of a page, or plain text; nothing where it is neither."""
    body = answer.body[:LONGEST_TEXT]
    try:
        text = getincrementaldecoder("utf-8-sig")().decode(body)  # a character that the cut has halved is left out
    except UnicodeDecodeError:
        text = body.decode("latin-1")
        return page_words(text) if is_markup(text) else ""
    return page_words(text) if is_markup(text) else text


def seen_in(answer: Answer) -> str:
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
