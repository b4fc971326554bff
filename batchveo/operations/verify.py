"""Compares the finished videos with the database: all of them for ``verify``, some before a run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

from batchveo.core.destination import BucketUrl, Destination
from batchveo.core.models import Job, JobState
from batchveo.core.state_machine import Move
from batchveo.operations.saved_settings import absolute_text
from batchveo.storage.stored_video import StoredVideo, find_flaw, locate_video, size_of, video_at
from batchveo.store import Store

LOOKED_AT, LOOKED_AT_IN_A_BUCKET = 100, 10
"""Videos finished last, and as many of those finished first, that are looked for."""
LEAST, SHARE = 5, 0.8
"""If so many are missing, and such a share of those looked for, nobody has just deleted a few."""

MISSING_ADVICE = (
    "mount it and run again; name another folder with --output DIR; or continue without them: --missing-videos-ok"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One checked video; ``problem`` is ``None`` if it is as recorded."""

    job: Job
    path: StoredVideo
    problem: str | None = None


def verify(store: Store, *, folder: Destination | None = None) -> Iterator[Verdict]:
    """Check every succeeded video: it exists, has its recorded size and hash, and is a whole MP4.

    ``folder`` is where the videos are now, if they were moved.
    """
    for job in store.jobs(JobState.SUCCEEDED):
        video = video_at(job, folder)
        yield Verdict(job=job, path=video, problem=find_flaw(video, job.bytes, job.sha256))


def refetch_video(store: Store, job: Job, *, now: float) -> Job:
    """Let the next run download the video of a succeeded job again; its generation is paid for already."""
    move = Move(
        to=JobState.GENERATING,
        detail="to be fetched again",
        set={"not_before": now, "troubles": 0, "file": None, "folder": None, "sha256": None, "bytes": None},
    )
    return store.transitions.apply_move(job, move, run=None, now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingVideos:
    """``files`` of ``looked_for`` finished videos are not in ``output``; ``is_empty``: nothing at all is there."""

    output: Destination
    looked_for: int
    files: Sequence[str]
    is_empty: bool

    @property
    def is_absence(self) -> bool:
        """Whether the whole folder seems to be missing; a deleted file or two are for ``verify``."""
        gone = len(self.files)
        if not gone:
            return False
        # one missing video of one may be a deleted one; with an empty folder it is not
        if gone == self.looked_for and (gone > 1 or self.is_empty):
            return True
        return gone >= LEAST and gone >= SHARE * self.looked_for

    @property
    def finding(self) -> str:
        """The sentence for a person."""
        empty = ", which is empty" if self.is_empty else ""
        return (
            f"{len(self.files):,} of {self.looked_for:,} finished videos that were looked for (such as {self.files[0]})"
            f" are missing from {absolute_text(self.output)}{empty}: is the drive connected?"
        )


async def find_missing_videos(store: Store, output: Destination) -> MissingVideos:
    """Look for some of the finished videos that were written to ``output``, the newest and the oldest.

    What cannot be read counts as present: the check before the first write reports that.
    """
    finished = store.queries.list_finished_files(LOOKED_AT_IN_A_BUCKET if isinstance(output, BucketUrl) else LOOKED_AT)
    # videos of earlier runs that went elsewhere say nothing about this folder
    files = [file for folder, file in finished if file and _is_same(folder, output)]
    return await anyio.to_thread.run_sync(_look_for, output, files)


def _is_same(folder: str, output: Destination) -> bool:
    """Whether ``folder``, as a database has it, is ``output``, however each is spelled."""
    return (absolute_text(Path(folder)) if isinstance(output, Path) else folder) == absolute_text(output)


def _look_for(output: Destination, files: Sequence[str]) -> MissingVideos:
    place = output if isinstance(output, BucketUrl) else output.absolute()
    gone = [file for file in files if _is_gone(place, file)]
    is_empty = bool(gone) and isinstance(place, Path) and _is_empty(place)
    return MissingVideos(output=output, looked_for=len(files), files=gone, is_empty=is_empty)


def _is_gone(place: Destination, file: str) -> bool:
    try:
        size_of(locate_video(place, file))
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _is_empty(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return all(entry.name.startswith(".") for entry in entries)
    except OSError:
        return True
