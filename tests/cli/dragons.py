"""A manifest of three jobs, and the jobs of the database as a user's shell sees them."""

from __future__ import annotations

import json

import pytest

from batchveo.cli import status_of

MANIFEST = """
defaults: {model: google/veo-3.1-t2v-fast, resolution: 720p, duration: 4}
jobs:
  - {name: dragon, prompt: A dragon}
  - {name: "fox {index}", prompt: "A fox", repeat: 2, seed: "{index}"}
"""


def list_rows(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    """``jobs --json`` with these arguments."""
    capsys.readouterr()
    assert status_of(["jobs", "--json", *arguments]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]
