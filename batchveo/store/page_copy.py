"""A copy of what the page searches, filters and sorts by, in a temporary file; it takes over what changes."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batchveo.store.chain_queries import HAS_LINKS
from batchveo.store.conditions import register_functions
from batchveo.store.database import open_for_reading
from batchveo.store.job_search import Kind, Order, Waits, text_of
from batchveo.store.page_searches import NEW, PageSearches, encode_text
from batchveo.store.page_waits import IS_BLOCKED, follow_waits, make_wait_tables

TABLES = (
    # ``kind``: the number of a ``Kind``; ``prompt``: a hash of the prompt
    """CREATE TABLE found.entries (seq INTEGER PRIMARY KEY, kind INTEGER, finished REAL, cost REAL, seconds REAL,
        prompt INTEGER, name TEXT, chain INTEGER, link INTEGER, is_blocked INTEGER)""",
    "CREATE TABLE found.texts (seq INTEGER PRIMARY KEY, text BLOB)",
    """CREATE TABLE found.moves (event INTEGER, from_state TEXT, to_state TEXT, moves INTEGER,
        PRIMARY KEY (event, from_state, to_state)) WITHOUT ROWID""",
)
LATEST = """SELECT (SELECT coalesce(max(seq), 0) FROM jobs) AS job, (SELECT coalesce(max(id), 0) FROM events) AS event,
    (SELECT coalesce(max(number), 0) FROM rewrites) AS rewrite,
    (SELECT coalesce(max(id), 0) FROM verdicts) AS verdict, (SELECT coalesce(max(id), 0) FROM votes) AS vote"""
# texts out of JSON are bytes: they may have halves of characters, which Python does not decode as UTF-8
COPY_ENTRIES = f"""INSERT INTO found.entries SELECT seq, count_kind(state, model, manifest,
        iif(json_type(meta, '$.split') = 'text', CAST(json_extract(meta, '$.split') AS BLOB), NULL),
        {IS_BLOCKED}),
    iif(state IN ('succeeded', 'failed'), coalesce(finished_at, 0), NULL), cost_usd, completed_at - submitted_at,
    hash_text(coalesce(CAST(json_extract(request, '$.prompt') AS BLOB), request)), name, chain, link,
    {IS_BLOCKED} FROM jobs WHERE """
COPY_TEXTS = """INSERT INTO found.texts SELECT seq,
    fold_texts(name, CAST(json_extract(request, '$.prompt') AS BLOB), error, id, generation_id) FROM jobs WHERE """
FORGET_ENTRIES = "DELETE FROM found.entries WHERE {} RETURNING kind"
FORGET_TEXTS = "DELETE FROM found.texts WHERE "
MOVED = "seq IN (SELECT job FROM events WHERE id > :after AND id <= :upto)"
REWRITTEN = "seq IN (SELECT job FROM rewrites WHERE number > :after AND number <= :upto)"
JUDGED = "seq IN (SELECT job FROM verdicts WHERE id > :after AND id <= :upto)"
VOTED = """seq IN (SELECT coalesce(votes.job, undone.job)
    FROM votes LEFT JOIN votes AS undone ON undone.id = votes.undoes WHERE votes.id > :after AND votes.id <= :upto)"""
LISTED = "seq IN (SELECT value FROM json_each(:seqs))"
UNPRICED = "SELECT seq FROM jobs WHERE completed_at IS NOT NULL AND cost_usd IS NULL ORDER BY seq LIMIT 10000"
# of all events up to one: ``event`` is the last of those whose moves are in the copy
COUNT_MOVES = """SELECT from_state, to_state, sum(moves) AS moves FROM (
        SELECT from_state, to_state, moves FROM found.moves WHERE event = :after
        UNION ALL SELECT from_state, to_state, 1 FROM events WHERE id > :after AND id <= :upto)
    GROUP BY from_state, to_state"""
ADD_MOVES = f"INSERT INTO found.moves SELECT :upto, * FROM ({COUNT_MOVES})"

ROWS_AT_ONCE = 50_000
"""Rows that one statement copies: a longer reading would keep a run's log of writes from being emptied."""
BLOCK = 256
"""Events after which the copy has the moves of all events so far; events never change."""


@dataclass(slots=True, kw_only=True)
class PageCopy:
    """The copy in an open database; up to which job, event, rewrite, verdict and vote it is complete.

    ``counted`` is the last event whose moves it has. ``kinds`` are numbered in the order in which they were met;
    ``jobs_of`` counts the jobs of each number. ``unpriced`` are the jobs whose price may come without a move.
    ``orders``: those that an index of it meets.
    """

    db: sqlite3.Connection
    identity: tuple[int, int]
    kinds: Mapping[Kind, int]
    jobs_of: Counter[int]
    searches: PageSearches
    job: int = 0
    event: int = 0
    rewrite: int = 0
    verdict: int = 0
    vote: int = 0
    has_links: bool = False
    counted: int = 0
    unpriced: set[int] = field(default_factory=set)
    orders: set[Order] = field(default_factory=set)

    def is_of(self, path: Path) -> bool:
        """Whether the file at ``path`` is the database that was copied: another one is another file, or has less."""
        if self.identity != _identify(path):
            return False
        latest = self.db.execute(LATEST).fetchone()
        return all(there >= here for there, here in zip(latest, self._position, strict=True))

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
            known = bounds["upto"] if condition == NEW else self.job
            others = follow_waits(self.db, condition, bounds, job=known) if self.has_links else []
            self._replace_rows(condition, bounds)
            if others:
                self._replace_rows(LISTED, {"seqs": json.dumps(others)})
        return upto

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
        self.searches.match_again(condition, bounds)

    def count_moves(self, upto: int) -> Counter[tuple[str, str]]:
        """The moves of all events up to ``upto``."""
        bounds = {"after": min(upto // BLOCK * BLOCK, self.counted), "upto": upto}
        rows = self.db.execute(COUNT_MOVES, bounds)
        return Counter({(row["from_state"], row["to_state"]): row["moves"] for row in rows})


def open_copy(path: Path) -> PageCopy:
    """An empty copy, beside the database at ``path`` in one connection."""
    identity = _identify(path)
    db = open_for_reading(path, shared=True)
    kinds: dict[Kind, int] = {}
    jobs_of: Counter[int] = Counter()

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
    make_wait_tables(db)
    return PageCopy(db=db, identity=identity, kinds=kinds, jobs_of=jobs_of, searches=PageSearches(db))


def _identify(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def _fold_texts(*texts: object) -> bytes:
    return encode_text("\n".join(text_of(text) or "" for text in texts).casefold())
