"""Films in a folder: made once, whole or not at all, with what they were made from beside them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from filelock import FileLock

from batchveo.core.errors import DiskTrouble, UsageError
from batchveo.core.films import Film, FilmClip
from batchveo.core.models import Job
from batchveo.core.votes import VoteKind
from batchveo.dataset import films
from batchveo.dataset.film_plans import FilmPlan, list_films
from batchveo.dataset.films import MadeFilm, make_films, make_subtitles
from batchveo.media.worker import can_measure
from tests.helpers.finished_jobs import Morning

needs_media = pytest.mark.skipif(not can_measure(), reason="films need the extra media")


def make_chain(morning: Morning, length: int = 3, name: str = "shot") -> list[Job]:
    jobs = [morning.make(f"{name} 1")]
    for number in range(2, length + 1):
        scene = ("balloon", "street")[number % 2]
        jobs.append(morning.link(f"{name} {number}", ("image_url", jobs[-1], "last"), clip=scene))
    return jobs


def plan_films(morning: Morning) -> list[FilmPlan]:
    with morning.store(writing=False) as store:
        return list_films(store)


def make(morning: Morning, plans: list[FilmPlan] | None = None) -> list[MadeFilm]:
    chosen = plan_films(morning) if plans is None else plans
    return anyio.run(make_films, morning.folder / "films", chosen, lambda *_: None)


def list_names(morning: Morning) -> list[str]:
    return sorted(path.name for path in (morning.folder / "films").iterdir() if path.name != films.LOCK_FILE)


def read_sidecar(morning: Morning, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((morning.folder / "films" / name).read_text(encoding="utf-8"))
    return content


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The titles of each film that is joined; the films are their first clips."""
    found: list[list[str]] = []

    async def join(clips: list[FilmClip], target: Path, **_: object) -> Film:
        found.append([clip.title for clip in clips])
        target.write_bytes(clips[0].path.read_bytes())
        begins = tuple(4.0 * number for number in range(len(clips)))
        return Film(seconds=4.0 * len(clips), frames=8, begins=begins, is_copied=True)

    monkeypatch.setattr(films, "join_film", join)
    monkeypatch.setattr(films, "check_extra", lambda: None)
    return found


@needs_media
def test_a_film_its_subtitles_and_its_sidecar(morning: Morning) -> None:
    jobs = make_chain(morning)
    (made,) = make(morning)
    assert made.film is not None
    assert (made.film.seconds, made.film.frames, made.film.begins) == (12.0, 96, (0.0, 4.0, 8.0))
    assert list_names(morning) == ["shot 3.json", "shot 3.mp4", "shot 3.srt"]
    sidecar = read_sidecar(morning, "shot 3.json")
    assert sidecar["bytes"] == made.path.stat().st_size
    clips = [(clip["job_id"], clip["sha256"], clip["takes"], clip["begins_at"]) for clip in sidecar["clips"]]
    parts = [None, "last", "last"]
    assert clips == [(job.id, job.sha256, parts[n], 4.0 * n) for n, job in enumerate(jobs)]
    assert str(morning.folder) not in json.dumps(sidecar)
    assert (
        made.path.with_suffix(".srt")
        .read_text(encoding="utf-8")
        .startswith("1\n00:00:00,000 --> 00:00:04,000\nshot 1\n\n2\n")
    )


def test_nothing_is_joined_twice(morning: Morning, joined: list[list[str]]) -> None:
    """Unless a clip is another one, or the film is gone or cut."""
    jobs = make_chain(morning)
    first = make(morning)
    again = make(morning)
    assert [film.is_new for film in (*first, *again)] == [True, False]
    assert again[0].film == first[0].film
    make_chain(morning, 2, "other")
    assert [film.is_new for film in make(morning)] == [False, True]
    path = first[0].path
    path.write_bytes(path.read_bytes()[:-1])
    assert [film.is_new for film in make(morning)] == [True, False]
    path.unlink()
    assert [film.is_new for film in make(morning)] == [True, False]
    better = morning.make_again(jobs[2], "black_seconds < 1")
    morning.judge(better)
    morning.vote(VoteKind.PICK, better)
    assert [film.is_new for film in make(morning)] == [True, False]
    assert read_sidecar(morning, "shot 3.json")["clips"][2]["take"] == 2
    assert [each for each in joined if each[0] == "shot 1"] == [["shot 1", "shot 2", "shot 3"]] * 4


def test_a_film_that_grows_with_its_chain(morning: Morning, joined: list[list[str]]) -> None:
    jobs = make_chain(morning, 2)
    morning.link("shot 3", ("image_url", jobs[1], "last"), is_made=False)
    (plan,) = plan_films(morning)
    make(morning, [plan.cut_to_begun()])
    assert read_sidecar(morning, "shot 3.json")["complete"] is False
    assert joined == [["shot 1", "shot 2"]]
    assert list_names(morning) == ["shot 3.json", "shot 3.mp4", "shot 3.srt"]


