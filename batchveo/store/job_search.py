"""The search of the web page: jobs that match a filter, page by page, and the changes since an event."""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from batchveo.core.models import JobState
from batchveo.store.database import Connection, Part
from batchveo.store.queries import Queries

CARD = """seq, id, name, state, held, model, manifest, attempts, error, cost_usd, bytes, folder, file,
    generation_id, not_before, submitted_at, completed_at, finished_at, repeat_index,
    CAST(substr(CAST(json_extract(request, '$.prompt') AS TEXT), 1, :clip) AS BLOB) AS prompt,
    iif(json_type(request, '$.seed') = 'integer', json_extract(request, '$.seed'), NULL) AS seed,
    iif(json_type(meta, '$.split') = 'text', CAST(json_extract(meta, '$.split') AS BLOB), NULL) AS split"""
"""The columns of a card; the prompt in its first ``:clip`` characters.

Texts out of JSON are bytes: they may have halves of characters, which Python does not decode as UTF-8.
"""

_MATCHES = """(:model IS NULL OR model = :model) AND (:manifest IS NULL OR manifest = :manifest)
    AND (:split IS NULL OR json_extract(meta, '$.split') = :split)
    AND (:hint IS NULL OR request LIKE :hint OR name LIKE :hint OR error LIKE :hint OR id LIKE :hint
         OR generation_id LIKE :hint)
    AND (NOT :searching
         OR mentions(name, CAST(json_extract(request, '$.prompt') AS BLOB), error, id, generation_id))"""
_IN_STATES = "state IN (SELECT value FROM json_each(:states))"
_ALL = _MATCHES
_COMMON_STATES = f"+{_IN_STATES} AND {_MATCHES}"  # the plus excludes the index: a page is full after a few rows
# few jobs are in these states: an index finds them faster than a walk through all jobs
_RARE_STATES = f"""seq IN (SELECT seq FROM jobs INDEXED BY jobs_by_state WHERE {_IN_STATES}) AND {_MATCHES}"""


def _make_page_queries(matches: str) -> tuple[str, str]:
    """Statements of a page in manifest order, and of one from the end backwards; both begin beyond ``:after``."""
    return (
        f"SELECT {CARD} FROM jobs WHERE seq > :after AND {matches} ORDER BY seq LIMIT :most",
        f"SELECT {CARD} FROM jobs WHERE seq < :after AND {matches} ORDER BY seq DESC LIMIT :most",
    )


PAGE_OF_ALL = _make_page_queries(_ALL)
PAGE_OF_COMMON = _make_page_queries(_COMMON_STATES)
PAGE_OF_RARE = _make_page_queries(_RARE_STATES)
MATCHING_ALL = f"SELECT count(*) FROM (SELECT 1 FROM jobs WHERE {_ALL} LIMIT :most)"
MATCHING_COMMON = f"SELECT count(*) FROM (SELECT 1 FROM jobs WHERE {_COMMON_STATES} LIMIT :most)"
MATCHING_RARE = f"SELECT count(*) FROM (SELECT 1 FROM jobs WHERE {_RARE_STATES} LIMIT :most)"

BY_STATE = f"""SELECT state, count(*) AS jobs FROM (SELECT state FROM jobs WHERE {_ALL} LIMIT :most) GROUP BY state"""

LATEST_EVENT = "SELECT coalesce(max(id), 0) FROM events"
MOVED_SINCE = f"""SELECT {CARD} FROM jobs WHERE seq IN (SELECT job FROM events WHERE id > :since) LIMIT :most"""
MODELS = "SELECT model AS value, count(*) AS jobs FROM jobs GROUP BY model ORDER BY jobs DESC LIMIT :most"
MANIFESTS = "SELECT manifest AS value, count(*) AS jobs FROM jobs GROUP BY manifest ORDER BY jobs DESC LIMIT :most"
SPLITS = """SELECT CAST(json_extract(meta, '$.split') AS BLOB) AS value, count(*) AS jobs FROM jobs
    WHERE json_type(meta, '$.split') = 'text' GROUP BY value ORDER BY jobs DESC LIMIT :most"""
# many texts differ only in an id: the commonest show the causes
ERRORS = """SELECT coalesce(error, '') AS error, model, count(*) AS jobs, min(seq) AS example FROM jobs
    WHERE state = 'failed' GROUP BY error, model ORDER BY jobs DESC LIMIT :most"""
FOLDERS = """SELECT folder, count(*) AS jobs FROM (SELECT folder FROM jobs WHERE state = 'succeeded' LIMIT 10000)
    GROUP BY folder ORDER BY jobs DESC LIMIT 1"""

CLIP = 400
"""Characters of a prompt on a card; prompts may be long."""
MOST_COUNTED = 10_001
"""Matches are counted up to here; beyond, "more than 10,000" is enough."""
MOST_CHOICES = 200
MOST_ERRORS = 20_000
RARE = 0.1
"""The share of all jobs below which an index finds those in some states faster than a walk."""
_BEYOND = 2**62

