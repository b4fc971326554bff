"""Single keys."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator

import pytest

from batchveo.display.keyboard import open_keys

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """Both ends of a terminal in whose foreground this process is."""
    master, slave = os.openpty()
    monkeypatch.setattr(os, "tcgetpgrp", lambda fd: os.getpgrp())
    yield master, slave
    os.close(master)
    os.close(slave)


def test_a_key_needs_no_enter(ends: tuple[int, int]) -> None:
    """The terminal is as it was afterwards."""
    import termios

    master, slave = ends
    before = termios.tcgetattr(slave)
    with os.fdopen(os.dup(slave)) as stream, open_keys(stream) as wait_key:
        assert wait_key(0.0) is None
        os.write(master, b"q")
        assert wait_key(60.0) == "q"
    assert termios.tcgetattr(slave) == before


def test_in_the_background_the_terminal_is_left_alone(ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A change would stop the process."""
    import termios

    _, slave = ends
    monkeypatch.setattr(os, "tcgetpgrp", lambda fd: os.getpgrp() + 1)
    before = termios.tcgetattr(slave)
    with os.fdopen(os.dup(slave)) as stream, open_keys(stream) as wait_key:
        assert termios.tcgetattr(slave) == before
        assert wait_key(0.0) is None


def test_without_a_terminal_there_are_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait takes its time, as the view expects."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with open_keys(io.StringIO("q")) as wait_key:
        assert wait_key(2.5) is None
    assert slept == [2.5]
