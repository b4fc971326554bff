"""``batchveo promote``, as a user's shell sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.core.votes import VoteKind
from tests.helpers.finished_jobs import Morning


@pytest.fixture
def morning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Morning:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BATCHVEO_STATE", "b.db")
    morning = Morning(tmp_path)
    for number, name in enumerate("abc"):
        job = morning.make(name, model="google/veo-3.0-fast", request={"seed": number}, meta={"scene": name})
    morning.vote(VoteKind.PICK, job)
    return morning


def test_the_manifest_passes_plan(morning: Morning, capsys: pytest.CaptureFixture[str]) -> None:
    """The picked clips, unless a condition chooses; the words are on stderr."""
    assert status_of(["promote", "--to", "google/veo-3.1-t2v", "--output", "dear.yaml"]) == 0
    out = capsys.readouterr()
    assert out.out == ""
    assert "1 job for google/veo-3.1-t2v in dear.yaml\n2 not picked\n" in out.err
    assert "next: batchveo plan dear.yaml" in out.err
    assert status_of(["plan", "dear.yaml", "--sandbox", "--state", "new.db"]) == 0
    assert "google/veo-3.1-t2v" in capsys.readouterr().out
    assert status_of(["promote", "--to", "google/veo-3.1-t2v", "--where", "seed < 2"]) == 0
    (morning.folder / "two.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
    assert status_of(["plan", "two.yaml", "--sandbox", "--state", "new.db", "--json"]) == 0
    assert '"jobs": 2' in capsys.readouterr().out


def test_bad_usage(morning: Morning, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2; a variable or config file that names the videos' folder does not name the manifest."""
    cases = [
        (["--to", "google/veo-3.1-t2v", "--where", "sed > 1"], "\n  sed > 1\n  ^"),
        (["--to", "google/veo-9"], "not a known model"),
        (["--to", "google/veo-3.1-t2v", "--output", "m.csv"], "ends in"),
        (["--to", "google/veo-3.1-t2v", "--output", "b.db"], "ends in"),
        ([], "--to"),
    ]
    for arguments, words in cases:
        assert status_of(["promote", *arguments]) == 2, arguments
        assert words in capsys.readouterr().err, arguments
