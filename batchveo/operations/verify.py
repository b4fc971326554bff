"""The videos in their places, held against what the state recorded of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from batchveo.core.destination import Destination
from batchveo.core.models import Job, JobState
from batchveo.core.state_machine import Move
from batchveo.storage.stored_video import StoredVideo, find_flaw, video_at
from batchveo.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One video looked at; ``problem`` is ``None`` where it is as recorded."""

    job: Job
    path: StoredVideo
    problem: str | None = None


def verify(store: Store, *, folder: Destination | None = None) -> Iterator[Verdict]:
    """Look at every succeeded video: there, of its recorded size and hash, a whole MP4.

    ``folder`` says where the videos are now, if they were moved.
    """
    for job in store.jobs(JobState.SUCCEEDED):
        video = video_at(job, folder)
        yield Verdict(job=job, path=video, problem=find_flaw(video, job.bytes, job.sha256))


def refetch(store: Store, job: Job, *, now: float) -> Job:
    """Let the next run fetch the video of a succeeded job again; the generation is paid for already."""
    move = Move(
        to=JobState.GENERATING,
        detail="to be fetched again",
        set={"not_before": now, "troubles": 0, "file": None, "folder": None, "sha256": None, "bytes": None},
    )
    return store.transitions.apply_move(job, move, run=None, now=now)
