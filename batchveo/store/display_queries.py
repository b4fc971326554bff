"""What the charts show: sums over stretches of the history.

Events are numbered in the order they happened, so a stretch of time is a range of their ids: no statement here
sorts the history or needs an index on its times.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batchveo.core.models import JobState
from batchveo.store.connection import Connection, Part
from batchveo.store.runs import Runs

RUN_SPANS = """SELECT id, host, pid, started_at, ended_at, budget_usd FROM runs
    WHERE command IN ('run', 'resume') ORDER BY id DESC LIMIT :most"""
MONEY = "SELECT micros, spent FROM money"
# the newest event with the tallies it led to, in one look: a run may go on meanwhile
STANDING = """SELECT (SELECT coalesce(max(id), 0) FROM events) AS newest, state, sum(jobs) AS jobs
    FROM tallies GROUP BY state"""

EVENT_AT = "SELECT at FROM events WHERE id >= :id ORDER BY id LIMIT 1"
ATTEMPT_AT = "SELECT started_at FROM attempts WHERE id >= :id ORDER BY id LIMIT 1"
NEWEST_ATTEMPT = "SELECT coalesce(max(id), 0) FROM attempts"

MOVES = """SELECT from_state, to_state, count(*) AS moves FROM events WHERE id > :after AND id <= :upto
    GROUP BY from_state, to_state"""
# how far above its level at the beginning the number of generations rose
PEAK = """SELECT max(level) FROM (
    SELECT sum(iif(to_state = 'generating', 1, -1)) OVER (ORDER BY id) AS level FROM events
    WHERE id > :after AND id <= :upto AND (from_state = 'generating') != (to_state = 'generating'))"""
COMMITTED = "SELECT coalesce(sum(micros), 0) FROM attempts WHERE id > :after AND id <= :upto"

# every so-many-th job that moved, with all its moves
MOVES_OF_JOBS = """WITH shown AS MATERIALIZED (
        SELECT DISTINCT job FROM events WHERE id > :after AND id <= :upto AND job % :every = 0)
    SELECT events.job, at, from_state, to_state FROM shown CROSS JOIN events ON events.job = shown.job
    WHERE events.id > :after AND events.id <= :upto ORDER BY events.job, events.id LIMIT :most"""
NAMES = "SELECT seq, name, model FROM jobs WHERE seq IN (SELECT value FROM json_each(:jobs))"

# each model by one step through the index, however many videos it has made
MODELS = """WITH RECURSIVE made (model) AS (
        SELECT min(model) FROM jobs WHERE completed_at IS NOT NULL
        UNION ALL SELECT (SELECT min(model) FROM jobs WHERE completed_at IS NOT NULL AND model > made.model)
        FROM made WHERE made.model IS NOT NULL)
    SELECT model FROM made WHERE model IS NOT NULL"""
COSTS = """SELECT coalesce(sum(CAST(round(cost_usd * 1e6) AS INTEGER)), 0) AS micros,
        coalesce(sum(cost_usd IS NULL), 0) AS unpriced
    FROM jobs WHERE model IN (SELECT value FROM json_each(:models))
    AND completed_at IS NOT NULL AND completed_at >= :since AND completed_at < :until"""
COMPLETED = """SELECT count(*) FROM jobs
    WHERE model = :model AND completed_at IS NOT NULL AND completed_at >= :since AND completed_at <= :until"""
SECONDS = """SELECT completed_at - submitted_at AS seconds FROM jobs
    WHERE model = :model AND completed_at IS NOT NULL AND completed_at >= :since AND completed_at <= :until
    AND submitted_at IS NOT NULL ORDER BY completed_at DESC LIMIT :most"""

Moves = Mapping[tuple[str, str], int]
"""How often jobs went from one state to another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpan:
    """When a run went on, in seconds since the epoch; ``live`` where it still does. ``budget`` is US dollars."""

    id: int
    start: float
    end: float
    budget: float | None
    live: bool


