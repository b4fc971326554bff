"""The log of a run: ``--log-file`` and ``-vv``."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.sandbox import Service, Settings

pytestmark = pytest.mark.usefixtures("url")

MANIFEST = "jobs:\n  - {model: veo2, prompt: A fox, name: fox}\n"
SUBMIT = re.compile(r"DEBUG batchveo\.provider\.client: POST /v2/video/generations bv\.[0-9a-f.]+: 20[01] in \d+ ms")


@pytest.fixture
def service() -> Service:
    return Service(Settings(generation_median=0.1))


@pytest.fixture(autouse=True)
def _manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text(MANIFEST, encoding="utf-8")


def test_the_file_keeps_requests_and_events(capsys: pytest.CaptureFixture[str]) -> None:
    """A second run appends; nothing of it shows on standard error, and no key or query string is in it."""
    assert status_of(["run", "m.yaml", "--log-file", "run.log", "--log-json"]) == 0
    log = Path("run.log").read_text(encoding="utf-8")
    assert SUBMIT.search(log)
    assert re.search(r"GET /v2/video/generations \S+: 200 in", log)
    assert re.search(r"DEBUG batchveo\.provider\.video_client: GET 127\.0\.0\.1/\S+: 200$", log, re.MULTILINE)
    assert "INFO batchveo.events: done: fox.mp4" in log
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (DEBUG|INFO) ", line) for line in log.splitlines())
    assert "sk-secret-key" not in log
    assert "?" not in log
    assert all(line.startswith("{") for line in capsys.readouterr().err.splitlines())
    assert status_of(["resume", "--log-file", "run.log"]) == 0
    assert Path("run.log").read_text(encoding="utf-8").startswith(log)


def test_twice_verbose_shows_requests(capsys: pytest.CaptureFixture[str]) -> None:
    """Once verbose does not; afterwards the logger is as it was."""
    assert status_of(["run", "m.yaml", "-v"]) == 0
    assert "batchveo.provider" not in capsys.readouterr().err
    assert status_of(["run", "m.yaml", "-vv", "--state", "other.db", "--output", "other", "--new-state"]) == 0
    shown = capsys.readouterr().err
    assert SUBMIT.search(shown)
    assert "batchveo.events" not in shown
    assert logging.getLogger("batchveo").level == logging.NOTSET
    assert not logging.getLogger("batchveo").handlers


def test_a_file_that_cannot_be_written_is_refused(capsys: pytest.CaptureFixture[str], service: Service) -> None:
    """Before anything is bought."""
    assert status_of(["run", "m.yaml", "--log-file", "nowhere/run.log"]) == 2
    assert "--log-file nowhere/run.log cannot be written" in capsys.readouterr().err
    assert not service.generations
