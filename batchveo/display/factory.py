"""Which view of a run fits: live figures for a person at a terminal, lines or JSON for all else."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

from batchveo.display.event_text import WRONG
from batchveo.display.line_views import LineReporter, LineView
from batchveo.display.reporter import BackgroundReporter, View
from batchveo.display.run_view import RunView


def reporter_for(
    out: TextIO,
    *,
    verbosity: int = 0,
    plain: bool = False,
    log_json: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> BackgroundReporter:
    """A reporter that shows a run on ``out``; use it as a context manager around the run."""
    lines = LineReporter(out, verbosity=verbosity, colours=takes_colours(out, environ))

    def plainly() -> View:
        return LineView(lines, RunView(), verbosity=verbosity)

    if log_json:
        from batchveo.display.json_lines import JsonView

        return BackgroundReporter(JsonView(out, RunView(), verbosity=verbosity), plainly)
    if plain or verbosity <= WRONG or not can_draw(out, environ):
        return BackgroundReporter(plainly(), plainly)
    from batchveo.display.live_view import LiveView
    from batchveo.display.terminal import Terminal

    return BackgroundReporter(LiveView(Terminal(out, environ), RunView(), verbosity=verbosity), plainly)


def can_draw(out: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether ``out`` is a terminal on which the cursor can be moved."""
    if not _is_device(out) or environ.get("TERM", "").lower() in ("dumb", "unknown"):
        return False
    if sys.platform == "win32":
        from rich.console import detect_legacy_windows

        return not detect_legacy_windows()
    return True


def _is_device(out: TextIO) -> bool:
    """Whether a terminal is behind ``out``: editors have streams that say so, without a descriptor."""
    with suppress(OSError):
        return out.isatty() and out.fileno() >= 0
    return False


def takes_colours(out: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """``NO_COLOR`` and ``FORCE_COLOR`` as everywhere: a value that is not empty counts, the first one first."""
    if environ.get("NO_COLOR"):
        return False
    return bool(environ.get("FORCE_COLOR")) or can_draw(out, environ)
