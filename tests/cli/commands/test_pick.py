"""Votes from the command line: picked, rejected, rated, compared, listed, undone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.core.votes import VoteKind
from batchveo.store import Store
from tests.helpers.factories import make_spec
from tests.helpers.finished_jobs import Morning


@pytest.fixture(autouse=True)
def morning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Morning:
    """Three clips, and a job that is pending."""
    made = Morning(tmp_path)
    for name in ("fox-1", "fox-2", "fox-3"):
        made.make(name, prompt="a fox")
    with made.store() as store:
        store.imports.add_jobs([make_spec("later")], run=1, now=1.0)
    monkeypatch.setenv("BATCHVEO_STATE", str(made.state))
    monkeypatch.setenv("LOGNAME", "ann")
    return made


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    """What ``pick --json`` shows of each clip, by its name."""
    capsys.readouterr()
    assert status_of(["pick", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {row["name"]: row for row in rows}


def test_clips_are_picked_rejected_rated_and_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["pick", "fox-1", "fox-3"]) == 0
    assert capsys.readouterr().err == "2 clips picked by ann\n"
    assert status_of(["pick", "fox-3", "--reject"]) == 0
    assert status_of(["pick", "fox-1", "--rate", "4", "--by", "bob"]) == 0
    found = listed(capsys)
    assert {name: (row["picked"], row["rejected"], row["rating"]) for name, row in found.items()} == {
        "fox-1": (True, False, 4.0),
        "fox-3": (False, True, None),
    }
    assert status_of(["pick"]) == 0
    first = capsys.readouterr().out.splitlines()[0].split("\t")
    assert first[1:6] == ["1", "0", "4", "fox-1", "google/veo3"]


def test_a_list_of_names_is_picked_whole_or_not_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], morning: Morning
) -> None:
    """A job without a clip is named, and nothing is recorded."""
    names = tmp_path / "names.txt"
    names.write_text(f"fox-1\n\n{morning.job('fox-2').id}\n")
    assert status_of(["pick", "--from", str(names)]) == 0
    assert set(listed(capsys)) == {"fox-1", "fox-2"}
    names.write_text("fox-3\nlater\n")
    assert status_of(["pick", "--from", str(names)]) == 2
    assert "there is no clip yet of 'later'" in capsys.readouterr().err
    assert set(listed(capsys)) == {"fox-1", "fox-2"}


def test_one_of_two_is_better(morning: Morning) -> None:
    assert status_of(["pick", "fox-2", "--over", "fox-1"]) == 0
    with Store(morning.state, writing=False) as store:
        (vote,) = store.votes.list_votes()
    assert (vote.kind, vote.job, vote.other, vote.shown, vote.person) == (VoteKind.BETTER, 2, 1, (2, 1), "ann")
    assert vote.at > 0


def test_undo_takes_back_ones_own_latest_vote(capsys: pytest.CaptureFixture[str]) -> None:
    status_of(["pick", "fox-1", "--by", "bob"])
    status_of(["pick", "fox-2"])
    assert status_of(["pick", "--undo"]) == 0
    assert capsys.readouterr().err.endswith("fox-2 is not picked any more\n")
    assert set(listed(capsys)) == {"fox-1"}
    assert status_of(["pick", "--undo"]) == 2
    assert "there is no vote of ann to undo" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["fox-1", "--reject", "--rate", "3"], "give one of"),
        (["fox-1", "--undo"], "takes no job"),
        (["--reject"], "name the clips"),
        (["fox-1", "fox-2", "--over", "fox-3"], "one clip with another"),
        (["fox-1", "--over", "fox-1"], "better names two clips"),
        (["fox-1", "--by", " "], "1 to 80 characters"),
        (["fox-1", "--rate", "6"], "6 is not in the range"),
        (["fox-9"], "'fox-9' is not a job"),
    ],
)
def test_what_cannot_be_is_said(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["pick", *arguments]) == 2
    assert why in capsys.readouterr().err
    assert listed(capsys) == {}
