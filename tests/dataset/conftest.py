"""A morning for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.finished_jobs import Morning


@pytest.fixture
def morning(tmp_path: Path) -> Morning:
    return Morning(tmp_path)
