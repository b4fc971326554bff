"""The set-up of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.cli import status_of

pytestmark = pytest.mark.usefixtures("_dragon_folder")


def test_doctor(url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Says what is well, and what is not."""
    assert status_of(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "balance $1,000.00" in out
    assert "WRONG" not in out
    monkeypatch.delenv("AIMLAPI_API_KEY")
    assert status_of(["doctor"]) == 1
    assert "API key" in capsys.readouterr().out
    assert status_of(["doctor", "--sandbox"]) == 0
    assert not Path("state").exists()
