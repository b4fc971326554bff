"""People who vote, cancel, retry and edit the manifest, during runs and between them; and what they have asked for.

What they asked for is noted here, apart from the database, so that the service's bills can be held against it.
"""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import anyio.lowlevel

from batchveo.core.errors import UsageError
from batchveo.core.job_row import canonical_json
from batchveo.core.links import Link, fill_links
from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.votes import VoteKind
from batchveo.manifest.job_ids import JobIds, Place
from batchveo.operations.chain_remake import plan_chains, remake_chains
from batchveo.operations.further_takes import add_takes, plan_takes
from batchveo.operations.manage import RETRIED, cancel_jobs, is_made_again, retry_jobs
from batchveo.operations.remake import CANDIDATES, replace_prompt
from batchveo.operations.votes import record_votes, undo_vote
from batchveo.store import Store

S = JobState
PERSONS = ("Ada", "Ben", "Cleo")
PAUSES = (0.1, 1.0, 5.0, 20.0, 60.0)
"""Seconds between two acts during a run."""
MOST_ACTS = 15
"""Acts of one night: takes and edits cost videos, and time."""
MOST_TURNS = 1000
"""Turns of the event loop for which an act waits for the run's writes."""
TAKES = "SELECT seq, id, take, state, verdict, policy FROM jobs WHERE seq = :parent OR take_of = :parent ORDER BY take"
LINKS = """SELECT part, parent, from_take, (SELECT id FROM jobs WHERE seq = parent) AS parent_id
    FROM links WHERE child = ?"""


