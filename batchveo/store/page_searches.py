"""Searches of the page: the jobs that match words, conditions and choices, kept in a table beside the copy.

With a million jobs a search takes seconds, so that each answer continues it; its matches follow the copy.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from batchveo.core.expressions import list_fields, split_name
from batchveo.core.fields import BEFOREHAND, FIELDS, META, REQUEST, Condition
from batchveo.store.conditions import CompiledCondition
from batchveo.store.job_search import Choice, Filter, Kind
from batchveo.store.votes import PICKED, REFUSED

MATCHES = """CREATE TABLE found.matches (search INTEGER, seq INTEGER, kind INTEGER, PRIMARY KEY (search, seq))
    WITHOUT ROWID"""
FORGET_MATCHES = "DELETE FROM found.matches WHERE search = :search AND ({}) RETURNING kind"
MATCH = """INSERT INTO found.matches
    SELECT :search, seq, (SELECT kind FROM found.entries WHERE entries.seq = texts.seq) FROM found.texts
    WHERE {} AND seq <= :compared AND {} RETURNING kind"""
FORGET_SEARCH = "DELETE FROM found.matches WHERE search = :search"
NEW = "seq > :after AND seq <= :upto"
CHOSEN = {
    Choice.PICKED: f"seq IN ({PICKED})",
    Choice.REJECTED: f"seq IN ({REFUSED})",
}
OF_CHAIN = "seq IN (SELECT seq FROM jobs WHERE chain = (SELECT seq FROM jobs WHERE id = :chain))"
REJECTED = "seq IN (SELECT seq FROM jobs INDEXED BY jobs_rejected WHERE verdict = 'rejected')"
OTHER_WORDS = "NOT EXISTS (SELECT 1 FROM json_each(:others) WHERE NOT instr(text, CAST(value AS BLOB)))"

MOST_SEARCHES = 4
"""Searches whose matches are kept, and followed: going back and forth between some is fast."""
MOST_CONDITIONS = 100
"""Words with a condition of their own: SQLite takes no thousand, and somebody may look for a whole prompt."""
SEARCH_STEP = 20_000
"""Jobs that are searched between two looks at the time; a quarter of them if a condition reads their rows."""
SEARCH_SECONDS = 0.3
"""Time for one answer: with a million jobs a search may take several, each of which shows how far it came."""
REST_FACTOR = 10.0
"""Times as long as it took, a search that may have other matches by now is used again."""
_ALL = 2**62
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


@dataclass(slots=True)
class Search:
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


class PageSearches:
    """The latest searches of the copy that is in ``db``, with their matches."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._kept: dict[Filter, Search] = {}
        db.execute(MATCHES)

    def find_search(self, wanted: Filter, job: int) -> Search | None:
        """The search for what ``wanted`` has beside the parts of a ``Kind``; ``None`` if that is nothing.

        It is continued for a moment; ``job`` is the last one of the copy.
        """
        key = wanted.without(*Kind._fields)
        if key == Filter():
            return None
        search = self._kept.pop(key, None)
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if search is not None and search.is_outdated(version):
            self._drop_search(search)
            search = None
        if search is None:
            search = self._begin_search(key, version)
        self._kept[key] = search  # the latest used is the last
        while len(self._kept) > MOST_SEARCHES:
            self._drop_search(self._kept.pop(next(iter(self._kept))))
        self._continue_search(search, job)
        return search

    def match_again(self, condition: str, bounds: Mapping[str, object]) -> None:
        """Search the jobs of ``condition`` again, which were copied again, as far as each search has come."""
        for search in self._kept.values():
            for row in self._db.execute(FORGET_MATCHES.format(condition), {**bounds, "search": search.number}):
                search.jobs_of[row["kind"]] -= 1
            self._match_rows(search, condition, bounds)

    def _begin_search(self, key: Filter, version: int) -> Search:
        conditions, params = _compile_search(key)
        number = 1 + max((search.number for search in self._kept.values()), default=0)
        is_followed = key.choice is None and not key.rejected and (key.where is None or _is_followed(key.where))
        return Search(
            number=number,
            sql=" AND ".join(conditions),
            params=params,
            step=_find_step(key),
            version=None if is_followed else version,
            began=time.monotonic(),
        )

    def _drop_search(self, search: Search) -> None:
        self._db.execute(FORGET_SEARCH, {"search": search.number})

    def _continue_search(self, search: Search, job: int) -> None:
        until = time.monotonic() + SEARCH_SECONDS
        while search.compared < job and time.monotonic() <= until:
            first = search.compared
            search.compared = min(first + search.step, job)
            self._match_rows(search, NEW, {"after": first, "upto": search.compared})
        if search.ended is None and search.compared >= job:
            search.ended = time.monotonic()

    def _match_rows(self, search: Search, condition: str, bounds: Mapping[str, object]) -> None:
        """Keep the matches among the jobs of ``condition``, as far as the search has come."""
        params = {**search.params, **bounds, "search": search.number, "compared": search.compared}
        search.jobs_of.update(row["kind"] for row in self._db.execute(MATCH.format(condition, search.sql), params))


def _compile_search(wanted: Filter) -> tuple[list[str], dict[str, object]]:
    """What jobs must meet, beside the parts of a ``Kind``, as SQL on ``texts`` and ``entries``."""
    params: dict[str, object] = {}
    conditions = ["1"]
    words = sorted(set(wanted.words), key=len, reverse=True)  # long words are rare
    for number, word in enumerate(words[:MOST_CONDITIONS]):
        conditions.append(f"instr(text, :word{number})")
        params[f"word{number}"] = encode_text(word)
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


def encode_text(text: str) -> bytes:
    """A text as it is compared: it may have halves of characters, which UTF-8 does not."""
    return text.encode("utf-8", "surrogatepass")
