"""Reads of chains for displays: a job's place, its parents and children, and how many jobs wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from batchveo.core.models import Job, JobState
from batchveo.store.blocked_jobs import BLOCKED
from batchveo.store.database import Part
from batchveo.store.mapping import COLUMNS, job_of

HAS_LINKS = "SELECT EXISTS (SELECT 1 FROM links)"
# by its own index: by another one, SQLite would read the rows of all pending jobs
_WAITING = "FROM jobs INDEXED BY jobs_waiting WHERE state = 'pending' AND waits > 0"
COUNT_WAITING = f"SELECT count(*) {_WAITING}"
# links of one chain that have the same number can be made at the same time
LONGEST_ROW = f"""{BLOCKED} SELECT coalesce(max(links), 0) FROM (SELECT count(DISTINCT link) AS links
        {_WAITING} AND seq NOT IN (SELECT seq FROM blocked) GROUP BY chain)"""
_FIRST = "chain IS NOT NULL AND link = 1 AND take_of IS NULL"
_IS_MADE = "{0}.state = 'succeeded' AND {0}.verdict IS NOT 'rejected'"
COUNT_CHAINS = f"""SELECT count(*) AS chains, coalesce(sum(NOT EXISTS (SELECT 1 FROM jobs AS other
        WHERE other.chain = jobs.chain AND other.take_of IS NULL AND NOT ({_IS_MADE.format("other")})
        AND NOT EXISTS (SELECT 1 FROM jobs AS take
            WHERE take.take_of = other.seq AND {_IS_MADE.format("take")}))), 0) AS done FROM jobs WHERE {_FIRST}"""
PLACE = """SELECT first.id, first.name, (SELECT max(link) FROM jobs WHERE chain = :chain) AS links
    FROM jobs AS first WHERE first.seq = :chain"""
OPEN_PARENTS = """SELECT DISTINCT jobs.seq, name, state, verdict, policy IS NOT NULL
    FROM links CROSS JOIN jobs ON jobs.seq = links.parent
    WHERE links.child = :seq AND links.value IS NULL ORDER BY jobs.seq"""
_TIES = f"""SELECT {COLUMNS}, part, from_video, from_take FROM (SELECT {{other}} AS other, part,
        sha256 AS from_video, (SELECT name FROM jobs AS take WHERE take.seq = taken_from) AS from_take
        FROM links WHERE {{own}} = :seq) AS ties CROSS JOIN jobs ON jobs.seq = ties.other ORDER BY seq, part"""
PARENTS = _TIES.format(own="child", other="parent")
CHILDREN = _TIES.format(own="parent", other="child")
PARENT_IDS = """SELECT DISTINCT jobs.id FROM links CROSS JOIN jobs ON jobs.seq = links.parent
    WHERE links.child = :seq ORDER BY jobs.seq"""
AROUND = f"""SELECT {COLUMNS} FROM jobs WHERE chain = :chain AND take_of IS NULL AND link BETWEEN :low AND :high
    ORDER BY link, seq LIMIT :most"""


class Place(NamedTuple):
    """A chain as one of its jobs sees it: id and name of its first job, and the number of its last link."""

    id: str
    name: str
    links: int


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
class Tie:
    """A link seen from one of its ends: the job at the other one, and the part of the video.

    ``taken_from``: the name of the take that the part was taken from, and ``sha256`` the hash of its video; both are
    ``None`` while the link is open.
    """

    job: Job
    part: str
    taken_from: str | None = None
    sha256: str | None = None


class LinkQueries(Part):
    """Reads of chains. What blocks a job: see ``Chains``."""

    def has_links(self) -> bool:
        """Whether any job is made of the video of another one."""
        return bool(self._db.execute(HAS_LINKS).fetchone()[0])

    def count_waiting(self) -> int:
        """How many pending jobs wait for a video, with those that are blocked."""
        return int(self._db.execute(COUNT_WAITING).fetchone()[0])

    def measure_row(self) -> int:
        """How many waiting links are still to be made one after another, in the chain with the most of them.

        Blocked ones do not count.
        """
        return int(self._db.execute(LONGEST_ROW).fetchone()[0])

    def count_chains(self) -> tuple[int, int]:
        """How many chains there are, and of how many each job has a video."""
        row = self._db.execute(COUNT_CHAINS).fetchone()
        return int(row["chains"]), int(row["done"])

    def read_place(self, chain: int) -> Place:
        """The chain whose first job has this number."""
        return Place(*self._db.execute(PLACE, {"chain": chain}).fetchone())

    def list_open_parents(self, job: Job) -> list[OpenParent]:
        """The parents whose videos a job waits for."""
        rows = self._db.execute(OPEN_PARENTS, {"seq": job.seq})
        return [OpenParent(row[0], row[1], JobState(row[2]), row[3], bool(row[4])) for row in rows]

    def list_parent_ids(self, job: Job) -> list[str]:
        """The ids of the jobs of whose videos a job is made."""
        return [row["id"] for row in self._db.execute(PARENT_IDS, {"seq": job.seq})]

    def list_parents(self, job: Job) -> list[Tie]:
        """What a job is made of."""
        return self._list_ties(PARENTS, job.seq)

    def list_children(self, job: Job) -> list[Tie]:
        """The jobs that are made of the video of ``job``, or of another take of it."""
        return self._list_ties(CHILDREN, job.seq if job.take_of is None else job.take_of)

    def list_around(self, job: Job, *, distance: int, most: int) -> list[Job]:
        """The jobs of the chain of ``job`` that are at most ``distance`` links before or after it, without takes."""
        bounds = {"chain": job.chain, "low": job.link - distance, "high": job.link + distance, "most": most}
        return [job_of(row) for row in self._db.execute(AROUND, bounds)]

    def _list_ties(self, statement: str, seq: int) -> list[Tie]:
        return [
            Tie(job=job_of(row), part=row["part"], taken_from=row["from_take"], sha256=row["from_video"])
            for row in self._db.execute(statement, {"seq": seq})
        ]
