"""Measures of clips, the verdicts of their gates, and the takes that are made because of them."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from batchveo.core.expressions import Value
from batchveo.core.fields import MISMATCHES, Condition, read_field
from batchveo.core.filenames import distinct_stem
from batchveo.core.gates import CheckPolicy, Judgement, Verdict, parse_policy, rank_takes
from batchveo.core.job_row import canonical_json
from batchveo.core.measures import MEASURES, CheckLevel, Measures
from batchveo.core.models import Job, JobState
from batchveo.core.state_machine import JUDGED_FIRST, NOT_NEEDED, UNNEEDED, Move
from batchveo.store.conditions import compile_where
from batchveo.store.database import Connection, Part
from batchveo.store.importer import TALLY_NEW
from batchveo.store.links import COUNT_OPEN
from batchveo.store.mapping import COLUMNS, REJECTED_AT_LAST, job_of
from batchveo.store.queries import Queries
from batchveo.store.transitions import MoveLost, Transitions
from batchveo.store.votes import PICKED, REFUSED

_MEASURED = tuple(MEASURES)
_FACTS = ("sha256", "level", "version", "at", *_MEASURED, "hashes", "problems", "mismatched", "conclusive")
SET_MEASURES = f"""INSERT OR REPLACE INTO measures (job, {", ".join(_FACTS)})
    VALUES (:job, {", ".join(f":{name}" for name in _FACTS)})"""
MEASURES_OF = "SELECT * FROM measures WHERE job = :seq"
CLIPS = """SELECT jobs.seq, jobs.verdict, (SELECT policy FROM policies WHERE policies.id = jobs.policy) AS policy,
    measures.level, measures.version FROM jobs
    LEFT JOIN measures ON measures.job = jobs.seq AND measures.sha256 = jobs.sha256
    WHERE jobs.state = 'succeeded' AND {where} ORDER BY jobs.seq"""
MEASURES_OF_JOBS = "SELECT * FROM measures WHERE job IN (SELECT value FROM json_each(:jobs))"
HASHES = """SELECT job, hashes FROM measures JOIN jobs ON jobs.seq = job AND jobs.sha256 = measures.sha256
    WHERE hashes IS NOT NULL AND state = 'succeeded' ORDER BY job"""
SCORES_OF = "SELECT name, value FROM scores WHERE job = :seq"
SCORES_OF_JOBS = (
    "SELECT job, name, value FROM scores WHERE job IN (SELECT value FROM json_each(:jobs)) ORDER BY job, name"
)
SET_SCORE = """INSERT INTO scores (job, name, value, at) VALUES (:job, :name, :value, :now)
    ON CONFLICT DO UPDATE SET value = :value, at = :now"""
HAS_FACTS = "SELECT EXISTS (SELECT 1 FROM measures) OR EXISTS (SELECT 1 FROM scores)"
SCORED = "SELECT DISTINCT job FROM scores WHERE name >= :first AND name < :after"
CLIP_KEYS = "SELECT seq, id, name, folder, file FROM jobs WHERE state = 'succeeded' ORDER BY seq"
HAS_SCORE = "SELECT 1 FROM scores WHERE name = :name LIMIT 1"
SCORE_NAMES = "SELECT name, count(*) AS jobs FROM scores GROUP BY name ORDER BY name"
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
# any state -> the same
FORGET_VERDICT = "UPDATE jobs SET verdict = NULL WHERE seq = :seq"
# cancelled -> the same, before its move to pending: this run takes it on
RENEW_TAKE = "UPDATE jobs SET tries = :tries, run = coalesce(:run, run) WHERE seq = :seq"
SET_POLICY = "UPDATE jobs SET policy = :policy, verdict = NULL WHERE seq = :seq"
ADD_POLICY = "INSERT INTO policies (policy) VALUES (:policy) ON CONFLICT DO NOTHING"
POLICY = "SELECT id FROM policies WHERE policy = :policy"
FAMILY = f"SELECT {COLUMNS} FROM jobs WHERE seq = :first OR take_of = :first ORDER BY take"
# (none) -> pending: another take of a clip that its gates rejected, or of which a person wants more
ADD_TAKE = """INSERT INTO jobs
    (id, name, stem, fold, state, model, request, repeat_index, meta, manifest, source, line, tries,
     unchecked, catalog, run, created_at, policy, priority, chain, link, take, take_of, asked)
    SELECT :id, :name, :stem, :fold, 'pending', model, :request, repeat_index, meta, manifest, source, line, :tries,
           unchecked, catalog, coalesce(:run, run), :now, policy, priority, chain, link, :take, seq, :asked
    FROM jobs WHERE seq = :first"""
# another take is made of what the one before is made of
COPY_LINKS = """INSERT INTO links (child, parent, part, takes_data, value, sha256, taken_from, from_take, fresh_until)
    SELECT :child, parent, part, takes_data, value, sha256, taken_from, from_take, fresh_until
    FROM links WHERE child = :like"""
# the same request with other seeds: those of a matrix have numbers near each other
SEEDS_NEAR = """SELECT json_extract(request, '$.seed') AS seed FROM jobs
    WHERE (seq BETWEEN :first - :near AND :first + :near OR take_of BETWEEN :first - :near AND :first + :near)
    AND model = :model AND json_remove(request, '$.seed') = json_remove(:request, '$.seed')"""
FIRSTS = "SELECT seq, id FROM jobs WHERE take_of IS NULL"
HAS_FOLD = "SELECT 1 FROM jobs WHERE fold = :fold"
FAMILIES = "SELECT DISTINCT take_of FROM jobs WHERE take_of IS NOT NULL AND state = 'succeeded' ORDER BY take_of"
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
COUNT_TAKES = "SELECT count(*) AS takes FROM jobs WHERE take_of IS NOT NULL"
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
NEAR = 500
"""Jobs before and after one among which its request is looked for with other seeds."""
MOST_NUMBERS = 20
"""Numbers of takes that are looked for after a database was lost, the smallest first."""
_ID_BYTES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTake:
    """Another take of a clip, which its gates rejected, or of which a person asks for more (``asked``).

    ``request`` is canonical JSON, ``tries`` its generations at most (``None``: the setting of the run), ``detail`` why
    it is made, for its history.
    """

    request: str
    tries: int | None
    detail: str = ""
    asked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRecord:
    """What is known of a finished clip: the policy of its job, its verdict, and how it was measured, if it was."""

    seq: int
    policy: str | None
    verdict: str | None
    level: CheckLevel | None
    version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a verdict changed: the job that was judged, a take that was added, takes that are not needed any more.

    ``is_last``: the job has no later take, and no take of its family is accepted.
    """

    job: Job
    added: Job | None = None
    cancelled: Sequence[Job] = ()
    is_last: bool = True


