"""Takes of a clip: further ones, which follow because it was rejected or a person asks, and the one that counts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from batchveo.core.filenames import distinct_stem
from batchveo.core.gates import Verdict, parse_policy, rank_takes
from batchveo.core.job_row import canonical_json
from batchveo.core.models import Job, JobState
from batchveo.core.state_machine import JUDGED_FIRST, NOT_NEEDED, UNNEEDED, Move
from batchveo.store.clip_facts import ClipFacts
from batchveo.store.database import Connection, Part
from batchveo.store.importer import TALLY_NEW
from batchveo.store.links import COUNT_OPEN
from batchveo.store.mapping import COLUMNS, job_of
from batchveo.store.queries import Queries
from batchveo.store.transitions import Transitions
from batchveo.store.votes import PICKED, REFUSED

# cancelled -> the same, before its move to pending: this run takes it on
RENEW_TAKE = "UPDATE jobs SET tries = :tries, run = coalesce(:run, run) WHERE seq = :seq"
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
COUNT_TAKES = "SELECT count(*) AS takes FROM jobs WHERE take_of IS NOT NULL"

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


class Takes(Part):
    """Adds takes of clips, withdraws them, and finds those of one clip."""

    def __init__(self, connection: Connection, queries: Queries, transitions: Transitions, facts: ClipFacts) -> None:
        super().__init__(connection)
        self._queries = queries
        self._transitions = transitions
        self._facts = facts

    def list_family(self, job: Job) -> list[Job]:
        """All takes of the clip that ``job`` is a take of, the first one first."""
        rows = self._db.execute(FAMILY, {"first": job.family})
        return [job_of(row) for row in rows]

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

    def list_seeds(self, first: Job) -> set[int]:
        """The seeds with which jobs near ``first``, and takes of them, ask for the same video otherwise."""
        wanted = {"first": first.seq, "near": NEAR, "model": first.model, "request": canonical_json(first.request)}
        return {row["seed"] for row in self._db.execute(SEEDS_NEAR, wanted)}

    def count_takes(self) -> int:
        """How many jobs are takes that were added because a clip was rejected."""
        return int(self._db.execute(COUNT_TAKES).fetchone()["takes"])

    def add_takes(self, first: Job, takes: Sequence[NewTake], *, now: float) -> list[Job]:
        """Add takes after the last one of a family, whatever its gates say; one transaction."""
        with self._transaction():
            last = self.list_family(first)[-1]
            numbered = enumerate(takes, last.take + 1)
            return [self._insert_take(first, number, take, None, now, like=last) for number, take in numbered]

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

    def replace_rejected(self, job: Job, take: NewTake, *, run: int | None, now: float) -> Job | None:
        """The take after ``job``, which is rejected: a withdrawn one is needed again, else it is added.

        ``None`` if there is one already. In the caller's transaction.
        """
        family = self.list_family(job)
        last = family[-1]
        if _is_withdrawn(last):
            self._db.execute(RENEW_TAKE, {"seq": last.seq, "tries": take.tries, "run": run})
            again = Move(to=JobState.PENDING, detail="needed again", set={"error": None, "finished_at": None})
            return self._transitions.apply_move(replace(last, tries=take.tries), again, run=run, now=now)
        if last.verdict != Verdict.REJECTED:  # judged again: the take after it exists
            return None
        return self._insert_take(family[0], last.take + 1, take, run, now, like=job)

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

    def withdraw_take(self, take: Job, *, now: float) -> Job:
        """Cancel a pending take until a clip of its family is rejected."""
        withdrawn = Move(to=JobState.CANCELLED, detail=JUDGED_FIRST, set={"finished_at": now, "error": JUDGED_FIRST})
        return self._transitions.apply_move(take, withdrawn, run=None, now=now)

    def cancel_unneeded(self, job: Job, *, now: float) -> list[Job]:
        """Cancel the takes that wait to be submitted, now that ``job`` is accepted; not those that a person wants."""
        takes = [
            take
            for take in self.list_family(job)
            if take.state is JobState.PENDING and take.take_of is not None and not take.asked
        ]
        withdrawn = Move(to=JobState.CANCELLED, detail=NOT_NEEDED, set={"finished_at": now, "error": NOT_NEEDED})
        return [self._transitions.apply_move(take, withdrawn, run=None, now=now) for take in takes]

    def is_last(self, job: Job) -> bool:
        """Whether ``job`` has no later take that is needed, and no take of its family is accepted."""
        return not any(
            take.verdict == Verdict.ACCEPTED or (take.take > job.take and not _is_withdrawn(take))
            for take in self.list_family(job)
        )

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
        values = [self._facts.read_value(job, prefer.removeprefix("-")) for job in among] if prefer else []
        return among[rank_takes(prefer, values)] if values else among[0]


def _is_withdrawn(take: Job) -> bool:
    return take.state is JobState.CANCELLED and take.error in UNNEEDED


def make_take_id(first: str, number: int) -> str:
    """The id of the take of that number of the job whose id is ``first``: no manifest makes it."""
    return hashlib.sha256(f"take {number} of {first}".encode()).digest()[:_ID_BYTES].hex()
