"""The files of a video."""

from __future__ import annotations

import hashlib
import os
from io import FileIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import pytest

from batchveo.core.filenames import safe_stem
from batchveo.core.models import JobState
from batchveo.storage.sidecar import sidecar_path
from batchveo.storage.video_file import VideoFile, _token_of, find_own_video, write_whole
from tests.helpers.factories import make_job

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def finished(folder: Path, content: bytes = b"video", **changes: object) -> VideoFile:
    job = make_job(JobState.DOWNLOADING, **changes)
    file = VideoFile.choose(folder, job)
    with VideoFile.open_part(file.part) as out:
        out.write(content)
    file.publish_part(job, size=len(content), sha256=hashlib.sha256(content).hexdigest())
    return file


def test_own_files_are_known_by_their_sidecar(tmp_path: Path) -> None:
    """Generation and hash must both fit."""
    job = make_job(JobState.DOWNLOADING)
    file = finished(tmp_path)
    assert find_own_video(file, job) == (5, hashlib.sha256(b"video").hexdigest())
    assert find_own_video(file, make_job(JobState.DOWNLOADING, generation_id="g-2")) is None
    file.path.write_bytes(b"vide0")
    assert find_own_video(file, job) is None
    file.path.unlink()
    assert find_own_video(file, job) is None


def test_a_write_of_which_the_system_takes_a_part_is_continued() -> None:
    """As it does just before the disk is full, or at a limit."""

    class Slow(FileIO):
        def write(self, content: ReadableBuffer, /) -> int:
            return super().write(bytes(content)[:2])

    with TemporaryFile() as file:
        with Slow(os.dup(file.fileno()), "wb") as out:
            write_whole(out, b"video")
        file.seek(0)
        assert file.read() == b"video"


def test_what_a_death_left_in_place_of_a_part_is_replaced(tmp_path: Path) -> None:
    """The part and that of the sidecar, which may be the sidecar itself under its second name."""
    job = make_job(JobState.DOWNLOADING)
    file = VideoFile.choose(tmp_path, job)
    file.part.write_bytes(b"a longer rest of a try")
    left = tmp_path / f".{_token_of(job)}.json.part"
    left.write_text("{}")
    os.link(left, tmp_path / "another.json")
    assert finished(tmp_path).path.read_bytes() == b"video"
    assert (tmp_path / "another.json").read_text() == "{}"
    assert not left.exists()


def test_an_unreadable_sidecar_is_a_strangers(tmp_path: Path) -> None:
    """The safe side: its file is left alone."""
    file = finished(tmp_path)
    sidecar_path(file.path).write_text("[]")
    assert VideoFile.choose(tmp_path, make_job(JobState.DOWNLOADING)).path != file.path


def test_the_same_job_of_another_state_is_a_stranger(tmp_path: Path) -> None:
    """Two state files, one folder, one manifest: both videos were paid for, both stay."""
    first = finished(tmp_path, b"first")
    second = finished(tmp_path, b"second", generation_id="g-2")
    third = finished(tmp_path, b"third", generation_id="g-3")
    assert [f.path.read_bytes() for f in (first, second, third)] == [b"first", b"second", b"third"]


def test_when_every_name_is_taken_nothing_is_overwritten(tmp_path: Path) -> None:
    """An error, not a loss."""
    for generation in ("g-1", "g-2", "g-3"):
        finished(tmp_path, generation_id=generation)
    job = make_job(JobState.DOWNLOADING, generation_id="g-4")
    for _ in range(2):
        VideoFile.choose(tmp_path, job).path.write_text("precious")
    with pytest.raises(FileExistsError):
        VideoFile.choose(tmp_path, job)


def test_a_sidecar_that_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    """A FIFO would hold the run for ever."""
    os.mkfifo(tmp_path / "a cat.json")
    assert VideoFile.choose(tmp_path, make_job(JobState.DOWNLOADING)).path.name != "a cat.mp4"


def test_the_longest_stem_leaves_room_for_every_suffix(tmp_path: Path) -> None:
    """Also where the name is taken and a token is added."""
    stem = safe_stem("x" * 300)
    (tmp_path / f"{stem}.mp4").write_text("a stranger's")
    assert finished(tmp_path, stem=stem).path.exists()


def test_parts_of_two_jobs_never_meet(tmp_path: Path) -> None:
    """Two states may share a folder and a name."""
    one = VideoFile.choose(tmp_path, make_job(id="a" * 20))
    two = VideoFile.choose(tmp_path, make_job(id="b" * 20))
    assert one.path == two.path
    assert one.part != two.part
