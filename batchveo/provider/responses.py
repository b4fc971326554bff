"""A response of the service, and what its fields and headers say; no I/O."""

from __future__ import annotations

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from batchveo.provider.error_text import extract_page_words, extract_words, is_markup, replace_page

CREDITS_PER_USD = 2_000_000

LONGEST_RETRY_AFTER = 600.0
"""Seconds; a longer ``Retry-After`` is cut to this, so that a wrong header does not end a run."""
LARGEST_USD = 1e6
"""No video costs more."""
LONGEST_URL = 16_384
LONGEST_MESSAGE = 400
LONGEST_ID = 512
LONGEST_TEXT = 64 * 1024
"""Bytes of a body that is not JSON in which words are looked for."""


@dataclass(frozen=True, kw_only=True)
class Response:
    """One whole HTTP response: its status, its headers (lower-case names), its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def json(self) -> Any:
        """The body as JSON, ``None`` if it is none; parsed once, since several questions are asked about it."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def is_success(self) -> bool:
        """Whether the status is 200 to 299."""
        return 200 <= self.status < 300

    @property
    def is_object(self) -> bool:
        """Whether the body is a JSON object."""
        return isinstance(self.json, dict)

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of the JSON object; none if the body is something else."""
        return self.json if isinstance(self.json, dict) else {}

    @property
    def is_api_error(self) -> bool:
        """Whether the body is the service's own error object, not that of a proxy."""
        return isinstance(self.fields.get("message"), str) and "statusCode" in self.fields


def read_accepted_id(response: Response) -> str | None:
    """The id of the generation that an accepted submit bought; ``None`` if the response names none."""
    fields = response.fields
    named = [fields.get("id"), fields.get("generation_id"), response.headers.get("x-inference-id")]
    return next(filter(None, map(read_id, named)), None)


def read_id(value: object) -> str | None:
    """The generation id that a value is, also one of digits; ``None`` if it can be none."""
    if isinstance(value, int) and not isinstance(value, bool) and value < 10**LONGEST_ID:
        value = str(value)
    fits = isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable()
    return value if isinstance(value, str) and fits else None


def find_video_urls(video: object) -> Iterator[str]:
    """The URLs in ``video``: an object with ``url``, a URL, or a list of either."""
    if isinstance(video, list):
        for item in video:
            yield from find_video_urls(item) if not isinstance(item, list) else ()
        return
    url = video.get("url") if isinstance(video, dict) else video
    if isinstance(url, str) and url.isprintable() and 0 < len(url) <= LONGEST_URL:
        yield url


def read_charged_usd(response: Response) -> float | None:
    """What the generation cost (US dollars): by ``meta.usage``, or else by the headers."""
    return read_usage_usd(response.fields) or parse_usd(response.headers.get("x-aimlapi-usd-spent"))


def read_usage_usd(fields: Mapping[str, Any]) -> float | None:
    """What ``meta.usage`` says the generation cost (US dollars): ``usd_spent``, or else ``credits_used``."""
    usage = meta.get("usage") if isinstance(meta := fields.get("meta"), dict) else None
    if not isinstance(usage, dict):
        return None
    return _read_number(usage.get("usd_spent")) or _read_number(usage.get("credits_used"), CREDITS_PER_USD)


def _read_number(value: object, per: float = 1.0) -> float | None:
    return None if isinstance(value, bool) else parse_usd(value, per)


def parse_usd(value: object, per: float = 1.0) -> float | None:
    """US dollars, or ``None`` for what cannot be a price. Zero is none: it may be that of the question itself."""
    try:
        number = float(value) / per  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < number <= LARGEST_USD else None


def describe_error(response: Response) -> str:
    """The status with the service's own words, fit for one line of a terminal."""
    body = response.json
    words = extract_words(body) if isinstance(body, dict | list) else _decode_words(response) if body is None else ""
    if meta := response.fields.get("meta"):
        words = f"{words} {json.dumps(meta, ensure_ascii=False)}"
    return to_one_line(f"HTTP {response.status}: {words}" if words else f"HTTP {response.status}")


def describe_page(response: Response) -> str:
    """The words of a page that came with a status of success: its title shows which proxy sent it."""
    words = _decode_words(response) if response.json is None else ""
    return f": {words}" if words else ""


def _decode_words(response: Response) -> str:
    """The words of a body that is not JSON: those of a page, or plain text; nothing if it is neither."""
    body = response.body[:LONGEST_TEXT]
    try:
        text = getincrementaldecoder("utf-8-sig")().decode(body)  # leaves out a character that the cut has halved
    except UnicodeDecodeError:
        text = body.decode("latin-1")
        return extract_page_words(text) if is_markup(text) else ""
    return extract_page_words(text) if is_markup(text) else text


def read_retry_after(response: Response) -> float | None:
    """Seconds of the ``Retry-After`` header (seconds or a date), at most ten minutes; ``None`` without one."""
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return min(float(value), LONGEST_RETRY_AFTER)
    try:
        # measured against the server's own clock, since ours may differ
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(response.headers["date"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    return min(max(wait.total_seconds(), 0.0), LONGEST_RETRY_AFTER)


def to_one_line(text: str) -> str:
    """``text`` in one line, without tags or control characters: a server's words must not steer a terminal."""
    text = replace_page(text)
    clean = "".join(char if char.isprintable() else " " for char in text)
    clean = " ".join(clean.split())
    return clean if len(clean) <= LONGEST_MESSAGE else clean[: LONGEST_MESSAGE - 1] + "…"
