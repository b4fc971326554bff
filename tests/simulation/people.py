"""People who vote, cancel, retry, resolve, promote and edit manifests, during runs and between them.

What they asked for is noted here, apart from the database, so that the service's bills can be held against it.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

import anyio
import anyio.lowlevel

from batchveo.core.errors import StateLocked, UsageError
from batchveo.core.job_row import canonical_json
from batchveo.core.links import Link, fill_links
from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.state_machine import MADE_AGAIN
from batchveo.core.votes import VoteKind
from batchveo.manifest import Manifests
from batchveo.manifest.job_ids import JobIds, Place
from batchveo.operations.chain_remake import plan_chains, remake_chains
from batchveo.operations.further_takes import add_takes, plan_takes
from batchveo.operations.manage import RETRIED, cancel_jobs, is_made_again, resolve_jobs, retry_jobs
from batchveo.operations.promote import PROMOTED_FROM, format_manifest, plan_promotion
from batchveo.operations.remake import CANDIDATES, plan_remake, remake_jobs, replace_prompt
from batchveo.operations.votes import record_votes, undo_vote
from batchveo.storage.stored_video import video_at
from batchveo.store import Store
from tests.helpers.chains import LITE

S = JobState
PERSONS = ("Ada", "Ben", "Cleo")
PAUSES = (0.1, 1.0, 5.0, 20.0, 60.0)
"""Seconds between two acts during a run."""
MOST_ACTS = 15
"""Acts of one night: takes and edits cost videos, and time."""
MOST_TURNS = 1000
"""Turns of the event loop for which an act waits for the run's writes."""
OTHER_LITE = "veo-3.1-lite-generate-001"
OTHER_MODELS = {"veo2": LITE, LITE: OTHER_LITE, OTHER_LITE: LITE}
"""To which model people move a job of each model."""
TAKEN_FROM_CLIPS = {"image_url", "last_image_url", "video_url", "previous_interaction_id"}
"""What jobs take from the clips of others: people leave it out if they promote a clip."""
TAKES = "SELECT seq, id, take, state, verdict, policy FROM jobs WHERE seq = :parent OR take_of = :parent ORDER BY take"
ATTEMPTS = "SELECT jobs.id, attempts.client_request_id FROM attempts JOIN jobs ON seq = job"
LINKS = """SELECT part, parent, from_take, (SELECT id FROM jobs WHERE seq = parent) AS parent_id
    FROM links WHERE child = ?"""


