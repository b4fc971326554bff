"""A view in a thread of its own: whatever it does, the run goes on."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import time

import pytest

from batchveo.core.events import Event, Message
from batchveo.display import reporter as reporters
from batchveo.display.line_views import JsonView, LineView
from batchveo.display.live_view import LiveView
from batchveo.display.reporter import BackgroundReporter, accepts_colours, can_draw, open_reporter
from batchveo.display.run_view import RunView


class Keeping(RunView):
    """Remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.ticks = 0
        self.closed = False

    def show(self, event: Event) -> None:
        assert isinstance(event, Message)
        self.texts.append(event.text)

    def tick(self) -> None:
        self.ticks += 1
        self.due = float("inf")

    def close(self) -> None:
        self.closed = True


class Failing(Keeping):
    """Raises at the second event."""

    def show(self, event: Event) -> None:
        super().show(event)
        if len(self.texts) > 1:
            raise ZeroDivisionError("a bug")


class Stuck(Keeping):
    """Never gets on, as a terminal behind a dead connection."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()

    def show(self, event: Event) -> None:
        self.free.wait(30.0)
        super().show(event)


def notes(count: int) -> list[Message]:
    return [Message(text=str(n)) for n in range(count)]


def test_every_event_is_shown_in_order_before_the_end() -> None:
    """And what was due; then the view is closed."""
    view = Keeping()
    view.due = time.monotonic()
    with BackgroundReporter(view, Keeping) as reporter:
        for note in notes(50):
            reporter(note)
    assert view.texts == [note.text for note in notes(50)]
    assert view.ticks == 1
    assert view.closed
    assert not reporter.is_stuck


def test_a_question_can_wait_for_what_was_said_before() -> None:
    """All of it is shown then, while the view stays open."""
    view = Keeping()
    with BackgroundReporter(view, Keeping) as reporter:
        for note in notes(50):
            reporter(note)
        reporter.wait_shown()
        assert view.texts == [note.text for note in notes(50)]
        assert not view.closed


def test_a_question_waits_for_no_stuck_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is bounded, also if the queue is full."""
    monkeypatch.setattr(reporters, "LEAVE_SECONDS", 0.05)
    monkeypatch.setattr(reporters, "MOST_WAITING", 10)
    view = Stuck()
    with BackgroundReporter(view, Keeping) as reporter:
        reporter(notes(1)[0])
        reporter.wait_shown()
        for note in notes(20):
            reporter(note)
        reporter.wait_shown()
        assert view.texts == []
    view.free.set()
    reporter._thread.join(10.0)


def test_a_view_that_fails_is_replaced() -> None:
    """It is closed; a plain one says why, and goes on."""
    view, plain = Failing(), Keeping()
    with BackgroundReporter(view, lambda: plain) as reporter:
        for note in notes(4):
            reporter(note)
    assert view.closed
    assert "ZeroDivisionError: a bug" in plain.texts[0]
    assert plain.texts[1:] == ["2", "3"]


def test_a_second_failure_ends_the_show_not_the_run() -> None:
    """Nothing to see, nothing raised."""
    with BackgroundReporter(Failing(), Failing) as reporter:
        for note in notes(9):
            reporter(note)
    assert not reporter.is_stuck


def test_a_stuck_terminal_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls return at once, what is too much is dropped and counted, the end waits a bounded time."""
    monkeypatch.setattr(reporters, "LEAVE_SECONDS", 0.05)
    monkeypatch.setattr(reporters, "MOST_WAITING", 10)
    view = Stuck()
    began = time.monotonic()
    with BackgroundReporter(view, Keeping) as reporter:
        for note in notes(1000):
            reporter(note)
    assert time.monotonic() - began < 5.0
    assert reporter.is_stuck
    view.free.set()
    reporter._thread.join(10.0)
    assert len(view.texts) < 20


def test_what_was_dropped_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the terminal takes something again."""
    monkeypatch.setattr(reporters, "MOST_WAITING", 10)
    view = Stuck()
    with BackgroundReporter(view, Keeping) as reporter:
        for note in notes(100):
            reporter(note)
        view.free.set()
        while len(view.texts) < 10:
            time.sleep(0.001)
    assert any("came too fast to be shown" in text for text in view.texts)


def test_an_error_of_the_run_goes_through() -> None:
    """The view is closed all the same."""
    view = Keeping()
    with pytest.raises(KeyboardInterrupt), BackgroundReporter(view, Keeping):
        raise KeyboardInterrupt
    assert view.closed


AT_A_TERMINAL = {"TERM": "xterm-256color"}


class Terminal(io.StringIO):
    encoding = "utf-8"

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
    reporter = open_reporter(Terminal(), environ={**AT_A_TERMINAL, **environ}, **options)  # type: ignore[arg-type]
    assert type(reporter._view) is view


def test_in_a_pipe() -> None:
    """Lines, also with FORCE_COLOR."""
    assert type(open_reporter(io.StringIO(), environ={**AT_A_TERMINAL, "FORCE_COLOR": "1"})._view) is LineView
    assert not can_draw(io.StringIO(), AT_A_TERMINAL)


def test_a_terminal_without_a_descriptor() -> None:
    """Lines where an editor's stream only says that it is one."""

    class Pane(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert type(open_reporter(Pane(), environ=AT_A_TERMINAL)._view) is LineView


def test_colours() -> None:
    """NO_COLOR wins over FORCE_COLOR, and an empty one is none."""
    assert accepts_colours(Terminal(), AT_A_TERMINAL)
    assert not accepts_colours(io.StringIO(), AT_A_TERMINAL)
    assert accepts_colours(io.StringIO(), {"FORCE_COLOR": "1"})
    assert accepts_colours(Terminal(), {**AT_A_TERMINAL, "NO_COLOR": ""})
    assert not accepts_colours(Terminal(), {"FORCE_COLOR": "1", "NO_COLOR": "1"})


def test_rich_is_imported_only_for_figures() -> None:
    """A log and `status` do without (the HTTP client brings it along, where it is there)."""
    code = (
        "import io, sys\n"
        "from batchveo.display.reporter import open_reporter\n"
        "import batchveo.cli.commands.status\n"
        "open_reporter(io.StringIO()), open_reporter(io.StringIO(), log_json=True)\n"
        "print('rich' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