@pytest.mark.parametrize("step", ["join_film", "check_mp4", "_write_text", "rename_file"])
def test_a_death_leaves_no_half_film(
    morning: Morning, joined: list[list[str]], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """At any step; the same call finishes the work."""
    make_chain(morning)

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(BaseException, match=r"^$|sub-exception"):  # noqa: PT012 - the patch
        patch.setattr(films, step, die)
        make(morning)
    assert not [name for name in list_names(morning) if name.endswith((".mp4", ".part"))]
    part = morning.folder / "films" / ".shot 3.mp4.part"
    part.write_bytes(b"half of it")  # as after a kill
    assert [film.is_new for film in make(morning)] == [True]
    assert not part.exists()
    assert [film.is_new for film in make(morning)] == [False]


def test_a_clip_that_is_not_as_recorded(morning: Morning, joined: list[list[str]]) -> None:
    """Its film is not made, the others are."""
    jobs = make_chain(morning)
    make_chain(morning, 2, "other")
    path = morning.videos / str(jobs[1].file)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"x")
    made = make(morning)
    assert [film.problem for film in made] == [f"{path} has changed since it was recorded", None]
    path.unlink()
    assert [film.problem for film in make(morning)] == [f"{path} is missing", None]
    path.write_bytes(content)
    assert [film.problem for film in make(morning)] == [None, None]
    assert joined == [["other 1", "other 2"], ["shot 1", "shot 2", "shot 3"]]


def test_a_clip_that_cannot_be_decoded(morning: Morning, monkeypatch: pytest.MonkeyPatch) -> None:
    """The problem names its job."""

    async def join(clips: list[FilmClip], target: Path, **_: object) -> Film:
        raise OSError(22, "it is damaged", str(clips[1].path))

    monkeypatch.setattr(films, "join_film", join)
    monkeypatch.setattr(films, "check_extra", lambda: None)
    make_chain(morning)
    assert [film.problem for film in make(morning)] == ["shot 2: it is damaged"]
    assert list_names(morning) == []


def test_a_disk_that_is_full(morning: Morning, monkeypatch: pytest.MonkeyPatch) -> None:
    async def join(clips: list[FilmClip], target: Path, **_: object) -> Film:
        target.write_bytes(b"half")
        raise OSError(28, "the film cannot be written: No space left on device", str(target))

    monkeypatch.setattr(films, "join_film", join)
    monkeypatch.setattr(films, "check_extra", lambda: None)
    make_chain(morning)
    with pytest.raises(
        DiskTrouble, match=r"films cannot be written to .*No space left .*run the same command to resume"
    ):
        make(morning)
    assert list_names(morning) == []


def test_files_of_somebody_else(morning: Morning, joined: list[list[str]]) -> None:
    """They are left alone, and so is a folder in which another command works."""
    make_chain(morning)
    folder = morning.folder / "films"
    folder.mkdir()
    (folder / "shot 3.mp4").write_bytes(b"holiday")
    (made,) = make(morning)
    assert made.problem == "a file of this name is there that is no film of batchveo"
    assert (folder / "shot 3.mp4").read_bytes() == b"holiday"
    with FileLock(folder / films.LOCK_FILE), pytest.raises(UsageError, match="another command makes films"):
        make(morning)
    (plan,) = plan_films(morning)
    (morning.folder / "elsewhere").mkdir()
    (folder / "a").symlink_to(morning.folder / "elsewhere")
    (made,) = make(morning, [replace(plan, stem="a/film")])
    assert made.problem is not None
    assert "a link or a file is in the place of a folder" in made.problem
    assert joined == []


def test_films_of_a_dataset(morning: Morning, joined: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the chains whose clips are all in it; again only what is new."""
    monkeypatch.setattr("batchveo.dataset.exporter.check_extra", lambda: None)
    jobs = make_chain(morning)
    make_chain(morning, 2, "other")
    morning.vote(VoteKind.REJECT, morning.job("other 1"))
    result = morning.export(films=True)
    assert (result.clips, result.films) == (4, 1)
    assert sorted(path.name for path in (morning.dataset / "films").glob("*.*")) == [
        ".batchveo-films.lock",
        "shot 3.json",
        "shot 3.mp4",
        "shot 3.srt",
    ]
    longer = morning.link("shot 4", ("image_url", jobs[2], "last"))
    assert morning.export(films=True).films == 1
    assert [len(titles) for titles in joined] == [3, 4]
    path = morning.videos / str(longer.file)
    (morning.dataset / "films" / "shot 4.mp4").unlink()
    path.write_bytes(path.read_bytes() + b"x")
    result = morning.export(films=True)
    assert result.troubles[-1].problem == f"{path} has changed since it was recorded"
    assert result.troubles[-1].path == morning.dataset / "films" / "shot 4.mp4"
    assert (result.films, morning.export().films) == (0, None)


def test_a_split_that_has_the_name_of_the_films(morning: Morning) -> None:
    morning.make("one", meta={"split": "films"})
    with pytest.raises(UsageError, match=r"meta.split of 'one' is films"):
        morning.export(films=True)


def test_subtitles_are_wrapped_and_never_break_the_file() -> None:
    prompts = ["A harbour at dawn, boats at anchor, slow push in", "one\n\ntwo --> three", " "]
    film = Film(seconds=3725.5, frames=1, begins=(0.0, 61.25, 3700.0), is_copied=True)
    assert make_subtitles(prompts, film) == (
        "1\n00:00:00,000 --> 00:01:01,250\nA harbour at dawn, boats at anchor, slow\npush in\n\n"
        "2\n00:01:01,250 --> 01:01:40,000\none  two → three\n"
    )
