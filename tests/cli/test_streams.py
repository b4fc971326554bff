"""What standard output is made ready for."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from batchveo import cli


def test_pipes_allow_every_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """UTF-8 on Windows, whatever its code page; elsewhere what the terminal lacks is written out."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="cp1252")
    monkeypatch.setattr(sys, "platform", "win32")
    cli._allow_every_script(out)
    out.write("狐狸 🦊")
    out.flush()
    assert raw.getvalue().decode() == "狐狸 🦊"
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    monkeypatch.setattr(sys, "platform", "linux")
    cli._allow_every_script(out)
    out.write("狐")
    out.flush()
    assert raw.getvalue() == b"\\u72d0"
    cli._allow_every_script(io.StringIO())


@pytest.mark.parametrize("closed", ["stdin", "stdout", "stderr"])
def test_a_stream_that_was_closed_is_opened(monkeypatch: pytest.MonkeyPatch, closed: str) -> None:
    """Python says None for it, which few libraries expect."""
    monkeypatch.setattr(sys, closed, None)
    cli._open_closed_streams()
    with getattr(sys, closed) as stream:
        assert stream.read() == "" if closed == "stdin" else stream.write("x") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="closes streams as a POSIX shell does")
def test_closed_streams_change_no_status() -> None:
    """As some daemons and cron jobs start programs."""
    command = '"$0" -m batchveo models <&- >&- 2>&-'
    assert subprocess.run(["sh", "-c", command, sys.executable], timeout=60).returncode == 0


def test_names_that_the_machine_cannot_hold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the locale of another time: what to set, not a traceback."""

    def fail(*_: object, **__: object) -> None:
        "狐.mp4".encode("latin-1")

    monkeypatch.setattr(cli.batchveo, "main", fail)
    assert cli.status_of(["run", "m.yaml"]) == 2
    assert capsys.readouterr().err == (
        "batchveo: file names on this machine are latin-1, which lacks '狐': set PYTHONUTF8=1\n"
    )
