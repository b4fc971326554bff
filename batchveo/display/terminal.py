"""A terminal to draw on: its size, colours and characters, and a block of lines that is redrawn at its end."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TextIO

from rich.console import Console
from rich.text import Text

from batchveo.display.keyboard import is_foreground
from batchveo.display.terminal_features import (
    CLEAR_PROGRESS,
    RESTORE_TITLE,
    RUNNING,
    SAVE_TITLE,
    find_features,
    write_progress,
    write_title,
)
from batchveo.display.wrapped_text import INDENT, break_text

USUAL_SIZE = os.terminal_size((80, 24))
ASCII = str.maketrans({"━": "=", "─": ".", "╍": ">", "×": "x", "…": "~", "–": "-", "·": "-", "█": "#"})
"""Replacements for the display's own characters on a terminal that accepts ASCII only, one cell each."""
TIME_CELLS = len("00:00:00")
"""Lines begin with a time, under which no text comes."""
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"
"""Synchronized output: terminals that support it show the text between the two at once; others ignore both."""
_LINK_NUMBER = re.compile("\x1b]8;id=[0-9]+;")
CLEAR_LINE, CLEAR_REST = "\x1b[K", "\x1b[J"
CUT, WRAP = "\x1b[?7l", "\x1b[?7h"
"""Lines wider than the terminal are cut, or wrapped, which is a terminal's usual mode.

Terminals disagree on the width of some scripts: an unexpected wrap would shift every later frame by a row.
"""


class Line(NamedTuple):
    """A line with its escape sequences, and its width in cells."""

    text: str
    cells: int


class Painter:
    """Draws with three sequences only: cursor up, clear to the end of line, clear the rest.

    The cursor is never hidden, and the write that changes a mode restores it, so that a killed process leaves the
    terminal usable.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._shown: Sequence[Line] = ()
        self._width = 0

    def paint(self, block: Sequence[Line], *, width: int, above: Sequence[Line] = ()) -> None:
        """Draw ``block`` in place of the previous one; the lines of ``above`` are written before it and stay.

        A block's lines must be narrower than ``width``, which may have changed since the previous call.
        """
        if not above and block == self._shown:
            return
        parts = [BEGIN, _move_up(self._count_rows(width))]
        if width != self._width:  # a terminal made wider joins rows that it wrapped, even after they were overwritten
            parts.append(CLEAR_REST)
        parts += [f"{line.text}{CLEAR_LINE}\n" for line in above]
        parts += [CUT, *(f"{line.text}{CLEAR_LINE}\n" for line in block), WRAP]
        self._write("".join([*parts, CLEAR_REST, END]))
        self._shown, self._width = block, width

    def erase(self, *, width: int) -> None:
        """Clear the block."""
        if self._shown:
            self._write(_move_up(self._count_rows(width)) + CLEAR_REST)
        self._shown = ()

    def _count_rows(self, width: int) -> int:
        # a window made narrower since then has wrapped the lines that were wider
        return sum(max(1, -(-line.cells // width)) for line in self._shown)


def _move_up(rows: int) -> str:
    return f"\r\x1b[{rows}A" if rows else "\r"


class Terminal:
    """Writes to the file descriptor of ``stream``, past its buffer and its lock.

    So a terminal that accepts no output blocks only the thread that draws.
    """

    def __init__(self, stream: TextIO, environ: Mapping[str, str] = os.environ) -> None:
        self._fd = stream.fileno()
        self._send = _open_writer(stream)
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
        self.features = find_features(environ)
        self._title: tuple[str, int, int] | None = None
        self._painter = Painter(self._write)

    @property
    def size(self) -> os.terminal_size:
        """Columns and rows at this moment; the usual size if the terminal reports none."""
        with contextlib.suppress(OSError):
            size = os.get_terminal_size(self._fd)
            if size.columns > 1 and size.lines > 1:
                return size
        return USUAL_SIZE

    @property
    def is_ours(self) -> bool:
        """Whether this process may draw: it is in the foreground of the terminal."""
        return is_foreground(self._fd)

    def draw(self, block: Sequence[Text], *, above: Sequence[Text] = ()) -> None:
        """Draw ``block`` at the end, in place of the previous one; the lines of ``above`` stay."""
        width = self.size.columns
        lines = [self._render_line(text, width) for text in block]
        # these stay: what does not fit between words, as a command to copy, is wrapped by the terminal
        rows = [row for text in above for row in break_text(text, width - 1, TIME_CELLS + INDENT)]
        lasting = [self._render_line(row, row.cell_len + 1) for row in rows]
        self._painter.paint(lines, width=width, above=lasting)

    def erase(self) -> None:
        """Clear the block, and restore what ``set_title`` has changed."""
        self._painter.erase(width=self.size.columns)
        if self._title is not None:
            self._title = None
            self._write(
                (RESTORE_TITLE if self.features.title else "") + (CLEAR_PROGRESS if self.features.progress else "")
            )

    def set_title(self, title: str, percent: int, *, state: int = RUNNING) -> None:
        """Show how far the run is in the title of the terminal and in the taskbar, if it has them."""
        before, self._title = self._title, (title, percent, state)
        if self._title == before:
            return
        parts = [SAVE_TITLE if before is None else "", write_title(title)] if self.features.title else []
        parts += [write_progress(percent, state=state)] if self.features.progress else []
        if parts:
            self._write("".join(parts))

    def _render_line(self, text: Text, width: int) -> Line:
        self._console.width = max(width, 1)
        with self._console.capture() as capture:
            self._console.print(text, end="", no_wrap=True, overflow="ignore", crop=False)
        # rich gives a link another number each time, and the same line would be drawn again and again
        drawn = _LINK_NUMBER.sub("\x1b]8;;", capture.get().rstrip())
        return Line(drawn if self._unicode else drawn.translate(ASCII), text.cell_len)

    def _write(self, text: str) -> None:
        rest = memoryview(text.encode(self._encoding, errors="replace"))
        while rest:
            rest = rest[self._send(rest) :]


def _open_writer(stream: TextIO) -> Callable[[memoryview], int]:
    """A function that writes bytes past the stream's buffer and returns how many it wrote."""
    if sys.platform == "win32":
        # a console of Windows accepts UTF-8 only through Python's own raw file
        raw: io.RawIOBase = stream.buffer.raw  # type: ignore[attr-defined]
        return lambda data: raw.write(data) or 0
    return partial(os.write, stream.fileno())
