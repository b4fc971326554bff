"""Reads for displays and charts, which repeat them during a run: their cost does not grow with the database.

Events are numbered in their order of time, so a period is a range of ids: no statement here sorts the history or
needs an index on its times.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from batchveo.core.models import Job, JobState
from batchveo.store.database import Connection, Part
from batchveo.store.mapping import COLUMNS, job_of, list_states
from batchveo.store.queries import MICRO, Queries
from batchveo.store.runs import Runs

# -- progress

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
IN_FLIGHT = """SELECT id, name, model, state, submitted_at, completed_at FROM jobs
    WHERE state IN ('submitting', 'generating', 'downloading') ORDER BY submitted_at, seq LIMIT :most"""
AGE_IN_FLIGHT = "SELECT avg(:now - submitted_at) FROM jobs WHERE state IN ('submitting', 'generating')"
# the moves that a person wants to know, not every step of every job
LATEST_EVENTS = """SELECT events.at, events.from_state, events.to_state, events.detail, jobs.name, jobs.folder,
        jobs.file
    FROM (SELECT * FROM events ORDER BY id DESC LIMIT 200) AS events JOIN jobs ON jobs.seq = events.job
    WHERE (events.to_state IN ('succeeded', 'failed', 'in_doubt')
        AND NOT (events.from_state = 'succeeded' AND events.to_state = 'succeeded')) OR events.from_state = 'in_doubt'
    ORDER BY events.id DESC LIMIT :most"""


class ProgressQueries(Part):
    """Reads of the live view and of ``status``."""

    def __init__(self, connection: Connection, queries: Queries) -> None:
        super().__init__(connection)
        self._counts = queries.count_jobs

    def count_left_by_model(self, *, blocked: int = 0) -> dict[str, int]:
        """How many jobs of each model still have to be generated, without held ones and ``blocked`` others.

        Exact for a few hundred; beyond, and if some are blocked, the shares of the models are those of a sample.
        """
        counts = self._counts()
        left = sum(counts[state] for state in LEFT) - counts.held - blocked
        if left <= 0:
            return {}
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
        """Videos finished at or after ``since``, and the US dollars that are known to be charged for them."""
        row = self._db.execute(MADE_SINCE, {"since": since}).fetchone()
        return int(row["videos"]), int(row["micros"]) * MICRO

    def measure_age_in_flight(self, now: float) -> float:
        """The mean age of the jobs in flight in seconds, since their submit; 0 if there are none."""
        age: float | None = self._db.execute(AGE_IN_FLIGHT, {"now": now}).fetchone()[0]
        return max(age or 0.0, 0.0)

    def list_in_flight(self, *, most: int) -> list[sqlite3.Row]:
        """Jobs in flight and downloads, the oldest first.

        ``id, name, model, state, submitted_at, completed_at``.
        """
        return self._db.execute(IN_FLIGHT, {"most": most}).fetchall()

    def list_failures(self, *, most: int) -> list[sqlite3.Row]:
        """The reasons of failed jobs, the commonest first: ``error, jobs, example`` (a name)."""
        return self._db.execute(FAILURES, {"most": most}).fetchall()

    def list_doubts(self, *, most: int) -> Sequence[Job]:
        """The first jobs in doubt, held ones before the others."""
        return [job_of(row) for row in self._db.execute(DOUBTS, {"most": most})]

    def list_latest_moves(self, *, most: int) -> list[sqlite3.Row]:
        """The latest moves to an end or in doubt, oldest first.

        ``at, from_state, to_state, detail, name, folder, file``.
        """
        return self._db.execute(LATEST_EVENTS, {"most": most}).fetchall()[::-1]


# -- charts

RUN_SPANS = """SELECT id, host, pid, started_at, ended_at, budget_usd FROM runs
    WHERE command IN ('run', 'resume') ORDER BY id DESC LIMIT :most"""
MONEY = "SELECT micros, spent FROM money"
# the newest event and the tallies after it, in one statement: a run may write meanwhile
STATES_NOW = """SELECT (SELECT coalesce(max(id), 0) FROM events) AS newest, state, sum(jobs) AS jobs
    FROM tallies GROUP BY state"""

EVENT_AT = "SELECT at FROM events WHERE id >= :id ORDER BY id LIMIT 1"
ATTEMPT_AT = "SELECT started_at FROM attempts WHERE id >= :id ORDER BY id LIMIT 1"
NEWEST_ATTEMPT = "SELECT coalesce(max(id), 0) FROM attempts"

# how far above its level at the beginning the number of generations rose
PEAK = """SELECT max(level) FROM (
    SELECT sum(iif(to_state = 'generating', 1, -1)) OVER (ORDER BY id) AS level FROM events
    WHERE id > :after AND id <= :upto AND (from_state = 'generating') != (to_state = 'generating'))"""
COMMITTED = "SELECT coalesce(sum(micros), 0) FROM attempts WHERE id > :after AND id <= :upto"

# every so-many-th job that moved, with all its moves: found among the moves, or by its number
MOVED_JOBS = """WITH shown AS MATERIALIZED (
    SELECT DISTINCT job FROM events NOT INDEXED WHERE id > :after AND id <= :upto AND job % :every = 0)"""
NUMBERED_JOBS = """WITH RECURSIVE shown (job) AS (SELECT :every UNION ALL
    SELECT job + :every FROM shown WHERE job < (SELECT max(seq) FROM jobs))"""
MOVES_OF_JOBS = """SELECT events.job, at, from_state, to_state FROM shown CROSS JOIN events ON events.job = shown.job
    WHERE events.id > :after AND events.id <= :upto ORDER BY events.job, events.id LIMIT :most"""
NAMED_JOBS = "SELECT seq, id, name, model FROM jobs WHERE seq IN (SELECT value FROM json_each(:jobs))"

# each model by one step through the index, however many videos it has made
MODELS = """WITH RECURSIVE made (model) AS (
        SELECT min(model) FROM jobs WHERE completed_at IS NOT NULL
        UNION ALL SELECT (SELECT min(model) FROM jobs WHERE completed_at IS NOT NULL AND model > made.model)
        FROM made WHERE made.model IS NOT NULL)
    SELECT model FROM made WHERE model IS NOT NULL"""
COSTS = """SELECT count(*) AS videos, coalesce(sum(CAST(round(cost_usd * 1e6) AS INTEGER)), 0) AS micros,
        count(*) - count(cost_usd) AS unpriced
    FROM jobs WHERE model = :model AND completed_at IS NOT NULL AND completed_at >= :since AND completed_at < :until"""

MOVES_PER_NUMBER = 8
"""Moves that are read one after another in the time in which the moves of one job are looked up."""

Moves = Mapping[tuple[str, str], int]
"""How often jobs moved from one state to another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpan:
    """The time of a run, in seconds since the epoch; ``live`` if it is still running. ``budget`` is US dollars."""

    id: int
    start: float
    end: float
    budget: float | None
    live: bool


