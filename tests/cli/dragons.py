"""Jobs in a manifest or in a database, and the jobs of the database as a user's shell sees them."""

from __future__ import annotations

import json

import pytest

from batchveo.cli import status_of
from batchveo.store import Store
from tests.helpers.factories import make_spec

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


def add_two_models(store: Store) -> int:
    """Add the pending jobs ``dragon``, of google/veo3, and ``fox``, of veo2; returns the number of their run."""
    run = store.runs.begin_run(command="run", service="s", now=1.0)
    store.imports.add_jobs([make_spec("dragon"), make_spec("fox", model="veo2")], run=run, now=1.0)
    return run
