"""Jobs that wait for the videos of others: what they wait for, and which of them are blocked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from batchveo.core.gates import Verdict
from batchveo.core.models import Job, JobState
from batchveo.store.blocked_jobs import BLOCKED, IS_LIVE, WAITING, WAITS_FOR_NOTHING
from batchveo.store.database import Part
from batchveo.store.mapping import TAKES_FROM

COUNT_WAITING = f"SELECT count(*) {WAITING}"
OPEN_PARENTS = """SELECT DISTINCT jobs.seq, name, state, verdict, policy IS NOT NULL
    FROM links CROSS JOIN jobs ON jobs.seq = links.parent
    WHERE links.child = :seq AND links.value IS NULL ORDER BY jobs.seq"""
COUNT_BLOCKED = f"""{BLOCKED} SELECT iif(parents.state = 'succeeded', 'rejected', parents.state) AS state,
        count(*) AS jobs, count(DISTINCT cause) AS parents, min(parents.name) AS example
    FROM (SELECT blocked.seq, min(cause) AS cause FROM blocked CROSS JOIN jobs USING (seq)
        WHERE :run IS NULL OR jobs.run BETWEEN {TAKES_FROM} AND :run GROUP BY blocked.seq)
    CROSS JOIN jobs AS parents ON parents.seq = cause GROUP BY 1 ORDER BY jobs DESC, 1"""
# ids of the parents that are lost, and of the jobs that they block, each with the parent that is to blame
LOST = f"""{BLOCKED} SELECT jobs.id, min(parents.id) AS cause FROM blocked CROSS JOIN jobs ON jobs.seq = blocked.seq
        CROSS JOIN jobs AS parents ON parents.seq = blocked.cause GROUP BY jobs.id
    UNION SELECT id, id FROM (SELECT id, jobs.seq AS parent, 1 AS from_take
        FROM ended CROSS JOIN jobs ON jobs.seq = ended.seq) AS links WHERE NOT {IS_LIVE}"""
LIST_BLOCKED = f"""{BLOCKED} SELECT blocked.seq, min(blocked.cause) AS cause FROM blocked GROUP BY blocked.seq"""
# the open links of some jobs, and of the jobs that those wait for
OPEN_ABOVE = f"""WITH RECURSIVE above (seq) AS (
        SELECT value FROM json_each(:seqs)
        UNION SELECT take.seq FROM above CROSS JOIN links ON links.child = above.seq
        CROSS JOIN jobs AS take ON take.seq = links.parent OR take.take_of = links.parent
        WHERE links.value IS NULL AND +take.state = 'pending' AND take.waits > 0)
    SELECT jobs.seq, coalesce(jobs.take_of, jobs.seq) AS family, links.parent, {IS_LIVE} AS is_live,
        {WAITS_FOR_NOTHING} AS waits_for_nothing
    FROM above CROSS JOIN links ON links.child = above.seq CROSS JOIN jobs ON jobs.seq = links.child
    WHERE links.value IS NULL AND jobs.state = 'pending' ORDER BY jobs.seq, links.parent"""
# the latest take shows what becomes of a family
FAMILIES = """SELECT jobs.seq, jobs.id, jobs.name, last.state, last.verdict FROM jobs CROSS JOIN jobs AS last
    ON last.seq = (SELECT seq FROM jobs AS take WHERE take.seq = jobs.seq OR take.take_of = jobs.seq
        ORDER BY take.take DESC LIMIT 1)
    WHERE jobs.seq IN (SELECT value FROM json_each(:seqs))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockedCount:
    """Jobs that wait for a video that nobody makes any more.

    ``state``: what became of that one, ``failed``, ``cancelled`` or ``rejected``. They wait for ``parents`` such jobs,
    of which ``example`` names one. A job that waits for several counts for the first one.
    """

    state: str
    jobs: int
    example: str
    parents: int = 1


class OpenParent(NamedTuple):
    """A job whose video another one waits for. ``is_judged``: whether anything is checked of its video.

    Not a whole ``Job``: a list of a million jobs has many of them.
    """

    seq: int
    name: str
    state: JobState
    verdict: str | None
    is_judged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitedJob:
    """The parent whose video a pending job waits for. ``id`` and ``name`` are those of its first take.

    ``state`` is that of the latest take, ``rejected`` or ``open`` if its gates say so. ``is_blocked``: that parent, of
    this job or of one that it waits for, is failed, cancelled or rejected.
    """

    id: str
    name: str
    state: str
    is_blocked: bool


class WaitingJobs(Part):
    """Finds which jobs wait, and for what."""

    def count_waiting(self) -> int:
        """How many pending jobs wait for a video, with those that are blocked."""
        return int(self._db.execute(COUNT_WAITING).fetchone()[0])

    def list_open_parents(self, job: Job) -> list[OpenParent]:
        """The parents whose videos a job waits for."""
        rows = self._db.execute(OPEN_PARENTS, {"seq": job.seq})
        return [OpenParent(row[0], row[1], JobState(row[2]), row[3], bool(row[4])) for row in rows]

    def count_blocked(self, run: int | None = None) -> list[BlockedCount]:
        """How many jobs, of ``run`` only, wait for a video that nobody makes any more, by what became of it."""
        return [BlockedCount(**row) for row in self._db.execute(COUNT_BLOCKED, {"run": run})]

    def find_lost(self) -> dict[str, str]:
        """The ids of the jobs whose video no run makes any more, and of those that they block.

        Each with the id of the job that is to blame: the job itself if it failed, or was cancelled or rejected.
        """
        return {row["id"]: row["cause"] for row in self._db.execute(LOST)}

    def find_blocked(self) -> dict[int, int]:
        """The number of each such job, and of the parent that is to blame."""
        return {row["seq"]: row["cause"] for row in self._db.execute(LIST_BLOCKED)}

    def find_waits(self, seqs: Sequence[int]) -> dict[int, AwaitedJob]:
        """What those of some jobs that wait for videos wait for; if they are blocked, the job that is to blame."""
        parents: dict[int, int] = {}
        families: dict[int, int] = {}
        children: dict[int, list[int]] = {}
        causes: dict[int, int] = {}
        for row in self._db.execute(OPEN_ABOVE, {"seqs": json.dumps(seqs)}):
            parents.setdefault(row["seq"], row["parent"])
            families[row["seq"]] = row["family"]
            if not row["is_live"]:
                causes.setdefault(row["seq"], row["parent"])
            if not row["waits_for_nothing"]:
                children.setdefault(row["parent"], []).append(row["seq"])
        found = list(causes)
        for blocked in found:  # grows: those that wait for a blocked job are blocked by the same one
            for child in children.get(families[blocked], ()):
                if child not in causes:
                    causes[child] = causes[blocked]
                    found.append(child)
        wanted = {seq: causes.get(seq, parents[seq]) for seq in seqs if seq in parents}
        rows = self._db.execute(FAMILIES, {"seqs": json.dumps(sorted(set(wanted.values())))})
        named = {row["seq"]: row for row in rows}
        return {
            seq: AwaitedJob(
                id=named[parent]["id"],
                name=named[parent]["name"],
                state=_describe_state(named[parent]["state"], named[parent]["verdict"]),
                is_blocked=seq in causes,
            )
            for seq, parent in wanted.items()
        }


def _describe_state(state: str, verdict: str | None) -> str:
    is_judged = state == JobState.SUCCEEDED and verdict in (Verdict.REJECTED, Verdict.OPEN)
    return str(verdict) if is_judged else state
