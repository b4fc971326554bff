"""The table of models at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchveo.cli import status_of
from tests.helpers.finished_jobs import Morning


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two models, one vote."""
    made = Morning(tmp_path)
    made.make("a", prompt="p", model="google/veo3", cost=2.0)
    made.make("b", prompt="p", model="google/veo2", cost=1.0)
    monkeypatch.setenv("BATCHVEO_STATE", str(made.state))
    assert status_of(["pick", "a", "--over", "b"]) == 0


def test_a_pipe_gets_a_line_for_each_model(capsys: pytest.CaptureFixture[str]) -> None:
    """With a note that one vote says little."""
    capsys.readouterr()
    assert status_of(["compare"]) == 0
    out, err = capsys.readouterr()
    assert [line.split("\t") for line in out.splitlines()] == [
        ["google/veo2", "1", "100%", "0", "", "$1.00", "", "8.0 s", "8.0 s", "0", "6% *"],
        ["google/veo3", "1", "100%", "0", "", "$2.00", "", "8.0 s", "8.0 s", "0", "94% *"],
    ]
    assert "too few votes" in err


def test_the_gate_that_rejected_most_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the number of all that gates rejected."""
    made = Morning(tmp_path)
    for name, gate in (("c", "cuts == 0"), ("d", "cuts == 0"), ("e", "has_sound")):
        made.judge(made.make(name, model="google/veo2"), gate)
    made.judge(made.make("f", model="google/veo3"), "has_sound")
    capsys.readouterr()
    assert status_of(["compare"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [(row[0], row[3], row[4]) for row in rows] == [
        ("google/veo2", "3", "cuts == 0"),
        ("google/veo3", "1", "has_sound"),
    ]


def test_json_has_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert status_of(["compare", "--by", "model", "--json"]) == 0
    rows = {row["value"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows["google/veo3"]["by"] == "model"
    assert (rows["google/veo3"]["usd_per_clip"], rows["google/veo3"]["enough_votes"]) == (2.0, False)
    assert rows["google/veo2"]["win_rate"] < 0.5 < rows["google/veo3"]["win_rate"]


def test_a_wrong_field_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["compare", "--by", "modle"]) == 2
    assert "modle is not a field; did you mean model" in capsys.readouterr().err
