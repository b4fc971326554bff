"""What a person at a terminal sees of a run, and what a log gets."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from batchveo.cli import run_command, status_of
from batchveo.cli.run_command import conclude
from batchveo.core.models import JobState
from batchveo.display.reporter import open_reporter
from batchveo.engine.result import RunResult
from batchveo.sandbox import Service, Settings, running
from batchveo.store import Counts, Store
from tests.helpers.samples import sample_cases
from tests.helpers.terminal_screen import Screen

NAMES = ["'[red]fox[/red]'", '"狐 👩‍🚀 \\u202e"', "'<script>'", "café"]
MANIFEST = "defaults: {model: google/veo-3.1-t2v-fast, resolution: 720p, duration: 4}\njobs:\n" + "".join(
    f"  - {{name: {name}, prompt: A fox, repeat: 1}}\n" for name in NAMES
)
SECONDS = 60.0


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text(MANIFEST, encoding="utf-8")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AIMLAPI_API_KEY", "sk-secret-key")
    monkeypatch.setenv("BATCHVEO_POLL_INTERVAL", "0.05")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("PYTHONWARNINGS", "error")


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with running(Service(Settings(generation_median=0.8, faults={"generation-error": 0.3}, seed=3))) as url:
        monkeypatch.setenv("BATCHVEO_BASE_URL", url)
        yield url


class Session:
    """A command on a pseudo-terminal of 80 columns."""

    def __init__(self, *arguments: str, **environ: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "batchveo", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, **environ},
            start_new_session=True,
        )
        os.close(slave)
        self.seen = b""

    def read(self, enough: Callable[[bytes], bool] = lambda seen: False) -> bytes:
        """Read on until ``enough`` is seen, or to the end."""
        deadline = time.monotonic() + SECONDS
        while not enough(self.seen) and time.monotonic() < deadline:
            if not select.select([self.master], [], [], 0.1)[0]:
                continue
            try:
                chunk = os.read(self.master, 1 << 16)
            except OSError:  # the last one has closed its end
                break
            if not chunk:
                break
            self.seen += chunk
        return self.seen

    def end(self) -> tuple[int, str]:
        """The exit status, and the text that stays on the screen."""
        self.read()
        status = self.process.wait(SECONDS)
        os.close(self.master)
        screen = Screen(80)
        screen.write(self.seen.decode().replace("\r\n", "\n"))
        assert not screen.modes
        return status, screen.text


def test_a_run_at_a_terminal(url: str) -> None:
    """Figures while it goes on; in the end they are gone, the summary stays, the cursor was never hidden."""
    session = Session("run", "m.yaml")
    session.read(lambda seen: b"all jobs are submitted" in seen)
    status, text = session.end()
    assert status in (0, 1)
    seen = session.seen.decode()
    for words in ("0 of 4", "in flight", "all jobs are submitted", "pending", "\x1b[?2026h"):
        assert words in seen, words
    assert "\x1b[?25l" not in seen
    assert "all jobs are submitted" not in text
    assert "pending" not in text
    assert re.search(r"after \d+\.\d s; videos in videos", text)
    assert "spent $" in text
    assert "sk-secret" not in seen


def test_a_dropped_budget_is_told_before_the_question(url: str) -> None:
    """A person who would not buy without a limit can still say no."""
    Path("free.yaml").write_text(MANIFEST.replace("A fox", "A hen"), encoding="utf-8")
    assert status_of(["run", "m.yaml", "--budget", "20", "-q"]) in (0, 1)
    session = Session("run", "free.yaml", "--confirm-above", "0.01")
    session.read(lambda seen: b"Buy them?" in seen)
    os.write(session.master, b"n\n")
    status, text = session.end()
    assert status == 130
    warning = "the last run had a budget of $20.00; this one has none"
    assert -1 < text.find(warning) < text.find("Buy them?")
    assert text.count(warning) == 1


def test_ctrl_c_leaves_a_clean_terminal(url: str) -> None:
    """Status 130, the figures gone, and what to do next."""
    session = Session("run", "m.yaml")
    session.read(lambda seen: b"all jobs are submitted" in seen)
    session.process.send_signal(signal.SIGINT)
    status, text = session.end()
    assert status == 130
    assert "SIGINT: taking no more jobs" in text
    assert "interrupted; run the same command to resume" in text
    assert "in flight  " not in text


def test_a_terminal_that_takes_nothing_holds_up_nothing(url: str) -> None:
    """A dead connection behind it: the run makes its videos, ends, and leaves without its summary."""
    job = f"{{model: veo2, prompt: A fox, name: '{'x' * 90}-{{index}}', repeat: 30}}"
    Path("m.yaml").write_text(f"jobs:\n  - {job}\n")
    session = Session("run", "m.yaml", "-v", "--yes", "--concurrency", "30")
    assert session.process.wait(SECONDS) in (0, 1)
    seen = os.read(session.master, 1 << 16)
    os.close(session.master)
    assert b"videos in videos" not in seen
    with Store("state/batchveo.db", writing=False) as store:
        counts = store.counts()
    assert counts[JobState.SUCCEEDED] + counts[JobState.FAILED] == counts.total == 30


@pytest.mark.exhaustive
def test_a_terminal_that_is_full_at_the_summary_holds_up_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It took all lines of the run, and takes no more."""
    stuck = threading.Event()
    monkeypatch.setattr(run_command, "LEAVE_SECONDS", 0.05)
    monkeypatch.setattr(run_command, "_print_text", lambda _: stuck.wait())
    assert status_of(["run", "m.yaml", "--yes"]) in (0, 1)
    stuck.set()


