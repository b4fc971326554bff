"""Watch a database from another terminal during a run."""

from __future__ import annotations

import sqlite3
import time
from typing import NoReturn, TextIO

from batchveo.core.formatting import shorten, state_words
from batchveo.core.models import JobState
from batchveo.display.event_text import Tone
from batchveo.display.live import LOOK_SHARE, RECENT
from batchveo.display.live_frame import Canvas, Recent, make_frame
from batchveo.display.terminal import Terminal
from batchveo.operations.status import SnapshotReader
from batchveo.store import Store

LOOK_SECONDS = 1.0


def watch_state(store: Store, out: TextIO) -> NoReturn:
    """Draw the database on the terminal ``out`` again and again, until interrupted."""
    terminal, lookout = Terminal(out), SnapshotReader(store=store)
    while True:
        began = time.monotonic()
        if terminal.ours:
            _draw(store, terminal, lookout)
        took = time.monotonic() - began
        time.sleep(max(LOOK_SECONDS, took * LOOK_SHARE))


def _draw(store: Store, terminal: Terminal, lookout: SnapshotReader) -> None:
    shot = lookout.read_snapshot(time.time())
    size = terminal.size
    canvas = Canvas(width=size.columns - 1, height=size.lines - 1, colours=terminal.colours)
    title = f"{shorten(str(store.path), 200)} · {'a run is in progress' if shot.going else 'no run is in progress'}"
    terminal.draw(make_frame(shot, read_recent_moves(store), canvas, title=title))


def read_recent_moves(store: Store) -> list[Recent]:
    """The latest moves worth telling, in the words of the run's own display."""
    return [
        Recent(row["at"], _words(row), _tone(row["to_state"])) for row in store.progress.list_latest_moves(most=RECENT)
    ]


def _words(row: sqlite3.Row) -> str:
    if row["to_state"] == JobState.SUCCEEDED:
        return f"done: {shorten(row['detail'], 100)}"
    return f"{state_words(JobState(row['to_state']))}: {shorten(row['name'])}: {shorten(row['detail'], 200)}"


def _tone(state: str) -> Tone:
    return {JobState.SUCCEEDED: Tone.GOOD, JobState.FAILED: Tone.BAD}.get(JobState(state), Tone.DOUBT)
