"""The live figures, on a terminal that remembers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from batchveo.core.events import JobStateChanged, Message, RunFinished
from batchveo.core.models import JobState
from batchveo.display.live_view import LiveView
from batchveo.display.terminal import Terminal
from batchveo.store import Store
from tests.helpers.busy_database import going, moved_on
from tests.helpers.factories import make_job
from tests.helpers.snapshots import HOSTILE
from tests.helpers.terminal_screen import Screen

S = JobState


class Pipe:
    """A stream that says it is a terminal, and what was written to it."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self.read_end, self.write_end = os.pipe()
        self.encoding = encoding

    def fileno(self) -> int:
        return self.write_end

    def taken(self) -> bytes:
        os.set_blocking(self.read_end, False)
        try:
            return os.read(self.read_end, 1 << 20)
        except BlockingIOError:
            return b""


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.read_end)
    os.close(pipe.write_end)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        yield store


def view_on(pipe: Pipe, *, verbosity: int = 0, environ: Mapping[str, str] = MappingProxyType({})) -> LiveView:
    terminal = Terminal(pipe, {"TERM": "xterm-256color", **environ})  # type: ignore[arg-type]
    return LiveView(terminal, verbosity=verbosity, clock=lambda: 1100.0)


def test_figures_below_and_what_matters_above(pipe: Pipe, store: Store) -> None:
    """Failures stay in the text above; the end takes the figures away, and the rest is written at once."""
    screen = Screen(80)
    view = view_on(pipe)
    view.show(Message(text="40 jobs named"))
    screen.write(pipe.taken().decode())
    assert screen.text.endswith("40 jobs named")
    began = going(store, now=1000.0)
    view.show(began)
    job = moved_on(store, began.run, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=1000.0)
    view.show(JobStateChanged(job=job, was=S.DOWNLOADING, detail=""))
    view.show(JobStateChanged(job=make_job(S.FAILED, name=HOSTILE), was=S.GENERATING, detail="[b]no\x1b[2J"))
    view.tick()
    screen.write(pipe.taken().decode())
    above, _, below = screen.text.partition(" 1 of 40")
    assert "failed: [red] [31m<b>" in above
    assert "[b]no [2J" in above.replace("\n", "")
    assert "done: job 0.mp4 ($0.50)" in below
    assert "spent      $0.50 of $9.00" in below
    view.show(RunFinished(run=began.run, exit_status=1, seconds=9.0))
    view.show(Message(text="afterwards"))
    view.close()
    screen.write(pipe.taken().decode())
    assert screen.text.endswith("afterwards")
    assert "spent" not in screen.text
    assert "failed: [red]" in screen.text
    assert view.due == float("inf")
    assert not screen.modes


def test_verbose_writes_every_move_above(pipe: Pipe, store: Store) -> None:
    """As the plain lines do."""
    view = view_on(pipe, verbosity=1)
    began = going(store, now=1000.0)
    view.show(began)
    job = moved_on(store, began.run, S.GENERATING, now=1000.0)
    view.show(JobStateChanged(job=job, was=S.SUBMITTING, detail="accepted"))
    view.tick()
    view.close()
    screen = Screen(80)
    screen.write(pipe.taken().decode())
    assert "submitting -> generating: job 0: accepted" in screen.text
    assert "of 40" not in screen.text


@pytest.mark.parametrize(("environ", "colours"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)])
def test_no_color(pipe: Pipe, store: Store, environ: dict[str, str], colours: bool) -> None:
    """Respected where it is not empty."""
    view = view_on(pipe, environ=environ)
    view.show(going(store, now=1000.0))
    view.tick()
    drawn = pipe.taken()
    assert (b"\x1b[36m" in drawn or b"\x1b[32m" in drawn or b"\x1b[33m" in drawn) is False or colours
    assert view._terminal.colours is colours
    view.close()


def test_a_terminal_that_takes_ascii_only(store: Store) -> None:
    """Each character of the display has one that stands for it; names lose theirs."""
    pipe = Pipe("ascii")
    view = view_on(pipe)
    began = going(store, now=1000.0)
    view.show(began)
    view.show(JobStateChanged(job=make_job(S.FAILED, name="狐"), was=S.GENERATING, detail="…"))
    view.tick()
    view.close()
    drawn = pipe.taken()
    assert drawn.isascii()
    assert b"...." in drawn
    os.close(pipe.read_end)
    os.close(pipe.write_end)
