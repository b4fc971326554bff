"""Figures of clips by any field: how many there are, what they cost, how long they took, what gates and people say."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Iterator
from typing import NamedTuple

from batchveo.core.fields import Condition
from batchveo.store.conditions import CompiledField, compile_where, register_functions
from batchveo.store.database import Part

# a measured length counts only for the clip that is there now
FIGURES = """SELECT {by} AS value, sum(state = 'succeeded') AS clips, sum(state = 'failed') AS failed,
    sum(verdict IS 'accepted') AS accepted, sum(verdict IS 'rejected') AS rejected,
    count(cost_usd) AS priced, total(cost_usd) AS usd, count(seconds) AS timed, total(seconds) AS seconds,
    total(iif(seconds IS NULL, NULL, cost_usd)) AS usd_of_timed
    FROM (SELECT jobs.*, (SELECT duration_seconds FROM measures WHERE job = jobs.seq AND sha256 = jobs.sha256
            AND jobs.cost_usd IS NOT NULL) AS seconds
        FROM jobs WHERE state IN ('succeeded', 'failed')) AS jobs GROUP BY 1"""
TIMES = """SELECT {by} AS value, completed_at - submitted_at AS seconds FROM jobs
    WHERE state = 'succeeded' AND completed_at IS NOT NULL AND submitted_at IS NOT NULL"""
REJECTIONS = """SELECT {by} AS value,
    (SELECT gate FROM verdicts WHERE job = jobs.seq ORDER BY id DESC LIMIT 1) AS gate, count(*) AS clips
    FROM jobs INDEXED BY jobs_rejected WHERE verdict = 'rejected' AND state = 'succeeded' GROUP BY 1, 2"""
STANDINGS = """SELECT {by} AS value, sum(picks > rejects) AS picked, sum(rejects > picks) AS rejected_by_people,
    avg(rating) AS rating FROM standings JOIN jobs ON jobs.seq = standings.job GROUP BY 1"""
VALUES = """SELECT jobs.seq, {by} AS value, {prompt} AS prompt FROM jobs
    WHERE jobs.seq IN (SELECT value FROM json_each(:seqs))"""
# the request of a take is that of the first one, which it differs from in the seed
CLIPS = """SELECT seq, id, model, meta, iif(take_of IS NULL, request,
        (SELECT first.request FROM jobs AS first WHERE first.seq = jobs.take_of)) AS request
    FROM jobs WHERE seq > :after AND +state = 'succeeded' AND (:rejected OR verdict IS NOT 'rejected') AND {where}
    ORDER BY seq LIMIT :most"""
META_KEYS = """SELECT DISTINCT each.key AS key
    FROM (SELECT meta FROM jobs WHERE state = 'succeeded' ORDER BY finished_at DESC LIMIT 1000) AS latest,
        json_each(latest.meta) AS each WHERE each.type NOT IN ('object', 'array', 'null')"""
PAGE = 2_000
_PLAIN_KEY = re.compile(r"[^\W\d][\w-]*")


class Clip(NamedTuple):
    """What clips are grouped by; ``meta`` and ``request`` are canonical JSON."""

    seq: int
    id: str
    model: str
    meta: str
    request: str


class ClipFigures(Part):
    """Figures by ``by``, a field of ``core.fields``; every row has its ``value``, of texts out of JSON as bytes."""

    def list_figures(self, by: str) -> Iterator[sqlite3.Row]:
        """Of finished jobs: ``clips, failed, accepted, rejected, priced, usd, timed, seconds, usd_of_timed``.

        ``usd`` is of all ``priced`` ones; of the ``timed`` ones the length and the price are known.
        """
        yield from self._list(FIGURES, by)

    def list_times(self, by: str) -> Iterator[sqlite3.Row]:
        """The ``seconds`` of every generation, from submit to completion."""
        yield from self._list(TIMES, by)

    def count_rejections(self, by: str) -> Iterator[sqlite3.Row]:
        """How many ``clips`` each ``gate`` rejected."""
        yield from self._list(REJECTIONS, by)

    def list_standings(self, by: str) -> Iterator[sqlite3.Row]:
        """How many clips people ``picked`` and ``rejected_by_people``, and their mean ``rating``."""
        yield from self._list(STANDINGS, by)

    def read_values(self, by: str, seqs: Collection[int]) -> Iterator[sqlite3.Row]:
        """``seq, prompt`` of the jobs with these numbers."""
        query = VALUES.replace("{prompt}", CompiledField("prompt").sql)
        yield from self._list(query, by, seqs=json.dumps(list(seqs)))

    def list_meta_keys(self) -> list[str]:
        """``meta.KEY`` of the plain values of the latest finished clips."""
        rows = self._db.execute(META_KEYS)
        return sorted(f"meta.{row['key']}" for row in rows if _PLAIN_KEY.fullmatch(row["key"]))

    def iter_clips(self, *, where: Condition | None = None, rejected: bool = False) -> Iterator[list[Clip]]:
        """The finished clips in manifest order, page by page; ``rejected``: also those that their gates rejected."""
        condition, params = compile_where(self._db, where)
        query = CLIPS.format(where=condition)
        wanted: dict[str, object] = {"rejected": rejected, "most": PAGE, **params}
        after: int | None = 0
        while after is not None:
            page = [Clip(**row) for row in self._db.execute(query, {**wanted, "after": after}).fetchall()]
            yield page
            after = page[-1].seq if page else None

    def _list(self, query: str, by: str, **others: object) -> sqlite3.Cursor:
        register_functions(self._db)
        field = CompiledField(by)
        return self._db.execute(query.format(by=field.sql), {**field.params, **others})
