"""Outputs of the package's loggers: standard error under ``-vv``, and the file of ``--log-file``."""

from __future__ import annotations

import contextlib
import logging
import queue
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import TextIO

from batchveo.core.errors import UsageError, find_reason
from batchveo.core.events import Event, Reporter
from batchveo.core.formatting import blank_unprintable, format_timestamp
from batchveo.display.event_text import EVERYTHING, format_event

PACKAGE = logging.getLogger("batchveo")
EVENTS = logging.getLogger("batchveo.events")
MOST_WAITING = 10_000
"""Records kept for a disk or a terminal that is too slow; later ones are lost."""
LEAVE_SECONDS = 2.0
"""Time limit for the last records."""


@contextmanager
def open_log(out: TextIO | None, file: Path | None) -> Iterator[None]:
    """Write debug records of this package to ``out``; append them and the events of a run to ``file``.

    A thread writes them, so that neither a stuck terminal nor a slow disk delays a run. Raises ``UsageError`` if
    ``file`` cannot be opened.
    """
    handlers: list[logging.Handler] = []
    if out is not None:
        handlers.append(logging.StreamHandler(out))
        handlers[0].addFilter(lambda record: record.name != EVENTS.name)  # the reporter writes events there
    with ExitStack() as closing:
        if file is not None:
            try:
                handlers.append(logging.FileHandler(file, encoding="utf-8"))
            except OSError as error:
                raise UsageError(f"--log-file {file} cannot be written: {find_reason(error)}") from None
            closing.callback(handlers[-1].close)
        if handlers:
            for handler in handlers:
                handler.setFormatter(_LineFormatter())
            closing.enter_context(_write_records(handlers))
        yield


def log_events(reporter: Reporter) -> Reporter:
    """A reporter that logs the text of each event, then passes the event to ``reporter``."""

    def report(event: Event) -> None:
        line = format_event(event, verbosity=EVERYTHING)
        if line is not None:
            EVENTS.info("%s", line)
        reporter(event)

    return report


@contextmanager
def _write_records(handlers: list[logging.Handler]) -> Iterator[None]:
    records: queue.Queue[logging.LogRecord] = queue.Queue(MOST_WAITING)
    source, listener, level = _Source(records), _Listener(records, *handlers), PACKAGE.level
    listener.start()
    PACKAGE.addHandler(source)
    PACKAGE.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        PACKAGE.setLevel(level)
        PACKAGE.removeHandler(source)
        with suppress(queue.Full):
            listener.stop()


class _Source(QueueHandler):
    """Queues records for the thread; drops them, without waiting, if the queue is full."""

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue one record."""
        with suppress(queue.Full):
            self.queue.put_nowait(record)


class _Listener(QueueListener):
    """Writes records in a thread; a terminal that accepts no output does not keep the process alive."""

    def handle(self, record: logging.LogRecord) -> None:
        """Write one record; the reader of a pipe may be gone."""
        with contextlib.suppress(OSError, ValueError):
            super().handle(record)

    def stop(self) -> None:
        """Write the queued records, within the time limit."""
        self.enqueue_sentinel()
        if self._thread is not None:
            self._thread.join(LEAVE_SECONDS)
            self._thread = None


class _LineFormatter(logging.Formatter):
    """One line a record, with its local time to the millisecond, without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        time = f"{format_timestamp(record.created)}.{int(record.msecs):03}"
        return blank_unprintable(f"{time} {record.levelname} {record.name}: {record.getMessage()}")
