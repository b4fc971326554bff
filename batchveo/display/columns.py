"""Text in columns, for terminals of any width: cells are counted, not characters."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Iterable, Iterator
from typing import TextIO

from batchveo.core.formatting import blank_unprintable

NARROWEST, WIDEST = 40, 110
"""Columns that text is laid out for, whatever the terminal says."""
UNBOUNDED = 1_000_000
"""Columns of what is no terminal."""
LABEL = 9
"""Columns of a label at the left."""


def terminal_width() -> int:
    """The columns there are; 80 where nobody knows."""
    return min(max(shutil.get_terminal_size((80, 24)).columns, NARROWEST), WIDEST)


def listing_width(out: TextIO) -> int:
    """The columns for a listing on ``out``: those of the terminal; in a pipe or a file nothing is cut."""
    return terminal_width() if out.isatty() else UNBOUNDED


def cells(text: str) -> int:
    """How many columns ``text`` takes: two for each wide character, none for marks."""
    return len(text) if text.isascii() else sum(map(_cell, text))


def line_of(text: str) -> str:
    """``text`` on one line without anything that could steer a terminal."""
    return " ".join(blank_unprintable(text).split())


def fit(text: str, width: int) -> str:
    """``text`` on one line, its end cut off where it is wider than ``width``."""
    line = line_of(text)
    return line if cells(line) <= width else _beginning(line, width - 1).rstrip() + "…"


def middle(text: str, width: int) -> str:
    """``text`` on one line, its middle left out where it is wider than ``width``: names differ at their ends."""
    line = line_of(text)
    if cells(line) <= width:
        return line
    left = _beginning(line, (width - 1) // 2)
    right = _beginning(line[::-1], width - 1 - cells(left))[::-1]
    return f"{left}…{right}"


def pad(text: str, width: int) -> str:
    """``text`` with blanks after it, to ``width`` columns."""
    return text + " " * max(width - cells(text), 0)


def labelled(label: str, text: str, width: int) -> str:
    """A label at the left and ``text`` beside it, wrapped between words."""
    lines = list(_wrapped(line_of(text).split(" "), width - LABEL)) or [""]
    return "\n".join(f"{word:{LABEL}}{line}".rstrip() for word, line in zip([label, *[""] * len(lines)], lines))  # noqa: B905 - one label, many lines


def _wrapped(words: Iterable[str], width: int) -> Iterator[str]:
    line = ""
    for word in words:
        if line and cells(line) + 1 + cells(word) > width:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
        while cells(line) > width:
            head = _beginning(line, width)
            yield head
            line = line[len(head) :]
    if line:
        yield line


def _beginning(text: str, width: int) -> str:
    taken = 0
    for at, char in enumerate(text):
        taken += _cell(char)
        if taken > width:
            return text[:at]
    return text


def _cell(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
