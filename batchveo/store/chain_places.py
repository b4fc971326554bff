"""Where jobs are in their chains, for people to look at: the line through a job, its branches, what jobs wait for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from batchveo.core.gates import Verdict
from batchveo.core.models import Job, JobState
from batchveo.store.blocked_jobs import IS_LIVE, WAITS_FOR_NOTHING
from batchveo.store.database import Part
from batchveo.store.mapping import COLUMNS, MAY_BE_BOUGHT, UNSETTLED, job_of

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
TAKEN_AGAIN = "SELECT DISTINCT take_of FROM jobs WHERE take_of IN (SELECT value FROM json_each(:line))"
TAKEN_FROM = "SELECT taken_from FROM links WHERE child = :child AND parent = :parent AND taken_from IS NOT NULL"
# the take that people picked, a good one, one that is being made
BEST_TAKE = f"""SELECT seq FROM jobs WHERE seq = :first OR take_of = :first
    ORDER BY seq IN (SELECT job FROM standings WHERE picks > rejects) DESC,
        state = 'succeeded' AND verdict IS NOT 'rejected' DESC, state IN ({UNSETTLED}, 'pending') DESC, take LIMIT 1"""
# the jobs that wait for the videos of some jobs, and for the videos of those
FOLLOWING = f"""WITH RECURSIVE chosen (seq) AS (SELECT value FROM json_each(:seqs)), below (seq) AS (
        SELECT links.child FROM chosen CROSS JOIN jobs ON jobs.seq = chosen.seq
        CROSS JOIN links INDEXED BY links_open ON links.parent = coalesce(jobs.take_of, jobs.seq)
        WHERE links.value IS NULL AND (NOT :only_these OR NOT EXISTS (SELECT 1 FROM jobs AS take
            WHERE (take.seq = links.parent OR take.take_of = links.parent) AND take.seq NOT IN chosen
            AND (take.state IN ({UNSETTLED}, 'pending')
                OR (take.state = 'succeeded' AND take.verdict IS NOT 'rejected'))))
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What a pending job waits for. ``id`` and ``name`` are those of the first take of the parent.

    ``state`` is that of its latest take, ``rejected`` or ``open`` if its gates say so. ``is_blocked``: that parent, of
    this job or of one that it waits for, is failed, cancelled or rejected.
    """

    id: str
    name: str
    state: str
    is_blocked: bool


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


class ChainPlaces(Part):
    """Reads places in chains."""

    def read_line(self, job: Job) -> Line:
        """The links before a job, itself, and the first branch after it."""
        bounds = {"seq": job.take_of or job.seq, "most": MOST_LINKS}
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

    def find_waits(self, seqs: Sequence[int]) -> dict[int, Wait]:
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
            seq: Wait(
                id=named[parent]["id"],
                name=named[parent]["name"],
                state=_describe_state(named[parent]["state"], named[parent]["verdict"]),
                is_blocked=seq in causes,
            )
            for seq, parent in wanted.items()
        }


def _list_numbers(jobs: Sequence[Job]) -> str:
    return json.dumps([job.seq for job in jobs])


def _describe_state(state: str, verdict: str | None) -> str:
    is_judged = state == JobState.SUCCEEDED and verdict in (Verdict.REJECTED, Verdict.OPEN)
    return str(verdict) if is_judged else state