class ChartQueries(Part):
    """Sums and samples, each of a size that does not grow with the database."""

    def __init__(self, connection: Connection, runs: Runs) -> None:
        super().__init__(connection)
        self._is_running = runs.is_running

    def list_run_spans(self, *, now: float, most: int) -> list[RunSpan]:
        """The latest runs, newest first. One that died without a word ended with the last move before the next."""
        spans: list[RunSpan] = []
        newest = self.count_standing()[0]
        following = now
        for row in self._db.execute(RUN_SPANS, {"most": most}).fetchall():
            live = row["ended_at"] is None and not spans and self._is_running()
            ended = now if live else row["ended_at"] or self._last_move(following, newest)
            start = float(row["started_at"])
            span = RunSpan(id=row["id"], start=start, end=max(start, ended), budget=row["budget_usd"], live=live)
            spans.append(span)
            following = start
        return spans

    def _last_move(self, before: float, newest: int) -> float:
        last = self.find_event_before(before, newest=newest)
        return self._when(EVENT_AT, last) if last else 0.0

    def count_standing(self) -> tuple[int, dict[JobState, int]]:
        """The id of the newest event, and how many jobs stand where after it."""
        rows = self._db.execute(STANDING).fetchall()
        return int(rows[0]["newest"]), {JobState(row["state"]): row["jobs"] for row in rows}

    def find_event_before(self, when: float, *, newest: int) -> int:
        """The id of the last event before ``when``, at most ``newest``; 0 where there is none."""
        return bisect_left(range(1, newest + 1), when, key=lambda id_: self._when(EVENT_AT, id_))

    def find_attempt_before(self, when: float, *, newest: int) -> int:
        """The id of the last attempt begun before ``when``, at most ``newest``; 0 where there is none."""
        return bisect_left(range(1, newest + 1), when, key=lambda id_: self._when(ATTEMPT_AT, id_))

    def read_newest_attempt(self) -> int:
        """The id of the newest attempt; 0 where there is none."""
        return int(self._db.execute(NEWEST_ATTEMPT).fetchone()[0])

    def _when(self, statement: str, number: int) -> float:
        return float(self._db.execute(statement, {"id": number}).fetchone()[0])

    def count_moves(self, after: int, upto: int) -> Moves:
        """How often which move was made, from the event after ``after`` to ``upto``."""
        rows = self._db.execute(MOVES, {"after": after, "upto": upto})
        return {(row["from_state"], row["to_state"]): row["moves"] for row in rows}

    def measure_rise(self, after: int, upto: int) -> int:
        """How many more generations than at the beginning were in flight at one time, within these events."""
        return max(0, self._db.execute(PEAK, {"after": after, "upto": upto}).fetchone()[0] or 0)

    def sum_committed(self, after: int, upto: int) -> int:
        """What these attempts count against the budget, in millionths of a US dollar."""
        return int(self._db.execute(COMMITTED, {"after": after, "upto": upto}).fetchone()[0])

    def read_money(self) -> tuple[int, int]:
        """Committed and spent over the state's whole life, in millionths of a US dollar."""
        row = self._db.execute(MONEY).fetchone()
        return int(row["micros"]), int(row["spent"])

    def list_moves_of_jobs(self, after: int, upto: int, *, every: int, most: int) -> list[sqlite3.Row]:
        """``job, at, from_state, to_state`` of one job in ``every``, job by job, at most ``most`` of them."""
        bounds = {"after": after, "upto": upto, "every": every, "most": most}
        return self._db.execute(MOVES_OF_JOBS, bounds).fetchall()

    def list_names(self, jobs: Sequence[int]) -> dict[int, tuple[str, str]]:
        """Name and model of the jobs with these numbers."""
        rows = self._db.execute(NAMES, {"jobs": json.dumps(jobs)})
        return {row["seq"]: (row["name"], row["model"]) for row in rows}

    def list_models(self) -> list[str]:
        """The models that have made a video, by name."""
        return [row["model"] for row in self._db.execute(MODELS)]

    def sum_costs(self, models: Sequence[str], since: float, until: float) -> tuple[int, int]:
        """Millionths of a US dollar charged for what completed in that time, and the videos without a price."""
        bounds = {"models": json.dumps(models), "since": since, "until": until}
        row = self._db.execute(COSTS, bounds).fetchone()
        return int(row["micros"]), int(row["unpriced"])

    def count_completed(self, model: str, since: float, until: float) -> int:
        """Videos of a model that completed in that time."""
        bounds = {"model": model, "since": since, "until": until}
        return int(self._db.execute(COMPLETED, bounds).fetchone()[0])

    def list_seconds(self, model: str, since: float, until: float, *, most: int) -> list[float]:
        """Seconds from submit to completion of the latest ``most`` videos of a model in that time."""
        bounds = {"model": model, "since": since, "until": until, "most": most}
        return [float(row["seconds"]) for row in self._db.execute(SECONDS, bounds)]
