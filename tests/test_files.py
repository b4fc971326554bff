"""The files of a video."""

from __future__ import annotations

import hashlib
from pathlib import Path

from batchveo.files import VideoFile, is_ours, measure, sidecar_path
from batchveo.models import JobState
from tests.factories import make_job


def finished(folder: Path, content: bytes = b"video", **changes: object) -> VideoFile:
    job = make_job(JobState.DOWNLOADING, **changes)
    file = VideoFile.plan(folder, job)
    with VideoFile.open_part(file.part) as out:
        out.write(content)
    file.finish(job, size=len(content), sha256=hashlib.sha256(content).hexdigest())
    return file


def test_own_files_are_known_by_their_sidecar(tmp_path: Path) -> None:
    """Generation and hash must both fit."""
    job = make_job(JobState.DOWNLOADING)
    file = finished(tmp_path)
    assert is_ours(file.path, job) == (5, hashlib.sha256(b"video").hexdigest())
    assert is_ours(file.path, make_job(JobState.DOWNLOADING, generation_id="g-2")) is None
    file.path.write_bytes(b"vide0")
    assert is_ours(file.path, job) is None
    file.path.unlink()
    assert is_ours(file.path, job) is None


def test_an_unreadable_sidecar_is_a_strangers(tmp_path: Path) -> None:
    """The safe side: its file is left alone."""
    file = finished(tmp_path)
    sidecar_path(file.path).write_text("[]")
    assert VideoFile.plan(tmp_path, make_job(JobState.DOWNLOADING)).path != file.path


def test_parts_of_two_jobs_never_meet(tmp_path: Path) -> None:
    """Two states may share a folder and a name."""
    one = VideoFile.plan(tmp_path, make_job(id="a" * 20))
    two = VideoFile.plan(tmp_path, make_job(id="b" * 20))
    assert one.path == two.path
    assert one.part != two.part


def test_measure(tmp_path: Path) -> None:
    """Size and hash in one read."""
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert measure(path) == (3, hashlib.sha256(b"abc").hexdigest())
