"""Reads of the web page: cards, page by page, the changes since an event, and the errors of failed jobs."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from batchveo.core.fields import Condition
from batchveo.core.models import JobState
from batchveo.core.votes import Standing
from batchveo.store.database import Part

CARD = """seq, id, name, state, held, model, manifest, attempts, error, cost_usd, bytes, folder, file,
    generation_id, not_before, submitted_at, completed_at, finished_at, repeat_index, take, verdict,
    iif(verdict = 'rejected', (SELECT gate FROM verdicts WHERE job = jobs.seq ORDER BY id DESC LIMIT 1), NULL) AS gate,
    (SELECT json_group_array(json_array(id, person, kind, rating)) FROM valid_votes WHERE job = jobs.seq) AS votes,
    CAST(substr(CAST(json_extract(request, '$.prompt') AS TEXT), 1, :clip) AS BLOB) AS prompt,
    iif(json_type(request, '$.seed') = 'integer', json_extract(request, '$.seed'), NULL) AS seed,
    iif(json_type(meta, '$.split') = 'text', CAST(json_extract(meta, '$.split') AS BLOB), NULL) AS split,
    json_array(json_extract(request, '$.duration'), json_extract(request, '$.resolution'),
        json_extract(request, '$.aspect_ratio')) AS wanted,
    iif(length(meta) <= 4000, CAST(meta AS BLOB), NULL) AS meta,
    (SELECT json_array(duration_seconds, width, height, fps) FROM measures
        WHERE job = jobs.seq AND measures.sha256 = jobs.sha256) AS measured,
    link, waits, (SELECT json_array(id, name) FROM jobs AS first WHERE first.seq = jobs.chain) AS chain,
    iif(link > 1, (SELECT json_group_array(json_array(parents.id, parents.name, links.part))
        FROM links CROSS JOIN jobs AS parents ON parents.seq = links.parent WHERE links.child = jobs.seq), '[]')
        AS parents"""
"""The columns of a card; the prompt in its first ``:clip`` characters.

Texts out of JSON are bytes: they may have halves of characters, which Python does not decode as UTF-8.
"""

PAGE = f"SELECT {CARD} FROM jobs WHERE seq > :after ORDER BY seq LIMIT :most"
PAGE_FROM_END = f"SELECT {CARD} FROM jobs WHERE seq < :after ORDER BY seq DESC LIMIT :most"
CARDS = f"SELECT {CARD} FROM jobs WHERE seq IN (SELECT value FROM json_each(:seqs))"
LAST_NUMBER = "SELECT coalesce(max(seq), 0) FROM jobs"
STATES = "SELECT id, state, held FROM jobs WHERE seq IN (SELECT value FROM json_each(:seqs)) ORDER BY seq"
# texts out of JSON are bytes, as in ``CARD``
VALUES = """SELECT CAST(each.key AS BLOB) AS key,
        iif(each.type = 'text', CAST(each.value AS BLOB), each.value) AS value, count(*) AS jobs
    FROM (SELECT {} AS content FROM jobs ORDER BY seq DESC LIMIT :most) AS latest, json_each(latest.content) AS each
    WHERE each.type IN ('text', 'integer', 'real') AND length(each.value) <= 60 GROUP BY 1, 2 ORDER BY jobs DESC"""
LATEST_EVENT = "SELECT coalesce(max(id), 0) FROM events"
# with the jobs that are blocked by one that moved, or are no longer
MOVED_SINCE = f"""WITH RECURSIVE moved (seq) AS (
        SELECT DISTINCT job FROM events NOT INDEXED WHERE id > :since LIMIT :most),
    below (seq) AS (
        SELECT coalesce(take_of, jobs.seq) FROM moved CROSS JOIN jobs ON jobs.seq = moved.seq
        WHERE state IN ('pending', 'failed', 'cancelled') OR verdict = 'rejected'
        UNION SELECT links.child FROM below CROSS JOIN links ON links.parent = below.seq WHERE links.value IS NULL
        LIMIT :most)
    SELECT {CARD} FROM jobs WHERE seq IN (SELECT seq FROM moved UNION SELECT seq FROM below) LIMIT :most"""
# many texts differ only in an id: the commonest show the causes
ERRORS = """SELECT coalesce(error, '') AS error, model, count(*) AS jobs, min(seq) AS example
    FROM jobs INDEXED BY jobs_failed
    WHERE state = 'failed' GROUP BY jobs.error, model ORDER BY jobs DESC LIMIT :most"""
FOLDERS = """SELECT folder, count(*) AS jobs FROM (SELECT folder FROM jobs WHERE state = 'succeeded' LIMIT 10000)
    GROUP BY folder ORDER BY jobs DESC LIMIT 1"""

CLIP = 400
"""Characters of a prompt on a card; prompts may be long."""
MOST_ERRORS = 20_000
MOST_LOOKED_AT = 5_000
"""Jobs whose values are offered to filter by."""
MOST_VALUES = 50
_BEYOND = 2**62


class Order(StrEnum):
    """How the gallery is sorted; unknown values come last.

    ``PROMPT``: jobs of one prompt together. ``CHAIN``: chain by chain, link by link, then the jobs of none.
    """

    MANIFEST = "manifest"
    ADDED = "newest"
    FINISHED = "finished"
    NAME = "name"
    COST = "cost"
    TIME = "time"
    RATING = "rating"
    PROMPT = "prompt"
    CHAIN = "chain"


class Choice(StrEnum):
    """What most people say of a clip."""

    PICKED = "picked"
    REJECTED = "rejected"


class Waits(StrEnum):
    """What becomes of a pending job that needs another job's video: it is being made, or cannot be had now."""

    WAITING = "waiting"
    BLOCKED = "blocked"