@pytest.mark.parametrize(("arguments", "environ"), sample_cases([([], {"TERM": "dumb"}), (["--log-json"], {})], size=1))
def test_no_figures_where_none_are_wanted(url: str, arguments: list[str], environ: dict[str, str]) -> None:
    """Lines only: nothing moves the cursor."""
    session = Session("run", "m.yaml", *arguments, **environ)
    status, _ = session.end()
    assert status in (0, 1)
    assert not re.search(rb"\x1b\[[0-9?]*[AJKhl]", session.seen)


def test_no_color_at_a_terminal(url: str) -> None:
    """Figures, but no colours."""
    session = Session("run", "m.yaml", NO_COLOR="1")
    session.end()
    assert b"in flight" in session.seen
    assert not re.search(rb"\x1b\[(3\d|9\d|38;)", session.seen)


@pytest.mark.exhaustive
def test_a_poor_locale_does_not_crash(url: str) -> None:
    """LANG=C, and no UTF-8 whatsoever: each character has one that stands for it."""
    Path("m.yaml").write_text("jobs:\n  - {model: veo2, prompt: A fox, name: fox}\n")
    session = Session("run", "m.yaml", LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    status, text = session.end()
    assert status in (0, 1)
    assert session.seen.isascii()
    assert "spent $" in text


def test_log_json_parses_line_by_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """From the beginning to the end, nothing else between."""
    status = status_of(["run", "m.yaml", "--log-json"])
    rows = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    names = [row["event"] for row in rows]
    assert names[-1] == "ended"
    assert rows[-1]["exit_status"] == status
    assert {"noted", "began", "moved", "paced"} <= set(names)
    assert sum(row["event"] == "moved" and row["from"] == "submitting" for row in rows) == 4


@pytest.mark.exhaustive
def test_force_color_in_a_pipe(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Coloured lines, but no figures."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    status_of(["run", "m.yaml", "-v"])
    err = capsys.readouterr().err
    assert "\x1b[32mdone: " in err
    assert "\x1b[?2026h" not in err


@pytest.mark.parametrize("ending", sample_cases([130, 0], size=1))
def test_watching_from_a_second_terminal(url: str, ending: int) -> None:
    """The same figures, until Ctrl-C or q; the terminal is as it was."""
    status_of(["run", "m.yaml", "-q"])
    session = Session("status", "--watch")
    before = termios.tcgetattr(session.master)
    session.read(lambda seen: b"4 of 4" in seen)
    if ending:
        session.process.send_signal(signal.SIGINT)
    else:
        os.write(session.master, b"q")
    session.process.wait(SECONDS)
    assert termios.tcgetattr(session.master) == before
    status, text = session.end()
    assert status == ending
    assert "no run is in progress" in text
    assert "4 of 4" in text
    assert "Traceback" not in text


@pytest.mark.exhaustive
def test_status_watched_as_json(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line."""
    status_of(["run", "m.yaml", "-q"])
    capsys.readouterr()
    looks = iter(range(3))

    def sleep(seconds: float) -> None:
        if next(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("batchveo.cli.commands.status.time.sleep", sleep)
    assert status_of(["status", "--watch", "--json"]) == 130
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["total"] for row in rows] == [4, 4, 4]
    assert {"usd_per_hour", "eta_low_seconds", "eta_high_seconds", "budget_usd"} <= rows[0].keys()


def test_a_state_that_cannot_be_read_changes_no_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    """How the run ended is said all the same."""
    result = RunResult(run=1, counts=Counts(by_state={JobState.PENDING: 2}), exit_status=3, seconds=1.0)
    options = {"state": Path("gone.db"), "output": Path("v"), "log_json": False}
    with open_reporter(io.StringIO()) as shown:
        pass
    assert conclude(result, options, shown) == 3
    assert capsys.readouterr().err == "2 pending after 1.0 s; videos in v\n"
