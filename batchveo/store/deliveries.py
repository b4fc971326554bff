"""Finished videos of which a hook has not been told yet: each is noted in the transaction in which it succeeds.

A trigger adds the rows, for the kinds of hooks that the latest run asked for; a row goes once its hook has succeeded.
So a hook is called at least once for each video, whatever dies in between, if a later run asks for it again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import NamedTuple

from batchveo.core.models import Job
from batchveo.store.database import Part

FORGET_HOOKS = "DELETE FROM hooks"
ADD_HOOK = "INSERT INTO hooks (kind) VALUES (?)"
# a clip that is still to be judged comes after its verdict, if one is awaited
DUE = """SELECT job FROM deliveries JOIN jobs ON jobs.seq = deliveries.job
    WHERE kind = :kind AND failed_run IS NOT :run AND state = 'succeeded'
        AND (NOT :judged OR policy IS NULL OR verdict IS NOT NULL)
    ORDER BY job LIMIT :most"""
REMOVE = "DELETE FROM deliveries WHERE job = :job AND kind = :kind"
SET_FAILED = "UPDATE deliveries SET failed_run = :run WHERE job = :job AND kind = :kind"
COUNT = """SELECT kind, count(*) AS due, sum(failed_run IS :run) AS failed FROM deliveries
    JOIN jobs ON jobs.seq = deliveries.job WHERE state = 'succeeded' GROUP BY kind ORDER BY kind"""


class DueCount(NamedTuple):
    """The videos of which the hook of ``kind`` has not been told yet; for ``failed`` of them it failed in this run."""

    kind: str
    due: int
    failed: int


class Deliveries(Part):
    """The hooks that are wanted, and the videos that are due."""

    def set_hooks(self, kinds: Collection[str]) -> None:
        """Note from now on each video that succeeds for these kinds of hooks, and for no others."""
        with self._transaction():
            self._db.execute(FORGET_HOOKS)
            for kind in kinds:
                self._db.execute(ADD_HOOK, (kind,))

    def list_due(self, kind: str, *, run: int, judged: bool, most: int) -> list[int]:
        """The numbers of the jobs whose hook is due and has not failed in ``run``.

        ``judged``: without those whose clips have no verdict yet.
        """
        columns = {"kind": kind, "run": run, "judged": judged, "most": most}
        return [row["job"] for row in self._db.execute(DUE, columns)]

    def record_success(self, job: Job, kind: str) -> None:
        """The hook has been told of this video."""
        with self._transaction():
            self._db.execute(REMOVE, {"job": job.seq, "kind": kind})

    def record_failure(self, job: Job, kind: str, *, run: int) -> None:
        """The hook failed for this video: another run tries again."""
        with self._transaction():
            self._db.execute(SET_FAILED, {"job": job.seq, "kind": kind, "run": run})

    def count_due(self, *, run: int) -> list[DueCount]:
        """How many videos are due, by kind."""
        rows: list[sqlite3.Row] = self._db.execute(COUNT, {"run": run}).fetchall()
        return [DueCount(row["kind"], row["due"], row["failed"]) for row in rows]
