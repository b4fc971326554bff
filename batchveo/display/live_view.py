"""Live figures at the end of a terminal: of this process's run, or of a database that another process fills."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from rich.text import Text

from batchveo.core.events import Event, RunFinished, RunStarted
from batchveo.core.formatting import shorten_middle, shorten_text, state_words
from batchveo.core.models import JobState
from batchveo.display.event_text import EVERYTHING, EventText, RepeatCounter, Tone, find_file
from batchveo.display.keyboard import open_keys
from batchveo.display.live_frame import Canvas, Recent, format_recent, make_frame
from batchveo.display.run_view import NEVER, RunView
from batchveo.display.terminal import Terminal
from batchveo.display.terminal_features import PAUSED, RUNNING
from batchveo.operations.status import Snapshot, SnapshotReader
from batchveo.store import Store

FRAME_SECONDS = 0.5
"""Seconds between two frames of a run."""
WATCH_SECONDS = 1.0
"""Seconds between two frames of another process's run."""
READ_SHARE = 20.0
"""How many times longer than a frame takes the next one waits at the least: frames take a twentieth of the time."""
RECENT = 12
"""Events shown below the figures at the most."""
LASTING = frozenset({Tone.WARNING, Tone.BAD})
"""Tones of lines that stay in the terminal: a person should find them in the morning."""


class LiveView(RunView):
    """Draws figures and the last events; warnings, failures and held jobs stay above, with ``verbosity`` 1 all events.

    ``clock`` returns seconds since the epoch.
    """

    def __init__(self, terminal: Terminal, *, verbosity: int = 0, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self._terminal = terminal
        self._verbosity = verbosity
        self._recent: deque[Recent] = deque(maxlen=RECENT)
        self._above: list[Text] = []
        self._counter = RepeatCounter()

    def show(self, event: Event) -> None:
        """Take one event; before and after a run its line is written at once."""
        super().show(event)
        for line in self._counter.describe_next(event):
            if line.rank <= self._verbosity or line.passing:
                self._add_line(line)
        if isinstance(event, RunStarted):
            self.due = time.monotonic()
        elif not self.is_open:
            self._erase()
        if isinstance(event, RunFinished):
            self.due = NEVER

    def tick(self) -> None:
        """Draw a frame."""
        began = time.monotonic()
        canvas = measure_canvas(self._terminal)
        shot = self.read_snapshot(most_flights=canvas.most_flights) if self._terminal.is_ours else None
        if shot is not None:
            above, self._above = self._above, []
            self._terminal.draw(make_frame(shot, list(self._recent), canvas), above=above)
            show_title(self._terminal, shot)
        self.due = began + max(FRAME_SECONDS, (time.monotonic() - began) * READ_SHARE)

    def close(self) -> None:
        """Erase the figures; the lines above them stay."""
        super().close()
        self._erase()

    def _add_line(self, line: EventText) -> None:
        item = Recent(self.clock(), line.text, line.tone, line.file if self._terminal.features.links else None)
        lasts = line.tone in LASTING or self._verbosity >= EVERYTHING or not self.is_open
        if lasts and not line.replaces:
            self._above.append(format_recent(item))
            return
        earlier = [old for old in self._recent if not (line.replaces and old.text.startswith(line.replaces))]
        if earlier and earlier[-1].text == line.text:
            earlier.pop()  # the same event again: only its time is new
        self._recent = deque([*earlier, item], maxlen=RECENT)

    def _erase(self) -> None:
        above, self._above = self._above, []
        self._terminal.erase()
        if above:
            self._terminal.draw((), above=above)


def watch_database(store: Store, out: TextIO, keys: TextIO) -> None:
    """Draw the figures of ``store`` on the terminal ``out`` until a run ends that was seen, or ``q`` is typed.

    The last figures stay on the screen.
    """
    terminal, reader = Terminal(out), SnapshotReader(store=store)
    has_run = False
    with open_keys(keys) as wait_key:
        while True:
            began = time.monotonic()
            if terminal.is_ours:
                canvas = measure_canvas(terminal)
                shot = reader.read_snapshot(time.time(), most_flights=canvas.most_flights)
                recent = read_recent_moves(store, links=terminal.features.links)
                terminal.draw(make_frame(shot, recent, canvas, title=_make_title(shot, store.path)))
                if has_run and not shot.going:
                    return
                has_run = shot.going
            if wait_key(max(WATCH_SECONDS, (time.monotonic() - began) * READ_SHARE)) in ("q", "Q", ""):
                return


def _make_title(shot: Snapshot, state: Path) -> str:
    what = "a run is in progress" if shot.going else "no run is in progress"
    return f"{shorten_middle(str(state), 40)} · {what} · q ends"


def show_title(terminal: Terminal, shot: Snapshot) -> None:
    """How far the run is, in the title and the taskbar of ``terminal``."""
    percent = int(shot.settled * 100)
    terminal.set_title(f"{percent} % batchveo", percent, state=RUNNING if shot.slowed is None else PAUSED)


def measure_canvas(terminal: Terminal) -> Canvas:
    """The size and colours of ``terminal`` at this moment; a row and a column stay free for the cursor."""
    size = terminal.size
    return Canvas(width=size.columns - 1, height=size.lines - 1, colours=terminal.colours)


def read_recent_moves(store: Store, *, links: bool = False) -> list[Recent]:
    """The latest moves worth a line, in the words of a run's own display; ``links``: with the files that they name."""
    return [_describe_row(row, links=links) for row in store.progress.list_latest_moves(most=RECENT)]


def _describe_row(row: sqlite3.Row, *, links: bool) -> Recent:
    state, detail = JobState(row["to_state"]), row["detail"]
    if state is JobState.SUCCEEDED:
        file = find_file(row["folder"], row["file"]) if links else None
        return Recent(row["at"], f"done: {shorten_middle(detail, 100)}", Tone.GOOD, file)
    tone = Tone.BAD if state is JobState.FAILED else Tone.DOUBT
    return Recent(row["at"], f"{state_words(state)}: {shorten_middle(row['name'])}: {shorten_text(detail, 200)}", tone)
