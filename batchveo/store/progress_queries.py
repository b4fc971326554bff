"""What those who watch a state ask of it, again and again while a run goes on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from batchveo.core.models import Job, JobState
from batchveo.store.connection import Connection, Part
from batchveo.store.mapping import job_of, list_states
from batchveo.store.queries import MICRO, Queries
from batchveo.store.sql import COLUMNS

LEFT = [state for state in JobState if state.awaits_generation]
SAMPLE = 500
LEAST_OF_SAMPLE = 50
_LEFT = f"state IN ({list_states(LEFT)}) AND held = 0"
"""Jobs that still have to be generated, as far as anyone but a person can tell."""
FIRST_LEFT = f"""SELECT model, count(*) AS jobs FROM (SELECT model FROM jobs WHERE {_LEFT} LIMIT :most)
    GROUP BY model"""
SOME_LEFT = f"""SELECT model, count(*) AS jobs FROM jobs
    WHERE seq IN (SELECT value FROM json_each(:seqs)) AND {_LEFT} GROUP BY model"""
LAST_SEQ = "SELECT coalesce(max(seq), 0) FROM jobs"
MADE_SINCE = """SELECT count(*) AS videos, coalesce(sum(CAST(round(cost_usd * 1e6) AS INTEGER)), 0) AS micros
    FROM jobs INDEXED BY jobs_by_finish WHERE state = 'succeeded' AND finished_at >= :since"""
FAILURES = """SELECT coalesce(error, 'no reason is known') AS error, count(*) AS jobs, min(name) AS example
    FROM jobs WHERE state = 'failed' GROUP BY error ORDER BY jobs DESC, error LIMIT :most"""
DOUBTS = f"""SELECT {COLUMNS} FROM jobs WHERE state = 'in_doubt' ORDER BY held DESC, seq LIMIT :most"""
AGE_IN_FLIGHT = "SELECT avg(:now - submitted_at) FROM jobs WHERE state IN ('submitting', 'generating')"
# what a person would call news: not every step of every job
LATEST_EVENTS = """SELECT events.at, events.from_state, events.to_state, events.detail, jobs.name
    FROM (SELECT * FROM events ORDER BY id DESC LIMIT 200) AS events JOIN jobs ON jobs.seq = events.job
    WHERE events.to_state IN ('succeeded', 'failed', 'in_doubt') OR events.from_state = 'in_doubt'
    ORDER BY events.id DESC LIMIT :most"""


class ProgressQueries(Part):
    """What a display shows again and again while a run is going."""

    def __init__(self, connection: Connection, queries: Queries) -> None:
        super().__init__(connection)
        self._counts = queries.count_jobs

    def count_left_by_model(self) -> dict[str, int]:
        """How many jobs of each model still have to be generated, held ones aside.

        Exact for a few hundred; beyond, the mix of models is that of a sample from all over the state.
        """
        counts = self._counts()
        left = sum(counts[state] for state in LEFT) - counts.held
        some: dict[str, int] = {}
        if left > SAMPLE:
            last = self._db.execute(LAST_SEQ).fetchone()[0]
            seqs = json.dumps([1 + last * n // SAMPLE for n in range(SAMPLE)])
            some = {row["model"]: row["jobs"] for row in self._db.execute(SOME_LEFT, {"seqs": seqs})}
        if sum(some.values()) < LEAST_OF_SAMPLE:
            some = {row["model"]: row["jobs"] for row in self._db.execute(FIRST_LEFT, {"most": SAMPLE})}
        seen = sum(some.values())
        return {model: max(1, round(left * jobs / seen)) for model, jobs in some.items()}

    def sum_made_since(self, since: float) -> tuple[int, float]:
        """Videos finished at or after ``since``, with the US dollars known to be charged for them."""
        row = self._db.execute(MADE_SINCE, {"since": since}).fetchone()
        return int(row["videos"]), int(row["micros"]) * MICRO

    def measure_age_in_flight(self, now: float) -> float:
        """Seconds since what is in flight was submitted, on average; 0 where nothing is."""
        age: float | None = self._db.execute(AGE_IN_FLIGHT, {"now": now}).fetchone()[0]
        return max(age or 0.0, 0.0)

    def list_failures(self, *, most: int) -> list[sqlite3.Row]:
        """Why jobs failed, the commonest reason first: ``error, jobs, example`` (a name)."""
        return self._db.execute(FAILURES, {"most": most}).fetchall()

    def list_doubts(self, *, most: int) -> Sequence[Job]:
        """The first jobs in doubt, held ones before the others."""
        return [job_of(row) for row in self._db.execute(DOUBTS, {"most": most})]

    def list_latest_moves(self, *, most: int) -> list[sqlite3.Row]:
        """The latest moves worth telling, oldest first: ``at, from_state, to_state, detail, name``."""
        return self._db.execute(LATEST_EVENTS, {"most": most}).fetchall()[::-1]
