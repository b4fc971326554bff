"""Pending jobs that a run skips, because the service refuses them for now."""

from __future__ import annotations

import json
from collections.abc import Sequence

from batchveo.core.models import Job
from batchveo.store.connection import Connection, Part
from batchveo.store.queries import Queries
from batchveo.store.sql import ACCEPTED, TAKES_FROM

# pending -> pending: what the service refuses for now is left alone, by this run or until it is tried again
PUT_JOB_ASIDE = "UPDATE jobs SET aside = :run, error = :words WHERE seq = :seq AND state = 'pending'"
PUT_MODEL_ASIDE = f"""UPDATE jobs SET aside = :run, error = :words WHERE state = 'pending' AND aside = 0
    AND model = :model AND run BETWEEN {TAKES_FROM} AND :run"""
TAKE_ONE_BACK = """UPDATE jobs SET aside = 0 WHERE seq = (SELECT seq FROM jobs
    WHERE aside = :run AND model = :model AND state = 'pending'
    ORDER BY attempts, seq * 2654435761 % 4294967296 LIMIT 1)"""  # from all over the manifest
TAKE_MODEL_BACK = """UPDATE jobs SET aside = 0, error = NULL
    WHERE aside = :run AND model = :model AND state = 'pending'
    AND seq NOT IN (SELECT value FROM json_each(:but))"""
# what waits for another run or a person, by its words
PUT_ASIDE = f"""SELECT error, count(*) AS jobs FROM (
        SELECT error FROM jobs WHERE aside != 0 AND state = 'pending'
        UNION ALL SELECT error FROM jobs WHERE state IN ({ACCEPTED}) AND error IS NOT NULL)
    GROUP BY error ORDER BY jobs DESC, error LIMIT :most"""


class SkippedJobs(Part):
    """Skips pending jobs for the rest of a run, and releases them again; the next run releases all."""

    def __init__(self, connection: Connection, queries: Queries) -> None:
        super().__init__(connection)
        self._queries = queries

    def skip_job(self, job: Job, words: str, *, run: int) -> Job:
        """Leave a pending job alone for now, ``words`` saying why; returns it as it is then."""
        with self._transaction():
            self._db.execute(PUT_JOB_ASIDE, {"seq": job.seq, "run": run, "words": words})
        return self._queries.read_job(job.seq)

    def skip_model(self, model: str, words: str, *, run: int) -> int:
        """Leave all pending jobs of ``model`` that ``run`` may submit alone; returns how many."""
        with self._transaction():
            columns = {"model": model, "run": run, "words": words}
            return self._db.execute(PUT_MODEL_ASIDE, columns).rowcount

    def release_one(self, model: str, *, run: int) -> None:
        """Let ``run`` submit one job of ``model`` that it put aside again, one that was never tried before all."""
        with self._transaction():
            self._db.execute(TAKE_ONE_BACK, {"model": model, "run": run})

    def release_model(self, model: str, *, run: int, but: Sequence[int] = ()) -> None:
        """Let ``run`` submit what it put aside of ``model`` again, ``but`` the jobs of these numbers."""
        with self._transaction():
            self._db.execute(TAKE_MODEL_BACK, {"model": model, "run": run, "but": json.dumps(but)})

    def count_by_reason(self, *, most: int = 20) -> dict[str, int]:
        """How many unfinished jobs wait for another run or a person, by what their ``error`` says."""
        rows = self._db.execute(PUT_ASIDE, {"most": most})
        return {row["error"]: row["jobs"] for row in rows}
