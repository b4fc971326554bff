"""When finished videos count as a folder that is not there, and when as files that somebody deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.models import JobState
from batchveo.core.state_machine import Move
from batchveo.operations.verify import LOOKED_AT, MissingVideos, find_missing_videos
from batchveo.store import FinishedVideo, Store
from tests.helpers.virtual_run import specs

pytestmark = pytest.mark.anyio
NOW = 1_800_000_000.0


def finished(folder: Path, jobs: int, *, where: str = "videos") -> Store:
    """A database with so many finished videos, of which no file exists."""
    store = Store(folder / "b.db")
    store.runs.begin_run(command="run", service="x", now=NOW)
    store.imports.add_jobs(specs(jobs), run=1, now=NOW)
    with store.connection.sharing():
        for job in list(store.jobs(JobState.PENDING)):
            video = FinishedVideo(
                folder=str(folder / where),
                file=f"{job.name}.mp4",
                bytes=1,
                sha256="0",
                generation_id=f"g{job.seq}",
            )
            store.manual.adopt_video(job, video, run=1, now=NOW + job.seq)
    return store


@pytest.mark.parametrize(
    ("gone", "looked_for", "is_empty", "absent"),
    [
        (0, 0, False, False),
        (0, 3, False, False),
        (1, 1, False, False),  # its sidecar is still there
        (1, 1, True, True),
        (1, 40, False, False),
        (2, 2, False, True),
        (2, 3, False, False),
        (4, 5, False, False),
        (5, 6, False, True),
        (7, 10, False, False),
        (180, 200, False, True),
    ],
)
async def test_what_counts_as_an_absence(gone: int, looked_for: int, is_empty: bool, absent: bool) -> None:
    """All of them, or nearly all of many; never one file among others."""
    found = MissingVideos(output=Path("v"), looked_for=looked_for, files=["x.mp4"] * gone, is_empty=is_empty)
    assert found.is_absence is absent


async def test_the_newest_and_the_oldest_are_looked_for(tmp_path: Path) -> None:
    """Not all of a large database: and an empty mount point that was written to meanwhile has the newest only."""
    with finished(tmp_path, 2 * LOOKED_AT + 50) as store:
        (tmp_path / "videos").mkdir()
        for number in range(2 * LOOKED_AT + 50 - 20, 2 * LOOKED_AT + 50):
            (tmp_path / "videos" / f"job {number}.mp4").touch()
        found = await find_missing_videos(store, tmp_path / "videos")
        assert (found.looked_for, len(found.files), found.is_empty) == (2 * LOOKED_AT, 2 * LOOKED_AT - 20, False)
        assert found.is_absence


async def test_what_is_elsewhere_is_none_of_this_folders(tmp_path: Path) -> None:
    """It was exported, or an earlier run put it into another folder."""
    with finished(tmp_path, 3, where="elsewhere") as store:
        assert not (await find_missing_videos(store, tmp_path / "videos")).is_absence


async def test_a_file_in_the_folders_place(tmp_path: Path) -> None:
    """Its videos are not there either; the run says what is wrong with it."""
    (tmp_path / "videos").touch()
    with finished(tmp_path, 3) as store:
        assert (await find_missing_videos(store, tmp_path / "videos")).is_absence


async def test_what_waits_to_be_fetched_again_is_not_looked_for(tmp_path: Path) -> None:
    """``verify --refetch`` has been asked for it."""
    with finished(tmp_path, 3) as store:
        for job in list(store.jobs(JobState.SUCCEEDED)):
            again = {"file": None, "folder": None, "sha256": None, "bytes": None}
            store.transitions.apply_move(job, Move(to=JobState.GENERATING, set=again), run=None, now=NOW)
        assert (await find_missing_videos(store, tmp_path / "videos")).looked_for == 0


@pytest.mark.parametrize(("stored", "given"), [("videos", "sub/../videos"), ("sub/../videos", "videos")])
async def test_a_folder_is_the_same_however_it_is_spelled(tmp_path: Path, stored: str, given: str) -> None:
    """``--output ../videos`` from a folder beside it means the videos that went to ``videos``."""
    (tmp_path / "sub").mkdir()
    with finished(tmp_path, 3, where=stored) as store:
        found = await find_missing_videos(store, tmp_path / given)
    assert len(found.files) == 3
    assert found.is_absence


async def test_a_link_on_the_way_makes_another_folder(tmp_path: Path) -> None:
    """The ``..`` of a linked folder is not the one that it stands in."""
    (tmp_path / "far" / "sub").mkdir(parents=True)
    (tmp_path / "sub").symlink_to(tmp_path / "far" / "sub")
    with finished(tmp_path, 3) as store:
        found = await find_missing_videos(store, tmp_path / "sub" / ".." / "videos")
    assert not found.looked_for
