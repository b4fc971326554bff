"""What the page searches, filters and counts by: a copy in a temporary file, which each answer brings up to date.

A search of the database itself would read all of its rows, which takes seconds with a million jobs.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
import weakref
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from threading import Lock, Thread
from typing import Self

from batchveo.core.destination import expand_home
from batchveo.core.errors import BatchveoError
from batchveo.store.conditions import CompiledCondition, register_functions
from batchveo.store.database import open_for_reading
from batchveo.store.display_queries import Moves
from batchveo.store.job_search import Choice, Filter, text_of

# ``kind``: the number of the model, manifest and split; before the text, which most statements do not read
TABLES = (
    "CREATE TABLE found.entries (seq INTEGER PRIMARY KEY, state TEXT, kind INTEGER, text BLOB)",
    """CREATE TABLE found.moves (event INTEGER, from_state TEXT, to_state TEXT, moves INTEGER,
        PRIMARY KEY (event, from_state, to_state)) WITHOUT ROWID""",
)
LATEST = """SELECT (SELECT coalesce(max(seq), 0) FROM jobs) AS job, (SELECT coalesce(max(id), 0) FROM events) AS event,
    (SELECT coalesce(max(number), 0) FROM rewrites) AS rewrite"""
# texts out of JSON are bytes: they may have halves of characters, which Python does not decode as UTF-8
COPY = """INSERT INTO found.entries SELECT seq, state, count_kind(model, manifest,
        iif(json_type(meta, '$.split') = 'text', CAST(json_extract(meta, '$.split') AS BLOB), NULL)),
    fold_texts(name, CAST(json_extract(request, '$.prompt') AS BLOB), error, id, generation_id) FROM jobs WHERE """
FORGET = "DELETE FROM found.entries WHERE {} RETURNING kind"
NEW = "seq > :after AND seq <= :upto"
MOVED = "seq IN (SELECT job FROM events WHERE id > :after AND id <= :upto)"
REWRITTEN = "seq IN (SELECT job FROM rewrites WHERE number > :after AND number <= :upto)"
# of all events up to one: ``event`` is the last of those whose moves are in the copy
COUNT_MOVES = """SELECT from_state, to_state, sum(moves) AS moves FROM (
        SELECT from_state, to_state, moves FROM found.moves WHERE event = :after
        UNION ALL SELECT from_state, to_state, 1 FROM events WHERE id > :after AND id <= :upto)
    GROUP BY from_state, to_state"""
ADD_MOVES = f"INSERT INTO found.moves SELECT :upto, * FROM ({COUNT_MOVES})"
CHOSEN = {
    Choice.PICKED: "seq IN (SELECT job FROM standings WHERE picks > rejects)",
    Choice.REJECTED: "seq IN (SELECT job FROM standings WHERE rejects > picks)",
}
OTHER_WORDS = "NOT EXISTS (SELECT 1 FROM json_each(:others) WHERE NOT instr(text, CAST(value AS BLOB)))"

MOST_COUNTED = 10_001
"""Matches are counted up to here; beyond, "more than 10,000" is enough."""
MOST_CHOICES = 200
ROWS_AT_ONCE = 50_000
"""Rows that one statement copies: a longer reading would keep a run's log of writes from being emptied."""
MOST_CONDITIONS = 100
"""Words with a condition of their own: SQLite takes no thousand, and somebody may look for a whole prompt."""
BLOCK = 256
"""Events after which the copy has the moves of all events so far; events never change."""
CONDITION_STEP = 20_000
"""Jobs that are compared with a condition between two looks at the time."""
CONDITION_SECONDS = 0.4
_BEYOND = 2**62

