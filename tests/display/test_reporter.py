"""A view in a thread of its own: whatever it does, the run goes on."""

from __future__ import annotations

import threading
import time

import pytest

from batchveo.core.events import Event, Message
from batchveo.display import reporter as reporters
from batchveo.display.reporter import BackgroundReporter


class Keeping:
    """Remembers what it was shown."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.ticks = 0
        self.closed = False
        self.due = float("inf")

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
    assert not reporter.stuck


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
    assert not reporter.stuck


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
    assert reporter.stuck
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