@dataclass
class People:
    """The people of one night, and their manifest. ``list_specs``: its jobs as first written, by their template."""

    seed: int
    list_specs: Callable[[str], list[JobSpec]]
    count_paid: Callable[[str], int]
    """How many generations of a job are charged, by its id; without the ``forsaken`` ones."""
    find_generation: Callable[[str | None], str | None]
    """The generation that the service made for a client request id."""
    now: Callable[[], float]
    resting: Callable[[], AbstractContextManager[None]]
    """Inside, the world's faults do not strike."""
    prompts: dict[str, str] = field(default_factory=dict)
    """What they changed in the manifest: prompts, by the names of jobs."""
    models: dict[str, str] = field(default_factory=dict)
    """The same of models."""
    promoted: list[JobSpec] = field(default_factory=list)
    """The jobs of their second manifest, which has the clips that they promoted last."""
    copies: set[str] = field(default_factory=set)
    """The ids of jobs that they added beside those of their manifests: promoted clips, later takes made otherwise."""
    requests: dict[str, Mapping[str, object]] = field(default_factory=dict)
    """What their manifests asked for, by the ids of jobs."""
    allowed: dict[str, int] = field(default_factory=dict)
    """How many generations may be charged for each job that they retried; for any other it is one."""
    forsaken: set[str] = field(default_factory=set)
    """The client request ids of the attempts that they gave up: what these have bought is on their account."""
    withdrawn: set[str] = field(default_factory=set)
    """The ids of the jobs that they cancelled, and did not retry."""
    votes: list[tuple[str, VoteKind, int]] = field(default_factory=list)
    """Persons and what they say of which jobs, by number; without the votes that were undone."""
    families: dict[int, int] = field(default_factory=dict)
    """The first take of each clip that has had votes, by number."""
    forgotten: dict[str, str] = field(default_factory=dict)
    """By the client request ids of all attempts that lost databases knew: the ids of their jobs."""
    lost: set[str] = field(default_factory=set)
    """The client request ids of the unfinished attempts that the database lost last knew."""
    imported: set[str] = field(default_factory=set)
    """The client request ids of the attempts that were imported after the last loss."""
    kept: dict[Path, str] = field(default_factory=dict)
    """The videos that lost databases knew, with the SHA-256 of each."""
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
        """The jobs of the manifests as they are now."""
        jobs = edit_jobs(self.list_specs(template), self.prompts, self.models)
        named = {job.id for job in jobs}
        folder = PurePath(jobs[0].stem).parent
        jobs += [replace(job, stem=str(folder / job.stem)) for job in self.promoted if job.id not in named]
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
        except (UsageError, StateLocked) as error:
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

    def note_loss(self, store: Store) -> None:
        """The database is about to be lost: what was said in it is, and what has no video may be bought again.

        Unless it is imported from the log: see ``note_import``.
        """
        attempts = store.connection.db.execute(ATTEMPTS).fetchall()
        self.forgotten |= {row["client_request_id"]: row["id"] for row in attempts}
        jobs = {job.id: job for job in store.jobs()}
        for job in jobs.values():
            if job.state is S.SUCCEEDED and isinstance(path := video_at(job), Path):
                self.kept[path] = str(job.sha256)
        unfinished = {row["client_request_id"] for row in attempts if jobs[row["id"]].state is not S.SUCCEEDED}
        self.lost = unfinished - self.forsaken
        self.forsaken |= self.lost
        self.imported = set()
        self._allow_what_is_paid()
        # another job stands for these, and its video is there to say so; later takes are made as tries allow
        self.withdrawn = {job.id for job in jobs.values() if job.take == 1 and _stands_for(job, jobs)}
        self.votes.clear()
        self.families.clear()
        self.touched.clear()

    def note_import(self, store: Store) -> None:
        """What is imported from the log after a loss is not to be bought again."""
        self.imported = {row["client_request_id"] for row in store.connection.db.execute(ATTEMPTS)}
        self.forsaken -= self.lost & self.imported
        self._allow_what_is_paid()

    def _allow_what_is_paid(self) -> None:
        """What they asked for besides was lost with the database."""
        self.allowed = {job: max(1, self.count_paid(job)) for job in self.allowed}

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

    def names(self, job: Job) -> bool:
        """Whether the manifest asks for ``job``."""
        return job.id in {spec.id for spec in edit_jobs(self.list_specs("first"), self.prompts, self.models)}

    def list_voted(self) -> set[int]:
        """The families of the clips that have votes."""
        return {self.families[seq] for *_, seq in self.votes}

    def note_request(self, job: str) -> None:
        """A request for this job arrives at the service."""
        if job in self.withdrawn:
            self.broken.append(f"{job} was cancelled, and is asked for")

    def wanted_gone(self, job: Job) -> bool:
        """Whether they cancelled ``job``, or one that it was made in place of by a run that found others replaced."""
        replaced = json.loads(job.place or "{}").get("in_place_of", [])
        return not self.withdrawn.isdisjoint([job.id, *replaced])

    def check_paid(self, job: Job, paid: int) -> None:
        """No job is paid for more often than people asked for it."""
        most = self.allowed.get(job.id, 1)
        assert paid <= most, f"{job.name} was bought {paid} times, and asked for {most} times"


def _stands_for(job: Job, jobs: Mapping[str, Job]) -> bool:
    """Whether another job with a video was made in place of ``job``."""
    if not (job.error or "").startswith(MADE_AGAIN) or job.state is not S.CANCELLED:
        return False
    other = jobs.get(str(job.error).removeprefix(MADE_AGAIN).split()[0])
    return other is not None and (other.state is S.SUCCEEDED or _stands_for(other, jobs))


def edit_jobs(specs: Iterable[JobSpec], prompts: Mapping[str, str], models: Mapping[str, str]) -> list[JobSpec]:
    """The jobs of a manifest with other prompts and models, by names; with the ids that a reading of it gives them."""
    ids, made, jobs = JobIds(), dict[str, str](), []
    for spec in specs:
        model, prompt = models.get(spec.name, spec.model), prompts.get(spec.name, spec.request["prompt"])
        request = fill_links(
            {**spec.request, "model": model, "prompt": prompt},
            lambda link: Link(link.part, made[link.parent]).reference,
        )
        assert isinstance(request, dict)
        text, own_id, place = canonical_json(request), find_own_id(spec.name), spec.chain
        made[spec.id] = ids.assign_id(text, spec.index, own_id, Place("m.yaml", 1))[0]
        if place is not None:
            parents = tuple(replace(parent, parent=made[parent.parent]) for parent in place.parents)
            place = replace(place, chain=made[place.chain], parents=parents)
        jobs.append(replace(spec, id=made[spec.id], model=model, request=request, chain=place))
    return jobs


