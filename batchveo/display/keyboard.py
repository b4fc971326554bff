"""Single keys at a terminal, without the Enter key."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

WaitKey = Callable[[float], str | None]
"""Waits so many seconds for a key; ``None`` if none was typed, empty if the terminal is gone."""


@contextmanager
def open_keys(stream: TextIO) -> Iterator[WaitKey]:
    """Keys typed at ``stream``; if it is no terminal, every wait ends without one. Ctrl-C stays a signal."""
    try:
        is_terminal, fd = stream.isatty(), stream.fileno()
    except (OSError, ValueError):
        is_terminal, fd = False, -1
    if not is_terminal:
        yield _sleep
    elif sys.platform == "win32":
        yield _wait_windows_key
    elif not is_foreground(fd):  # in the background a change of the terminal would stop this process
        yield _sleep
    else:
        import termios
        import tty

        before = termios.tcgetattr(fd)
        tty.setcbreak(fd, termios.TCSADRAIN)
        try:
            yield lambda seconds: _wait_key(fd, seconds)
        finally:
            termios.tcsetattr(fd, termios.TCSADRAIN, before)


def is_foreground(fd: int) -> bool:
    """Whether this process is in the foreground of the terminal ``fd``."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except (AttributeError, OSError):  # Windows; a terminal that does not control this process
        return True


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


def _wait_key(fd: int, seconds: float) -> str | None:
    ready, _, _ = select.select([fd], [], [], seconds)
    return os.read(fd, 1).decode("ascii", "replace") if ready else None


def _wait_windows_key(seconds: float) -> str | None:
    import msvcrt

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if msvcrt.kbhit():  # type: ignore[attr-defined]
            return str(msvcrt.getwch())  # type: ignore[attr-defined]
        time.sleep(0.1)
    return None
