"""Long lines at a terminal: broken between words, with the following rows indented."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO
from unicodedata import combining, east_asian_width

if TYPE_CHECKING:
    from rich.text import Text

INDENT = 2
"""Blanks before the rows that follow a first one, beyond its own."""
LEAST_WIDTH = 20
"""Columns of the narrowest terminal for which lines are broken."""

# a command within backticks is one word: broken by us, it could not be pasted
_WORD = re.compile(r"(?:`[^`]*`|[^\s`]|`)+")


def find_breaks(text: str, width: int, indent: int) -> list[int]:
    """The places at which ``text`` begins a new row of a terminal with ``width`` columns.

    The rows after the first one have ``indent`` blanks before them. A word that is wider than a row stays whole: the
    terminal wraps it, so that it can be copied.
    """
    breaks: list[int] = []
    if width < max(LEAST_WIDTH, 2 * indent):
        return breaks
    start, used = 0, 0
    for word in _WORD.finditer(text):
        if used + count_cells(text[start : word.end()]) > width and word.start() > start:
            breaks.append(word.start())
            start, used = word.start(), indent
    return breaks


def count_cells(text: str) -> int:
    """The columns that ``text`` takes, as most terminals count them."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def find_indent(text: str) -> int:
    """The blanks before the rows that follow the first row of ``text``."""
    return len(text) - len(text.lstrip(" ")) + INDENT


def break_text(text: Text, width: int, indent: int) -> Sequence[Text]:
    """``text`` in rows of at most ``width`` cells, by ``find_breaks``."""
    first, *others = text.divide(find_breaks(text.plain, width, indent))
    for row in others:
        row.pad_left(indent)
    for row in (first, *others):
        row.rstrip()
    return [first, *others]


def wrap_line(text: str, out: TextIO, *, indent: int | None = None) -> str:
    """``text`` in rows that fit the terminal ``out``; as it is if that is a pipe or a file, or is closed."""
    try:
        columns = os.get_terminal_size(out.fileno()).columns if out.isatty() else 0
    except (OSError, ValueError):
        columns = 0
    indent = find_indent(text) if indent is None else indent
    breaks = find_breaks(text, columns - 1, indent)
    pieces = [text[start:end].rstrip(" ") for start, end in zip([0, *breaks], [*breaks, len(text)], strict=True)]
    return f"\n{' ' * indent}".join(pieces) if breaks else text
