"""Verdicts of gates on clips, the policies that they come from, and what follows from a verdict."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from batchveo.core.gates import Judgement, Verdict, parse_policy
from batchveo.core.models import Job
from batchveo.store.database import Connection, Part
from batchveo.store.mapping import COLUMNS, REJECTED_AT_LAST, job_of
from batchveo.store.queries import Queries
from batchveo.store.takes import NewTake, Takes
from batchveo.store.transitions import MoveLost, Transitions

# what a run has to look at: clips without a verdict, of jobs that want one
TO_CHECK = f"""SELECT {COLUMNS} FROM jobs INDEXED BY jobs_to_check
    WHERE state = 'succeeded' AND policy IS NOT NULL AND verdict IS NULL AND seq > :after ORDER BY seq LIMIT :most"""
ADD_VERDICT = """INSERT INTO verdicts (job, run, at, verdict, gate, found)
    VALUES (:job, :run, :now, :verdict, :gate, :found)"""
LATEST_VERDICT = "SELECT verdict, gate, found, at FROM verdicts WHERE job = :seq ORDER BY id DESC LIMIT 1"
COUNT_GATES = """SELECT (SELECT gate FROM verdicts WHERE job = value ORDER BY id DESC LIMIT 1) AS gate, count(*) AS jobs
    FROM json_each(:jobs) GROUP BY gate ORDER BY jobs DESC, gate"""
VERDICTS_OF = "SELECT at, verdict, gate, found FROM verdicts WHERE job = :seq ORDER BY id"
# any state -> the same; only of the clip that was judged
SET_VERDICT = """UPDATE jobs SET verdict = :verdict
    WHERE seq = :seq AND state = 'succeeded' AND sha256 IS :sha256"""
COUNT_VERDICTS = """SELECT verdict, count(*) AS jobs FROM jobs WHERE verdict IS NOT NULL GROUP BY verdict"""
REJECTED = """SELECT seq FROM jobs INDEXED BY jobs_rejected WHERE verdict = 'rejected' AND state = 'succeeded'
    AND NOT EXISTS (SELECT 1 FROM jobs AS other WHERE other.verdict IN ('accepted', 'open')
        AND (other.seq = jobs.take_of OR other.take_of = coalesce(jobs.take_of, jobs.seq)))
    ORDER BY seq"""
# the gate of the latest verdict
REJECTED_BY_GATE = """SELECT (SELECT gate FROM verdicts WHERE job = jobs.seq ORDER BY id DESC LIMIT 1) AS gate,
    count(*) AS jobs FROM jobs WHERE verdict = 'rejected' GROUP BY gate ORDER BY jobs DESC, gate"""
COUNT_REJECTED = f"""SELECT count(*), coalesce(sum({REJECTED_AT_LAST}), 0) FROM jobs INDEXED BY jobs_rejected
    WHERE verdict = 'rejected' AND state = 'succeeded'"""
# how a model's clips fared: for what gates and tries may cost
REJECTION_RATES = """SELECT model, count(*) AS judged, sum(verdict = 'rejected') AS rejected FROM jobs
    WHERE verdict IN ('accepted', 'rejected') GROUP BY model"""
# clips that a run judges: those without a verdict, and rejected ones, since there may be more tries now
TO_JUDGE = f"""SELECT seq FROM jobs INDEXED BY jobs_to_check
    WHERE state = 'succeeded' AND policy IS NOT NULL AND verdict IS NULL
    UNION ALL SELECT seq FROM jobs WHERE policy IS NOT NULL AND {REJECTED_AT_LAST}"""
COME_SINCE = """SELECT seq FROM jobs INDEXED BY jobs_to_check
    WHERE state = 'succeeded' AND policy IS NOT NULL AND verdict IS NULL AND run = :run"""
PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a verdict changed: the job that was judged, a take that was added, takes that are not needed any more.

    ``is_last``: the job has no later take, and no take of its family is accepted.
    """

    job: Job
    added: Job | None = None
    cancelled: Sequence[Job] = ()
    is_last: bool = True


