"""The database against the provider's records."""

from __future__ import annotations

import json

import pytest

from batchveo.cli import status_of
from batchveo.provider import service_lists

pytestmark = pytest.mark.usefixtures("_dragon_folder")


def test_an_audit_that_did_not_see_the_whole_log(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Says so, and is not content."""
    assert status_of(["run", "m.yaml"]) == 0
    capsys.readouterr()
    assert status_of(["audit", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "findings": [], "whole": True}
    monkeypatch.setattr(service_lists, "PAGE", 1)
    monkeypatch.setattr(service_lists, "MOST_PAGES", 1)
    assert status_of(["audit", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"ok": False, "findings": [], "whole": False}
    assert status_of(["audit"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "warning: the usage log was not read to its end" in said.err


@pytest.mark.usefixtures("_quick_sandbox")
def test_the_sandboxs_books_are_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """Audit and adopt ask the look-alike, which remembers; the real service hears of no play money."""
    assert status_of(["run", "m.yaml", "--sandbox"]) == 0
    assert status_of(["audit", "--sandbox"]) == 0
    assert "no findings" in capsys.readouterr().err
    assert status_of(["adopt", "--from-log", "1h", "--sandbox"]) == 0
    assert "0 generations imported" in capsys.readouterr().err
