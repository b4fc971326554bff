"""The finished videos one by one, and where each is when it moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from batchveo.core.models import Job, JobState
from batchveo.store.mapping import job_of
from batchveo.store.sql import COLUMNS
from batchveo.store.transitions import MoveLost, Moving

PAGE = 200
"""Jobs that are read at once."""

# by their number, which is the order: the index of the states would have to be sorted for every page
SUCCEEDED_AFTER = f"""SELECT {COLUMNS} FROM jobs WHERE seq > :after AND +state = 'succeeded'
    ORDER BY seq LIMIT :most"""
# succeeded -> succeeded: the same bytes at another place
PLACE = """UPDATE jobs SET folder = :folder, file = :file
    WHERE seq = :seq AND state = 'succeeded' AND sha256 = :sha256
    AND folder IS :old_folder AND file IS :old_file"""


class Placing(Moving):
    """Verbs of those that take videos elsewhere."""

    def succeeded(self) -> Iterator[Job]:
        """The jobs that succeeded, in manifest order.

        Read page by page: whoever takes hours over them keeps no read open, which would let a run's log grow.
        """
        after: int | None = 0
        while after is not None:
            page = {"after": after, "most": PAGE}
            jobs = [job_of(row) for row in self._db.execute(SUCCEEDED_AFTER, page).fetchall()]
            yield from jobs
            after = jobs[-1].seq if jobs else None

    def place(self, job: Job, path: Path, *, now: float) -> Job:
        """Record that the video of a succeeded job is at ``path`` now; on disk for good when this returns.

        Raises ``MoveLost`` where the job is no longer what ``job`` says.
        """
        placed = replace(job, folder=str(path.parent), file=path.name)
        columns = {"seq": job.seq, "sha256": job.sha256, "folder": placed.folder, "file": placed.file}
        with self._transaction():
            old = {"old_folder": job.folder, "old_file": job.file}
            if self._db.execute(PLACE, {**columns, **old}).rowcount != 1:
                raise MoveLost(f"the video of job {job.id} is no longer where it was")
            done = JobState.SUCCEEDED
            self._event(placed, done, done, f"its video was moved to {path}", None, now)
        return placed
