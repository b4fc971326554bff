"""A run as it goes, drawn at the end of a terminal; what matters for good is written above and stays."""

from __future__ import annotations

import time
from collections import deque

from rich.text import Text

from batchveo.core.events import Event, RunFinished, RunStarted
from batchveo.core.formatting import format_time
from batchveo.display.event_text import EVERYTHING, EventText, Tone
from batchveo.display.live_frame import TONES, Canvas, Recent, make_frame
from batchveo.display.repeat_counter import RepeatCounter
from batchveo.display.run_view import RunView
from batchveo.display.terminal import Terminal

FRAME_SECONDS = 0.5
"""Between two frames."""
LOOK_SHARE = 20.0
"""Frames are drawn so rarely that the looks at the state take a twentieth of the time."""
RECENT = 5
KEPT = frozenset({Tone.WARNING, Tone.BAD})
"""What a person should find again in the morning."""


class LiveView:
    """Figures and the last events below, warnings, failures and holds above; with ``verbosity`` 1 every event."""

    def __init__(self, terminal: Terminal, sight: RunView, *, verbosity: int = 0) -> None:
        self._terminal = terminal
        self._sight = sight
        self._verbosity = verbosity
        self._recent: deque[Recent] = deque(maxlen=RECENT)
        self._above: list[Text] = []
        self._teller = RepeatCounter()
        self.due = float("inf")

    def show(self, event: Event) -> None:
        """Take in one event; what is not part of a run under way is written at once."""
        self._sight.heed(event)
        for news in self._teller.news(event):
            if news.rank <= self._verbosity or news.again:
                self._take(news)
        if isinstance(event, RunFinished):
            self.due = float("inf")
            self._flush()
        elif isinstance(event, RunStarted):
            self.due = time.monotonic()
        elif not self._sight.open:
            self._flush()

    def tick(self) -> None:
        """Draw a frame."""
        began = time.monotonic()
        if self._terminal.ours:
            self._draw()
        took = time.monotonic() - began
        self.due = began + max(FRAME_SECONDS, took * LOOK_SHARE)

    def close(self) -> None:
        """Take the figures away; what was written above stays."""
        self._sight.close()
        self._flush()

    def _take(self, news: EventText) -> None:
        now = self._sight.clock()
        if not news.again and (news.tone in KEPT or self._verbosity >= EVERYTHING or not self._sight.open):
            self._above.append(_kept(now, news))
        else:
            if news.again:
                earlier = [item for item in self._recent if not item.text.startswith(news.again)]
                self._recent = deque(earlier, maxlen=RECENT)
            if self._recent and self._recent[-1].text == news.text:
                self._recent.pop()  # said again at once: a newer time will do
            self._recent.append(Recent(now, news.text, news.tone))

    def _draw(self) -> None:
        shot = self._sight.look()
        if shot is None:
            return
        size = self._terminal.size
        canvas = Canvas(width=size.columns - 1, height=size.lines - 1, colours=self._terminal.colours)
        above, self._above = self._above, []
        self._terminal.draw(make_frame(shot, list(self._recent), canvas), above=above)

    def _flush(self) -> None:
        """No figures from here on: there is no run."""
        above, self._above = self._above, []
        self._terminal.erase()
        if above:
            self._terminal.draw((), above=above)


def _kept(at: float, news: EventText) -> Text:
    line = Text().append(f"{format_time(at)}  ", style="dim")
    word, colon, rest = news.text.partition(": ")
    return line.append(word, style=TONES.get(news.tone, "")).append(colon + rest)
