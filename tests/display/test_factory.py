"""Which view fits."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from batchveo.display.factory import can_draw, reporter_for, takes_colours
from batchveo.display.json_lines import JsonView
from batchveo.display.line_views import LineView
from batchveo.display.live_view import LiveView

AT_A_TERMINAL = {"TERM": "xterm-256color"}


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2


@pytest.mark.parametrize(
    ("options", "environ", "view"),
    [
        ({}, {}, LiveView),
        ({"verbosity": 1}, {}, LiveView),
        ({"verbosity": -1}, {}, LineView),
        ({"plain": True}, {}, LineView),
        ({"log_json": True}, {}, JsonView),
        ({"log_json": True, "plain": True}, {}, JsonView),
        ({}, {"TERM": "dumb"}, LineView),
        ({}, {"NO_COLOR": "1"}, LiveView),
    ],
)
def test_at_a_terminal(options: dict[str, int], environ: dict[str, str], view: type) -> None:
    """Figures, unless something else is asked for or the terminal cannot draw."""
    reporter = reporter_for(Terminal(), environ={**AT_A_TERMINAL, **environ}, **options)  # type: ignore[arg-type]
    assert type(reporter._view) is view


def test_in_a_pipe() -> None:
    """Lines, also with FORCE_COLOR."""
    assert type(reporter_for(io.StringIO(), environ={**AT_A_TERMINAL, "FORCE_COLOR": "1"})._view) is LineView
    assert not can_draw(io.StringIO(), AT_A_TERMINAL)


def test_a_terminal_without_a_descriptor() -> None:
    """Lines where an editor's stream only says that it is one."""

    class Pane(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert type(reporter_for(Pane(), environ=AT_A_TERMINAL)._view) is LineView


def test_colours() -> None:
    """NO_COLOR wins over FORCE_COLOR, and an empty one is none."""
    assert takes_colours(Terminal(), AT_A_TERMINAL)
    assert not takes_colours(io.StringIO(), AT_A_TERMINAL)
    assert takes_colours(io.StringIO(), {"FORCE_COLOR": "1"})
    assert takes_colours(Terminal(), {**AT_A_TERMINAL, "NO_COLOR": ""})
    assert not takes_colours(Terminal(), {"FORCE_COLOR": "1", "NO_COLOR": "1"})


def test_rich_is_imported_only_for_figures() -> None:
    """A log and `status` do without (the HTTP client brings it along, where it is there)."""
    code = (
        "import io, sys\n"
        "from batchveo.display.factory import reporter_for\n"
        "import batchveo.cli.commands.status\n"
        "reporter_for(io.StringIO()), reporter_for(io.StringIO(), log_json=True)\n"
        "print('rich' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
