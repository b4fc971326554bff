"""A terminal to draw on: its size, colours and characters, and a block of lines that is redrawn at its end."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TextIO

from rich.console import Console
from rich.text import Text

USUAL_SIZE = os.terminal_size((80, 24))
ASCII = str.maketrans({"━": "=", "─": ".", "╍": ">", "×": "x", "…": "~", "–": "-", "·": "-", "█": "#"})
"""What stands for the display's own characters where the terminal takes ASCII only, one for one."""
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


class Terminal:
    """Writes to the file descriptor of ``stream`` and nothing else: its buffer and its lock stay untouched.

    So a terminal that takes nothing any more blocks the one thread that draws.
    """

    def __init__(self, stream: TextIO, environ: Mapping[str, str] = os.environ) -> None:
        self._fd = stream.fileno()
        self._send = _sending(stream)
        self._encoding = stream.encoding or "ascii"
        self._unicode = self._encoding.lower().replace("-", "").startswith("utf")
        self._console = Console(
            file=io.StringIO(),
            force_terminal=True,
            width=USUAL_SIZE.columns,
            highlight=False,
            legacy_windows=False,
            _environ=environ,
        )
        self.colours = self._console.color_system is not None and not self._console.no_color
        self._painter = Painter(self._write)

    @property
    def size(self) -> os.terminal_size:
        """Columns and rows, as they are at this moment; some terminals say 0."""
        with contextlib.suppress(OSError):
            size = os.get_terminal_size(self._fd)
            if size.columns > 1 and size.lines > 1:
                return size
        return USUAL_SIZE

    @property
    def ours(self) -> bool:
        """Whether this process may draw: one in the background leaves the terminal to others."""
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except (AttributeError, OSError):  # Windows; not the terminal that controls this process
            return True

    def draw(self, block: Sequence[Text], *, above: Sequence[Text] = ()) -> None:
        """Draw ``block`` at the end, in place of the one before; ``above`` stays."""
        width = self.size.columns
        self._painter.paint(self._lines(block, width), width=width, above=self._lines(above, None))

    def erase(self) -> None:
        """Take the block away."""
        self._painter.erase(width=self.size.columns)

    def _lines(self, texts: Sequence[Text], width: int | None) -> list[Line]:
        """``width`` ``None`` leaves lines as long as they are, for the terminal to wrap."""
        return [self._line(text, text.cell_len + 1 if width is None else width) for text in texts]

    def _line(self, text: Text, width: int) -> Line:
        self._console.width = max(width, 1)
        with self._console.capture() as capture:
            self._console.print(text, end="", no_wrap=True, overflow="ignore", crop=False)
        drawn = capture.get().rstrip()
        return Line(drawn if self._unicode else drawn.translate(ASCII), text.cell_len)

    def _write(self, text: str) -> None:
        rest = memoryview(text.encode(self._encoding, errors="replace"))
        while rest:
            rest = rest[self._send(rest) :]


def _sending(stream: TextIO) -> Callable[[memoryview], int]:
    """What writes bytes past the stream's buffer; consoles of Windows take UTF-8 from Python's own file only."""
    if sys.platform == "win32":
        raw: io.RawIOBase = stream.buffer.raw  # type: ignore[attr-defined]
        return lambda data: raw.write(data) or 0
    return partial(os.write, stream.fileno())
