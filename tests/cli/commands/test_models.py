"""The list of models."""

from __future__ import annotations

import json

import pytest

from batchveo.cli import status_of


def test_models_by_any_part_of_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    """All, some, the parameters of some; status 1 if there is none."""
    assert status_of(["models"]) == 0
    assert "google/veo-3.1-i2v-fast" in capsys.readouterr().out
    assert status_of(["models", "lite", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert status_of(["models", "reference"]) == 0
    assert "image_urls" in capsys.readouterr().out
    assert status_of(["models", "nothing"]) == 1