@dataclass
class People:
    """The people of one night, and their manifest. ``list_specs``: its jobs as first written, by their template."""

    seed: int
    list_specs: Callable[[str], list[JobSpec]]
    count_paid: Callable[[str], int]
    """How many generations of a job are charged, by its id."""
    now: Callable[[], float]
    resting: Callable[[], AbstractContextManager[None]]
    """Inside, the world's faults do not strike."""
    prompts: dict[str, str] = field(default_factory=dict)
    """What they changed in the manifest: prompts, by the names of jobs."""
    requests: dict[str, Mapping[str, object]] = field(default_factory=dict)
    """What their manifests asked for, by the ids of jobs."""
    allowed: dict[str, int] = field(default_factory=dict)
    """How many generations may be charged for each job that they retried; for any other it is one."""
    withdrawn: set[str] = field(default_factory=set)
    """The ids of the jobs that they cancelled, and did not retry."""
    votes: list[tuple[str, VoteKind, int]] = field(default_factory=list)
    """Persons and what they say of which jobs, by number; without the votes that were undone."""
    families: dict[int, int] = field(default_factory=dict)
    """The first take of each clip that has had votes, by number."""
    touched: set[int] = field(default_factory=set)
    """The families of jobs that they made anew, or cancelled."""
    sources: dict[str, dict[str, str | None]] = field(default_factory=dict)
    """By the id of each request: the takes that counted when it was claimed, by the ids of the parents."""
    broken: list[str] = field(default_factory=list)
    acts: Counter[str] = field(default_factory=Counter)
    """How often they did what; with a "not" if batchveo refused it."""

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def list_jobs(self, template: str = "first") -> list[JobSpec]:
        """The jobs of the manifest as it is now."""
        jobs = edit_jobs(self.list_specs(template), self.prompts)
        self.requests |= {job.id: job.request for job in jobs}
        return jobs

    async def act_along(self, path: Path) -> None:
        """Do something now and then, until cancelled."""
        while self.acts.total() < MOST_ACTS:
            await anyio.sleep(self.rng.choice(PAUSES))
            await self.act(path)

    async def act(self, path: Path) -> None:
        """Do one thing, as another process does it, in a moment in which the run does not write."""
        with Store(path) as store:
            store.connection.db.execute("PRAGMA busy_timeout = 0")  # the run is in this thread: it would wait in vain
            for _ in range(MOST_TURNS):
                if _may_write(store):
                    with self.resting():
                        self._act_once(store)
                    return
                await anyio.lowlevel.checkpoint()

    def _act_once(self, store: Store) -> None:
        act = self.rng.choices(list(ACTS), weights=list(ACTS.values()))[0]
        before = {job.seq: job for job in store.jobs()}
        try:
            most = act(self, store, list(before.values()))
            self.acts[act.__name__] += 1
        except UsageError as error:
            self.acts[f"not {act.__name__}: {error}"[:60]] += 1
            most = None
        self._note_changes(before, list(store.jobs()), 0 if most is None else most, is_refused=most is None)

    def _note_changes(self, before: Mapping[int, Job], after: Iterable[Job], most: int, *, is_refused: bool) -> None:
        """Note what was cancelled, and what may be paid for: at most ``most`` more videos."""
        made = []
        for job in after:
            was = before.get(job.seq)
            if was == job:
                continue
            assert not is_refused, f"{job.name} was changed, though it was refused"
            if was is None or was.state is not job.state:
                self.touched.add(job.family)
                if job.state is S.PENDING:
                    made.append(job)
                    self.withdrawn.discard(job.id)
                    self.allowed[job.id] = self.count_paid(job.id) + 1
                if job.state is S.CANCELLED:
                    self.withdrawn.add(job.id)
        assert len(made) <= most, f"{[job.name for job in made]} are to be made, though {most} were asked for"

    # -- what is seen of the run

    def note_claim(self, db: sqlite3.Connection, job: Job) -> None:
        """Note which takes of its parents count, in the moment in which ``job`` is claimed."""
        sources = self.sources[str(job.client_request_id)] = {}
        for link in db.execute(LINKS, (job.seq,)).fetchall():
            takes = db.execute(TAKES, {"parent": link["parent"]}).fetchall()
            counted = self.find_counted([take for take in takes if take["take"] >= link["from_take"]])
            sources[link["parent_id"]] = None if counted is None else counted["id"]

    def find_counted(self, takes: Sequence[sqlite3.Row]) -> sqlite3.Row | None:
        """The first take that people picked; else the first good one that they did not reject."""
        made = [take for take in takes if take["state"] == S.SUCCEEDED]
        picked = [take for take in made if self.say(take["seq"]) is True]
        good = [take for take in made if take["policy"] is None or take["verdict"] == "accepted"]
        return next(iter([*picked, *(take for take in good if self.say(take["seq"]) is not False)]), None)

    def say(self, seq: int) -> bool | None:
        """Whether people picked a clip or rejected it; ``None`` if neither is so."""
        latest = {person: kind for person, kind, job in self.votes if job == seq}
        picks = sum(1 if kind is VoteKind.PICK else -1 for kind in latest.values())
        return None if picks == 0 else picks > 0

    def list_voted(self) -> set[int]:
        """The families of the clips that have votes."""
        return {self.families[seq] for *_, seq in self.votes}

    def note_request(self, job: str) -> None:
        """A request for this job arrives at the service."""
        if job in self.withdrawn:
            self.broken.append(f"{job} was cancelled, and is asked for")

    def check_paid(self, job: Job, paid: int) -> None:
        """No job is paid for more often than people asked for it."""
        most = self.allowed.get(job.id, 1)
        assert paid <= most, f"{job.name} was bought {paid} times, and asked for {most} times"


def edit_jobs(specs: Iterable[JobSpec], prompts: Mapping[str, str]) -> list[JobSpec]:
    """The jobs of a manifest with other ``prompts``, by names; with the ids that a reading of it gives them."""
    ids, made, jobs = JobIds(), dict[str, str](), []
    for spec in specs:
        prompt = prompts.get(spec.name, str(spec.request["prompt"]))
        request = fill_links(
            {**spec.request, "prompt": prompt}, lambda link: Link(link.part, made[link.parent]).reference
        )
        assert isinstance(request, dict)
        made[spec.id] = ids.assign_id(canonical_json(request), spec.index, None, Place("m.yaml", 1))[0]
        place = spec.chain
        if place is not None:
            parents = tuple(replace(parent, parent=made[parent.parent]) for parent in place.parents)
            place = replace(place, chain=made[place.chain], parents=parents)
        jobs.append(replace(spec, id=made[spec.id], request=request, chain=place))
    return jobs


def _may_write(store: Store) -> bool:
    try:
        store.connection.db.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    store.connection.db.execute("ROLLBACK")
    return True


# -- the acts: each returns how many more videos it asks for at most


