"""A clip is judged only if it is the one that was downloaded."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from batchveo.core.measures import CheckLevel, Measures
from batchveo.core.models import Job, JobState
from batchveo.engine.stages import clip_inspector
from batchveo.engine.stages.clip_inspector import StoredClips
from tests.helpers.factories import make_job

VIDEO = b"the video"


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    async def measure_video(path: Path, level: CheckLevel, **_: Any) -> Measures:
        return Measures(level=level, problems=() if path.read_bytes() == VIDEO else ("no frames",))

    monkeypatch.setattr(clip_inspector, "measure_video", measure_video)
    (tmp_path / "x.mp4").write_bytes(VIDEO)
    digest = hashlib.sha256(VIDEO).hexdigest()
    return make_job(JobState.SUCCEEDED, folder=str(tmp_path), bytes=len(VIDEO), sha256=digest)


@pytest.mark.anyio
async def test_a_clip_that_is_as_it_was_downloaded_has_measures(job: Job) -> None:
    measures = await StoredClips(at_once=1).measure_clip(job, CheckLevel.BASIC)
    assert measures == Measures(level=CheckLevel.BASIC)


@pytest.mark.parametrize("content", [VIDEO[:4], b"", b"the other"])
@pytest.mark.anyio
async def test_a_file_that_changed_since_is_no_reason_to_buy_it_again(job: Job, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.mp4").write_bytes(content)
    with pytest.raises(OSError, match="its content has changed since it was downloaded"):
        await StoredClips(at_once=1).measure_clip(job, CheckLevel.BASIC)


@pytest.mark.anyio
async def test_a_file_that_is_gone_has_no_measures(job: Job, tmp_path: Path) -> None:
    (tmp_path / "x.mp4").unlink()
    with pytest.raises(FileNotFoundError):
        await StoredClips(at_once=1).measure_clip(job, CheckLevel.BASIC)


@pytest.mark.anyio
async def test_only_the_clip_that_was_downloaded_is_sent_on(job: Job, tmp_path: Path) -> None:
    """As the input of another job."""
    assert await StoredClips().read_clip(job) == VIDEO
    (tmp_path / "x.mp4").write_bytes(b"the other")
    with pytest.raises(OSError, match="its content has changed since it was downloaded"):
        await StoredClips().read_clip(job)
