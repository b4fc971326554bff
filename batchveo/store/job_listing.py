"""Lists of jobs, sorted and cut as a person asks for them."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence

from batchveo.core.fields import Condition, SortOrder
from batchveo.core.models import Job, JobState
from batchveo.store.chain_queries import HAS_LINKS
from batchveo.store.conditions import CompiledField, compile_where, register_functions
from batchveo.store.database import Part
from batchveo.store.mapping import COLUMNS, job_of

NUMBERS = """SELECT seq FROM jobs
    WHERE (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
    AND (:models IS NULL OR model IN (SELECT value FROM json_each(:models)))
    AND (:among IS NULL OR seq IN (SELECT value FROM json_each(:among)))
    AND {where} ORDER BY {order}seq LIMIT :most"""
CHAINS_TOGETHER = "coalesce(chain, seq), link, "
"""The order of the manifest, but for the jobs of a chain, which follow its first one."""
JOBS = f"SELECT {COLUMNS} FROM jobs WHERE seq IN (SELECT value FROM json_each(:seqs))"
NAMES = """SELECT name, id, state FROM jobs
    WHERE (name >= :word AND name < :after) OR (id >= :word AND id < :after) ORDER BY seq LIMIT :most"""
PAGE = 200
"""Jobs that are read together: a reader as slow as a person at a pager keeps no reading open meanwhile."""


class JobListing(Part):
    """Finds the jobs of a list by their numbers first: eight bytes for each of a million."""

    def iter_jobs(
        self,
        *,
        states: Sequence[JobState] = (),
        models: Sequence[str] = (),
        where: Condition | None = None,
        among: Iterable[int] | None = None,
        order: SortOrder | None = None,
        most: int | None = None,
    ) -> Iterator[Job]:
        """The jobs in ``states`` and of ``models`` (without any: in all, of all) for which ``where`` is true, streamed.

        ``among``: only jobs of these numbers. ``order``: by a field, and jobs without it last; else in manifest order,
        the jobs of a chain together.
        ``most``: no more than this many. A job that leaves its state meanwhile is left out.
        """
        condition, params = compile_where(self._db, where)
        sort, sort_params = self._compile_order(order)
        wanted = {
            "states": json.dumps(states) if states else None,
            "models": json.dumps(models) if models else None,
            "among": None if among is None else json.dumps(list(among)),
            "most": -1 if most is None else most,
        }
        query = NUMBERS.format(where=condition, order=sort)
        seqs = array("q", (row[0] for row in self._db.execute(query, {**wanted, **params, **sort_params})))
        for start in range(0, len(seqs), PAGE):
            page = seqs[start : start + PAGE].tolist()
            jobs = {row["seq"]: job_of(row) for row in self._db.execute(JOBS, {"seqs": json.dumps(page)})}
            yield from (jobs[seq] for seq in page if not states or jobs[seq].state in states)

    def list_names(self, word: str, *, most: int) -> list[sqlite3.Row]:
        """The jobs whose name or id begins with ``word``: ``name, id, state``, at most so many."""
        return self._db.execute(NAMES, {"word": word, "after": f"{word}\U0010ffff", "most": most}).fetchall()

    def _compile_order(self, order: SortOrder | None) -> tuple[str, dict[str, object]]:
        if order is None:
            has_links = self._db.execute(HAS_LINKS).fetchone()[0]
            return CHAINS_TOGETHER if has_links else "", {}  # by their number alone nothing has to be sorted
        register_functions(self._db)
        field = CompiledField(order.field)
        way = " DESC" if order.descending else ""
        return f"{field.order} IS NULL, {field.order}{way}, ", dict(field.params)
