"""The links of jobs to the videos of other jobs: which are open, and what fills them.

A job with open links is pending and cannot be claimed: ``waits`` counts them. Its request keeps the references of the
links, which say what it was made of; the values are filled in when it is claimed.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from batchveo.core.gates import Verdict, parse_policy
from batchveo.core.links import GENERATION, VIDEO, ParentLink
from batchveo.core.models import INPUT_PREFIX, Job, JobState
from batchveo.store.database import Connection, Part
from batchveo.store.mapping import COLUMNS, MAY_BE_BOUGHT, TAKES_FROM, job_of
from batchveo.store.queries import Queries
from batchveo.store.transitions import Transitions
from batchveo.store.votes import Votes

_LINK_COLUMNS = "child, parent, part, takes_data, value, sha256, taken_from, from_take, fresh_until"
# of one parent: the links that its video can fill; children that were bought already have no use for it
OPEN_OF_PARENT = f"""SELECT {_LINK_COLUMNS} FROM links
    WHERE parent = :parent AND value IS NULL
    AND (SELECT state FROM jobs WHERE seq = child) NOT IN ({MAY_BE_BOUGHT}) ORDER BY child, part"""
HAS_OPEN_LINKS = "SELECT 1 FROM links INDEXED BY links_open WHERE parent = :parent AND value IS NULL LIMIT 1"
# the finished parents that a run's jobs wait for
OPEN_PARENTS = f"""SELECT DISTINCT links.parent
    FROM links INDEXED BY links_open CROSS JOIN jobs ON jobs.seq = links.child
    WHERE links.value IS NULL AND jobs.state = 'pending' AND jobs.run BETWEEN {TAKES_FROM} AND :run
    AND EXISTS (SELECT 1 FROM jobs AS take
        WHERE (take.seq = links.parent OR take.take_of = links.parent) AND +take.state = 'succeeded')
    ORDER BY links.parent"""
ALL_LINKS = f"SELECT {_LINK_COLUMNS} FROM links ORDER BY child, parent, part"
LINKS_OF = f"SELECT {_LINK_COLUMNS} FROM links WHERE child = :child ORDER BY part, parent"
PARENT_LINKS = """SELECT part, jobs.id AS parent, takes_data FROM links CROSS JOIN jobs ON jobs.seq = links.parent
    WHERE child = :child ORDER BY part, parent"""
FAMILY = f"SELECT {COLUMNS} FROM jobs WHERE seq = :parent OR take_of = :parent ORDER BY take"
# of one parent: the links with a part of its video, of jobs that may be bought, and of pending ones
_FILLED = f"""SELECT {_LINK_COLUMNS} FROM links WHERE parent = :parent AND value IS NOT NULL
    AND (SELECT state FROM jobs WHERE seq = child) IN ({{}}) ORDER BY child"""
USED = _FILLED.format(MAY_BE_BOUGHT)
FILLED = _FILLED.format("'pending'")
TAKE_FROM = """UPDATE links
    SET value = NULL, sha256 = NULL, taken_from = NULL, fresh_until = NULL, from_take = :take
    WHERE child = :child AND parent = :parent AND from_take != :take"""
# pending -> pending
COUNT_OPEN = """UPDATE jobs SET waits = (SELECT count(*) FROM links WHERE child = seq AND value IS NULL)
    WHERE seq = :child"""
SET_VALUE = """UPDATE links SET value = :value, sha256 = :sha256, taken_from = :taken_from, fresh_until = :fresh_until
    WHERE child = :child AND parent = :parent AND part = :part AND value IS NULL"""
# any state -> the same; why a job is cancelled stays: by it, one that another job replaces is known
FILL_ONE = """UPDATE jobs SET waits = waits - 1, error = CASE WHEN aside OR state != 'pending' THEN error END
    WHERE seq = :child AND waits > 0"""
# pending -> pending
NOTE_UNFILLED = """UPDATE jobs SET error = :reason
    WHERE seq = :child AND state = 'pending' AND waits > 0 AND aside = 0"""
FRAME_TYPE = "image/png"
ADD_FRAME = f"INSERT OR IGNORE INTO inputs (sha256, media_type, content, taken) VALUES (?, '{FRAME_TYPE}', ?, 1)"
# where a frame was taken from: the hash of the video, and the part of it
FRAME_SOURCES = f"""SELECT DISTINCT sha256, part FROM links
    WHERE value = :value AND part NOT IN ('{VIDEO}', '{GENERATION}')"""
HAS_VALUE = "SELECT EXISTS (SELECT 1 FROM inputs WHERE sha256 = :sha256)"
_IS_MADE = "jobs.state = 'succeeded' AND (jobs.policy IS NULL OR jobs.verdict = 'accepted')"
# frames in a job's request, once it and all others with the same frame have their videos: a million would fill the disk
DROP_FRAMES = f"""DELETE FROM inputs WHERE taken
    AND sha256 IN (SELECT substr(value, {len(INPUT_PREFIX) + 1}) FROM links
        WHERE child = :child AND value LIKE '{INPUT_PREFIX}%')
    AND NOT EXISTS (SELECT 1 FROM links CROSS JOIN jobs ON jobs.seq = links.child
        WHERE links.value = '{INPUT_PREFIX}' || inputs.sha256 AND NOT ({_IS_MADE}) AND jobs.state != 'cancelled')"""
OPEN_AGAIN = """UPDATE links SET value = NULL, sha256 = NULL, taken_from = NULL, fresh_until = NULL
    WHERE child = :child AND parent = :parent AND part = :part AND value IS NOT NULL
    AND EXISTS (SELECT 1 FROM jobs WHERE seq = :child AND state = 'pending')"""
# pending -> pending
WAIT_FOR_ONE = "UPDATE jobs SET waits = waits + 1 WHERE seq = :child"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRecord:
    """One link as the database has it. ``child`` and ``parent`` are numbers of jobs, the parent's first take.

    ``value`` is what the request gets in its place, taken from the job numbered ``taken_from``, whose video has the
    hash ``sha256``; all are ``None`` while it is open. No take of the parent before ``from_take`` may fill it.
    ``fresh_until``: until when (seconds since the epoch) the value, an address, may be sent; ``None`` if it does not
    expire.
    """

    child: int
    parent: int
    part: str
    takes_data: bool
    value: str | None = None
    sha256: str | None = None
    taken_from: int | None = None
    from_take: int = 1
    fresh_until: float | None = None


class Links(Part):
    """Finds the links that videos can fill, and fills them."""

    def __init__(self, connection: Connection, queries: Queries, transitions: Transitions, votes: Votes) -> None:
        super().__init__(connection)
        self._queries = queries
        self._transitions = transitions
        self._votes = votes

    def list_open_parents(self, run: int) -> list[int]:
        """The numbers of the jobs with a finished video that pending jobs of ``run`` wait for."""
        return [row[0] for row in self._db.execute(OPEN_PARENTS, {"run": run})]

    def has_open_links(self, parent: int) -> bool:
        """Whether a link waits for the video of ``parent``, the first take of a family."""
        return self._db.execute(HAS_OPEN_LINKS, {"parent": parent}).fetchone() is not None

    def list_open_links(self, parent: int) -> list[LinkRecord]:
        """The links that the video of ``parent``, the first take of a family, is to fill."""
        return [_link_of(row) for row in self._db.execute(OPEN_OF_PARENT, {"parent": parent})]

    def list_all_links(self) -> list[LinkRecord]:
        """All links of all jobs, by the number of the child."""
        return list(map(_link_of, self._db.execute(ALL_LINKS)))

    def list_links(self, child: Job) -> list[LinkRecord]:
        """All links of a job."""
        return [_link_of(row) for row in self._db.execute(LINKS_OF, {"child": child.seq})]

    def list_parent_links(self, child: Job) -> list[ParentLink]:
        """All links of a job, with the ids of its parents."""
        rows = self._db.execute(PARENT_LINKS, {"child": child.seq})
        return [ParentLink(part=row["part"], parent=row["parent"], takes_data=bool(row["takes_data"])) for row in rows]

    def find_source(self, link: LinkRecord, *, judged: bool = True) -> Job | None:
        """The take whose video fills a link; ``None`` while there is none.

        That is the first that people picked; without a pick, the first that people did not reject and, if it has
        gates, these accepted. ``judged``: whether gates decide; if not, a clip without a verdict will do. A link that
        takes a later take waits for this one, though others may be finished before.
        """
        family = map(job_of, self._db.execute(FAMILY, {"parent": link.parent}).fetchall())
        takes = [take for take in family if take.take >= link.from_take]
        standings = self._votes.read_standings(take.seq for take in takes)
        refused = {seq for seq, standing in standings.items() if standing.is_rejected}
        for take in takes:
            if take.state is JobState.SUCCEEDED and take.seq in standings and standings[take.seq].is_picked:
                return take
        for take in takes:
            is_lost = take.seq in refused or take.verdict == Verdict.REJECTED
            if take.state is JobState.SUCCEEDED and not is_lost and _passes_gates(take, judged=judged):
                return take
            if link.from_take > 1 and not is_lost and take.state not in (JobState.FAILED, JobState.CANCELLED):
                return None
        return None

    def fill_frame(self, link: LinkRecord, source: Job, image: bytes, *, run: int | None, now: float) -> bool:
        """Fill a link with a frame of the video of ``source``, a PNG image; whether it was still open."""
        sha256 = hashlib.sha256(image).hexdigest()
        with self._transaction():
            self._db.execute(ADD_FRAME, (sha256, image))
            return self._fill(link, source, f"{INPUT_PREFIX}{sha256}", None, run, now)

    def has_value(self, link: LinkRecord) -> bool:
        """Whether what a filled link refers to is there: frames that were sent are dropped, and can be taken again."""
        if link.part in {VIDEO, GENERATION} or link.value is None:
            return link.value is not None
        wanted = {"sha256": link.value.removeprefix(INPUT_PREFIX)}
        return bool(self._db.execute(HAS_VALUE, wanted).fetchone()[0])

    def find_frame_source(self, sha256: str) -> tuple[Job, str] | None:
        """The job whose video holds the frame with that hash, and the part of the video, to take it again.

        ``None`` if no job took such a frame, or the video was replaced since.
        """
        for row in self._db.execute(FRAME_SOURCES, {"value": f"{INPUT_PREFIX}{sha256}"}).fetchall():
            if (job := self._queries.find_video(row["sha256"])) is not None:
                return job, row["part"]
        return None

    def drop_frames(self, child: Job) -> None:
        """Drop the frames that only jobs with a good video were made of, of those of ``child``."""
        with self._transaction():
            self._db.execute(DROP_FRAMES, {"child": child.seq})

    def fill_text(
        self,
        link: LinkRecord,
        source: Job,
        value: str,
        *,
        fresh_until: float | None = None,
        run: int | None,
        now: float,
    ) -> bool:
        """Fill a link with the address of the video of ``source``, or its generation id; whether it was still open.

        ``fresh_until``: see ``LinkRecord``.
        """
        with self._transaction():
            return self._fill(link, source, value, fresh_until, run, now)

    def _fill(
        self, link: LinkRecord, source: Job, value: str, fresh_until: float | None, run: int | None, now: float
    ) -> bool:
        columns = {"child": link.child, "parent": link.parent, "part": link.part}
        filled = {"value": value, "sha256": source.sha256, "taken_from": source.seq, "fresh_until": fresh_until}
        if self._db.execute(SET_VALUE, {**columns, **filled}).rowcount != 1:
            return False
        self._db.execute(FILL_ONE, {"child": link.child})
        child = self._queries.read_job(link.child)
        self._transitions.record_note(child, f"takes {describe_part(link.part)} of {source.name}", run=run, now=now)
        return True

    def open_again(self, link: LinkRecord, reason: str, *, run: int | None, now: float) -> None:
        """Let a pending job wait for a value anew, for ``reason``: the one that it had may not be sent any more."""
        with self._transaction():
            columns = {"child": link.child, "parent": link.parent, "part": link.part}
            if self._db.execute(OPEN_AGAIN, columns).rowcount == 1:
                self._db.execute(WAIT_FOR_ONE, columns)
                child = self._queries.read_job(link.child)
                self._transitions.record_note(child, f"waits again: {reason}", run=run, now=now)

    def reopen_links(self, parent: int, reason: str, *, now: float) -> None:
        """Let the pending jobs wait anew that would be made from a take of ``parent`` that does not count any more."""
        with self._transaction():
            for link in map(_link_of, self._db.execute(FILLED, {"parent": parent}).fetchall()):
                source = self.find_source(link)
                if source is None or source.seq != link.taken_from:
                    self.open_again(link, reason, run=None, now=now)

    def list_used(self, parent: int) -> list[LinkRecord]:
        """The links of jobs that were bought with a part of the video of ``parent``, the first take of a family."""
        return [_link_of(row) for row in self._db.execute(USED, {"parent": parent})]

    def take_from(self, child: Job, takes: Mapping[int, int]) -> None:
        """Let the links of a pending job take the video of a later take of its parents.

        ``takes``: the number of the first take that will do, by the number of the parent; other links stay.
        """
        with self._transaction():
            for parent, take in takes.items():
                self._db.execute(TAKE_FROM, {"child": child.seq, "parent": parent, "take": take})
            self._db.execute(COUNT_OPEN, {"child": child.seq})

    def note_unfilled(self, link: LinkRecord, reason: str) -> None:
        """Record with a waiting job why a link of it could not be filled; that ends when it is."""
        with self._transaction():
            self._db.execute(NOTE_UNFILLED, {"child": link.child, "reason": reason})


def describe_part(part: str) -> str:
    """A part of a video in words."""
    named = {"first": "the first frame", "last": "the last frame", "video": "the video", "id": "the generation id"}
    return named.get(part, f"the frame at {part} s")


def _passes_gates(take: Job, *, judged: bool) -> bool:
    return not judged or take.verdict == Verdict.ACCEPTED or not parse_policy(take.policy).gates


def _link_of(row: sqlite3.Row) -> LinkRecord:
    return LinkRecord(
        child=row["child"],
        parent=row["parent"],
        part=row["part"],
        takes_data=bool(row["takes_data"]),
        value=row["value"],
        sha256=row["sha256"],
        taken_from=row["taken_from"],
        from_take=row["from_take"],
        fresh_until=row["fresh_until"],
    )
