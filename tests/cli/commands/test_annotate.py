"""Joining scores from a table, from a shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchveo.cli import status_of
from tests.helpers.finished_jobs import Morning


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BATCHVEO_STATE", "b.db")
    morning = Morning(tmp_path)
    morning.make("a")
    morning.make("b")


def test_scores_are_joined_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    Path("clip.csv").write_text("name,score,label\na,0.3,dog\nb,0.2,\nc,1,cat\n")
    assert status_of(["annotate", "clip.csv", "--on", "name"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "clip.csv:4: no finished clip has the name 'c' (--skip-unknown leaves such rows out)",
        "     4 | c,1,cat",
        "       | ^",
        "1 problem; nothing was written or bought",
    ]
    assert status_of(["annotate", "clip.csv", "--on", "name", "--skip-unknown", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "clips": 2,
        "skipped": 1,
        "scores": {"clip.score": 2, "clip.label": 1},
        "accepted": 0,
        "rejected": 0,
        "open": 0,
        "takes": 0,
    }
    assert err.splitlines() == ["2 clips with scores, 1 row skipped", "  clip.score: 2", "  clip.label: 1"]
    assert status_of(["jobs", "--where", "clip.score > 0.25"]) == 0
    assert capsys.readouterr().out.split("\t")[3] == "a"


@pytest.mark.parametrize(
    "arguments", [["clip.csv"], ["clip.csv", "--on", "seed"], ["clip.csv", "--on", "name", "--as", "9"]]
)
def test_wrong_usage(arguments: list[str]) -> None:
    Path("clip.csv").write_text("name,score\na,0.3\n")
    assert status_of(["annotate", *arguments]) == 2
