"""Where the video of a finished job is, when it moves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from batchveo.models import Job, JobState
from batchveo.store.moving import MoveLost, Moving

# succeeded -> succeeded: the same bytes at another place
PLACE = """UPDATE jobs SET folder = :folder, file = :file
    WHERE seq = :seq AND state = 'succeeded' AND sha256 = :sha256
    AND folder IS :old_folder AND file IS :old_file"""


class Placing(Moving):
    """The verb of those that move videos."""

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
