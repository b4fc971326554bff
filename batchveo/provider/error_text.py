"""The words of an error: in whatever JSON it comes, or in a web page of a gateway or proxy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

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
"""Characters of a page that are looked at: its title and first words stand at its beginning."""
LONGEST_WORDS = 160
NOT_THE_API = "a web page, not an answer of the API"

_MARKUP = re.compile(r"\ufeff?\s*<[a-z!?]", re.IGNORECASE)
_PAGE = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_UNSEEN = frozenset({"script", "style", "noscript", "template", "svg"})


def extract_words(error: object) -> str:
    """What ``error`` says to a person, its parts in their order; empty if it says nothing."""
    return _joined(_parts(error, 0))


def _joined(parts: Iterator[str]) -> str:
    each_once = dict.fromkeys(part for part in parts if part)
    return ": ".join(list(each_once)[:MOST_PARTS])


def _parts(error: object, depth: int) -> Iterator[str]:
    if isinstance(error, str):
        yield error.strip()
    elif isinstance(error, int | float) and not isinstance(error, bool):
        yield str(error)
    elif depth >= DEEPEST:
        return
    elif isinstance(error, list):
        yield "; ".join(filter(None, (_joined(_parts(item, depth + 1)) for item in error[:MOST_PARTS])))
    elif isinstance(error, dict):
        yield from _parts_of_object(error, depth)


def _parts_of_object(error: Mapping[str, Any], depth: int) -> Iterator[str]:
    known = [key for key in (*NAMES, *SENTENCES) if error.get(key) not in (None, "", [], {})]
    if depth and not known:  # a field each, with what is wrong with it
        for key, value in error.items():
            words = _joined(_parts(value, depth + 1))
            yield f"{key}: {words}" if words else ""
        return
    if depth:
        yield from _place(error)
    for key in known:
        yield from _parts(error[key], depth + 1)


def _place(error: Mapping[str, Any]) -> Iterator[str]:
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
    """``text`` with its words in place of a page of HTML that stands in it, as some gateways' messages have it."""
    found = _PAGE.search(text)
    if found is None:
        return text
    before = text[: found.start()].strip(" :\n\r\t\"'")
    words = extract_page_words(text[found.start() :])
    return f"{before}: {words}" if before else words


def extract_page_words(page: str) -> str:
    """The title of ``page``, else its first words, in one short line without tags, and that it is a page."""
    reader = _Reader()
    reader.feed(page[:LONGEST_PAGE])
    if len(page) <= LONGEST_PAGE:  # what is cut may end within a tag, which must not pass for text
        reader.close()
    words = _line(reader.title) or _line(reader.heading) or _line(reader.text)
    return f"{words} ({NOT_THE_API})" if words else NOT_THE_API


def _line(pieces: list[str]) -> str:
    line = " ".join("".join(pieces).split())
    return line if len(line) <= LONGEST_WORDS else line[: LONGEST_WORDS - 1].rstrip() + "…"


class _Reader(HTMLParser):
    """Gathers what a reader of the page would see first."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self.heading: list[str] = []
        self.text: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """Note what the words that follow are part of."""
        self.text.append(" ")
        if tag in _UNSEEN or tag in ("title", "h1"):
            self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """The part ends, with all that was left open in it."""
        self.text.append(" ")
        if tag in self._within:
            del self._within[self._within.index(tag) :]

    def handle_data(self, data: str) -> None:
        """Take words."""
        if not _UNSEEN.isdisjoint(self._within):
            return
        if "title" in self._within:
            self.title.append(data)
        else:
            self.text.append(data)
            if "h1" in self._within and len(self.heading) < LONGEST_WORDS:
                self.heading.append(data)
