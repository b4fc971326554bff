"""What a run does about SIGINT and SIGTERM."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import anyio


@contextmanager
def stop_signals() -> Iterator[AsyncIterator[signal.Signals] | None]:
    """The stop signals as they arrive; ``None`` where they cannot be had (another thread, Windows)."""
    if threading.current_thread() is not threading.main_thread() or sys.platform == "win32":
        yield None
        return
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        yield received