class Kind(NamedTuple):
    """What jobs are counted by; each part is a filter. ``waits`` is a ``Waits``."""

    state: str
    model: str
    manifest: str
    split: str | None
    waits: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A choice of jobs. ``words`` must all be in name, prompt, error or ids, in any case.

    ``rejected``: only clips that their gates rejected. ``choice``: only those that people picked, or rejected.
    ``where``: only jobs for which it is true. ``chain``: only the jobs of the chain whose first job has that id.
    """

    states: tuple[JobState, ...] = ()
    model: str | None = None
    manifest: str | None = None
    split: str | None = None
    waits: Waits | None = None
    words: tuple[str, ...] = ()
    rejected: bool = False
    choice: Choice | None = None
    where: Condition | None = None
    chain: str | None = None

    @classmethod
    def of(cls, text: str, **others: object) -> Filter:
        """With the words of ``text``."""
        return cls(words=tuple(text.casefold().split()), **others)  # type: ignore[arg-type]

    def without(self, *parts: str) -> Filter:
        """The same filter, with any value of some ``parts`` of a ``Kind``."""
        return replace(
            self,
            states=() if "state" in parts else self.states,
            model=None if "model" in parts else self.model,
            manifest=None if "manifest" in parts else self.manifest,
            split=None if "split" in parts else self.split,
            waits=None if "waits" in parts else self.waits,
        )

    def has_kind(self, kind: Kind) -> bool:
        """Whether jobs of this kind are among the chosen ones."""
        wanted = (self.model, self.manifest, self.split, self.waits)
        return (not self.states or kind.state in self.states) and all(
            one is None or one == other for one, other in zip(wanted, kind[1:], strict=True)
        )


def text_of(value: object) -> str | None:
    """A text out of JSON, which SQLite returns as bytes; halves of characters are kept."""
    return value.decode(errors="surrogatepass") if isinstance(value, bytes) else value  # type: ignore[return-value]


def standing_of(votes: str) -> Standing:
    """What people say of a clip, from the column ``votes`` of ``CARD``; the view ``standings`` would read all votes."""
    choices: dict[str, str] = {}
    ratings: dict[str, int] = {}
    for _, person, kind, rating in sorted(json.loads(votes)):
        if kind in ("pick", "reject"):
            choices[person] = kind
        elif kind == "rate":
            ratings[person] = rating
    counts = Counter(choices.values())
    mean = sum(ratings.values()) / len(ratings) if ratings else None
    return Standing(picks=counts["pick"], rejects=counts["reject"], rating=mean)


class JobSearch(Part):
    """Reads of the web page."""

    def read_page(
        self, *, after: int | None = None, newest: bool = False, most: int, clip: int = CLIP
    ) -> list[sqlite3.Row]:
        """At most ``most`` of all jobs with the columns of ``CARD``, beyond the one numbered ``after``."""
        start = (_BEYOND if newest else 0) if after is None else after
        columns = {"after": start, "most": most, "clip": clip}
        return self._db.execute(PAGE_FROM_END if newest else PAGE, columns).fetchall()

    def is_gapless(self, total: int) -> bool:
        """Whether the ``total`` jobs are numbered from 1 on, so that the number of each is its position."""
        return bool(self._db.execute(LAST_NUMBER).fetchone()[0] == total)

    def read_cards(self, seqs: Sequence[int]) -> list[sqlite3.Row]:
        """The jobs with these numbers, in this order, with the columns of ``CARD``."""
        found = {row["seq"]: row for row in self._db.execute(CARDS, {"seqs": json.dumps(seqs), "clip": CLIP})}
        return [found[seq] for seq in seqs if seq in found]

    def read_states(self, seqs: Sequence[int]) -> list[sqlite3.Row]:
        """``id, state, held`` of the jobs with these numbers, in manifest order."""
        return self._db.execute(STATES, {"seqs": json.dumps(seqs)}).fetchall()

    def list_values(self, column: str) -> dict[str, list[str]]:
        """The keys of ``meta`` or ``request`` of the last jobs, each with some of its short plain values."""
        values: dict[str, list[str]] = {}
        for row in self._db.execute(VALUES.format(column), {"most": MOST_LOOKED_AT}):
            values.setdefault(text_of(row["key"]) or "", []).append(str(text_of(row["value"])))
        return {key: found[:MOST_VALUES] for key, found in values.items()}

    def list_changes(self, event: int, *, most: int) -> list[sqlite3.Row]:
        """The jobs that moved after the event of that number."""
        columns = {"since": event, "most": most, "clip": CLIP}
        return self._db.execute(MOVED_SINCE, columns).fetchall()

    def read_latest_event(self) -> int:
        """The number of the latest event."""
        return int(self._db.execute(LATEST_EVENT).fetchone()[0])

    def list_errors(self) -> list[sqlite3.Row]:
        """The errors of failed jobs: ``error, model, jobs, example`` (a job's number)."""
        return self._db.execute(ERRORS, {"most": MOST_ERRORS}).fetchall()

    def find_usual_folder(self) -> str | None:
        """The folder of most videos."""
        row = self._db.execute(FOLDERS).fetchone()
        return None if row is None else row["folder"]
