"""What ``status`` says of a state."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.cli.commands.status import _describe_status
from batchveo.core.models import JobState
from batchveo.operations.clip_rows import make_verdict_row
from batchveo.operations.status import make_status_row
from batchveo.store import Store
from tests.helpers.busy_database import moved_on
from tests.helpers.chains import make_chain
from tests.helpers.factories import make_spec


def test_what_is_left_reads_as_in_the_live_display(tmp_path: Path) -> None:
    """No more digits than a forecast has; nothing of it where no run goes on."""
    with Store(tmp_path / "b.db") as store:
        row = {**make_status_row(store), **make_verdict_row(store), "state": "b.db"}
    ahead = {"eta_seconds": 11_403.0, "eta_low_seconds": 10_211.0, "eta_high_seconds": 13_190.0}
    assert "left" not in _describe_status({**row, **ahead})
    assert "about 3 h 10 min (2 h 50 min – 3 h 40 min) left" in _describe_status({**row, **ahead, "running": True})


def test_waiting_for_the_log_is_said_as_that(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In place of a time that is left; a doubt that is held is not waited for."""
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs([make_spec("a"), make_spec("b")], run=run, now=1.0)
        moved_on(store, run, JobState.IN_DOUBT, now=time.time() - 720, held=False)
        moved_on(store, run, JobState.IN_DOUBT, now=time.time(), held=True)
        assert status_of(["status", "--state", str(store.path)]) == 0
        out = capsys.readouterr().out
        assert "waiting for 1 submit to appear in the usage log (12 min of at most 30 min); Ctrl-C is safe, `" in out
        assert " left" not in out
        row = make_status_row(store)
    assert (row["running"], row["eta_seconds"]) == (True, None)


def test_jobs_that_wait_are_counted_below_the_pending_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs([*make_chain(3, "fox"), *make_chain(2, "ship")], run=run, now=1.0)
        moved_on(store, run, JobState.FAILED, now=2.0)
    assert status_of(["status", "--state", str(store.path)]) == 0
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    found = [[part.strip() for part in line if part] for line in lines[1:6]]
    assert [line[:2] for line in found[:4]] == [["pending", "4"], ["waiting", "1"], ["blocked", "2"], ["failed", "1"]]
    assert found[4] == ["2 jobs are blocked: fox 0 failed"]
