"""Films from a shell: which chains, what is printed, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.core.films import Film, FilmClip
from batchveo.dataset import films
from tests.helpers.finished_jobs import Morning


@pytest.fixture
def morning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Morning:
    """The current folder, with a database; films are their first clips."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BATCHVEO_STATE", "b.db")

    async def join(clips: list[FilmClip], target: Path, **_: object) -> Film:
        target.write_bytes(clips[0].path.read_bytes())
        begins = tuple(4.0 * number for number in range(len(clips)))
        return Film(seconds=4.0 * len(clips), frames=8, begins=begins, is_copied=len(clips) == 2)

    monkeypatch.setattr(films, "join_film", join)
    monkeypatch.setattr(films, "check_extra", lambda: None)
    return Morning(tmp_path)


def test_the_films_of_chains(morning: Morning, capsys: pytest.CaptureFixture[str]) -> None:
    morning.make_chain("day", 3)
    morning.make_chain("fox", 2)
    assert status_of(["film", "day-2"]) == 0
    assert capsys.readouterr().out == "films/day-3.mp4: 3 clips, 12.0 s, encoded anew\n"
    assert status_of(["film", "--all"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "films/day-3.mp4: 3 clips, 12.0 s, was there",
        "films/fox-2.mp4: 2 clips, 8.0 s, copied",
    ]
    assert status_of(["film", "day-1", "day-3", "--output", "out/x"]) == 0
    assert capsys.readouterr().out == "out/x/day-3.mp4: 3 clips, 12.0 s, encoded anew\n"


def test_chains_that_are_not_finished(morning: Morning, capsys: pytest.CaptureFixture[str]) -> None:
    """One that is named is refused; of all, they are left out; --partial joins what is there."""
    morning.make_chain("day", 3, made=2)
    assert status_of(["film", "day-1"]) == 2
    assert capsys.readouterr().err.splitlines()[0] == (
        "batchveo: the film is not finished: 'day-3' is pending; `batchveo film day-3 --partial` joins the clips so far"
    )
    assert not Path("films").exists()
    assert status_of(["film", "--all"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "1 film left out: a clip is not made yet; --partial joins those so far\n")
    assert status_of(["film", "day-1", "--partial"]) == 0
    assert capsys.readouterr().out == "films/day-3.mp4: 2 clips, 8.0 s, unfinished, copied\n"


def test_what_is_no_chain(morning: Morning, capsys: pytest.CaptureFixture[str]) -> None:
    morning.make("alone")
    for arguments, message in [
        ([], "name a chain by one of its jobs, or give --all"),
        (["alone", "--all"], "name a chain by one of its jobs, or give --all"),
        (["alone"], "'alone' is not in a chain"),
        (["none"], "'none' is not a job"),
        (["--all"], "no jobs of b.db are linked to each other"),
    ]:
        assert status_of(["film", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_json_has_a_line_for_each_film(morning: Morning, capsys: pytest.CaptureFixture[str]) -> None:
    """Also for one that cannot be made: then the exit status is 1."""
    jobs = morning.make_chain("day", 2)
    broken = morning.make_chain("fox", 2)
    (morning.videos / "fox-1.mp4").unlink()
    assert status_of(["film", "--all", "--json"]) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        {
            "name": "day-2",
            "file": "films/day-2.mp4",
            "clips": [job.id for job in jobs],
            "begins_at": [0.0, 4.0],
            "seconds": 8.0,
            "frames": 8,
            "copied": True,
            "complete": True,
            "new": True,
            "problem": None,
        },
        dict.fromkeys(("file", "begins_at", "seconds", "frames", "copied"))
        | {
            "name": "fox-2",
            "clips": [job.id for job in broken],
            "complete": True,
            "new": False,
            "problem": f"{morning.videos}/fox-1.mp4 is missing",
        },
    ]
    assert status_of(["film", "fox-1"]) == 1
    assert capsys.readouterr().out == f"films/fox-2.mp4: not made: {morning.videos}/fox-1.mp4 is missing\n"
