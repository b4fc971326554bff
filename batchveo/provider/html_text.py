"""The words of a web page that came where an answer of the API was wanted: a gateway's, a proxy's, a hotel's."""

from __future__ import annotations

import re
from html.parser import HTMLParser

LONGEST_PAGE = 32 * 1024
"""Characters of a page that are looked at: its title and first words stand at its beginning."""
LONGEST_WORDS = 160
NOT_THE_API = "a web page, not an answer of the API"

_MARKUP = re.compile(r"\ufeff?\s*<[a-z!?]", re.IGNORECASE)
_PAGE = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_UNSEEN = frozenset({"script", "style", "noscript", "template", "svg"})


def is_markup(text: str) -> bool:
    """Whether ``text`` is a page of HTML or XML as a whole."""
    return _MARKUP.match(text) is not None


def without_page(text: str) -> str:
    """``text`` with its words in place of a page of HTML that stands in it, as some gateways' messages have it."""
    found = _PAGE.search(text)
    if found is None:
        return text
    before = text[: found.start()].strip(" :\n\r\t\"'")
    words = page_words(text[found.start() :])
    return f"{before}: {words}" if before else words


def page_words(page: str) -> str:
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
