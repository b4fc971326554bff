"""The JSON Schema of a manifest."""

from __future__ import annotations

import json

import pytest

from batchveo.cli import status_of


@pytest.mark.parametrize("options", [[], ["--line"]])
def test_it_is_a_json_schema(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Of a manifest, or of one line."""
    assert status_of(["schema", *options]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"]
