"""Another API key than yesterday's, as a user's shell sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.sandbox import Service, Settings


@pytest.fixture
def service() -> Service:
    """Answers are lost, and the log is later than anyone waits for it."""
    return Service(Settings(per_key=True, generation_median=0.05, log_lag=3600.0, faults={"lose-answer": 1.0}))


@pytest.mark.usefixtures("url")
def test_a_doubt_of_another_key_is_held_and_said(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log of the new key is silent about all that the old one asked for: that is no reason to buy again."""
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text("jobs: [{model: veo2, prompt: A fox}]\n")
    assert status_of(["run", "m.yaml", "--settle", "0.1"]) == 1
    assert "another API key" not in capsys.readouterr().err
    monkeypatch.setenv("AIMLAPI_API_KEY", "sk-the-next-key")
    assert status_of(["run", "m.yaml", "--settle", "0.1", "--when-in-doubt", "resubmit"]) == 1
    assert (
        "1 job in flight or in doubt: submitted with another API key; only that key can read the usage log"
        in capsys.readouterr().err
    )
    assert len(service.generations) == 1
    assert status_of(["jobs", "--json"]) == 0
    (job,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (job["state"], job["held"]) == ("in_doubt", True)
    assert "sk-" not in str(job)