class ClipChecks(Part):
    """Records measures, scores and verdicts, and adds the takes that follow from them."""

    def __init__(self, connection: Connection, queries: Queries, transitions: Transitions) -> None:
        super().__init__(connection)
        self._queries = queries
        self._transitions = transitions

    # -- measures and scores

    def read_measures(self, job: Job) -> Measures | None:
        """The measures of the job's clip as it is now; ``None`` if it was not measured, or fetched anew since."""
        row = self._db.execute(MEASURES_OF, {"seq": job.seq}).fetchone()
        return None if row is None or row["sha256"] != job.sha256 else measures_of(row)

    def read_measures_of(self, jobs: Iterable[Job]) -> dict[int, Measures]:
        """The same for several jobs, by their numbers, without those that have none."""
        hashes = {job.seq: job.sha256 for job in jobs}
        rows = self._db.execute(MEASURES_OF_JOBS, {"jobs": json.dumps(list(hashes))})
        return {row["job"]: measures_of(row) for row in rows if row["sha256"] == hashes[row["job"]]}

    def record_measures(self, job: Job, measures: Measures, *, now: float) -> None:
        """Record what was measured of the job's clip."""
        with self._transaction():
            self._db.execute(SET_MEASURES, _columns_of(job, measures, now))

    def list_clips(self, where: Condition | None = None) -> Iterator[ClipRecord]:
        """Every finished clip, or those for which ``where`` is true, in manifest order."""
        condition, params = compile_where(self._db, where)
        for row in self._db.execute(CLIPS.format(where=condition), params):
            level = None if row["level"] is None else CheckLevel(row["level"])
            yield ClipRecord(
                seq=row["seq"], policy=row["policy"], verdict=row["verdict"], level=level, version=row["version"]
            )

    def list_hashes(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """The number of each job with a measured clip, and the hashes of its frames.

        ``checks.near_copies.group_near_copies`` makes the groups of near copies of all of it.
        """
        for row in self._db.execute(HASHES):
            yield row["job"], _read_hashes(row["hashes"])

    def read_scores(self, job: Job) -> dict[str, Value]:
        """The numbers and labels that other tools gave the job's clip."""
        return {row["name"]: row["value"] for row in self._db.execute(SCORES_OF, {"seq": job.seq})}

    def read_scores_of(self, jobs: Iterable[Job]) -> dict[int, dict[str, Value]]:
        """The same for several jobs, by their numbers, without those that have none."""
        found: dict[int, dict[str, Value]] = {}
        for row in self._db.execute(SCORES_OF_JOBS, {"jobs": json.dumps([job.seq for job in jobs])}):
            found.setdefault(row["job"], {})[row["name"]] = row["value"]
        return found

    def record_scores(self, job: Job, scores: Mapping[str, Value], *, now: float) -> None:
        """Record scores, in place of those of the same names; verdicts that were open are decided by the next run."""
        self.record_many_scores([(job.seq, scores)], now=now)

    def record_many_scores(self, clips: Iterable[tuple[int, Mapping[str, Value]]], *, now: float) -> None:
        """The same for several jobs, by number, in one transaction."""
        with self._transaction():
            for seq, scores in clips:
                for name, value in scores.items():
                    self._db.execute(SET_SCORE, {"job": seq, "name": name, "value": value, "now": now})
                self._db.execute(FORGET_VERDICT, {"seq": seq})

    def list_clip_keys(self) -> Iterator[sqlite3.Row]:
        """What names a finished clip: ``seq, id, name, folder, file``."""
        yield from self._db.execute(CLIP_KEYS)

    def list_scored(self, source: str) -> set[int]:
        """The jobs, by number, with a score of this tool."""
        bounds = {"first": f"{source}.", "after": f"{source}/"}  # the character after the dot
        return {row["job"] for row in self._db.execute(SCORED, bounds)}

    def has_facts(self) -> bool:
        """Whether any clip has measures or scores."""
        return bool(self._db.execute(HAS_FACTS).fetchone()[0])

    def has_score(self, name: str) -> bool:
        """Whether any clip has this score."""
        return self._db.execute(HAS_SCORE, {"name": name}).fetchone() is not None

    def list_score_names(self) -> dict[str, int]:
        """The names of all scores, with the number of jobs that have each."""
        return {row["name"]: row["jobs"] for row in self._db.execute(SCORE_NAMES)}

    # -- verdicts

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

    def read_verdict(self, job: Job) -> Judgement | None:
        """The latest verdict on the job's clip."""
        row = self._db.execute(LATEST_VERDICT, {"seq": job.seq}).fetchone()
        return None if row is None else _judgement_of(row)

    def count_gates(self, jobs: Iterable[int]) -> dict[str, int]:
        """How many of ``jobs``, by number, the gate of their latest verdict decided: most at first."""
        rows = self._db.execute(COUNT_GATES, {"jobs": json.dumps(list(jobs))})
        return {row["gate"]: row["jobs"] for row in rows if row["gate"] is not None}

    def list_verdicts(self, job: Job) -> list[tuple[float, Judgement]]:
        """Every verdict on the job, oldest first, each with its time."""
        return [(row["at"], _judgement_of(row)) for row in self._db.execute(VERDICTS_OF, {"seq": job.seq})]

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
                cancelled = self._cancel_takes(job, now)
            elif judgement.verdict is Verdict.REJECTED and take is not None:
                added = self._add_take(job, take, run, now)
            is_last = not any(
                take.verdict == Verdict.ACCEPTED or (take.take > job.take and not _is_withdrawn(take))
                for take in self.list_family(job)
            )
            return Judged(job=self._queries.read_job(job.seq), added=added, cancelled=cancelled, is_last=is_last)

    def _cancel_takes(self, job: Job, now: float) -> list[Job]:
        takes = [
            take
            for take in self.list_family(job)
            if take.state is JobState.PENDING and take.take_of is not None and not take.asked
        ]
        withdrawn = Move(to=JobState.CANCELLED, detail=NOT_NEEDED, set={"finished_at": now, "error": NOT_NEEDED})
        return [self._transitions.apply_move(take, withdrawn, run=None, now=now) for take in takes]

    def _add_take(self, job: Job, take: NewTake, run: int | None, now: float) -> Job | None:
        family = self.list_family(job)
        last = family[-1]
        if _is_withdrawn(last):
            self._db.execute(RENEW_TAKE, {"seq": last.seq, "tries": take.tries, "run": run})
            again = Move(to=JobState.PENDING, detail="needed again", set={"error": None, "finished_at": None})
            return self._transitions.apply_move(replace(last, tries=take.tries), again, run=run, now=now)
        if last.verdict != Verdict.REJECTED:  # judged again: the take after it exists
            return None
        return self._insert_take(family[0], last.take + 1, take, run, now, like=job)

    def add_takes(self, first: Job, takes: Sequence[NewTake], *, now: float) -> list[Job]:
        """Add takes after the last one of a family, whatever its gates say; one transaction."""
        with self._transaction():
            last = self.list_family(first)[-1]
            numbered = enumerate(takes, last.take + 1)
            return [self._insert_take(first, number, take, None, now, like=last) for number, take in numbered]

    def _insert_take(self, first: Job, number: int, take: NewTake, run: int | None, now: float, *, like: Job) -> Job:
        """Add a take; its links are those of the take ``like`` of its family."""
        take_id = make_take_id(first.id, number)
        stem = f"{first.stem}-take{number}"
        if self._db.execute(HAS_FOLD, {"fold": stem}).fetchone() is not None:
            stem = distinct_stem(stem, take_id)
        columns = {
            "id": take_id,
            "name": f"{first.name}-take{number}",
            "stem": stem,
            "fold": stem,
            "request": take.request,
            "tries": take.tries,
            "take": number,
            "asked": int(take.asked),
            "first": first.seq,
            "run": run,
            "now": now,
        }
        self._db.execute(ADD_TAKE, columns)
        self._db.execute(TALLY_NEW, {"new": 1})
        seq = self._db.execute("SELECT last_insert_rowid()").fetchone()[0]
        self._db.execute(COPY_LINKS, {"child": seq, "like": like.seq})
        self._db.execute(COUNT_OPEN, {"child": seq})
        added = self._queries.read_job(seq)
        self._transitions.record_note(added, take.detail, run=run, now=now)
        return added

    def list_seeds(self, first: Job) -> set[int]:
        """The seeds with which jobs near ``first``, and takes of them, ask for the same video otherwise."""
        wanted = {"first": first.seq, "near": NEAR, "model": first.model, "request": canonical_json(first.request)}
        return {row["seed"] for row in self._db.execute(SEEDS_NEAR, wanted)}

    def restore_take(
        self, first: Job, number: int, request: str, *, run: int | None, now: float, detail: str = "restored"
    ) -> Job:
        """The take of that number, added if a lost database had it: its generation was found.

        ``detail`` is for its history.
        """
        known = self._queries.find_job_by_id(make_take_id(first.id, number))
        if known is not None:
            return known
        with self._transaction():
            take = NewTake(request=request, tries=1, detail=detail)
            return self._insert_take(first, number, take, run, now, like=first)

    def withdraw_take(self, take: Job, *, now: float) -> Job:
        """Cancel a pending take until a clip of its family is rejected."""
        withdrawn = Move(to=JobState.CANCELLED, detail=JUDGED_FIRST, set={"finished_at": now, "error": JUDGED_FIRST})
        return self._transitions.apply_move(take, withdrawn, run=None, now=now)

    # -- takes

    def find_firsts(self, takes: Mapping[str, int]) -> dict[str, Job]:
        """The first takes of the ids of takes, which are given with their numbers; unknown ones are left out."""
        # a hash for each job and number: sidecars that name all of them must not keep a run from its work
        numbers = sorted(set(takes.values()))[:MOST_NUMBERS]
        found: dict[str, Job] = {}
        for row in self._db.execute(FIRSTS).fetchall():
            if len(found) == len(takes):
                break
            for number in numbers:
                take_id = make_take_id(row["id"], number)
                if takes.get(take_id) == number:
                    found[take_id] = self._queries.read_job(row["seq"])
        return found

    def list_family(self, job: Job) -> list[Job]:
        """All takes of the clip that ``job`` is a take of, the first one first."""
        rows = self._db.execute(FAMILY, {"first": job.family})
        return [job_of(row) for row in rows]

    def find_uncounted(self) -> set[int]:
        """The jobs, by number, whose clips do not count because another take of theirs does.

        People decide before gates: the takes that they picked count, and none that they rejected.
        """
        picked, refused = ({row["job"] for row in self._db.execute(query)} for query in (PICKED, REFUSED))
        uncounted: set[int] = set()
        for (first,) in self._db.execute(FAMILIES).fetchall():
            family = [job_of(row) for row in self._db.execute(FAMILY, {"first": first})]
            clips = [job for job in family if job.state is JobState.SUCCEEDED]
            counted = [job for job in clips if job.seq in picked]
            if not counted:
                counted = [best] if (best := self._find_best([job for job in clips if job.seq not in refused])) else []
            uncounted |= {job.seq for job in clips} - {job.seq for job in counted}
        return uncounted

    def _find_best(self, clips: Sequence[Job]) -> Job | None:
        """The take that counts: by what is preferred among the accepted ones, else the first that is not rejected."""
        accepted = [job for job in clips if job.verdict == Verdict.ACCEPTED]
        among = accepted or [job for job in clips if job.verdict != Verdict.REJECTED]
        if not among:
            return None
        prefer = parse_policy(among[0].policy).prefer
        values = [self.read_value(job, prefer.removeprefix("-")) for job in among] if prefer else []
        return among[rank_takes(prefer, values)] if values else among[0]

    def read_value(self, job: Job, name: str) -> Value:
        """The value of a field of ``job``: of its request, its measures or its scores."""
        return read_field(name, job, self.read_measures(job), self.read_scores(job), verdict=job.verdict)

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

    def count_takes(self) -> int:
        """How many jobs are takes that were added because a clip was rejected."""
        return int(self._db.execute(COUNT_TAKES).fetchone()["takes"])

    def count_rejected_by_gate(self) -> dict[str, int]:
        """How many clips each gate rejects, the largest number first."""
        return {row["gate"]: row["jobs"] for row in self._db.execute(REJECTED_BY_GATE)}

    def list_rejection_rates(self) -> dict[str, tuple[int, int]]:
        """For each model, how many of its clips were judged, and how many of these were rejected."""
        return {row["model"]: (row["judged"], row["rejected"]) for row in self._db.execute(REJECTION_RATES)}

    def set_policy(self, jobs: Iterable[Job], policy: CheckPolicy | None) -> None:
        """Give jobs another policy; their clips are judged by it at the next run or check."""
        with self._transaction():
            number = find_or_add_policy(self._db, None if policy is None else policy.to_json())
            for job in jobs:
                self._db.execute(SET_POLICY, {"seq": job.seq, "policy": number})


def find_or_add_policy(db: sqlite3.Connection, policy: str | None) -> int | None:
    """The number of a policy in JSON, for ``jobs.policy``; ``None`` for none. In the caller's transaction."""
    if policy is None:
        return None
    db.execute(ADD_POLICY, {"policy": policy})
    number: int = db.execute(POLICY, {"policy": policy}).fetchone()[0]
    return number


def _is_withdrawn(take: Job) -> bool:
    return take.state is JobState.CANCELLED and take.error in UNNEEDED


def make_take_id(first: str, number: int) -> str:
    """The id of the take of that number of the job whose id is ``first``: no manifest makes it."""
    return hashlib.sha256(f"take {number} of {first}".encode()).digest()[:_ID_BYTES].hex()


def measures_of(row: Mapping[str, Any] | sqlite3.Row) -> Measures:
    """The measures in a row of the table."""
    # SQLite has no booleans, and may give a whole number as a fraction
    columns: dict[str, Any] = {
        name: None if row[name] is None else each.type(row[name]) for name, each in MEASURES.items()
    }
    return Measures(
        **columns,
        hashes=_read_hashes(row["hashes"]),
        problems=tuple(json.loads(row["problems"])),
        level=CheckLevel(row["level"]),
        version=row["version"],
        is_conclusive=bool(row["conclusive"]),
    )


def _columns_of(job: Job, measures: Measures, now: float) -> dict[str, object]:
    columns: dict[str, object] = {name: getattr(measures, name) for name in _MEASURED}
    return {
        **columns,
        "job": job.seq,
        "sha256": job.sha256,
        "level": measures.level.value,
        "version": measures.version,
        "at": now,
        "hashes": b"".join(each.to_bytes(8, "big") for each in measures.hashes) or None,
        "problems": json.dumps(measures.problems, ensure_ascii=False),
        "conclusive": int(measures.is_conclusive),
        "mismatched": read_field(MISMATCHES, job, measures),
    }


def _read_hashes(blob: bytes | None) -> tuple[int, ...]:
    return tuple(int.from_bytes(blob[at : at + 8], "big") for at in range(0, len(blob or b""), 8)) if blob else ()


def _judgement_of(row: sqlite3.Row) -> Judgement:
    return Judgement(verdict=Verdict(row["verdict"]), gate=row["gate"], values=json.loads(row["found"]))
