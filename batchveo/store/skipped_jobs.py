"""Pending jobs that a run skips, because the service refuses them for now."""

from __future__ import annotations

import json
from collections.abc import Sequence

from batchveo.core.models import Job
from batchveo.store.database import Connection, Part
from batchveo.store.mapping import ACCEPTED, TAKES_FROM
from batchveo.store.queries import Queries

# pending -> pending: the run skips what the service refuses for now
SKIP_JOB = "UPDATE jobs SET aside = :run, error = :words WHERE seq = :seq AND state = 'pending'"
# pending -> pending: the same for all jobs of a model
SKIP = "aside = :run, error = :words"
OF_MODEL = f"state = 'pending' AND aside = 0 AND model = :model AND run BETWEEN {TAKES_FROM} AND :run"
# pending -> pending: the run may submit one of them again
RELEASE_ONE = """UPDATE jobs SET aside = 0 WHERE seq = (SELECT seq FROM jobs
    WHERE aside = :run AND model = :model AND state = 'pending' AND waits = 0
    ORDER BY attempts, seq * 2654435761 % 4294967296 LIMIT 1)"""  # from all over the manifest
# pending -> pending: the run may submit all of them again
RELEASE = "aside = 0, error = NULL"
SKIPPED_OF_MODEL = """aside = :run AND model = :model AND state = 'pending'
    AND seq NOT IN (SELECT value FROM json_each(:but)) AND (:words IS NULL OR error = :words)"""
# jobs that wait for another run or a person
COUNT_BY_REASON = f"""SELECT error, count(*) AS jobs FROM (
        SELECT error FROM jobs WHERE aside != 0 AND state = 'pending'
        UNION ALL SELECT error FROM jobs WHERE state IN ({ACCEPTED}) AND error IS NOT NULL)
    GROUP BY error ORDER BY jobs DESC, error LIMIT :most"""


class SkippedJobs(Part):
    """Skips pending jobs for the rest of a run, and releases them again; the next run releases all."""

    def __init__(self, connection: Connection, queries: Queries) -> None:
        super().__init__(connection)
        self._queries = queries

    def skip_job(self, job: Job, words: str, *, run: int) -> Job:
        """Skip a pending job for the reason ``words``; returns the job after that."""
        with self._transaction():
            self._db.execute(SKIP_JOB, {"seq": job.seq, "run": run, "words": words})
        return self._queries.read_job(job.seq)

    def skip_model(self, model: str, words: str, *, run: int) -> int:
        """Skip all pending jobs of ``model`` that ``run`` may submit; returns how many."""
        return self._update_jobs(SKIP, OF_MODEL, {"model": model, "run": run, "words": words})

    def release_one(self, model: str, *, run: int) -> None:
        """Release one skipped job of ``model`` that waits for no video, first one that has no attempt."""
        with self._transaction():
            self._db.execute(RELEASE_ONE, {"model": model, "run": run})

    def release_model(self, model: str, *, run: int, but: Sequence[int] = (), words: str | None = None) -> None:
        """Release the jobs of ``model`` that ``run`` skipped, ``but`` those with these numbers.

        ``words``: only those that were skipped for this reason.
        """
        columns = {"model": model, "run": run, "but": json.dumps(but), "words": words}
        self._update_jobs(RELEASE, SKIPPED_OF_MODEL, columns)

    def count_by_reason(self, *, most: int = 20) -> dict[str, int]:
        """How many unfinished jobs wait for another run or a person, by their ``error``."""
        rows = self._db.execute(COUNT_BY_REASON, {"most": most})
        return {row["error"]: row["jobs"] for row in rows}
