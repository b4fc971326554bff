"""Reads of chains: a job's place, the line through it, its parents and children, what follows it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from batchveo.core.models import Job
from batchveo.store.blocked_jobs import BLOCKED, HAS_TAKE, IS_GOOD, MAY_BE_MADE, WAITING
from batchveo.store.database import Part
from batchveo.store.mapping import COLUMNS, MAY_BE_BOUGHT, TAKES_FROM, job_of
from batchveo.store.votes import PICKED

HAS_LINKS = "SELECT EXISTS (SELECT 1 FROM links)"
# links of one chain that have the same number can be made at the same time
LONGEST_ROW = f"""{BLOCKED} SELECT coalesce(max(links), 0) FROM (SELECT count(DISTINCT link) AS links
        {WAITING} AND seq NOT IN (SELECT seq FROM blocked) GROUP BY chain)"""
_FIRST = "chain IS NOT NULL AND link = 1 AND take_of IS NULL"
COUNT_CHAINS = f"""SELECT count(*) AS chains, coalesce(sum(NOT EXISTS (SELECT 1 FROM jobs AS other
        WHERE other.chain = jobs.chain AND other.take_of IS NULL AND NOT EXISTS (SELECT 1 FROM jobs AS take
            WHERE (take.seq = other.seq OR take.take_of = other.seq) AND {IS_GOOD}))), 0) AS done
    FROM jobs WHERE {_FIRST}"""
PLACE = """SELECT first.id, first.name, (SELECT max(link) FROM jobs WHERE chain = :chain) AS links
    FROM jobs AS first WHERE first.seq = :chain"""
_TIES = f"""SELECT {COLUMNS}, part, from_video, from_take FROM (SELECT {{other}} AS other, part,
        sha256 AS from_video, (SELECT name FROM jobs AS take WHERE take.seq = taken_from) AS from_take
        FROM links WHERE {{own}} = :seq) AS ties CROSS JOIN jobs ON jobs.seq = ties.other ORDER BY seq, part"""
PARENTS = _TIES.format(own="child", other="parent")
CHILDREN = _TIES.format(own="parent", other="child")
PARENT_IDS = """SELECT DISTINCT jobs.id FROM links CROSS JOIN jobs ON jobs.seq = links.parent
    WHERE links.child = :seq ORDER BY jobs.seq"""
# pending links of chains of which a job may be bought: what is left of begun chains
_LEFT = f"""SELECT {COLUMNS} FROM jobs INDEXED BY {{}} WHERE state = 'pending' AND {{}} AND link > 1 AND {{}}
    AND run BETWEEN {TAKES_FROM} AND :run AND seq NOT IN (SELECT seq FROM blocked)
    AND EXISTS (SELECT 1 FROM jobs AS other WHERE other.chain = jobs.chain AND other.state IN ({MAY_BE_BOUGHT}))"""
_LEFT_READY = _LEFT.format("links_ready", "held = 0 AND aside = 0 AND waits = 0", "chain IS NOT NULL")
BEGUN = f"{BLOCKED} {_LEFT.format('jobs_waiting', 'waits > 0', 'chain IS NOT NULL')} UNION ALL {_LEFT_READY}"
BEGUN_OF_CHAIN = f"{BLOCKED} {_LEFT.format('jobs_by_chain', 'held = 0 AND aside = 0', 'chain = :chain')}"
# the first takes of all jobs that are made from one, or from those that are
BELOW = f"""WITH RECURSIVE below (seq) AS (
        SELECT value FROM json_each(:firsts)
        UNION SELECT coalesce(jobs.take_of, jobs.seq) FROM below CROSS JOIN links ON links.parent = below.seq
        CROSS JOIN jobs ON jobs.seq = links.child)
    SELECT {COLUMNS} FROM jobs WHERE seq IN below ORDER BY link, seq"""
# from a job to the parent that its chain comes from, and so on
LINE_BEFORE = """WITH RECURSIVE line (seq, step) AS (
        SELECT :seq, 0 UNION ALL SELECT (
            SELECT parents.seq FROM links CROSS JOIN jobs AS parents ON parents.seq = links.parent
            CROSS JOIN jobs AS child ON child.seq = links.child
            WHERE links.child = line.seq AND parents.chain = child.chain
            ORDER BY parents.link DESC, parents.seq LIMIT 1), step + 1
        FROM line WHERE line.seq IS NOT NULL AND step < :most)
    SELECT seq FROM line WHERE step > 0 AND seq IS NOT NULL ORDER BY step DESC"""
# from a job to the first of its children, and so on
LINE_AFTER = """WITH RECURSIVE line (seq, step) AS (
        SELECT :seq, 0 UNION ALL SELECT (
            SELECT children.seq FROM links CROSS JOIN jobs AS children ON children.seq = links.child
            CROSS JOIN jobs AS parent ON parent.seq = links.parent
            WHERE links.parent = line.seq AND children.take_of IS NULL AND children.chain = parent.chain
            ORDER BY children.link, children.seq LIMIT 1), step + 1
        FROM line WHERE line.seq IS NOT NULL AND step < :most)
    SELECT seq FROM line WHERE step > 0 AND seq IS NOT NULL ORDER BY step"""
# children of another chain use the video, but do not continue this one: they are branches too
BRANCHES = """SELECT DISTINCT parents.name AS parent, children.id, children.name
    FROM json_each(:line) AS line CROSS JOIN links ON links.parent = line.value
    CROSS JOIN jobs AS children ON children.seq = links.child
    CROSS JOIN jobs AS parents ON parents.seq = links.parent
    WHERE children.take_of IS NULL AND children.seq NOT IN (SELECT value FROM json_each(:line))
    ORDER BY line.key, children.seq LIMIT :most"""
TAKEN_AGAIN = "SELECT DISTINCT take_of FROM jobs WHERE take_of IN (SELECT value FROM json_each(:line))"
TAKEN_FROM = "SELECT taken_from FROM links WHERE child = :child AND parent = :parent AND taken_from IS NOT NULL"
# the take that people picked, a good one, one that is being made
BEST_TAKE = f"""SELECT seq FROM jobs AS take WHERE seq = :first OR take_of = :first
    ORDER BY seq IN ({PICKED}) DESC, {IS_GOOD} DESC, {MAY_BE_MADE} DESC, take.take LIMIT 1"""
_HAS_OTHER = HAS_TAKE.format(f"take.seq NOT IN chosen AND ({MAY_BE_MADE})")
# the jobs that wait for the videos of some jobs, and for the videos of those
FOLLOWING = f"""WITH RECURSIVE chosen (seq) AS (SELECT value FROM json_each(:seqs)), below (seq) AS (
        SELECT links.child FROM chosen CROSS JOIN jobs ON jobs.seq = chosen.seq
        CROSS JOIN links INDEXED BY links_open ON links.parent = coalesce(jobs.take_of, jobs.seq)
        WHERE links.value IS NULL AND (NOT :only_these OR NOT {_HAS_OTHER})
        UNION SELECT links.child FROM below CROSS JOIN jobs AS parents ON parents.seq = below.seq
        CROSS JOIN links INDEXED BY links_open ON links.parent = coalesce(parents.take_of, parents.seq)
        WHERE links.value IS NULL)
    SELECT {COLUMNS} FROM jobs WHERE seq IN below AND seq NOT IN chosen AND state = 'pending'
    ORDER BY seq LIMIT :most"""
COUNT_MADE = f"""SELECT count(DISTINCT links.child) FROM json_each(:seqs) AS chosen
    CROSS JOIN jobs ON jobs.seq = chosen.value
    CROSS JOIN links ON links.parent = coalesce(jobs.take_of, jobs.seq)
    CROSS JOIN jobs AS children ON children.seq = links.child
    WHERE links.value IS NOT NULL AND children.state IN ({MAY_BE_BOUGHT})"""
MOST_FOLLOWING = 100_000
MOST_LINKS = 1000
"""Links before a job, and after it, that a line has."""
MOST_BRANCHES = 20


class Place(NamedTuple):
    """A chain as one of its jobs sees it: id and name of its first job, and the number of its last link."""

    id: str
    name: str
    links: int


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A job that takes the video of ``parent`` (a name), beside the line that is shown."""

    id: str
    name: str
    parent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The numbers of the jobs of one way through a chain, one take of each link; the jobs that branch off."""

    links: Sequence[int]
    branches: Sequence[Branch]


class ChainQueries(Part):
    """Reads chains. What waits in them: see ``WaitingJobs``; what fills their links: see ``Links``."""

    def has_links(self) -> bool:
        """Whether any job is made of the video of another one."""
        return bool(self._db.execute(HAS_LINKS).fetchone()[0])

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

    def list_parent_ids(self, job: Job) -> list[str]:
        """The ids of the jobs of whose videos a job is made."""
        return [row["id"] for row in self._db.execute(PARENT_IDS, {"seq": job.seq})]

    def list_parents(self, job: Job) -> list[Tie]:
        """What a job is made of."""
        return self._list_ties(PARENTS, job.seq)

    def list_children(self, job: Job) -> list[Tie]:
        """The jobs that are made of the video of ``job``, or of another take of it."""
        return self._list_ties(CHILDREN, job.family)

    def list_below(self, firsts: Iterable[int]) -> list[Job]:
        """The first takes numbered ``firsts``, and of all jobs made from them, parents before their children."""
        return list(map(job_of, self._db.execute(BELOW, {"firsts": json.dumps(list(firsts))})))

    def list_begun(self, run: int, *, chain: int | None = None) -> list[Job]:
        """The links of ``run`` that are left of begun chains, or of one of them, without blocked ones."""
        query = BEGUN if chain is None else BEGUN_OF_CHAIN
        return list(map(job_of, self._db.execute(query, {"run": run, "chain": chain})))

    def read_line(self, job: Job) -> Line:
        """The links before a job, itself, and the first branch after it."""
        bounds = {"seq": job.family, "most": MOST_LINKS}
        before = [row["seq"] for row in self._db.execute(LINE_BEFORE, bounds)]
        after = [row["seq"] for row in self._db.execute(LINE_AFTER, bounds)]
        families = [*before, bounds["seq"], *after]
        columns = {"line": json.dumps(families), "most": MOST_BRANCHES}
        shown = {family: family for family in families}
        for row in self._db.execute(TAKEN_AGAIN, columns).fetchall():
            shown[row["take_of"]] = self._choose_take(row["take_of"], families)
        shown[bounds["seq"]] = job.seq
        branches = self._db.execute(BRANCHES, columns).fetchall()
        return Line(
            links=[shown[family] for family in families],
            branches=[Branch(id=row["id"], name=row["name"], parent=row["parent"]) for row in branches],
        )

    def _choose_take(self, family: int, families: Sequence[int]) -> int:
        """The take that the next link of the line was made from, else the one that looks best."""
        after = families.index(family) + 1
        child = families[after] if after < len(families) else None
        row = self._db.execute(TAKEN_FROM, {"parent": family, "child": child}).fetchone()
        return int((row or self._db.execute(BEST_TAKE, {"first": family}).fetchone())[0])

    def list_following(self, jobs: Sequence[Job], *, only_these: bool = False) -> list[Job]:
        """The jobs that wait for the videos of ``jobs``, and for those of each other, at most ``MOST_FOLLOWING``.

        ``only_these``: not those that another take can fill.
        """
        columns = {"seqs": _list_numbers(jobs), "only_these": only_these, "most": MOST_FOLLOWING}
        return [job_of(row) for row in self._db.execute(FOLLOWING, columns)]

    def count_made(self, jobs: Sequence[Job]) -> int:
        """How many jobs were bought with a part of the videos of ``jobs``, or of other takes of them."""
        return int(self._db.execute(COUNT_MADE, {"seqs": _list_numbers(jobs)}).fetchone()[0])

    def _list_ties(self, statement: str, seq: int) -> list[Tie]:
        return [
            Tie(job=job_of(row), part=row["part"], taken_from=row["from_take"], sha256=row["from_video"])
            for row in self._db.execute(statement, {"seq": seq})
        ]


def _list_numbers(jobs: Sequence[Job]) -> str:
    return json.dumps([job.seq for job in jobs])
