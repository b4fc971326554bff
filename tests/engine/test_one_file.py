"""Whole runs on disks that refuse one file, or know less than others."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

import pytest

from batchveo.core.destination import NONE
from batchveo.core.events import Message
from batchveo.core.models import JobState
from batchveo.sandbox import Settings
from batchveo.storage.video_file import VideoFile
from tests.helpers.factories import make_spec
from tests.helpers.virtual_run import Night, specs

pytestmark = pytest.mark.anyio
S = JobState


async def test_one_file_that_is_refused_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is put aside, its words are kept, and the next run has it if the file system relents."""
    open_part = VideoFile.open_part

    def picky(part: Path, *, keep: int) -> BinaryIO:
        if part.name.startswith("job 1."):
            raise OSError(errno.EPERM, "Operation not permitted", str(part))
        return open_part(part, keep=keep)

    night = Night(tmp_path, Settings(generation_median=1.0))
    with monkeypatch.context() as patch:
        patch.setattr(VideoFile, "open_part", staticmethod(picky))
        result = await night.run(specs(5))
    assert result.exit_status == 3
    assert result.stopped is None
    assert len(night.jobs(S.SUCCEEDED)) == 4
    (job,) = night.jobs(S.DOWNLOADING, S.GENERATING)
    assert job.name == "job 1"
    assert "Operation not permitted" in (job.error or "")
    assert (await night.run(None)).exit_status == 0
    assert len(night.service.generations) == 5


async def test_a_folder_that_cannot_be_synced_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many videos come into it."""
    fsync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    night = Night(tmp_path, Settings(generation_median=1.0))
    assert (await night.run(specs(6))).exit_status == 0
    said = [event for event in night.events if isinstance(event, Message) and "cannot be synced" in event.text]
    assert len(said) == 1


async def test_names_that_differ_in_case_are_both_had(tmp_path: Path) -> None:
    """As a benchmark's list has them; in a folder that holds nothing but videos."""
    names = ("A fantasy landscape", "a fantasy landscape")
    jobs = [make_spec(name, model="veo2", request={"model": "veo2", "prompt": name}) for name in names]
    night = Night(tmp_path, Settings(generation_median=1.0))
    assert (await night.run(jobs, sidecars=NONE)).exit_status == 0
    assert {path.name for path in (tmp_path / "videos").iterdir()} == {f"{name}.mp4" for name in names}


async def test_a_death_between_rename_and_record_without_sidecars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The video is known by its bytes: there is one file, and nothing is bought again."""
    night = Night(tmp_path, Settings(generation_median=1.0))
    finish = VideoFile.publish_part

    class Death(BaseException):
        pass

    def dying(self: VideoFile, *args: object, **options: object) -> tuple[str, ...]:
        finish(self, *args, **options)  # type: ignore[arg-type]
        raise Death

    with monkeypatch.context() as patch:
        patch.setattr(VideoFile, "publish_part", dying)
        with pytest.raises(BaseException) as died:
            await night.run(specs(1), sidecars=NONE)
    assert isinstance(died.value, Death) or died.group_contains(Death)
    assert (await night.run(None, sidecars=NONE)).exit_status == 0
    assert [path.name for path in (tmp_path / "videos").iterdir()] == ["job 0.mp4"]
    assert len(night.service.generations) == 1
