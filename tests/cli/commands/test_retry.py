"""Setting failed jobs to pending."""

from __future__ import annotations

import pytest

from batchveo.cli import status_of
from batchveo.core.hints import USUAL_STATE
from batchveo.core.models import JobState
from batchveo.sandbox import Service, Settings, running
from batchveo.store import Store
from tests.cli.dragons import add_two_models, list_rows
from tests.helpers.busy_database import moved_on

pytestmark = pytest.mark.usefixtures("_dragon_folder")


def test_failed_jobs_are_status_1_and_can_be_retried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """retry puts them back; resume makes them."""
    monkeypatch.setenv("AIMLAPI_API_KEY", "k")
    monkeypatch.setenv("BATCHVEO_POLL_INTERVAL", "0.05")
    with running(Service(Settings(generation_median=0.1, faults={"generation-error": 1.0}))) as url:
        assert status_of(["run", "m.yaml", "--base-url", url]) == 1
        assert len(list_rows(capsys, "--state-is", "failed")) == 3
        assert status_of(["run", "m.yaml", "--base-url", url]) == 1
    with running(Service(Settings(generation_median=0.1))) as url:
        assert status_of(["retry", "dragon"]) == 0
        assert status_of(["retry", "dragon"]) == 2
        assert status_of(["retry"]) == 0
        assert status_of(["resume", "--base-url", url]) == 0


def test_only_jobs_of_a_model(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Of all failed ones, of those in a state, of those that are named; a variable chooses nothing."""
    with Store(USUAL_STATE) as store:
        run = add_two_models(store)
        for _ in range(2):
            moved_on(store, run, JobState.GENERATING, JobState.FAILED, now=2.0)

    def retried(*arguments: str) -> list[object]:
        """The jobs that `retry` sets to pending; they are cancelled then."""
        assert status_of(["retry", *arguments]) == 0
        names = [job["name"] for job in list_rows(capsys, "--state-is", "pending")]
        if names:
            assert status_of(["cancel", "--all"]) == 0
        return names

    assert retried("--model", "veo2") == ["fox"]
    assert retried("--model", "veo2") == []
    monkeypatch.setenv("BATCHVEO_MODEL", "veo2")
    assert retried() == ["dragon"]
    assert retried("--state-is", "cancelled", "--model", "google/veo3") == ["dragon"]
    assert retried("fox", "dragon", "--model", "veo2") == ["fox"]
    both = ("--model", "veo2", "--model", "google/veo3")
    assert retried("--state-is", "cancelled", *both) == ["dragon", "fox"]
    capsys.readouterr()
    assert status_of(["retry", "--model", "veo3"]) == 2
    assert "did you mean google/veo3 or veo2?" in capsys.readouterr().err
