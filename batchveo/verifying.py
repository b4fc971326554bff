"""The videos on disk, held against what the state recorded of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batchveo.container import NotAnMp4, check_mp4
from batchveo.files import measure
from batchveo.models import Job, JobState
from batchveo.states import Move
from batchveo.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One video looked at; ``problem`` is ``None`` where it is as recorded."""

    job: Job
    path: Path
    problem: str | None = None


def verify(store: Store, *, folder: Path | None = None) -> Iterator[Verdict]:
    """Look at every succeeded video: there, of its recorded size and hash, a whole MP4.

    ``folder`` says where the videos are now, if they were moved.
    """
    for job in store.jobs(JobState.SUCCEEDED):
        path = video_path(job, folder)
        yield Verdict(job=job, path=path, problem=_problem(job, path))


def refetch(store: Store, job: Job, *, now: float) -> Job:
    """Let the next run fetch the video of a succeeded job again; the generation is paid for already."""
    move = Move(
        to=JobState.GENERATING,
        detail="to be fetched again",
        set={"not_before": now, "troubles": 0, "file": None, "folder": None, "sha256": None, "bytes": None},
    )
    return store.apply(job, move, run=None, now=now)


def video_path(job: Job, folder: Path | None = None) -> Path:
    """Where the video of a succeeded job is."""
    return (folder or Path(job.folder or "")) / (job.file or "")


def _problem(job: Job, path: Path) -> str | None:
    try:
        size, digest = measure(path)
        if size != job.bytes:
            return f"{size} bytes, recorded were {job.bytes}"
        if digest != job.sha256:
            return "its content has changed since it was recorded"
        check_mp4(path)
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except NotAnMp4 as error:
        return str(error)
    return None
