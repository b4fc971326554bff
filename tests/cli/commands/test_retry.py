"""Setting failed jobs to pending."""

from __future__ import annotations

import pytest

from batchveo.cli import status_of
from batchveo.sandbox import Service, Settings, running
from tests.cli.dragons import list_rows

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
