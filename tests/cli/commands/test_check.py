"""Checking finished clips from a shell."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from batchveo.cli import status_of
from batchveo.core.gates import CheckPolicy
from batchveo.core.measures import CheckLevel, Measures
from batchveo.core.models import Job
from batchveo.operations import check_clips
from tests.helpers.fake_clips import FakeClips
from tests.helpers.finished_jobs import Morning

POLICY = CheckPolicy(gates=("black_seconds < 0.5",)).to_json()


@pytest.fixture
def morning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Morning:
    """The current folder, with a database; clips called ``bad…`` are black."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BATCHVEO_STATE", "b.db")
    clips = FakeClips(judge=lambda job: not job.name.startswith("bad"), seconds=0.0)
    monkeypatch.setattr(check_clips, "StoredClips", lambda sidecars: clips)
    return Morning(tmp_path)


def read_rows(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    status_of(["check", "--json", *arguments])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_what_is_wrong_is_on_stdout_and_the_counts_are_on_stderr(
    morning: Morning, capsys: pytest.CaptureFixture[str]
) -> None:
    morning.make("good", policy=POLICY)
    morning.make("bad", policy=POLICY, tries=2)
    assert status_of(["check"]) == 1
    out, err = capsys.readouterr()
    assert out == f"{morning.videos}/bad.mp4: rejected by black_seconds < 0.5 (black_seconds = 3.0)\n"
    assert err.splitlines() == [
        "2 clips, 2 measured now",
        "1 accepted, 1 rejected",
        "  1 rejected by black_seconds < 0.5",
        "1 take added; `batchveo resume --base-url https://s.example` buys them",
    ]
    assert status_of(["check"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "2 clips, 0 measured now",
        """1 clip rejected in all; `batchveo jobs --where 'verdict == "rejected"'` lists them""",
    ]
    assert status_of(["check", "good"]) == 0


def test_json_has_a_line_for_each_chosen_clip(morning: Morning, capsys: pytest.CaptureFixture[str]) -> None:
    morning.make("good", policy=POLICY)
    morning.make("bad", policy=POLICY)
    morning.make("plain", meta={"split": "test"})
    rows = read_rows(capsys)
    assert [(row["name"], row["verdict"], row["gate"]) for row in rows] == [
        ("good", "accepted", None),
        ("bad", "rejected", "black_seconds < 0.5"),
        ("plain", None, None),
    ]
    assert rows[1]["found"] == {"black_seconds": 3.0}
    assert rows[0]["checks"]["black_seconds"] == 0.0
    assert rows[0]["file"] == f"{morning.videos}/good.mp4"
    assert read_rows(capsys) == rows
    assert read_rows(capsys, "--where", 'meta.split == "test"') == rows[2:]
    assert read_rows(capsys, "--where", 'verdict == "rejected"') == rows[1:2]


def test_a_clip_that_cannot_be_read_is_a_failure(
    morning: Morning, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a job without gates: what follows in a script must not take it for checked."""
    monkeypatch.setattr(check_clips, "StoredClips", lambda sidecars: FakeClips(unreadable=True))
    morning.make("plain")
    assert status_of(["check"]) == 1
    out, err = capsys.readouterr()
    assert out == f"{morning.videos}/plain.mp4: cannot be read: Input/output error\n"
    assert err == "1 clip, 0 measured now, 1 unreadable\n"


def test_a_wrong_condition_is_pointed_at(morning: Morning, capsys: pytest.CaptureFixture[str]) -> None:
    morning.make("a")
    assert status_of(["check", "--where", "black_second > 1"]) == 2
    assert capsys.readouterr().err.splitlines()[-2:] == ["  black_second > 1", "  ^"]


def test_near_copies_are_listed_as_groups(
    morning: Morning, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_clips, "group_near_copies", lambda hashes: [tuple(seq for seq, _ in hashes)])
    for name in ("a", "b"):
        morning.make(name)
    assert status_of(["check", "a"]) == 0
    assert status_of(["check", "b"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "near copies: a, b"
    assert "2 clips look like others, in 1 group" in err
    first = morning.job("a").id
    assert [row["near_copy_group"] for row in read_rows(capsys)] == [first, first]


class Interrupted(FakeClips):
    async def measure_clip(self, job: Job, level: CheckLevel) -> Measures:
        if self.measured:
            signal.raise_signal(signal.SIGINT)
            await anyio.sleep_forever()
        return await super().measure_clip(job, level)


def test_ctrl_c_keeps_what_was_measured(
    morning: Morning, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        morning.make(name)
    with monkeypatch.context() as patch:
        patch.setattr(check_clips, "StoredClips", lambda sidecars: Interrupted(seconds=0.0, at_once=1))
        assert status_of(["check"]) == 130
    assert capsys.readouterr().err.split("\n") == [
        "what was found is recorded; the same command resumes",
        "",
        "batchveo: interrupted",
        "",
    ]
    assert status_of(["check"]) == 0
    assert capsys.readouterr().err == "3 clips, 2 measured now\n"


SCORER = """
import json, sys
for line in sys.stdin:
    clip = json.loads(line)
    if clip["name"] != "mute":
        print(json.dumps({"id": clip["id"], "score": len(clip["name"])}))
"""


def test_a_program_scores_clips(morning: Morning, capsys: pytest.CaptureFixture[str]) -> None:
    Path("length.py").write_text(SCORER, encoding="utf-8")
    command = f"'{sys.executable}' length.py"
    policy = CheckPolicy(gates=("length.score < 5",)).to_json()
    morning.make("good", policy=policy, tries=2)
    morning.make("bad clip", policy=policy, tries=2)
    assert status_of(["check"]) == 0
    assert "not decided: length.score < 5 (length.score = unknown)" in capsys.readouterr().out
    assert status_of(["check", "--with", command]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "2 of 2 clips scored",
        "1 accepted, 1 rejected",
        "  1 rejected by length.score < 5",
        "1 take added; `batchveo resume --base-url https://s.example` buys them",
    ]
    rows = read_rows(capsys, "good", "--with", command)
    assert [(row["verdict"], row["scores"]) for row in rows] == [("accepted", {"length.score": 4})]


def test_a_clip_without_an_answer_and_a_program_that_fails(
    morning: Morning, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("length.py").write_text(SCORER, encoding="utf-8")
    morning.make("mute")
    morning.make("loud")
    assert status_of(["check", "--with", f"'{sys.executable}' length.py", "--as", "n"]) == 1
    assert capsys.readouterr().err.splitlines() == ["no scores for mute", "1 of 2 clips scored"]
    Path("length.py").write_text("import sys\nsys.exit('no GPU')", encoding="utf-8")
    assert status_of(["check", "--with", f"'{sys.executable}' length.py", "--as", "n"]) == 1
    err = capsys.readouterr().err
    assert "failed with exit status 1; its last lines of standard error:\n  no GPU" in err
    assert status_of(["check", "--with", "./nothing"]) == 2


@pytest.mark.parametrize("arguments", [["--as", "a"], ["--batch", "3"], ["--timeout", "3"], ["--with", ""]])
def test_options_of_a_program_need_one(morning: Morning, arguments: list[str]) -> None:
    morning.make("a")
    assert status_of(["check", *arguments]) == 2
