"""Importing generations by hand and from the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.sandbox import Service

pytestmark = pytest.mark.usefixtures("_dragon_folder")


def test_a_lost_state_is_adopted_from_the_log(url: str, service: Service) -> None:
    """Nothing is bought again."""
    status_of(["run", "m.yaml"])
    for path in Path("state").iterdir():
        path.unlink()
    assert status_of(["adopt", "--manifest", "m.yaml", "--from-log", "24h"]) == 0
    assert status_of(["run", "m.yaml"]) == 0
    assert len(service.generations) == 3


def test_a_video_is_not_taken_from_its_job(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """adopt is for jobs that have none."""
    status_of(["run", "m.yaml"])
    assert status_of(["adopt", "typo", "--job", "dragon"]) == 2
    assert status_of(["verify"]) == 0
    assert "3 videos checked" in capsys.readouterr().err
