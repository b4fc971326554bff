"""Resuming what a run left."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.sandbox import Service
from tests.cli.dragons import MANIFEST

pytestmark = pytest.mark.usefixtures("_dragon_folder")


def test_resume_keeps_to_the_budget_of_the_run(url: str, service: Service) -> None:
    """Also where the manifest set it."""
    Path("b.yaml").write_text("budget: 1.0\n" + MANIFEST)
    assert status_of(["run", "b.yaml"]) == 3
    assert status_of(["resume"]) == 3
    assert len(service.generations) == 1
    assert status_of(["resume", "--budget", "100"]) == 0
