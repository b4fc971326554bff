"""A terminal that is closed while a run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from batchveo.core.models import JobState
from batchveo.sandbox import Service, Settings, running
from batchveo.store import Store
from tests.cli.test_run_command import Session

MANIFEST = "jobs:\n  - {model: veo2, prompt: A fox, name: 'fox {index}', repeat: 2}\n"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIMLAPI_API_KEY", "key")
    Path("m.yaml").write_text(MANIFEST)


def test_a_closed_terminal_ends_the_run_well() -> None:
    """Status 129, though nobody reads the last words; nothing is cut off, and the next run goes on."""
    with running(Service(Settings(generation_median=600.0))) as url:
        session = Session("run", "m.yaml", "--base-url", url)
        session.read(lambda seen: b"all jobs are submitted" in seen)
        os.close(session.master)
        session.process.send_signal(signal.SIGHUP)
        assert session.process.wait(60) == 129
    with Store("state/batchveo.db", writing=False) as store:
        assert store.counts()[JobState.GENERATING] == 2
        assert store.connection.db.execute("SELECT exit_status FROM runs").fetchone()[0] == 129


def test_a_run_under_nohup_outlives_its_terminal() -> None:
    """It ignores the signal, as it was asked to, and makes its videos."""
    with running(Service(Settings(generation_median=0.5))) as url:
        process = subprocess.Popen(
            [sys.executable, "-m", "batchveo", "run", "m.yaml", "-v", "--base-url", url, "--poll-interval", "0.1"],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
        )
        assert process.stderr is not None
        for line in process.stderr:
            if "submitting -> generating" in line:
                break
        process.send_signal(signal.SIGHUP)
        rest = process.stderr.read()
        assert process.wait(60) == 0
        process.stderr.close()
    assert "SIGHUP" not in rest
    assert "2 succeeded" in rest