class Verdicts(Part):
    """Records verdicts with the takes that they ask for or make unnecessary, and finds what is to be judged."""

    def __init__(self, connection: Connection, queries: Queries, transitions: Transitions, takes: Takes) -> None:
        super().__init__(connection)
        self._queries = queries
        self._transitions = transitions
        self._takes = takes

    def has_policies(self) -> bool:
        """Whether any job has ever had a policy."""
        return self._db.execute("SELECT 1 FROM policies LIMIT 1").fetchone() is not None

    def iter_unjudged(self) -> Iterator[Job]:
        """The jobs with a clip and a policy that have no verdict, page by page."""
        after: int | None = 0
        while after is not None:
            page = [job_of(row) for row in self._db.execute(TO_CHECK, {"after": after, "most": PAGE}).fetchall()]
            yield from page
            after = page[-1].seq if page else None

    def list_to_judge(self, known: Sequence[int] | None, *, run: int) -> Sequence[int]:
        """The numbers of the jobs whose clips a run judges: the ``known`` ones, and those that ``run`` has made since.

        Without ``known`` all: clips that have no verdict, and rejected ones, since there may be more tries now.
        """
        if known is None:
            return [row["seq"] for row in self._db.execute(TO_JUDGE)]
        return list(dict.fromkeys([*known, *(row["seq"] for row in self._db.execute(COME_SINCE, {"run": run}))]))

    def record_verdict(
        self, job: Job, judgement: Judgement, *, run: int | None, now: float, take: NewTake | None = None
    ) -> Judged:
        """Record a verdict on the clip of ``job``, and what follows from it, in one transaction.

        A rejected clip gets the take ``take``, unless its family has one that is still to come. An accepted one makes
        the takes of its family that are not submitted yet unnecessary. Raises ``MoveLost`` if the clip is another one
        now.
        """
        columns = {"seq": job.seq, "sha256": job.sha256, "verdict": judgement.verdict.value}
        with self._transaction():
            if self._db.execute(SET_VERDICT, columns).rowcount != 1:
                raise MoveLost(f"the clip of job {job.id} is not the one that was judged")
            if self.read_verdict(job) != judgement:  # judged again, with the same result
                found = json.dumps(judgement.values, ensure_ascii=False)
                facts = {"run": run, "now": now, "gate": judgement.gate, "found": found}
                self._db.execute(ADD_VERDICT, {**columns, **facts, "job": job.seq})
                if parse_policy(job.policy).gates:  # in its history too, which the page follows
                    self._transitions.record_note(job, judgement.sentence, run=run, now=now)
            added: Job | None = None
            cancelled: list[Job] = []
            if judgement.verdict is Verdict.ACCEPTED:
                cancelled = self._takes.cancel_unneeded(job, now=now)
            elif judgement.verdict is Verdict.REJECTED and take is not None:
                added = self._takes.replace_rejected(job, take, run=run, now=now)
            return Judged(
                job=self._queries.read_job(job.seq), added=added, cancelled=cancelled, is_last=self._takes.is_last(job)
            )

    def read_verdict(self, job: Job) -> Judgement | None:
        """The latest verdict on the job's clip."""
        row = self._db.execute(LATEST_VERDICT, {"seq": job.seq}).fetchone()
        return None if row is None else _judgement_of(row)

    def list_verdicts(self, job: Job) -> list[tuple[float, Judgement]]:
        """Every verdict on the job, oldest first, each with its time."""
        return [(row["at"], _judgement_of(row)) for row in self._db.execute(VERDICTS_OF, {"seq": job.seq})]

    def count_gates(self, jobs: Iterable[int]) -> dict[str, int]:
        """How many of ``jobs``, by number, the gate of their latest verdict decided: most at first."""
        rows = self._db.execute(COUNT_GATES, {"jobs": json.dumps(list(jobs))})
        return {row["gate"]: row["jobs"] for row in rows if row["gate"] is not None}

    def count_verdicts(self) -> dict[str, int]:
        """How many jobs have each verdict."""
        return {row["verdict"]: row["jobs"] for row in self._db.execute(COUNT_VERDICTS)}

    def list_rejected(self) -> list[int]:
        """The jobs, by number, whose clips are rejected, and that have no take that is accepted or open."""
        return [row["seq"] for row in self._db.execute(REJECTED)]

    def count_made_again(self) -> int:
        """How many rejected clips have a later take."""
        rejected, last = self._db.execute(COUNT_REJECTED).fetchone()
        return int(rejected - last)

    def count_rejected_by_gate(self) -> dict[str, int]:
        """How many clips each gate rejects, the largest number first."""
        return {row["gate"]: row["jobs"] for row in self._db.execute(REJECTED_BY_GATE)}

    def list_rejection_rates(self) -> dict[str, tuple[int, int]]:
        """For each model, how many of its clips were judged, and how many of these were rejected."""
        return {row["model"]: (row["judged"], row["rejected"]) for row in self._db.execute(REJECTION_RATES)}


def _judgement_of(row: sqlite3.Row) -> Judgement:
    return Judgement(verdict=Verdict(row["verdict"]), gate=row["gate"], values=json.loads(row["found"]))
