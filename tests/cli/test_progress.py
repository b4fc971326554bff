"""The count that a person at a terminal sees."""

from __future__ import annotations

import sys
import time

import pytest

from batchveo.cli.progress import Count


@pytest.mark.parametrize(("at_terminal", "shown"), [(True, "\r\x1b[K1,001 of 2,000 clips\r\x1b[K"), (False, "")])
def test_a_terminal_shows_it_and_it_is_gone_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, at_terminal: bool, shown: str
) -> None:
    """Not more often than twice a second, and never in a pipe."""
    clock = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: at_terminal)
    count = Count("clips")
    for done, seconds in ((1000, 0.4), (1001, 0.2), (1002, 0.4)):
        clock += seconds
        count.show(done, 2000)
    count.end()
    assert capsys.readouterr().err == shown
