"""A response of the service: its fields, headers and words; no I/O.

The words of an error come in any JSON, or in a web page of a gateway or proxy.
"""

from __future__ import annotations

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from html.parser import HTMLParser
from typing import Any

CREDITS_PER_USD = 2_000_000

LONGEST_RETRY_AFTER = 600.0
"""Seconds; a longer ``Retry-After`` is cut to this, so that a wrong header does not stop a run."""
LARGEST_USD = 1e6
"""No video costs more."""
LONGEST_URL = 16_384
LONGEST_MESSAGE = 400
LONGEST_ID = 512
LONGEST_TEXT = 64 * 1024
"""Bytes of a body that is not JSON in which words are searched."""

NAMES = ("name", "type", "code", "error_code")
"""Keys whose values name an error; these come first."""
SENTENCES = ("message", "msg", "error", "errors", "detail", "details", "description", "reason", "failure_reason")
"""Keys whose values explain it, the clearest first. Documented are ``message`` (the API's own body), ``name``
with ``message`` (polls), ``detail[].msg`` and ``code`` with ``details`` (the makers' own bodies passed on)."""
PLACES = ("loc", "path", "field", "param", "property")
"""Keys that say which part of the request an error is about; at the top ``path`` is the call's own."""
DEEPEST = 4
MOST_PARTS = 8
LONGEST_PAGE = 32 * 1024
"""Characters of a page that are read: its title and first words are at its beginning."""
LONGEST_WORDS = 160
NOT_THE_API = "a web page, not an answer of the API"

_MARKUP = re.compile(r"\ufeff?\s*<[a-z!?]", re.IGNORECASE)
_PAGE = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_NO_NEWS = re.compile(r"(Generation|BadRequest|Internal|InternalServer|Server|Api|API|HTTP|Runtime)?(Error|Exception)")
"""Names of errors that say no more than that there is one."""
_UNSEEN = frozenset({"script", "style", "noscript", "template", "svg"})


@dataclass(frozen=True, kw_only=True)
class Response:
    """One whole HTTP response: its status, its headers (lower-case names), its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def json(self) -> Any:
        """The body as JSON, parsed once; ``None`` if it is not JSON."""
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
    named = [read_id(response.fields.get(name)) for name in ("id", "generation_id")]
    header = read_id(response.headers.get("x-inference-id"))
    # documented as the generation's own id, it decides between two that differ; alone it may be that of a gateway
    if header is not None and header in named:
        return header
    return next(filter(None, [*named, header]), None)


def read_id(value: object) -> str | None:
    """``value`` as a generation id, also one of digits; ``None`` if it cannot be one."""
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
    """The cost of the generation (US dollars) by ``meta.usage``, or else by the headers."""
    return read_usage_usd(response.fields) or parse_usd(response.headers.get("x-aimlapi-usd-spent"))


def read_usage_usd(fields: Mapping[str, Any]) -> float | None:
    """The cost of the generation (US dollars) by ``meta.usage``: ``usd_spent``, or else ``credits_used``."""
    usage = meta.get("usage") if isinstance(meta := fields.get("meta"), dict) else None
    if not isinstance(usage, dict):
        return None
    return _read_number(usage.get("usd_spent")) or _read_number(usage.get("credits_used"), CREDITS_PER_USD)


def _read_number(value: object, per: float = 1.0) -> float | None:
    return None if isinstance(value, bool) else parse_usd(value, per)


def parse_usd(value: object, per: float = 1.0) -> float | None:
    """US dollars, or ``None`` if ``value`` is no price. Zero is none: it may be the price of the poll itself."""
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
    """The words of a body that is not JSON: those of a page, or plain text; empty if it is neither."""
    body = response.body[:LONGEST_TEXT]
    try:
        text = getincrementaldecoder("utf-8-sig")().decode(body)  # drops a character that the cut has halved
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
    """``text`` in one line, without tags or control characters: a server's words must not control a terminal."""
    text = replace_page(text)
    clean = "".join(char if char.isprintable() else " " for char in text)
    clean = " ".join(clean.split())
    return clean if len(clean) <= LONGEST_MESSAGE else clean[: LONGEST_MESSAGE - 1] + "…"


