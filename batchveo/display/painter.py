"""A block of lines at the end of a terminal's text, drawn over and over without flicker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"
"""Terminals that know it show what is in between at once; the others pass it over."""
CLEAR_LINE, CLEAR_REST = "\x1b[K", "\x1b[J"
CUT, WRAP = "\x1b[?7l", "\x1b[?7h"
"""What is wider than the terminal is cut off there, or goes on in the next row, as terminals usually do.

How wide some scripts are, terminals do not agree on: a row that wraps unforeseen would make every frame slip.
"""


class Line(NamedTuple):
    """A line with its escape sequences, and the cells it takes."""

    text: str
    cells: int


class Painter:
    """Draws with few means: cursor up, clear to the end of line, clear the rest.

    The cursor is never hidden, and a mode that is changed is put right by the same write, so that whatever ends
    the process, nothing is left behind.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._shown: Sequence[Line] = ()
        self._width = 0

    def paint(self, block: Sequence[Line], *, width: int, above: Sequence[Line] = ()) -> None:
        """Draw ``block`` in place of the one before; lines of ``above`` are put before it, and stay.

        A block's lines must be narrower than ``width``, which may have changed since the last time.
        """
        if not above and block == self._shown:
            return
        parts = [BEGIN, _up(self._rows(width))]
        if width != self._width:  # terminals remember which rows they have wrapped, and would join them again
            parts.append(CLEAR_REST)
        parts += [f"{line.text}{CLEAR_LINE}\n" for line in above]
        parts += [CUT, *(f"{line.text}{CLEAR_LINE}\n" for line in block), WRAP]
        self._write("".join([*parts, CLEAR_REST, END]))
        self._shown, self._width = block, width

    def erase(self, *, width: int) -> None:
        """Take the block away."""
        if self._shown:
            self._write(_up(self._rows(width)) + CLEAR_REST)
        self._shown = ()

    def _rows(self, width: int) -> int:
        """How many rows the block takes: a window made narrower has wrapped what was wider."""
        return sum(max(1, -(-line.cells // width)) for line in self._shown)


def _up(rows: int) -> str:
    return f"\r\x1b[{rows}A" if rows else "\r"