def pick(people: People, store: Store, jobs: Collection[Job]) -> int:
    """Pick a clip."""
    return _vote(people, store, jobs, VoteKind.PICK)


def reject(people: People, store: Store, jobs: Collection[Job]) -> int:
    """Reject a clip."""
    return _vote(people, store, jobs, VoteKind.REJECT)


def _vote(people: People, store: Store, jobs: Collection[Job], kind: VoteKind) -> int:
    person, chosen = people.rng.choice(PERSONS), _choose(people, jobs, (S.SUCCEEDED,))
    record_votes(store, [chosen], kind, person=person, now=people.now())
    people.votes.append((person, kind, chosen.seq))
    people.families[chosen.seq] = chosen.family
    return 0


def undo(people: People, store: Store, jobs: Collection[Job]) -> int:
    """Undo one's latest vote."""
    person = people.rng.choice(PERSONS)
    undone = undo_vote(store, person=person, now=people.now())
    latest = max(number for number, vote in enumerate(people.votes) if vote[0] == person)
    assert people.votes.pop(latest) == (person, undone.kind, undone.job)
    return 0


def cancel(people: People, store: Store, jobs: Collection[Job]) -> int:
    """Cancel a pending job."""
    assert cancel_jobs(store, [_choose(people, jobs, (S.PENDING,))], now=people.now()) == 1
    return 0


def retry(people: People, store: Store, jobs: Collection[Job]) -> int:
    """Make a failed or cancelled job again."""
    assert retry_jobs(store, [_choose(people, jobs, RETRIED)], now=people.now()) == 1
    return 1


def retry_takes(people: People, store: Store, jobs: Collection[Job]) -> int:
    """Ask for one or two more takes of a job."""
    count = people.rng.choice([1, 1, 2])
    chosen = _choose(people, jobs, [state for state in S if state is not S.CANCELLED])
    assert len(add_takes(store, plan_takes(store, [chosen], count), now=people.now())) == count
    return count


def retry_with_children(people: People, store: Store, jobs: Collection[Job]) -> int:
    """Make a job anew, with all that is made from it."""
    planned = plan_chains(store, [_choose(people, jobs, tuple(S))], people.rng.choice([None, None, 1]))
    remake_chains(store, planned, now=people.now())
    return planned.videos


def retry_prompt(people: People, store: Store, jobs: Collection[Job]) -> int:
    """Give a job another prompt, and most often write it into the manifest too."""
    chosen = _choose(people, jobs, CANDIDATES)
    prompt = f"{chosen.name}, said otherwise {people.rng.randrange(3)}"
    is_named = chosen.id in {job.id for job in people.list_jobs()}
    replace_prompt(store, chosen, prompt, now=people.now())
    if is_named and people.rng.random() < 0.7:
        people.prompts[chosen.name] = prompt
    given_up = {job.seq for job in jobs if job.state is S.CANCELLED}
    replaced = [job for job in store.jobs(S.CANCELLED) if is_made_again(job) and job.seq not in given_up]
    return len(replaced) + (chosen.state is S.CANCELLED)


def edit_manifest(people: People, store: Store, jobs: Collection[Job]) -> int:
    """Change a prompt of the manifest, or write the first one again; the next run reads it."""
    name = people.rng.choice([spec.name for spec in people.list_specs("first")])
    if people.prompts.pop(name, None) is None:
        people.prompts[name] = f"{name}, written otherwise {people.rng.randrange(3)}"
    return 0


def _choose(people: People, jobs: Collection[Job], states: Collection[JobState]) -> Job:
    """One of the jobs in these states, of a chain more often than not."""
    found = [job for job in jobs if job.state in states and not is_made_again(job)]
    chained = [job for job in found if job.chain is not None]
    if not found:
        raise UsageError("there is no such job")
    return people.rng.choice(chained if chained and people.rng.random() < 0.7 else found)


ACTS: Mapping[Callable[[People, Store, Collection[Job]], int], int] = {
    pick: 4,
    reject: 3,
    undo: 2,
    cancel: 3,
    retry: 4,
    retry_takes: 2,
    retry_with_children: 2,
    retry_prompt: 2,
    edit_manifest: 1,
}
"""What people do, each with its weight."""
