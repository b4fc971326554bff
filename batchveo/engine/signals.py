"""What a run does about SIGINT, SIGTERM and SIGHUP (on Windows: Ctrl-C and Ctrl-Break)."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from types import FrameType

import anyio
import sniffio


@contextmanager
def stop_signals() -> Iterator[AsyncIterator[signal.Signals] | None]:
    """Yield the stop signals as they arrive; ``None`` outside the main thread, which receives no signals."""
    if threading.current_thread() is not threading.main_thread():
        yield None
    elif sys.platform == "win32" and sniffio.current_async_library() == "asyncio":
        with _receive_by_handlers() as received:
            yield received
    else:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, *hangup_signals()) as received:
            yield received


def hangup_signals() -> tuple[signal.Signals, ...]:
    """SIGHUP, which a closed terminal sends; empty if the system has no such signal, or if it is ignored.

    A run under ``nohup``, which ignores it, is meant to outlive the terminal.
    """
    number = getattr(signal, "SIGHUP", None)
    if number is None or signal.getsignal(number) is signal.SIG_IGN:
        return ()
    return (signal.Signals(number),)


@contextmanager
def _receive_by_handlers() -> Iterator[AsyncIterator[signal.Signals]]:
    """Receive signals by Python's own handlers, for event loops without any, such as asyncio's on Windows."""
    import asyncio

    loop = asyncio.get_running_loop()
    send, receive = anyio.create_memory_object_stream[signal.Signals](8)

    def arrived(number: int, _: FrameType | None) -> None:
        loop.call_soon_threadsafe(send.send_nowait, signal.Signals(number))

    wanted = [signal.SIGINT, getattr(signal, "SIGBREAK", signal.SIGTERM)]
    before = {number: signal.signal(number, arrived) for number in wanted}
    try:
        with send, receive:
            yield receive
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
