"""Comments of a YAML file that may have cut a text short, noticed while the file streams by.

The parser drops comments without a word, so that ``prompt: A cat #cute`` is "A cat" to all who come after it.
"""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple

from batchveo.manifest.problems import Fault, shown
from batchveo.provider.catalog import MODELS, ParamType

_WHITE = " \t\r\n"
_SHOWN = 40
_DELIBERATE_GAP = 2
"""Blanks before a comment that is meant as one, by the habit of those who write YAML."""

_FREE = frozenset(("prompt", "negative_prompt"))
_CLOSED = frozenset(
    name
    for model in MODELS.values()
    for name, param in model.params.items()
    if param.choices or param.type in {ParamType.INTEGER, ParamType.BOOLEAN}
) | {"model", "repeat", "budget"}
_BLANK = re.compile(r"#(?:[\s#!]|$)")


class Comment(NamedTuple):
    """A comment, and how it stands to the last character before it.

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
        self._line = 0  # where the current line begins
        self._breaks = 0  # line breaks since the ink

    def feed(self, text: str) -> None:
        """Take the next piece of the file; it must not end in ``#`` unless the file does."""
        place = text.find("#")
        while place >= 0:
            self._look(text, place)
            place = text.find("#", place + 1)
        self._advance(text)

    def after(self, place: int) -> Comment | None:
        """The comment that follows a scalar that ends there; those before it are forgotten."""
        found = self._found
        while found and found[0][0] < place:
            found.popleft()
        return found[0][1] if found and found[0][0] == place else None

    def __bool__(self) -> bool:
        return bool(self._found)

    def _look(self, text: str, place: int) -> None:
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
                    text=text[place : place + _SHOWN].partition("\n")[0].rstrip(),
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


def cut_short(value: str, key: str, column: int, comment: Comment) -> Fault | None:
    """What to say of a plain text that this comment follows; ``None`` if it is surely meant as a comment.

    ``key`` is what the text is written for, ``column`` that of the key or of the list's item.
    """
    if key in _CLOSED or not _may_go_on(key, column, comment):
        return None
    whole = f"{value} {comment.text}" if comment.lines == 0 else value
    return Fault(
        f"{shown(comment.text)} is a comment here, and cuts the text off",
        f"put the text in quotes: {shown(whole)}; or give a comment a line of its own, no deeper than the key",
    )


def _may_go_on(key: str, column: int, comment: Comment) -> bool:
    spaced = _BLANK.match(comment.text) is not None
    if comment.lines:  # a line of its own: only what looks like the text's next line is doubtful
        return comment.lines == 1 and comment.column > column and (key in _FREE or not spaced)
    return key in _FREE or not spaced or (key == "name" and comment.gap < _DELIBERATE_GAP)
