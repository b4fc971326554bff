"""The jobs at some positions of an order: any position is found by counting through an index of the copy."""

from __future__ import annotations

import json

from batchveo.store.job_search import Filter, Kind, Order
from batchveo.store.page_copy import LISTED, PageCopy
from batchveo.store.page_searches import Search

RATED = "SELECT job FROM standings WHERE rating IS NOT NULL ORDER BY rating DESC, job"
ORDERS = {
    Order.MANIFEST: "entries.seq",
    Order.ADDED: "entries.seq DESC",
    Order.FINISHED: "entries.finished DESC, entries.seq",
    Order.NAME: "entries.name COLLATE NOCASE, entries.seq",
    Order.COST: "entries.cost DESC, entries.seq",
    Order.TIME: "entries.seconds DESC, entries.seq",
    Order.RATING: "entries.seq",
    Order.PROMPT: "entries.seq",
    Order.CHAIN: "entries.chain IS NULL, entries.chain, entries.link, entries.seq",
}
"""What each order sorts by; rated jobs and groups of a prompt are put into their order after that."""

FEW = 50_000
"""Matches that are sorted; more are met in the order of an index."""


class PagePositions:
    """The jobs that ``wanted`` matches, in each order. ``search`` is for what it has beside the parts of a ``Kind``."""

    def __init__(self, copy: PageCopy, wanted: Filter, search: Search | None) -> None:
        self._copy = copy
        self._wanted = wanted
        self._search = search

    def list_finished(self, *, at: int, most: int, upto: float, finished: int) -> list[int]:
        """The numbers at some positions, newest finished first.

        Jobs that are not among the ``finished`` ones until ``upto`` come last.
        """
        first = self.list_seqs(Order.FINISHED, at=at, most=most, extra="entries.finished <= :upto", upto=upto)
        rest = self.list_seqs(
            Order.MANIFEST,
            at=max(0, at - finished),
            most=most - len(first),
            extra="(entries.finished > :upto OR entries.finished IS NULL)",
            upto=upto,
        )
        return first + rest

    def list_rated(self, *, at: int, most: int) -> list[int]:
        """The numbers at some positions, best rated first."""
        rated = [row["job"] for row in self._copy.db.execute(RATED)]
        seqs = json.dumps(rated)
        chosen = set(self.list_seqs(Order.RATING, extra=f"entries.{LISTED}", seqs=seqs))
        found = [seq for seq in rated if seq in chosen]
        first = found[at : at + most]
        rest = self.list_seqs(
            Order.RATING,
            at=max(0, at - len(found)),
            most=most - len(first),
            extra=f"NOT entries.{LISTED}",
            seqs=seqs,
        )
        return first + rest

    def list_groups(self, order: Order) -> list[list[int]]:
        """The numbers of all jobs, those of one prompt or of one chain together."""
        groups: dict[int | None, list[int]] = {}
        query, params = self._compile(f"entries.seq, entries.{order}", order)
        for row in self._copy.db.execute(query, params):
            groups.setdefault(row[str(order)], []).append(row["seq"])
        return list(groups.values())

    def count_newer(self, upto: float) -> int:
        """How many jobs were finished after ``upto``."""
        self._make_index(Order.FINISHED)
        query, params = self._compile("1", Order.FINISHED, extra="entries.finished > :upto")
        return len(self._copy.db.execute(query, {**params, "upto": upto}).fetchall())

    def list_seqs(self, order: Order, *, at: int = 0, most: int = -1, extra: str = "", **columns: object) -> list[int]:
        """The numbers of the jobs at ``most`` positions from ``at`` on, in an order that an index meets.

        ``extra`` is one more condition, with ``columns``.
        """
        self._make_index(order)
        query, params = self._compile("entries.seq", order, extra=extra)
        found = self._copy.db.execute(f"{query} LIMIT :most OFFSET :at", {**params, **columns, "at": at, "most": most})
        return [row["seq"] for row in found]

    def _compile(self, columns: str, order: Order, *, extra: str = "") -> tuple[str, dict[str, object]]:
        conditions = [extra] if extra else []
        params: dict[str, object] = {}
        if self._wanted.without(*Kind._fields) != self._wanted:
            conditions.append("entries.kind IN (SELECT value FROM json_each(:kinds))")
            params["kinds"] = json.dumps(
                [number for kind, number in self._copy.kinds.items() if self._wanted.has_kind(kind)]
            )
        source = "found.entries AS entries"
        if order in self._copy.orders:
            source += f" INDEXED BY by_{order}"
        if self._search is not None:
            params["search"] = self._search.number
            if self._search.jobs_of.total() <= FEW or order not in self._copy.orders:
                source = "found.matches AS matches CROSS JOIN found.entries AS entries ON entries.seq = matches.seq"
                conditions.append("matches.search = :search")
            else:
                conditions.append(
                    "EXISTS (SELECT 1 FROM found.matches WHERE matches.search = :search AND matches.seq = entries.seq)"
                )
        by = ORDERS[order].replace("entries.seq", "matches.seq") if source.startswith("found.m") else ORDERS[order]
        where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
        return f"SELECT {columns} FROM {source} {where}ORDER BY {by}", params

    def _make_index(self, order: Order) -> None:
        """The index that meets jobs in ``order``, with all that filters ask for."""
        if order in self._copy.orders or ORDERS[order].startswith("entries.seq"):
            return
        by = ORDERS[order].replace("entries.", "")
        self._copy.db.execute(f"CREATE INDEX found.by_{order} ON entries ({by}, kind)")
        self._copy.orders.add(order)