class Costs(NamedTuple):
    """The number of some videos, millionths of a US dollar charged for them, and the number without a price."""

    videos: int
    micros: int
    unpriced: int


class NamedJob(NamedTuple):
    """What a chart says of a job."""

    id: str
    name: str
    model: str


class ChartQueries(Part):
    """Reads of the charts: sums and samples."""

    def __init__(self, connection: Connection, runs: Runs) -> None:
        super().__init__(connection)
        self._is_running = runs.is_running

    def list_run_spans(self, *, now: float, most: int) -> list[RunSpan]:
        """The latest runs, newest first. One that was killed ended with the last move before the next run."""
        spans: list[RunSpan] = []
        newest = self.count_states()[0]
        following = now
        for row in self._db.execute(RUN_SPANS, {"most": most}).fetchall():
            live = row["ended_at"] is None and not spans and self._is_running()
            ended = now if live else row["ended_at"] or self._find_last_move(following, newest)
            start = float(row["started_at"])
            span = RunSpan(id=row["id"], start=start, end=max(start, ended), budget=row["budget_usd"], live=live)
            spans.append(span)
            following = start
        return spans

    def _find_last_move(self, before: float, newest: int) -> float:
        last = self.find_event_before(before, newest=newest)
        return self._read_time(EVENT_AT, last) if last else 0.0

    def count_states(self) -> tuple[int, dict[JobState, int]]:
        """The id of the newest event, and how many jobs are in each state after it."""
        rows = self._db.execute(STATES_NOW).fetchall()
        return int(rows[0]["newest"]), {JobState(row["state"]): row["jobs"] for row in rows}

    def find_event_before(self, when: float, *, newest: int) -> int:
        """The id of the last event before ``when``, at most ``newest``; 0 if there is none."""
        return bisect_left(range(1, newest + 1), when, key=lambda id_: self._read_time(EVENT_AT, id_))

    def find_attempt_before(self, when: float, *, newest: int) -> int:
        """The id of the last attempt begun before ``when``, at most ``newest``; 0 if there is none."""
        return bisect_left(range(1, newest + 1), when, key=lambda id_: self._read_time(ATTEMPT_AT, id_))

    def read_newest_attempt(self) -> int:
        """The id of the newest attempt; 0 if there is none."""
        return int(self._db.execute(NEWEST_ATTEMPT).fetchone()[0])

    def _read_time(self, statement: str, number: int) -> float:
        return float(self._db.execute(statement, {"id": number}).fetchone()[0])

    def measure_rise(self, after: int, upto: int) -> int:
        """The peak of the generations in flight within these events, above their number at the beginning."""
        return max(0, self._db.execute(PEAK, {"after": after, "upto": upto}).fetchone()[0] or 0)

    def sum_committed(self, after: int, upto: int) -> int:
        """The amount of these attempts that counts against the budget, in millionths of a US dollar."""
        return int(self._db.execute(COMMITTED, {"after": after, "upto": upto}).fetchone()[0])

    def read_money(self) -> tuple[int, int]:
        """Committed and spent over the whole life of the database, in millionths of a US dollar."""
        row = self._db.execute(MONEY).fetchone()
        return int(row["micros"]), int(row["spent"])

    def list_moves_of_jobs(self, after: int, upto: int, *, every: int, most: int) -> list[sqlite3.Row]:
        """``job, at, from_state, to_state`` of one job in ``every``, job by job, at most ``most`` of them."""
        bounds = {"after": after, "upto": upto, "every": every, "most": most}
        numbers = self._db.execute(LAST_SEQ).fetchone()[0] // every
        jobs = NUMBERED_JOBS if numbers * MOVES_PER_NUMBER < upto - after else MOVED_JOBS
        return self._db.execute(f"{jobs} {MOVES_OF_JOBS}", bounds).fetchall()

    def list_named_jobs(self, jobs: Sequence[int]) -> dict[int, NamedJob]:
        """The jobs with these numbers."""
        rows = self._db.execute(NAMED_JOBS, {"jobs": json.dumps(jobs)})
        return {row["seq"]: NamedJob(row["id"], row["name"], row["model"]) for row in rows}

    def list_models(self) -> list[str]:
        """The models that have made a video, by name."""
        return [row["model"] for row in self._db.execute(MODELS)]

    def sum_costs(self, model: str, since: float, until: float) -> Costs:
        """The videos of a model that completed in that time."""
        return Costs(*self._db.execute(COSTS, {"model": model, "since": since, "until": until}).fetchone())
