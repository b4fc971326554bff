"""Cancelling pending jobs."""

from __future__ import annotations

import pytest

from batchveo.cli import status_of
from batchveo.sandbox import Service, Settings, running
from tests.cli.dragons import list_rows

pytestmark = pytest.mark.usefixtures("_dragon_folder")


def test_cancelled_jobs_are_not_made(url: str, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """Withdrawn before they are submitted."""
    with running(Service(Settings(key="another-key"))) as other:
        status_of(["run", "m.yaml", "--base-url", other])
    assert status_of(["cancel", "dragon"]) == 0
    assert status_of(["run", "m.yaml"]) == 0
    assert [job["state"] for job in list_rows(capsys)] == ["cancelled", "succeeded", "succeeded"]
    assert status_of(["cancel", "fox 0"]) == 2
