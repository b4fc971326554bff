"""A terminal to draw on: its size, its colours, its characters."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TextIO

from rich.console import Console
from rich.text import Text

from batchveo.display.painter import Line, Painter

USUAL_SIZE = os.terminal_size((80, 24))
ASCII = str.maketrans({"━": "=", "─": ".", "╍": ">", "×": "x", "…": "~", "–": "-", "·": "-", "█": "#"})
"""What stands for the display's own characters where the terminal takes ASCII only, one for one."""


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
