"""The folder that all workers share: its marker, and what killed runs leave in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.errors import DiskTrouble
from batchveo.core.models import JobState
from batchveo.engine.cluster.shared_folder import check_marker, place_marker, remove_leftovers
from batchveo.engine.cluster.worker_pool import make_tag
from batchveo.storage.video_file import VideoFile, remove_parts
from tests.helpers.factories import make_job


def test_a_folder_that_is_not_the_same_is_told(tmp_path: Path) -> None:
    """Missing, or with the marker of another run; afterwards nothing is left."""
    with place_marker(tmp_path, "x") as marker:
        check_marker(marker)
        marker.file.write_text("another")
        with pytest.raises(DiskTrouble, match="share"):
            check_marker(marker)
        marker.file.unlink()
        with pytest.raises(DiskTrouble, match="share"):
            check_marker(marker)
    assert list(tmp_path.iterdir()) == []


def test_two_writers_share_no_part_and_what_the_dead_left_is_swept(tmp_path: Path) -> None:
    """One that was given up may still be writing; strangers' files stay."""
    job = make_job(JobState.DOWNLOADING, stem="x" * 231)
    tag = make_tag(tmp_path / "b.db")
    one, two = (VideoFile.choose(tmp_path, job, writer=f"{tag}-{n}") for n in "ab")
    assert one.path == two.path
    assert one.part != two.part
    for file in (one, two):
        with VideoFile.open_part(file.part) as out:
            out.write(b"video")
    one.publish_part(job, size=5, sha256="00")
    stranger = tmp_path / one.part.name.replace(tag, "00000000")
    stranger.touch()
    remove_parts(tmp_path, f"{tag}-")
    assert {path.suffix for path in tmp_path.iterdir()} == {".mp4", ".json", ".part"}
    assert [path for path in tmp_path.iterdir() if path.suffix == ".part"] == [stranger]
    remove_parts(tmp_path / "missing", tag)


def test_what_one_kind_of_run_left_goes_with_the_other(tmp_path: Path) -> None:
    """A part of a run of one process, where a worker finishes the video; those of workers, before the next run."""
    job, other = make_job(JobState.DOWNLOADING), make_job(JobState.DOWNLOADING, id="another", stem="another")
    tag = make_tag(tmp_path / "b.db")
    for left in (job, other):
        VideoFile.choose(tmp_path, left).part.touch()
    file = VideoFile.choose(tmp_path, job, writer=f"{tag}-a")
    file.part.write_bytes(b"video")
    file.publish_part(job, size=5, sha256="00")
    (kept,) = tmp_path.glob("*.part")
    assert kept == VideoFile.choose(tmp_path, other).part

    VideoFile.choose(tmp_path, other, writer=f"{tag}-a").part.touch()
    remove_leftovers(tmp_path, tag)
    assert len(list(tmp_path.glob("*.part"))) == 2
    with place_marker(tmp_path, tag) as marker:
        remove_leftovers(tmp_path, tag)
    assert not marker.file.exists()
    assert list(tmp_path.glob("*.part")) == [kept]
