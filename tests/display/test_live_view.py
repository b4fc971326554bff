"""The live figures, on a terminal that remembers."""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import pytest

from batchveo.core.events import JobStateChanged, Message, RunFinished
from batchveo.core.models import JobState
from batchveo.display import live_view
from batchveo.display.live_view import LiveView, watch_database
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


def test_the_title_and_the_taskbar_follow_the_run(pipe: Pipe, store: Store) -> None:
    """And are as before once the run is over."""
    screen = Screen(80)
    view = view_on(pipe, environ={"WT_SESSION": "x"})
    began = going(store, 4, now=1000.0)
    view.show(began)
    moved_on(store, began.run, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=1000.0)
    view.tick()
    screen.write(pipe.taken().decode())
    assert (screen.title, screen.progress) == ("25 % batchveo", "4;1;25")
    moved_on(store, began.run, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=1000.0)
    view.tick()
    screen.write(pipe.taken().decode())
    assert (screen.title, screen.progress) == ("50 % batchveo", "4;1;50")
    view.show(RunFinished(run=began.run, exit_status=0, seconds=9.0))
    view.close()
    screen.write(pipe.taken().decode())
    assert (screen.title, screen.progress) == ("before", "4;0;0")


@pytest.mark.parametrize(("forced", "links"), [("1", ["file://HOST/v/job%200.mp4"]), ("0", [])])
def test_file_names_are_links(
    pipe: Pipe, store: Store, monkeypatch: pytest.MonkeyPatch, forced: str, links: list[str]
) -> None:
    """If the terminal takes them; the same frame is not drawn again because of them."""
    monkeypatch.setattr("socket.gethostname", lambda: "HOST")
    view = view_on(pipe, environ={"FORCE_HYPERLINK": forced})
    began = going(store, now=1000.0)
    view.show(began)
    job = moved_on(store, began.run, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=1000.0)
    view.show(JobStateChanged(job=job, was=S.DOWNLOADING, detail=""))
    view.tick()
    screen = Screen(80)
    screen.write(pipe.taken().decode())
    assert screen.links == links
    assert "done: job 0.mp4 ($0.50)" in screen.text
    view.tick()
    assert pipe.taken() == b""
    view.close()


def test_long_lines_above_are_broken_between_words(pipe: Pipe) -> None:
    """With the time in a column of its own."""
    view = view_on(pipe)
    view.show(Message(text="word " * 30, warning=True))
    screen = Screen(80)
    screen.write(pipe.taken().decode())
    first, second, third = screen.text.splitlines()
    assert first.endswith(" word")
    assert len(first) < 80
    assert second.startswith(" " * 10 + "word word")
    assert third.startswith(" " * 10 + "word")


def test_what_is_in_flight_is_listed(pipe: Pipe, store: Store) -> None:
    """With the time since its submit, and what its model usually takes."""
    view = view_on(pipe)
    began = going(store, now=1000.0)
    moved_on(store, began.run, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=1000.0)
    moved_on(store, began.run, S.GENERATING, now=1088.0)
    moved_on(store, began.run, S.GENERATING, S.DOWNLOADING, now=1060.0)
    view.show(began)
    view.tick()
    screen = Screen(80)
    screen.write(pipe.taken().decode())
    assert re.search(r"job 1 +[━─]+ +0:12 of about 0:20", screen.text)
    assert re.search(r"job 2 +downloading +0:20", screen.text)
    view.close()


class Keys:
    """Keys of a person who watches; after each wait ``then`` happens."""

    def __init__(self, *keys: str | None, then: Callable[[], None] = lambda: None) -> None:
        self._keys = list(keys)
        self._then = then

    @contextmanager
    def open(self, stream: object) -> Iterator[Callable[[float], str | None]]:
        yield self._wait

    def _wait(self, seconds: float) -> str | None:
        key = self._keys.pop(0)  # an error if the view asks for more than it should
        self._then()
        return key


def test_watching_ends_with_the_run(pipe: Pipe, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for one that has not begun; its last figures stay."""
    run = going(store, 1, now=time.time())
    running = iter([False, True, True, False])
    monkeypatch.setattr(type(store.runs), "is_running", lambda self: next(running))
    monkeypatch.setattr(live_view, "open_keys", Keys(None, None, None).open)
    watch_database(store, pipe, io.StringIO())  # type: ignore[arg-type]
    screen = Screen(80)
    screen.write(pipe.taken().decode())
    assert run.state.name in screen.text or "no run is in progress" in screen.text
    assert "0 of 1" in screen.text


def test_watching_ends_with_q(pipe: Pipe, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a run is in progress or not."""
    going(store, 1, now=time.time())
    monkeypatch.setattr(live_view, "open_keys", Keys("x", "q").open)
    watch_database(store, pipe, io.StringIO())  # type: ignore[arg-type]
    assert b"q ends" in pipe.taken()