Query = TypeVar("Query")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A choice of jobs. ``words`` must all be in name, prompt, error or ids, in any case."""

    states: tuple[JobState, ...] = ()
    model: str | None = None
    manifest: str | None = None
    split: str | None = None
    words: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str, **others: object) -> Filter:
        """With the words of ``text``."""
        return cls(words=tuple(text.casefold().split()), **others)  # type: ignore[arg-type]

    @property
    def hint(self) -> str | None:
        """A pattern for ``LIKE`` of the longest plain piece of a word: it excludes most rows before ``mentions``."""
        plain = [piece for word in self.words for piece in _list_plain_pieces(word)]
        return f"%{max(plain, key=len)}%" if plain else None

    def has_words(self, *texts: object) -> bool:
        """Whether every word is in one of ``texts``."""
        whole = "\n".join(text_of(text) or "" for text in texts).casefold()
        return all(word in whole for word in self.words)


def text_of(value: object) -> str | None:
    """A text out of JSON, which SQLite returns as bytes; halves of characters are kept."""
    return value.decode(errors="surrogatepass") if isinstance(value, bytes) else value  # type: ignore[return-value]


def _list_plain_pieces(word: str) -> Iterator[str]:
    """Parts that ``LIKE`` compares as we do: letters and digits of ASCII, and letters without case."""
    for plain, run in groupby(word, key=_is_plain):
        if plain:
            yield "".join(run)


def _is_plain(char: str) -> bool:
    return char.isalnum() if char.isascii() else unicodedata.category(char) == "Lo"


class JobSearch(Part):
    """Reads of the web page."""

    def __init__(self, connection: Connection, queries: Queries) -> None:
        super().__init__(connection)
        self._counts = queries.count_jobs

    def read_page(
        self, wanted: Filter, *, after: int | None = None, newest: bool = False, most: int, clip: int = CLIP
    ) -> list[sqlite3.Row]:
        """At most ``most`` jobs with the columns of ``CARD``, beyond the one numbered ``after``."""
        every, common, rare = PAGE_OF_ALL, PAGE_OF_COMMON, PAGE_OF_RARE
        start = (_BEYOND if newest else 0) if after is None else after
        columns = {**self._make_columns(wanted), "after": start, "most": most, "clip": clip}
        return self._db.execute(self._choose_query(wanted, every, common, rare)[newest], columns).fetchall()

    def count_matches(self, wanted: Filter) -> int:
        """How many jobs match, counted up to ``MOST_COUNTED``."""
        if wanted == Filter():
            return self._counts().total
        query = self._choose_query(wanted, MATCHING_ALL, MATCHING_COMMON, MATCHING_RARE)
        return int(self._db.execute(query, {**self._make_columns(wanted), "most": MOST_COUNTED}).fetchone()[0])

    def count_matches_by_state(self, wanted: Filter) -> dict[str, int] | None:
        """How many jobs match in each state, whatever states are wanted; ``None`` beyond ``MOST_COUNTED``."""
        columns = {**self._make_columns(wanted), "most": MOST_COUNTED}
        found = {row["state"]: row["jobs"] for row in self._db.execute(BY_STATE, columns)}
        return found if sum(found.values()) < MOST_COUNTED else None

    def list_changes(self, event: int, *, most: int) -> list[sqlite3.Row]:
        """The jobs that moved after the event of that number."""
        columns = {"since": event, "most": most, "clip": CLIP}
        return self._db.execute(MOVED_SINCE, columns).fetchall()

    def read_latest_event(self) -> int:
        """The number of the latest event."""
        return int(self._db.execute(LATEST_EVENT).fetchone()[0])

    def list_choices(self) -> dict[str, list[sqlite3.Row]]:
        """The models, manifests and splits of all jobs: ``value, jobs``, the commonest first."""
        queries = {"models": MODELS, "manifests": MANIFESTS, "splits": SPLITS}
        return {name: self._db.execute(query, {"most": MOST_CHOICES}).fetchall() for name, query in queries.items()}

    def list_errors(self) -> list[sqlite3.Row]:
        """The errors of failed jobs: ``error, model, jobs, example`` (a job's number)."""
        return self._db.execute(ERRORS, {"most": MOST_ERRORS}).fetchall()

    def find_usual_folder(self) -> str | None:
        """The folder of most videos."""
        row = self._db.execute(FOLDERS).fetchone()
        return None if row is None else row["folder"]

    def _choose_query(self, wanted: Filter, every: Query, common: Query, rare: Query) -> Query:
        if not wanted.states:
            return every
        counts = self._counts()
        share = sum(counts[state] for state in wanted.states) / max(counts.total, 1)
        return rare if share < RARE else common

    def _make_columns(self, wanted: Filter) -> dict[str, object]:
        self._db.create_function("mentions", -1, wanted.has_words, deterministic=True)
        return {
            "states": json.dumps([state.value for state in wanted.states]),
            "model": wanted.model,
            "manifest": wanted.manifest,
            "split": wanted.split,
            "hint": wanted.hint,
            "searching": bool(wanted.words),
        }