def find_own_id(name: str) -> str | None:
    """The ``id`` that the manifest has for a job: each second single job has one."""
    return name if name.startswith("job") and int(name.split()[1]) % 2 else None


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
    is_named = people.names(chosen)
    replace_prompt(store, chosen, prompt, now=people.now())
    _note_copies(people, store, chosen, jobs)
    if is_named and people.rng.random() < 0.7:
        people.prompts[chosen.name] = prompt
    return _count_replaced(store, jobs) + (chosen.state is S.CANCELLED)


def retry_to(people: People, store: Store, jobs: Collection[Job]) -> int:
    """Make a job under another model, and most often write that into the manifest too; not during a run."""
    chosen = _choose(people, jobs, CANDIDATES)
    is_named, new = people.names(chosen), OTHER_MODELS.get(chosen.model, LITE)
    remake_jobs(store, plan_remake(store, old=chosen.model, new=new, keys=[chosen.id]), now=people.now())
    _note_copies(people, store, chosen, jobs)
    if is_named and people.rng.random() < 0.7:
        people.models[chosen.name] = new
    return _count_replaced(store, jobs) + (chosen.state is S.CANCELLED)


def _note_copies(people: People, store: Store, chosen: Job, before: Collection[Job]) -> None:
    """What replaces a later take, or a copy, may ask for the same as what replaced the first take."""
    if chosen.take > 1 or chosen.id in people.copies:
        people.copies |= {job.id for job in store.jobs()} - {job.id for job in before}


def _count_replaced(store: Store, jobs: Collection[Job]) -> int:
    given_up = {job.seq for job in jobs if job.state is S.CANCELLED}
    replaced = [job for job in store.jobs(S.CANCELLED) if is_made_again(job) and job.seq not in given_up]
    return len(replaced)


def resolve(people: People, store: Store, jobs: Collection[Job]) -> int:
    """Decide what became of a job in doubt, rightly or not; or give up one that is generating."""
    way = people.rng.choice(["resubmit", "found", "fail"])
    chosen = _choose(people, jobs, (S.IN_DOUBT, S.GENERATING) if way == "fail" else (S.IN_DOUBT,))
    if way == "found":
        found = people.find_generation(chosen.client_request_id) or _take_other(people, chosen, jobs)
        resolve_jobs(store, [chosen], generation_id=found, now=people.now())
        return 0
    resolve_jobs(store, [chosen], resubmit=way == "resubmit", fail=way == "fail", now=people.now())
    people.forsaken.add(str(chosen.client_request_id))
    return 1 if way == "resubmit" else 0


def _take_other(people: People, job: Job, jobs: Collection[Job]) -> str:
    """A generation that cannot be that of ``job``: it is another one's."""
    others = [other.generation_id for other in jobs if other.generation_id and other is not job]
    if not others:
        raise UsageError("there is no generation")
    return people.rng.choice(others)


def promote(people: People, store: Store, jobs: Collection[Job]) -> int:
    """Make a manifest of clips for another model; the next run reads it besides the first one."""
    given = {name for job in jobs if job.state is S.SUCCEEDED for name in job.request}
    drop = sorted(TAKEN_FROM_CLIPS & given)
    planned = plan_promotion(store, new=OTHER_LITE, picked=people.rng.random() < 0.5, where=None, drop=drop)
    path = store.path.with_name(f"promoted {people.acts.total()}.yaml")
    path.write_text(format_manifest(planned), encoding="utf-8")
    with Manifests([path]) as manifests:
        manifests.check()
        people.promoted = list(manifests.specs())
    people.copies |= {job.id for job in people.promoted}
    clips = {job.id: job for job in jobs}
    for job in people.promoted:
        assert people.say(clips[str(job.meta[PROMOTED_FROM])].seq) is not False, f"{job.name} was rejected"
    return 0


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
    retry_to: 2,
    resolve: 4,
    promote: 1,
    edit_manifest: 1,
}
"""What people do, each with its weight."""
