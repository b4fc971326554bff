"""Finished videos that a database has lost, and takes in again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from batchveo.core.models import Job, JobState
from batchveo.core.state_machine import Move
from batchveo.store.connection import Connection, Part
from batchveo.store.transitions import Transitions

FILES = "SELECT file FROM jobs WHERE state = 'succeeded' AND folder = ?"
PENDING_REQUESTS = """SELECT seq, request, repeat_index FROM jobs WHERE state = 'pending' ORDER BY seq"""
PENDING_STEMS = "SELECT stem FROM jobs WHERE state = 'pending' ORDER BY seq LIMIT ?"
LATEST_FILES = """SELECT folder, file FROM jobs WHERE state = 'succeeded' ORDER BY finished_at DESC LIMIT :most"""
OLDEST_FILES = """SELECT folder, file FROM jobs WHERE state = 'succeeded' ORDER BY finished_at LIMIT :most"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedVideo:
    """A video that stands whole in ``folder``, with what its sidecar tells of how it was made.

    Times are seconds since the epoch, ``cost_usd`` is US dollars; ``None`` where the sidecar does not tell.
    """

    folder: str
    file: str
    bytes: int
    sha256: str
    generation_id: str
    client_request_id: str | None = None
    key: str | None = None
    cost_usd: float | None = None
    submitted_at: float | None = None
    completed_at: float | None = None


class Recovery(Part):
    """Finds what a lost database had, and records it."""

    def __init__(self, connection: Connection, transitions: Transitions) -> None:
        super().__init__(connection)
        self._transitions = transitions

    def list_files(self, folder: str) -> Iterator[str]:
        """The files of the succeeded jobs whose videos are in ``folder``."""
        for row in self._db.execute(FILES, (folder,)):
            yield row["file"]

    def list_pending_requests(self) -> Iterator[tuple[int, str, int]]:
        """Number, request (canonical JSON) and repeat index of every pending job."""
        for row in self._db.execute(PENDING_REQUESTS):
            yield row["seq"], row["request"], row["repeat_index"]

    def list_pending_stems(self, most: int) -> set[str]:
        """The names, without their endings, that the videos of the first pending jobs are to have."""
        return {row["stem"] for row in self._db.execute(PENDING_STEMS, (most,))}

    def list_finished_files(self, most: int) -> list[tuple[str, str]]:
        """Folder and file of the videos that were finished last, and first: at most ``most`` of each."""
        rows = [row for query in (LATEST_FILES, OLDEST_FILES) for row in self._db.execute(query, {"most": most})]
        return list(dict.fromkeys((row["folder"] or "", row["file"] or "") for row in rows))

    def record_video(self, job: Job, video: FinishedVideo, *, run: int, now: float) -> Job:
        """Let a pending job have succeeded with a video that was found: nothing is bought for it.

        What it cost counts against the budget, as it did in the database that is lost. Raises ``MoveLost``, or
        ``GenerationTaken`` where another job has that generation.
        """
        done = {
            "generation_id": video.generation_id,
            "cost_usd": video.cost_usd,
            "folder": video.folder,
            "file": video.file,
            "bytes": video.bytes,
            "sha256": video.sha256,
            "submitted_at": video.submitted_at,
            "completed_at": video.completed_at,
            "finished_at": now if video.completed_at is None else video.completed_at,
            "troubles": 0,
            "error": None,
        }
        detail = f"taken in: {video.file} was found with its sidecar"
        move = Move(to=JobState.SUCCEEDED, detail=detail, set=done)
        with self._transaction():
            known = self._transitions.set_key_label(job, video.key)
            adopting = self._transitions.adopt_attempt(known, video.client_request_id, run=run, now=now)
            return self._transitions.apply_move(adopting, move, run=run, now=now)
