"""What the page searches, filters and sorts by: a copy in a temporary file, which each answer brings up to date.

A search of the database itself would read all of its rows, which takes seconds with a million jobs. Any position of
any order is found by counting through an index of the copy; what words and conditions match is kept in a table.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import time
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Lock, Thread
from typing import Self

from batchveo.core.destination import expand_home
from batchveo.core.errors import BatchveoError, UsageError
from batchveo.core.expressions import list_fields, split_name
from batchveo.core.fields import BEFOREHAND, FIELDS, META, REQUEST, Condition
from batchveo.store.blocked_jobs import IS_LIVE, WAITS_FOR_NOTHING
from batchveo.store.chain_queries import HAS_LINKS
from batchveo.store.conditions import CompiledCondition, register_functions
from batchveo.store.database import open_for_reading
from batchveo.store.display_queries import Moves
from batchveo.store.job_search import Choice, Filter, Kind, Order, Waits, text_of
from batchveo.store.votes import PICKED, REFUSED

TABLES = (
    # ``kind``: the number of a ``Kind``; ``prompt``: a hash of the prompt
    """CREATE TABLE found.entries (seq INTEGER PRIMARY KEY, kind INTEGER, finished REAL, cost REAL, seconds REAL,
        prompt INTEGER, name TEXT, chain INTEGER, link INTEGER, is_blocked INTEGER)""",
    "CREATE TABLE found.texts (seq INTEGER PRIMARY KEY, text BLOB)",
    """CREATE TABLE found.matches (search INTEGER, seq INTEGER, kind INTEGER, PRIMARY KEY (search, seq))
        WITHOUT ROWID""",
    # the jobs that wait for videos of others; ``touched`` are those that are looked at again
    "CREATE TABLE found.waiting (seq INTEGER PRIMARY KEY, is_blocked INTEGER)",
    "CREATE TABLE found.touched (seq INTEGER PRIMARY KEY, is_copied INTEGER)",
    """CREATE TABLE found.moves (event INTEGER, from_state TEXT, to_state TEXT, moves INTEGER,
        PRIMARY KEY (event, from_state, to_state)) WITHOUT ROWID""",
)
LATEST = """SELECT (SELECT coalesce(max(seq), 0) FROM jobs) AS job, (SELECT coalesce(max(id), 0) FROM events) AS event,
    (SELECT coalesce(max(number), 0) FROM rewrites) AS rewrite,
    (SELECT coalesce(max(id), 0) FROM verdicts) AS verdict, (SELECT coalesce(max(id), 0) FROM votes) AS vote"""
# texts out of JSON are bytes: they may have halves of characters, which Python does not decode as UTF-8
_IS_BLOCKED = "(SELECT is_blocked FROM found.waiting WHERE waiting.seq = jobs.seq)"
COPY_ENTRIES = f"""INSERT INTO found.entries SELECT seq, count_kind(state, model, manifest,
        iif(json_type(meta, '$.split') = 'text', CAST(json_extract(meta, '$.split') AS BLOB), NULL),
        {_IS_BLOCKED}),
    iif(state IN ('succeeded', 'failed'), coalesce(finished_at, 0), NULL), cost_usd, completed_at - submitted_at,
    hash_text(coalesce(CAST(json_extract(request, '$.prompt') AS BLOB), request)), name, chain, link,
    {_IS_BLOCKED} FROM jobs WHERE """
COPY_TEXTS = """INSERT INTO found.texts SELECT seq,
    fold_texts(name, CAST(json_extract(request, '$.prompt') AS BLOB), error, id, generation_id) FROM jobs WHERE """
FORGET_ENTRIES = "DELETE FROM found.entries WHERE {} RETURNING kind"
FORGET_TEXTS = "DELETE FROM found.texts WHERE "
FORGET_MATCHES = "DELETE FROM found.matches WHERE search = :search AND ({}) RETURNING kind"
MATCH = """INSERT INTO found.matches
    SELECT :search, seq, (SELECT kind FROM found.entries WHERE entries.seq = texts.seq) FROM found.texts
    WHERE {} AND seq <= :compared AND {} RETURNING kind"""
FORGET_SEARCH = "DELETE FROM found.matches WHERE search = :search"
NEW = "seq > :after AND seq <= :upto"
MOVED = "seq IN (SELECT job FROM events WHERE id > :after AND id <= :upto)"
REWRITTEN = "seq IN (SELECT job FROM rewrites WHERE number > :after AND number <= :upto)"
JUDGED = "seq IN (SELECT job FROM verdicts WHERE id > :after AND id <= :upto)"
VOTED = """seq IN (SELECT coalesce(votes.job, undone.job)
    FROM votes LEFT JOIN votes AS undone ON undone.id = votes.undoes WHERE votes.id > :after AND votes.id <= :upto)"""
LISTED = "seq IN (SELECT value FROM json_each(:seqs))"
# those of the rows to copy that wait, waited or are waited for, and all that waits for one of them: it may be blocked
# now, or no longer; and the first job of a chain, which may have been in none
TOUCH = """INSERT INTO found.touched
    WITH RECURSIVE copied AS MATERIALIZED (SELECT seq, take_of FROM jobs WHERE {} AND (
        waits > 0 OR seq IN (SELECT seq FROM found.waiting)
        OR EXISTS (SELECT 1 FROM links INDEXED BY links_open
            WHERE links.parent = coalesce(jobs.take_of, jobs.seq) AND links.value IS NULL))),
    below (seq) AS (
        SELECT coalesce(take_of, seq) FROM copied
        UNION SELECT links.child FROM below CROSS JOIN jobs AS parents ON parents.seq = below.seq
        CROSS JOIN links ON links.parent = coalesce(parents.take_of, parents.seq)
        WHERE links.value IS NULL AND links.child <= :job)
    SELECT seq, max(is_copied) FROM (SELECT seq, 1 AS is_copied FROM copied UNION ALL SELECT seq, 0 FROM below
        UNION ALL SELECT DISTINCT chain, 0 FROM jobs WHERE {} AND link > 1) GROUP BY seq"""
FORGET_WAITS = "DELETE FROM found.waiting WHERE seq IN (SELECT seq FROM found.touched)"
COPY_WAITS = f"""INSERT INTO found.waiting
    WITH RECURSIVE blocked (seq) AS (
        SELECT links.child FROM found.touched CROSS JOIN links ON links.child = touched.seq
        CROSS JOIN jobs ON jobs.seq = links.child
        WHERE links.value IS NULL AND jobs.state = 'pending' AND (NOT {IS_LIVE} OR NOT {WAITS_FOR_NOTHING} AND EXISTS (
            SELECT 1 FROM jobs AS take CROSS JOIN found.waiting ON waiting.seq = take.seq
            WHERE (take.seq = links.parent OR take.take_of = links.parent) AND is_blocked))
        UNION SELECT links.child FROM blocked CROSS JOIN jobs AS parents ON parents.seq = blocked.seq
        CROSS JOIN links ON links.parent = coalesce(parents.take_of, parents.seq)
        CROSS JOIN found.touched ON touched.seq = links.child CROSS JOIN jobs ON jobs.seq = links.child
        WHERE links.value IS NULL AND jobs.state = 'pending' AND NOT {WAITS_FOR_NOTHING})
    SELECT touched.seq, touched.seq IN (SELECT seq FROM blocked)
    FROM found.touched CROSS JOIN jobs ON jobs.seq = touched.seq WHERE jobs.state = 'pending' AND jobs.waits > 0"""
TOUCHED = f"""SELECT jobs.seq FROM found.touched CROSS JOIN found.entries AS entries ON entries.seq = touched.seq
    CROSS JOIN jobs ON jobs.seq = touched.seq WHERE NOT touched.is_copied AND touched.seq <= :job
    AND (entries.is_blocked IS NOT {_IS_BLOCKED} OR entries.chain IS NOT jobs.chain)"""
UNPRICED = "SELECT seq FROM jobs WHERE completed_at IS NOT NULL AND cost_usd IS NULL ORDER BY seq LIMIT 10000"
# of all events up to one: ``event`` is the last of those whose moves are in the copy
COUNT_MOVES = """SELECT from_state, to_state, sum(moves) AS moves FROM (
        SELECT from_state, to_state, moves FROM found.moves WHERE event = :after
        UNION ALL SELECT from_state, to_state, 1 FROM events WHERE id > :after AND id <= :upto)
    GROUP BY from_state, to_state"""
ADD_MOVES = f"INSERT INTO found.moves SELECT :upto, * FROM ({COUNT_MOVES})"
CHOSEN = {
    Choice.PICKED: f"seq IN ({PICKED})",
    Choice.REJECTED: f"seq IN ({REFUSED})",
}
OF_CHAIN = "seq IN (SELECT seq FROM jobs WHERE chain = (SELECT seq FROM jobs WHERE id = :chain))"
REJECTED = "seq IN (SELECT seq FROM jobs INDEXED BY jobs_rejected WHERE verdict = 'rejected')"
RATED = "SELECT job FROM standings WHERE rating IS NOT NULL ORDER BY rating DESC, job"
OTHER_WORDS = "NOT EXISTS (SELECT 1 FROM json_each(:others) WHERE NOT instr(text, CAST(value AS BLOB)))"
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

OVER = ("succeeded", "failed")
"""States of jobs that have been finished at a time."""
FEW = 50_000
"""Matches that are sorted; more are met in the order of an index."""
MOST_GROUPED = 200_000
"""Jobs that can be grouped by prompt: more need a filter."""
MOST_CHOICES = 200
MOST_SEARCHES = 4
"""Searches whose matches are kept, and followed: going back and forth between some is fast."""
ROWS_AT_ONCE = 50_000
"""Rows that one statement copies: a longer reading would keep a run's log of writes from being emptied."""
MOST_CONDITIONS = 100
"""Words with a condition of their own: SQLite takes no thousand, and somebody may look for a whole prompt."""
BLOCK = 256
"""Events after which the copy has the moves of all events so far; events never change."""
SEARCH_STEP = 20_000
"""Jobs that are searched between two looks at the time; a quarter of them if a condition reads their rows."""
SEARCH_SECONDS = 0.3
"""Time for one answer: with a million jobs a search may take several, each of which shows how far it came."""
_ALL = 2**62
REST_FACTOR = 10.0
"""Times as long as it took, a search that may have other matches by now is used again."""
_FOLLOWED = frozenset(
    (
        *BEFOREHAND,
        *(name for name, known in FIELDS.items() if known.is_time),
        "state",
        "held",
        "attempts",
        "bytes",
        "generation_seconds",
        "error",
        "cause",
        "take",
    )
)
"""Fields that change only with a move or a rewrite of their job, beside those of ``meta`` and the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """The jobs at some positions of an order, and the counts of all that match.

    ``counts``: by ``state``, ``model``, ``manifest``, ``split`` and ``waits``, those that the other filters match.
    ``newer``: how many were finished after ``upto``. ``compared``: how many jobs were searched in the time that there
    was; ``None`` if it was enough. ``groups``: the sizes of the groups of all jobs, if they are grouped.
    """

    seqs: Sequence[int]
    total: int
    counts: Mapping[str, Mapping[str, int]]
    newer: int = 0
    compared: int | None = None
    groups: Sequence[int] | None = None


@dataclass(slots=True)
class _Search:
    """Words, a condition and the like, of which jobs up to ``compared`` have been searched: ``jobs_of`` match.

    ``step``: how many are searched between two looks at the time. ``version`` is that of the database when it began,
    if its matches depend on more than moves and rewrites. Times are those of a monotonic clock.
    """

    number: int
    sql: str
    params: Mapping[str, object]
    step: int
    version: int | None
    began: float
    ended: float | None = None
    compared: int = 0
    jobs_of: Counter[int] = field(default_factory=Counter)

    def is_outdated(self, version: int) -> bool:
        """Whether it must begin anew; one that took long has a rest, or it would never be at its end during a run."""
        if self.version in (None, version) or self.ended is None:
            return False
        took = self.ended - self.began
        return took < SEARCH_SECONDS or time.monotonic() - self.ended > REST_FACTOR * took


@dataclass(slots=True)
class _Copy:
    """The copy in an open database; up to which job, event, rewrite, verdict and vote it is complete.

    ``counted`` is the last event whose moves it has. ``kinds`` are numbered in the order in which they were met;
    ``jobs_of`` counts the jobs of each number. ``unpriced`` are the jobs whose price may come without a move.
    """

    db: sqlite3.Connection
    identity: tuple[int, int]
    job: int = 0
    event: int = 0
    rewrite: int = 0
    verdict: int = 0
    vote: int = 0
    has_links: bool = False
    counted: int = 0
    kinds: dict[Kind, int] = field(default_factory=dict)
    jobs_of: Counter[int] = field(default_factory=Counter)
    unpriced: set[int] = field(default_factory=set)
    searches: dict[Filter, _Search] = field(default_factory=dict)
    orders: set[Order] = field(default_factory=set)

    def is_ahead(self) -> bool:
        """Whether the database has less than was copied, so that it is another one."""
        latest = self.db.execute(LATEST).fetchone()
        return any(there < here for there, here in zip(latest, self._position, strict=True))

    @property
    def _position(self) -> tuple[int, ...]:
        return self.job, self.event, self.rewrite, self.verdict, self.vote

    def take_over(self) -> None:
        """Copy what is new; a row that changes meanwhile has a number beyond these, and is copied again."""
        job, event, rewrite, verdict, vote = self.db.execute(LATEST).fetchone()
        self.has_links = bool(self.db.execute(HAS_LINKS).fetchone()[0])
        if self.job == 0:  # rows that are copied below are as all changes of before left them
            self.event, self.rewrite, self.verdict, self.vote = event, rewrite, verdict, vote
        self.job = self._copy_rows(NEW, self.job, job)
        self.event = self._copy_rows(MOVED, self.event, event)
        self.rewrite = self._copy_rows(REWRITTEN, self.rewrite, rewrite)
        if self.has_links:  # whether others are blocked depends on what gates and people say
            self._copy_rows(JUDGED, self.verdict, verdict)
            self._copy_rows(VOTED, self.vote, vote)
        self.verdict, self.vote = verdict, vote
        self._copy_prices()
        while self.counted + BLOCK <= event:
            self.db.execute(ADD_MOVES, {"after": self.counted, "upto": self.counted + BLOCK})
            self.counted += BLOCK

    def _copy_rows(self, condition: str, after: int, upto: int) -> int:
        for first in range(after, upto, ROWS_AT_ONCE):
            bounds = {"after": first, "upto": min(first + ROWS_AT_ONCE, upto)}
            others = self._follow_waits(condition, bounds) if self.has_links else []
            self._replace_rows(condition, bounds)
            if others:
                self._replace_rows(LISTED, {"seqs": json.dumps(others)})
        return upto

    def _follow_waits(self, condition: str, bounds: Mapping[str, int]) -> list[int]:
        """Find out which jobs wait or are blocked, now that these changed; the numbers of others that are concerned."""
        job = bounds["upto"] if condition == NEW else self.job
        self.db.execute("DELETE FROM found.touched")
        self.db.execute(TOUCH.format(condition, condition), {**bounds, "job": job})
        self.db.execute(FORGET_WAITS)
        self.db.execute(COPY_WAITS)
        return [row["seq"] for row in self.db.execute(TOUCHED, {"job": job})]

    def _copy_prices(self) -> None:
        unpriced = {row["seq"] for row in self.db.execute(UNPRICED)}
        if priced := self.unpriced - unpriced:
            self._replace_rows(LISTED, {"seqs": json.dumps(sorted(priced))})
        self.unpriced = unpriced

    def _replace_rows(self, condition: str, bounds: Mapping[str, object]) -> None:
        for row in self.db.execute(FORGET_ENTRIES.format(condition), bounds):
            self.jobs_of[row["kind"]] -= 1
        self.db.execute(FORGET_TEXTS + condition, bounds)
        self.db.execute(COPY_ENTRIES + condition, bounds)
        self.db.execute(COPY_TEXTS + condition, bounds)
        for search in self.searches.values():
            for row in self.db.execute(FORGET_MATCHES.format(condition), {**bounds, "search": search.number}):
                search.jobs_of[row["kind"]] -= 1
            self._match_rows(search, condition, bounds)

    def _match_rows(self, search: _Search, condition: str, bounds: Mapping[str, object]) -> None:
        """Keep the matches among the jobs of ``condition``, as far as the search has come."""
        params = {**search.params, **bounds, "search": search.number, "compared": search.compared}
        search.jobs_of.update(row["kind"] for row in self.db.execute(MATCH.format(condition, search.sql), params))

    # -- searches

    def find_search(self, wanted: Filter) -> _Search | None:
        """The search for what ``wanted`` has beside the parts of a ``Kind``, continued; ``None`` if that is nothing."""
        key = wanted.without(*Kind._fields)
        if key == Filter():
            return None
        search = self.searches.pop(key, None)
        version = self.db.execute("PRAGMA data_version").fetchone()[0]
        if search is not None and search.is_outdated(version):
            self._drop_search(search)
            search = None
        if search is None:
            search = self._begin_search(key, version)
        self.searches[key] = search  # the latest used is the last
        while len(self.searches) > MOST_SEARCHES:
            self._drop_search(self.searches.pop(next(iter(self.searches))))
        self._continue_search(search)
        return search

    def _begin_search(self, key: Filter, version: int) -> _Search:
        conditions, params = _compile_search(key)
        number = 1 + max((search.number for search in self.searches.values()), default=0)
        is_followed = key.choice is None and not key.rejected and (key.where is None or _is_followed(key.where))
        return _Search(
            number=number,
            sql=" AND ".join(conditions),
            params=params,
            step=_find_step(key),
            version=None if is_followed else version,
            began=time.monotonic(),
        )

    def _drop_search(self, search: _Search) -> None:
        self.db.execute(FORGET_SEARCH, {"search": search.number})

    def _continue_search(self, search: _Search) -> None:
        until = time.monotonic() + SEARCH_SECONDS
        while search.compared < self.job and time.monotonic() <= until:
            first = search.compared
            search.compared = min(first + search.step, self.job)
            self._match_rows(search, NEW, {"after": first, "upto": search.compared})
        if search.ended is None and search.compared >= self.job:
            search.ended = time.monotonic()

    # -- positions

    def list_finished(
        self, wanted: Filter, search: _Search | None, *, at: int, most: int, upto: float, finished: int
    ) -> list[int]:
        """The numbers at some positions, newest finished first.

        Jobs that are not among the ``finished`` ones until ``upto`` come last.
        """
        first = self.list_seqs(
            wanted, search, Order.FINISHED, at=at, most=most, extra="entries.finished <= :upto", upto=upto
        )
        rest = self.list_seqs(
            wanted,
            search,
            Order.MANIFEST,
            at=max(0, at - finished),
            most=most - len(first),
            extra="(entries.finished > :upto OR entries.finished IS NULL)",
            upto=upto,
        )
        return first + rest

    def list_rated(self, wanted: Filter, search: _Search | None, *, at: int, most: int) -> list[int]:
        """The numbers at some positions, best rated first."""
        rated = [row["job"] for row in self.db.execute(RATED)]
        seqs = json.dumps(rated)
        chosen = set(self.list_seqs(wanted, search, Order.RATING, extra=f"entries.{LISTED}", seqs=seqs))
        found = [seq for seq in rated if seq in chosen]
        first = found[at : at + most]
        rest = self.list_seqs(
            wanted,
            search,
            Order.RATING,
            at=max(0, at - len(found)),
            most=most - len(first),
            extra=f"NOT entries.{LISTED}",
            seqs=seqs,
        )
        return first + rest

    def list_groups(self, wanted: Filter, search: _Search | None, order: Order) -> list[list[int]]:
        """The numbers of all jobs, those of one prompt or of one chain together."""
        groups: dict[int | None, list[int]] = {}
        query, params = self._compile(f"entries.seq, entries.{order}", wanted, search, order)
        for row in self.db.execute(query, params):
            groups.setdefault(row[str(order)], []).append(row["seq"])
        return list(groups.values())

    def count_newer(self, wanted: Filter, search: _Search | None, upto: float) -> int:
        """How many jobs were finished after ``upto``."""
        self._make_index(Order.FINISHED)
        query, params = self._compile("1", wanted, search, Order.FINISHED, extra="entries.finished > :upto")
        return len(self.db.execute(query, {**params, "upto": upto}).fetchall())

    def list_seqs(
        self,
        wanted: Filter,
        search: _Search | None,
        order: Order,
        *,
        at: int = 0,
        most: int = -1,
        extra: str = "",
        **columns: object,
    ) -> list[int]:
        """The numbers of the jobs at ``most`` positions from ``at`` on, in an order that an index meets.

        ``extra`` is one more condition, with ``columns``.
        """
        self._make_index(order)
        query, params = self._compile("entries.seq", wanted, search, order, extra=extra)
        found = self.db.execute(f"{query} LIMIT :most OFFSET :at", {**params, **columns, "at": at, "most": most})
        return [row["seq"] for row in found]

    def _compile(
        self,
        columns: str,
        wanted: Filter,
        search: _Search | None,
        order: Order,
        *,
        extra: str = "",
    ) -> tuple[str, dict[str, object]]:
        conditions = [extra] if extra else []
        params: dict[str, object] = {}
        if wanted.without(*Kind._fields) != wanted:
            conditions.append("entries.kind IN (SELECT value FROM json_each(:kinds))")
            params["kinds"] = json.dumps([number for kind, number in self.kinds.items() if wanted.has_kind(kind)])
        source = "found.entries AS entries"
        if order in self.orders:
            source += f" INDEXED BY by_{order}"
        if search is not None:
            params["search"] = search.number
            if search.jobs_of.total() <= FEW or order not in self.orders:
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
        if order in self.orders or ORDERS[order].startswith("entries.seq"):
            return
        by = ORDERS[order].replace("entries.", "")
        self.db.execute(f"CREATE INDEX found.by_{order} ON entries ({by}, kind)")
        self.orders.add(order)

    def count_moves(self, upto: int) -> Counter[tuple[str, str]]:
        """The moves of all events up to ``upto``."""
        bounds = {"after": min(upto // BLOCK * BLOCK, self.counted), "upto": upto}
        rows = self.db.execute(COUNT_MOVES, bounds)
        return Counter({(row["from_state"], row["to_state"]): row["moves"] for row in rows})


def _compile_search(wanted: Filter) -> tuple[list[str], dict[str, object]]:
    """What jobs must meet, beside the parts of a ``Kind``, as SQL on ``texts`` and ``entries``."""
    params: dict[str, object] = {}
    conditions = ["1"]
    words = sorted(set(wanted.words), key=len, reverse=True)  # long words are rare
    for number, word in enumerate(words[:MOST_CONDITIONS]):
        conditions.append(f"instr(text, :word{number})")
        params[f"word{number}"] = _encode(word)
    if others := words[MOST_CONDITIONS:]:
        conditions.append(OTHER_WORDS)
        params["others"] = json.dumps(others)
    if wanted.rejected:
        conditions.append(REJECTED)
    if wanted.chain is not None:
        conditions.append(OF_CHAIN)
        params["chain"] = wanted.chain
    if wanted.choice is not None:
        conditions.append(CHOSEN[wanted.choice])
    if wanted.where is not None:
        compiled = CompiledCondition(wanted.where)
        params |= compiled.params
        conditions.append(f"EXISTS (SELECT 1 FROM jobs WHERE jobs.seq = texts.seq AND {compiled.sql})")
    return conditions, params


def _find_step(wanted: Filter) -> int:
    if wanted.where is not None:
        return max(1, SEARCH_STEP // 4)
    return SEARCH_STEP if wanted.words else _ALL  # an index finds the others


def _is_followed(where: Condition) -> bool:
    """Whether the jobs for which ``where`` is true change only with moves and rewrites."""
    names = [ref.name for ref in list_fields(where.expression)]
    return all(name in _FOLLOWED or split_name(name)[0] in (META, REQUEST) for name in names)


class PageIndex:
    """The index of the database at ``path``, for all threads of a process; they use it in turns.

    Every method first takes over what changed since the last one: new jobs, moves, and texts that were rewritten.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = expand_home(path)
        self._lock = Lock()
        self._copy: _Copy | None = None
        self._thread: Thread | None = None
        self._has_failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the copy; the next use makes another."""
        with self._lock:
            self._drop_copy()

    def refresh_soon(self) -> None:
        """Bring the copy up to date in a thread: with a million jobs the first time takes seconds.

        Not after a failure, until an answer has succeeded: the page asks often, and each try may fill the disk.
        """
        if not self._has_failed and (self._thread is None or not self._thread.is_alive()):
            self._thread = Thread(target=self._try_refresh, name="page-index", daemon=True)
            self._thread.start()

    def find_jobs(
        self,
        wanted: Filter,
        order: Order = Order.MANIFEST,
        *,
        at: int = 0,
        most: int,
        upto: float | None = None,
    ) -> Matches:
        """The jobs at ``most`` positions from ``at`` on, in ``order``, and the counts of all that match.

        With ``upto`` and the order by finish, jobs that were finished after that moment stay with the unfinished ones.
        Raises ``UsageError`` if there are too many jobs to group.
        """
        with self._use_copy() as copy:
            search = copy.find_search(wanted)
            jobs_of = copy.jobs_of if search is None else search.jobs_of
            total = sum(jobs_of[number] for kind, number in copy.kinds.items() if wanted.has_kind(kind))
            newer, groups = 0, None
            if order is Order.FINISHED:
                upto = math.inf if upto is None else upto
                newer = copy.count_newer(wanted, search, upto)
                over = sum(_count_part("state", wanted, copy.kinds, jobs_of).get(state, 0) for state in OVER)
                seqs = copy.list_finished(wanted, search, at=at, most=most, upto=upto, finished=over - newer)
            elif order in (Order.PROMPT, Order.CHAIN):
                if total > MOST_GROUPED:
                    raise UsageError(f"at most {MOST_GROUPED:,} jobs can be grouped; a filter makes them fewer")
                grouped = copy.list_groups(wanted, search, order)
                seqs = [seq for group in grouped for seq in group][at : at + most]
                groups = list(map(len, grouped))
            elif order is Order.RATING:
                seqs = copy.list_rated(wanted, search, at=at, most=most)
            else:
                seqs = copy.list_seqs(wanted, search, order, at=at, most=most)
            return Matches(
                seqs=seqs,
                total=total,
                counts=_count_kinds(wanted, copy.kinds, jobs_of),
                newer=newer,
                compared=None if search is None or search.compared >= copy.job else search.compared,
                groups=groups,
            )

    def list_choices(self) -> dict[str, list[tuple[str, int]]]:
        """The models, manifests and splits of all jobs with their numbers of jobs, the commonest first."""
        with self._use_copy() as copy:
            counts = _count_kinds(Filter(), copy.kinds, copy.jobs_of)
        return {f"{name}s": Counter(counts[name]).most_common(MOST_CHOICES) for name in ("model", "manifest", "split")}

    def count_moves(self, edges: Sequence[int]) -> list[Moves]:
        """How often each move was made, from the event after each of ``edges`` (ids of events) to the next."""
        with self._use_copy() as copy:
            totals = [copy.count_moves(edge) for edge in edges]
        return [upto - after for after, upto in pairwise(totals)]

    def _try_refresh(self) -> None:
        try:
            with self._lock:
                self._refresh()
        except (sqlite3.Error, OSError, BatchveoError):  # an answer that needs the index meets and reports it
            return

    @contextmanager
    def _use_copy(self) -> Iterator[_Copy]:
        with self._lock:
            try:
                yield self._refresh()
            except sqlite3.Error:
                self._drop_copy()  # it has no journal, so it may be damaged
                raise

    def _refresh(self) -> _Copy:
        """The copy, complete up to now; a new one if the file is another, such as a backup that was put back."""
        if self._copy is not None and (self._copy.identity != _identify(self._path) or self._copy.is_ahead()):
            self._drop_copy()
        if self._copy is None:
            self._copy = _open_copy(self._path)
            weakref.finalize(self, self._copy.db.close)
        try:
            self._copy.take_over()
        except BaseException:
            self._has_failed = True
            self._drop_copy()  # it has no journal, so it may be damaged
            raise
        self._has_failed = False
        return self._copy

    def _drop_copy(self) -> None:
        if self._copy is not None:
            self._copy.db.close()
            self._copy = None


def _identify(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def _open_copy(path: Path) -> _Copy:
    """An empty copy, beside the database at ``path`` in one connection."""
    identity = _identify(path)
    db = open_for_reading(path, shared=True)
    copy = _Copy(db, identity)
    kinds, jobs_of = copy.kinds, copy.jobs_of

    def count_kind(state: str, model: str, manifest: str, split: object, is_blocked: int | None) -> int:
        waits = None if is_blocked is None else Waits.BLOCKED if is_blocked else Waits.WAITING
        kind = Kind(state, model, manifest, text_of(split), waits)
        number = kinds.setdefault(kind, len(kinds))
        jobs_of[number] += 1
        return number

    db.create_function("count_kind", 5, count_kind)
    register_functions(db)
    db.create_function("fold_texts", -1, _fold_texts, deterministic=True)
    db.create_function("hash_text", 1, hash, deterministic=True)
    db.execute("PRAGMA query_only = OFF")  # only the copy is written to
    db.execute("ATTACH '' AS found")  # a temporary file, which goes with the connection
    db.execute("PRAGMA found.journal_mode = OFF")
    for statement in TABLES:
        db.execute(statement)
    return copy


def _fold_texts(*texts: object) -> bytes:
    return _encode("\n".join(text_of(text) or "" for text in texts).casefold())


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _count_kinds(wanted: Filter, kinds: Mapping[Kind, int], jobs_of: Mapping[int, int]) -> dict[str, dict[str, int]]:
    """For each part of a ``Kind``, the jobs of each of its values that the filters of the other parts match."""
    return {name: _count_part(name, wanted.without(name), kinds, jobs_of) for name in Kind._fields}


def _count_part(name: str, wanted: Filter, kinds: Mapping[Kind, int], jobs_of: Mapping[int, int]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for kind, number in kinds.items():
        value = getattr(kind, name)
        if value is not None and jobs_of[number] and wanted.has_kind(kind):
            counts[value] += jobs_of[number]
    return dict(counts)
