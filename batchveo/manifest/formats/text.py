"""Bytes of a file as text, with the line wherever they are not."""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Iterator
from io import StringIO
from typing import BinaryIO, NamedTuple

from batchveo.manifest.problems import FatalFault, Fault

LINE_LIMIT = 16 * 1024 * 1024
"""The longest line in bytes, of CSV, JSON Lines and prompts files."""

ITEM_LIMIT = 64 * 1024 * 1024
"""The most text in bytes that one YAML or JSON job may take."""

_BLOCK = 64 * 1024
_NOT_UTF8 = "is not UTF-8 text"
_SAVE_AS = "save the file as UTF-8"
_CRLF = re.compile("\r\n")
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPED_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_CUT_ESCAPE = re.compile(r"\\(?:u(?:[0-9a-fA-F]{0,3}|[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?))?\Z")
_LONGEST_CUT = 11
_WHITE = " \t\r\n"
_COMMENT_SHOWN = 40


def read_lines(stream: BinaryIO) -> Iterator[str]:
    """The lines of a UTF-8 stream with their line feeds; a byte order mark is dropped, CR LF becomes LF.

    Raises ``Fault`` with the line for bytes that are not UTF-8 and for a line beyond ``LINE_LIMIT``.
    """
    number = 1
    while block := stream.read(min(_BLOCK, LINE_LIMIT)):
        block += stream.readline(LINE_LIMIT)  # to the end of the last line
        text, fault = _decode_block(block, number)
        if number == 1:
            text = text.removeprefix("\ufeff")
        if "\r" in text:
            text = _CRLF.sub("\n", text)  # str.replace takes twice the time
        yield from StringIO(text, newline="\n")
        if fault is not None:
            raise fault
        number += block.count(b"\n")


def _decode_block(block: bytes, first: int) -> tuple[str, Fault | None]:
    """The lines of a block up to one that is not text or too long, and what is wrong with that."""
    last = 1 + block.rfind(b"\n", 0, -1)
    if len(block) - last > LINE_LIMIT:
        text, fault = _decode_block(block[:last], first)
        line = first + block.count(b"\n", 0, last)
        too_long = Fault(f"is longer than {LINE_LIMIT >> 20} MiB", "is a line break missing?", line=line)
        return text, fault or too_long
    try:
        return block.decode(), None
    except UnicodeDecodeError as error:
        good = block[: 1 + block.rfind(b"\n", 0, error.start)]
        return good.decode(), Fault(_NOT_UTF8, _SAVE_AS, line=first + good.count(b"\n"))


class Comment(NamedTuple):
    """A comment, and its distance from the last character before it.

    ``lines`` counts the line breaks between the two, ``gap`` the blanks if there is no break; ``column`` is
    that of the ``#`` if there is one, from 0.
    """

    text: str
    lines: int
    gap: int
    column: int


class Comments:
    """The comments of what was read and not yet asked about, by the place after the last character before each.

    Places are counted in characters from the beginning of the file, as the parser's marks are.
    """

    def __init__(self) -> None:
        self._found: deque[tuple[int, Comment]] = deque()
        self._at = 0
        self._ink = 0  # after the last character that is not white
        self._line = 0  # the place at which the current line begins
        self._breaks = 0  # line breaks since the ink

    def add_text(self, text: str) -> None:
        """Take the next piece of the file; it must not end in ``#`` unless the file does."""
        place = text.find("#")
        while place >= 0:
            self._note_comment(text, place)
            place = text.find("#", place + 1)
        self._advance(text)

    def find_after(self, place: int) -> Comment | None:
        """The comment that follows a scalar that ends there; those before it are forgotten."""
        found = self._found
        while found and found[0][0] < place:
            found.popleft()
        return found[0][1] if found and found[0][0] == place else None

    def __bool__(self) -> bool:
        return bool(self._found)

    def _note_comment(self, text: str, place: int) -> None:
        start = place
        while start > 0 and text[start - 1] in _WHITE:
            start -= 1
        breaks = text.count("\n", start, place)
        ink = self._at + start
        if start == 0:
            breaks += self._breaks
            ink = self._ink
        if ink == self._at + place:
            return  # no blank before it: a part of the text
        last = text.rfind("\n", start, place)
        line = self._at + last + 1 if last >= 0 else self._line
        self._found.append(
            (
                ink,
                Comment(
                    text=text[place : place + _COMMENT_SHOWN].partition("\n")[0].rstrip(),
                    lines=breaks,
                    gap=self._at + place - ink,
                    column=self._at + place - line if breaks else 0,
                ),
            )
        )

    def _advance(self, text: str) -> None:
        ink = len(text.rstrip(_WHITE))
        if ink:
            self._ink = self._at + ink
            self._breaks = text.count("\n", ink)
        else:
            self._breaks += text.count("\n")
        last = text.rfind("\n")
        if last >= 0:
            self._line = self._at + last + 1
        self._at += len(text)


class YamlText:
    """A stream for the YAML parser: text checked on the way, and bounded between two ``item_done``.

    With ``json``, surrogate pairs written as two escapes, which YAML does not know, become the
    character that they mean.
    """

    def __init__(self, stream: BinaryIO, *, json: bool = False) -> None:
        self._stream = stream
        self._json = json
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._line = 1
        self._fed = 0
        self._held = ""
        self.comments = Comments()

    def item_done(self) -> None:
        """Begin to count anew: an item is complete."""
        self._fed = 0

    def read(self, size: int) -> str:
        """The next piece of text, of about ``size`` characters; empty at the end."""
        while raw := self._read_piece(size):
            if text := self._whole_escapes(self._decode_block(raw)):
                return text if self._json else self._note_comments(text, size)
        rest, self._held = self._held + self._decode_block(b""), ""
        return rest

    def _read_piece(self, size: int) -> bytes:
        raw = self._stream.read(size)
        self._fed += len(raw)
        if self._fed > ITEM_LIMIT:
            raise FatalFault(f"one job takes more than {ITEM_LIMIT >> 20} MiB", line=self._line)
        return raw

    def _note_comments(self, text: str, size: int) -> str:
        """The text with its comments noted, and more of it if it ends just after a ``#``."""
        while text.endswith((" #", "\t#")) and (raw := self._read_piece(size)):
            text += self._decode_block(raw)
        self.comments.add_text(text)
        return text

    def _decode_block(self, raw: bytes) -> str:
        try:
            text = self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            bad_line = self._line + error.object.count(b"\n", 0, error.start)
            raise FatalFault(_NOT_UTF8, _SAVE_AS, line=bad_line) from None
        if unprintable := _UNPRINTABLE.search(text):
            raise FatalFault(
                f"holds the control character {unprintable[0]!r}",
                "remove it, or write it as an escape in double quotes",
                line=self._line + text.count("\n", 0, unprintable.start()),
            )
        self._line += text.count("\n")
        return text

    def _whole_escapes(self, text: str) -> str:
        """The text up to an escape that the next piece may continue, with surrogate pairs joined."""
        if not self._json:
            return text
        text = self._held + text
        cut = len(text)
        if escape := _CUT_ESCAPE.search(text, max(0, cut - _LONGEST_CUT)):
            cut = escape.start()
        while cut < len(text) and cut > 0 and text[cut - 1] == "\\":
            cut -= 1
        self._held = text[cut:]
        return _ESCAPED_PAIR.sub(_join_pair, text[:cut])


def _join_pair(match: re.Match[str]) -> str:
    high, low = int(match[2], 16), int(match[3], 16)
    return f"{match[1]}{chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))}"