# -- words of an error, in any JSON or in a web page


def extract_words(error: object) -> str:
    """The words of ``error`` for a person, its parts in their order; empty if it has none."""
    return _join_parts(_list_parts(error, 0))


def _join_parts(parts: Iterator[str]) -> str:
    each_once = dict.fromkeys(part for part in parts if part)
    return ": ".join(list(each_once)[:MOST_PARTS])


def _list_parts(error: object, depth: int) -> Iterator[str]:
    if isinstance(error, str):
        yield error.strip()
    elif isinstance(error, int | float) and not isinstance(error, bool):
        yield str(error)
    elif depth >= DEEPEST:
        return
    elif isinstance(error, list):
        yield "; ".join(filter(None, (_join_parts(_list_parts(item, depth + 1)) for item in error[:MOST_PARTS])))
    elif isinstance(error, dict):
        yield from _list_fields(error, depth)


def _list_fields(error: Mapping[str, Any], depth: int) -> Iterator[str]:
    known = [key for key in (*NAMES, *SENTENCES) if error.get(key) not in (None, "", [], {})]
    if depth and not known:  # one key for each wrong field
        for key, value in error.items():
            words = _join_parts(_list_parts(value, depth + 1))
            yield f"{key}: {words}" if words else ""
        return
    if depth:
        yield from _find_place(error)
    for key in known:
        is_name = key in NAMES and len(known) > 1 and isinstance(error[key], str)
        if not (is_name and _NO_NEWS.fullmatch(error[key])):
            yield from _list_parts(error[key], depth + 1)


def _find_place(error: Mapping[str, Any]) -> Iterator[str]:
    for key in PLACES:
        place = error.get(key)
        if isinstance(place, list):
            place = ".".join(str(part) for part in place if part != "body")
        if isinstance(place, str) and place:
            yield place
            return


def is_markup(text: str) -> bool:
    """Whether ``text`` is a page of HTML or XML as a whole."""
    return _MARKUP.match(text) is not None


def replace_page(text: str) -> str:
    """``text`` with the words of a page of HTML in place of that page, which some gateways put in their messages."""
    found = _PAGE.search(text)
    if found is None:
        return text
    before = text[: found.start()].strip(" :\n\r\t\"'")
    words = extract_page_words(text[found.start() :])
    return f"{before}: {words}" if before else words


def extract_page_words(page: str) -> str:
    """The title of ``page``, or else its first words, in one short line without tags that says that it is a page."""
    reader = _PageReader()
    reader.feed(page[:LONGEST_PAGE])
    if len(page) <= LONGEST_PAGE:  # a page that was cut may end within a tag, which must not pass for text
        reader.close()
    words = _cut_line(reader.title) or _cut_line(reader.heading) or _cut_line(reader.text)
    return f"{words} ({NOT_THE_API})" if words else NOT_THE_API


def _cut_line(pieces: list[str]) -> str:
    line = " ".join("".join(pieces).split())
    return line if len(line) <= LONGEST_WORDS else line[: LONGEST_WORDS - 1].rstrip() + "…"


class _PageReader(HTMLParser):
    """Collects the title, the first heading and the text of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self.heading: list[str] = []
        self.text: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """Open a part of the page."""
        self.text.append(" ")
        if tag in _UNSEEN or tag in ("title", "h1"):
            self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close a part, and all that is left open in it."""
        self.text.append(" ")
        if tag in self._within:
            del self._within[self._within.index(tag) :]

    def handle_data(self, data: str) -> None:
        """Add text to the parts that are open."""
        if not _UNSEEN.isdisjoint(self._within):
            return
        if "title" in self._within:
            self.title.append(data)
        else:
            self.text.append(data)
            if "h1" in self._within and len(self.heading) < LONGEST_WORDS:
                self.heading.append(data)