Kind = tuple[str, str, str | None]
"""Model, manifest and split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """The numbers of the first jobs that match, and how many match: up to ``MOST_COUNTED``.

    ``by_state`` counts the matches of the filter without its states; ``None`` if it has nothing else, or for
    ``MOST_COUNTED`` and more. ``upto``: the job at which the time for a condition was over; ``None`` if it was enough.
    """

    seqs: Sequence[int]
    total: int
    by_state: Mapping[str, int] | None
    upto: int | None = None


@dataclass(slots=True)
class _Copy:
    """The copy in an open database; up to which job, event and rewrite it is complete.

    ``counted`` is the last event whose moves it has. ``kinds`` are numbered in the order in which they were met;
    ``jobs_of`` counts the jobs of each number.
    """

    db: sqlite3.Connection
    identity: tuple[int, int]
    job: int = 0
    event: int = 0
    rewrite: int = 0
    counted: int = 0
    kinds: dict[Kind, int] = field(default_factory=dict)
    jobs_of: Counter[int] = field(default_factory=Counter)

    def is_ahead(self) -> bool:
        """Whether the database has less than was copied, so that it is another one."""
        job, event, rewrite = self.db.execute(LATEST).fetchone()
        return bool(job < self.job or event < self.event or rewrite < self.rewrite)

    def take_over(self) -> None:
        """Copy what is new; a row that changes meanwhile has a number beyond these, and is copied again."""
        job, event, rewrite = self.db.execute(LATEST).fetchone()
        if self.job == 0:  # rows that are copied below are as the moves and rewrites of before left them
            self.event, self.rewrite = event, rewrite
        self.job = self._copy_rows(NEW, self.job, job)
        self.event = self._copy_rows(MOVED, self.event, event)
        self.rewrite = self._copy_rows(REWRITTEN, self.rewrite, rewrite)
        while self.counted + BLOCK <= event:
            self.db.execute(ADD_MOVES, {"after": self.counted, "upto": self.counted + BLOCK})
            self.counted += BLOCK

    def _copy_rows(self, condition: str, after: int, upto: int) -> int:
        for first in range(after, upto, ROWS_AT_ONCE):
            bounds = {
                "after": first,
                "upto": min(first + ROWS_AT_ONCE, upto),
            }
            for row in self.db.execute(FORGET.format(condition), bounds):
                self.jobs_of[row["kind"]] -= 1
            self.db.execute(COPY + condition, bounds)
        return upto

    def scan_entries(
        self, wanted: Filter, *, after: int | None = None, newest: bool = False, most: int
    ) -> tuple[list[sqlite3.Row], int | None]:
        """``seq, state`` of at most ``most`` jobs that match, beyond the one numbered ``after``.

        A condition reads rows of the database, so it gets ``CONDITION_SECONDS``: the second value is the job up to
        which there was time, ``None`` if there was enough.
        """
        start = (self.job + 1 if newest else 0) if after is None else after
        if wanted.where is None:
            return self._scan_range(wanted, start, 0 if newest else _BEYOND, newest=newest, most=most), None
        found: list[sqlite3.Row] = []
        ends = range(start, 0, -CONDITION_STEP) if newest else range(start, self.job, CONDITION_STEP)
        until = time.monotonic() + CONDITION_SECONDS
        for first in ends:
            if time.monotonic() > until:
                return found, first
            last = max(first - CONDITION_STEP, 1) - 1 if newest else first + CONDITION_STEP + 1
            found += self._scan_range(wanted, first, last, newest=newest, most=most - len(found))
            if len(found) == most:
                break
        return found, None

    def _scan_range(self, wanted: Filter, after: int, before: int, *, newest: bool, most: int) -> list[sqlite3.Row]:
        """The matches between two numbers, which are left out themselves."""
        columns: dict[str, object] = {"after": after, "before": before, "most": most}
        conditions = ["seq < :after AND seq > :before" if newest else "seq > :after AND seq < :before"]
        if wanted.states:
            conditions.append("state IN (SELECT value FROM json_each(:states))")
            columns["states"] = json.dumps([state.value for state in wanted.states])
        if (wanted.model, wanted.manifest, wanted.split) != (None, None, None):
            conditions.append("kind IN (SELECT value FROM json_each(:kinds))")
            columns["kinds"] = json.dumps([number for kind, number in self.kinds.items() if wanted.has_kind(*kind)])
        words = sorted(set(wanted.words), key=len, reverse=True)  # long words are rare
        for number, word in enumerate(words[:MOST_CONDITIONS]):
            conditions.append(f"instr(text, :word{number})")
            columns[f"word{number}"] = _encode(word)
        if others := words[MOST_CONDITIONS:]:
            conditions.append(OTHER_WORDS)
            columns["others"] = json.dumps(others)
        if wanted.rejected:
            conditions.append("seq IN (SELECT seq FROM jobs INDEXED BY jobs_rejected WHERE verdict = 'rejected')")
        if wanted.choice is not None:
            conditions.append(CHOSEN[wanted.choice])
        if wanted.where is not None:
            compiled = CompiledCondition(wanted.where)
            columns |= compiled.params
            conditions.append(f"EXISTS (SELECT 1 FROM jobs WHERE jobs.seq = entries.seq AND {compiled.sql})")
        order = "ORDER BY seq DESC" if newest else "ORDER BY seq"
        query = f"SELECT seq, state FROM found.entries WHERE {' AND '.join(conditions)} {order} LIMIT :most"
        return self.db.execute(query, columns).fetchall()

    def count_moves(self, upto: int) -> Counter[tuple[str, str]]:
        """The moves of all events up to ``upto``."""
        bounds = {"after": min(upto // BLOCK * BLOCK, self.counted), "upto": upto}
        rows = self.db.execute(COUNT_MOVES, bounds)
        return Counter({(row["from_state"], row["to_state"]): row["moves"] for row in rows})


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

    def find_jobs(self, wanted: Filter, *, newest: bool = False, most: int) -> Matches:
        """The first ``most`` jobs that match, in manifest order or from its end, and the counts of all."""
        in_any_state = replace(wanted, states=())
        with self._lock:
            copy = self._refresh()
            found, upto = copy.scan_entries(in_any_state, newest=newest, most=MOST_COUNTED)
            whole = len(found) < MOST_COUNTED
            chosen = [row for row in found if wanted.has_state(row["state"])]
            if not whole and wanted.states:
                chosen, upto = copy.scan_entries(wanted, newest=newest, most=MOST_COUNTED)
        by_state = Counter(row["state"] for row in found) if whole and in_any_state != Filter() else None
        seqs = [row["seq"] for row in chosen[:most]]
        return Matches(seqs=seqs, total=len(chosen), by_state=by_state, upto=upto)

    def find_more_jobs(
        self, wanted: Filter, *, after: int, newest: bool = False, most: int
    ) -> tuple[list[int], int | None]:
        """The numbers of at most ``most`` jobs that match, beyond the one numbered ``after``; ``Matches.upto``."""
        with self._lock:
            found, upto = self._refresh().scan_entries(wanted, after=after, newest=newest, most=most)
        return [row["seq"] for row in found], upto

    def list_choices(self) -> dict[str, list[tuple[str, int]]]:
        """The models, manifests and splits of all jobs with their numbers of jobs, the commonest first."""
        with self._lock:
            copy = self._refresh()
            counted = [(kind, copy.jobs_of[number]) for kind, number in copy.kinds.items()]
        names = ("models", "manifests", "splits")
        return {name: _count_values((kind[n], jobs) for kind, jobs in counted) for n, name in enumerate(names)}

    def count_moves(self, edges: Sequence[int]) -> list[Moves]:
        """How often each move was made, from the event after each of ``edges`` (ids of events) to the next."""
        with self._lock:
            copy = self._refresh()
            totals = [copy.count_moves(edge) for edge in edges]
        return [upto - after for after, upto in pairwise(totals)]

    def _try_refresh(self) -> None:
        try:
            with self._lock:
                self._refresh()
        except (sqlite3.Error, OSError, BatchveoError):  # an answer that needs the index meets and reports it
            return

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

    def count_kind(model: str, manifest: str, split: object) -> int:
        number = kinds.setdefault((model, manifest, text_of(split)), len(kinds))
        jobs_of[number] += 1
        return number

    db.create_function("count_kind", 3, count_kind)
    register_functions(db)
    db.create_function("fold_texts", -1, _fold_texts, deterministic=True)
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


def _count_values(counted: Iterable[tuple[str | None, int]]) -> list[tuple[str, int]]:
    jobs_of: Counter[str] = Counter()
    for value, jobs in counted:
        if value is not None and jobs:
            jobs_of[value] += jobs
    return jobs_of.most_common(MOST_CHOICES)
