"""The database against the provider's records."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import NoReturn

import pytest

from batchveo.cli import status_of
from batchveo.cli.commands.audit import _Progress
from batchveo.operations.record_reader import Progress
from batchveo.store.provider_records import Listing
from tests.helpers.several_keys import break_off_log

pytestmark = pytest.mark.usefixtures("_dragon_folder")


def test_an_audit_that_did_not_see_the_whole_log(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Says so, and is not content."""
    assert status_of(["run", "m.yaml"]) == 0
    capsys.readouterr()
    assert status_of(["audit", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "findings": [], "whole": True}
    break_off_log(monkeypatch)
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


def test_an_audit_that_is_interrupted_says_that_it_resumes(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has read is beside the database, where only its owner can read it."""

    def interrupt(*args: object) -> NoReturn:
        raise KeyboardInterrupt

    assert status_of(["run", "m.yaml"]) == 0
    with monkeypatch.context() as changed:
        changed.setattr("batchveo.cli.commands.audit.PIPE_SECONDS", 0.0)
        changed.setattr("batchveo.operations.audit.compare_records", interrupt)
        assert status_of(["audit"]) == 130
    said = capsys.readouterr().err
    assert "usage log: 3 rows" in said
    assert "the same command resumes it" in said
    (kept,) = Path().rglob("batchveo.db.audit")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert status_of(["audit"]) == 0


def test_an_audit_that_can_keep_nothing_does_not_say_that_it_resumes(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a folder that cannot be written, or beside another audit."""

    def interrupt(*args: object) -> NoReturn:
        raise KeyboardInterrupt

    assert status_of(["run", "m.yaml"]) == 0
    (state,) = Path().rglob("batchveo.db")
    state.with_name("batchveo.db.audit").mkdir()
    monkeypatch.setattr("batchveo.operations.audit.compare_records", interrupt)
    assert status_of(["audit"]) == 130
    said = capsys.readouterr().err
    assert "could not be kept: the next audit reads it again" in said
    assert "resumes" not in said.partition("the audit has not ended")[2]


def test_an_audit_shows_how_long_the_rest_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the limit of the usage log; the ledger has none."""
    monkeypatch.setattr("batchveo.cli.commands.audit.PIPE_SECONDS", 0.0)
    with _Progress() as shown:
        for listing, left in ((Listing.LEDGER, None), (Listing.LOG, 498_000), (Listing.LOG, 0)):
            shown.show(Progress(listing=listing, rows=2000, reached=0.0, left=left, is_kept=True))
    assert capsys.readouterr().err.splitlines() == [
        "ledger: 2,000 rows",
        "ledger: 2,000 rows; usage log: 2,000 rows, 498,000 to go, about 34 min",
        "ledger: 2,000 rows; usage log: 2,000 rows, 0 to go",
    ]
