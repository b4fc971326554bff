"""One simulated night: everything that happens in it follows from one seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import httpx

from batchveo.core.clock import Clock
from batchveo.core.errors import KeyRejected
from batchveo.core.gates import CheckPolicy
from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.settings import Doubt, RunSettings
from batchveo.engine import recorder
from batchveo.engine.cluster.remote_broker import PERMISSION_SECONDS
from batchveo.operations.import_generations import import_from_log
from batchveo.operations.manage import cancel_jobs, retry_jobs
from batchveo.provider import ApiClient, ApiKey, NamedKey, ProviderError
from batchveo.sandbox import FAULTS, Settings
from batchveo.sandbox.mock_transport import make_transport
from batchveo.sandbox.settings import VIDEO
from batchveo.store import Store
from tests.helpers.fake_bucket import URL, FakeBucket
from tests.helpers.fake_clips import FakeClips
from tests.helpers.virtual_run import BASE_URL, KEY, Night, specs
from tests.simulation.chains import BY_URL, SHAPES, check_result, make_chains, waits_rightly
from tests.simulation.observer import Observer, name_job, name_state
from tests.simulation.people import People
from tests.simulation.remote_run import RemotePlan, RemoteRun, far_of, only_crashes
from tests.simulation.situations import BETWEEN, HEAVY, LOCAL, REMOTE, REMOTES, Situation

POLICY = CheckPolicy(gates=("black_seconds < 0.5",)).to_json()
PRICE = 2.275
"""US dollars of one of the night's videos in the sandbox's list."""
CALM = frozenset({"401", "403"})
"""Faults that stop a whole run; they are drawn apart, and seldom."""
UNSEEN = frozenset(VIDEO)
"""Faults of a video that is whole all the same: no run looks into it."""
WITHOUT_END = frozenset({"no-url", "poll-403"})
"""Endings that no poll tells of."""
REFUSALS = CALM | {"402", "403-moderated", "403-plan", "404-withdrawn"}
"""Faults by which jobs may be pending in the end."""
MOST_RUNS = 40
ACTIVE_RUNS = 3
"""Whole runs in which people act; the others show how the night ends."""
URL_TTL_ELSEWHERE = 120.0
LOSS_CHANCE = 0.08
"""That people lose the database after a run."""
MOST_PURSUITS = 80
"""Runs in which processes die where the night wants it."""
CLOCK_SECONDS = 3600.0
"""How much the clock is wrong."""
KILLS = (0.05, 0.3, 1.0, 2.5, 6.0, 20.0, 45.0)
"""Seconds after which everything dies, if a death between two steps is wanted."""
NEVER = 1e6
"""Seconds."""
PEOPLE_SHARE = 0.25
"""Of the nights by a seed."""
MOST_MISHAPS = 3
"""Whole runs in which workers and coordinators still fail; the others show how the night ends."""
UNDER_WAY = (JobState.GENERATING, JobState.DOWNLOADING)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the seed decided."""

    seed: int
    jobs: int
    run: dict[str, Any]
    service: Settings
    kills: tuple[float, ...]
    crash_chance: float
    remote: RemotePlan | None = None
    """Workers elsewhere; ``None`` where there is one, in the coordinator's own process."""
    keys: Sequence[NamedKey] = (KEY,)
    """The key of each run, in turn: with another one, the log is silent about what the one before asked for."""
    loses_database: bool = False
    """When all is done the database is lost, and the same manifest is run again."""
    group_turns: int = recorder.GROUP_TURNS
    """Turns of the event loop for which writes gather before they go to the disk together."""
    aims: frozenset[Situation] = frozenset()
    """The situations that the night looks for."""
    rejects: float | None = None
    """The chance that the gate of a job rejects a clip; ``None`` if the jobs have no gates."""

    chains: tuple[str, ...] = ()
    """The forms of the chains that the manifest has besides its single jobs."""
    cancels: bool = False
    """Whether jobs are cancelled between two runs, and some of them retried before the last ones."""
    people: bool = False
    """Whether people vote, cancel, retry and edit the manifest, during runs and between them."""
    in_folders: bool = False
    """Whether a template puts the videos into folders, and another one does from the first whole run on."""

    def is_good(self, job: Job) -> bool:
        """Whether the gate accepts the clip of ``job``: each look at it finds the same."""
        return random.Random(f"{self.seed} {job.id}").random() >= (self.rejects or 0.0)

    def list_jobs(self, template: str = "first") -> list[JobSpec]:
        """The jobs of the manifest; ``template`` names the folder that all are in."""
        jobs = [*make_chains(self.chains), *specs(self.jobs)]
        if self.in_folders:
            jobs = [replace(job, stem=f"{template}/{number % 3}/{job.stem}") for number, job in enumerate(jobs)]
        return jobs if self.rejects is None else [replace(job, policy=POLICY) for job in jobs]

    @property
    def worker(self) -> str:
        """The kind of its workers."""
        if self.remote is None:
            return LOCAL
        return REMOTE if self.remote.workers == 1 else REMOTES


def plan_of(seed: int) -> Plan:
    """The night of ``seed``."""
    rng = random.Random(seed)
    lag = rng.choice([0.0, 1.0, 5.0, 20.0, 60.0])
    jobs = rng.randint(2, 9)
    names = rng.sample(sorted(set(FAULTS) - CALM - HEAVY - UNSEEN), k=rng.randint(0, 6))
    faults = {name: rng.choice([0.05, 0.2, 0.5]) for name in names}
    if rng.random() < 0.15:
        faults[rng.choice(sorted(CALM))] = 0.05
    budget = rng.choice([None, None, round(rng.uniform(0, jobs + 1) * PRICE, 2)])
    plan = Plan(
        seed=seed,
        jobs=jobs,
        run={
            "concurrency": rng.randint(1, 6),
            "downloads": rng.randint(1, 3),
            "budget": budget,
            # longer than the latest row of the log: silence must not count before the log has had its time
            "settle": 12 * lag + rng.choice([5.0, 60.0]),
            "patience": 1800.0,
            "when_in_doubt": rng.choice([Doubt.HOLD, Doubt.HOLD, Doubt.RESUBMIT]),
            "poll_interval": rng.choice([None, None, 5.0]),
            "tries": rng.choice([1, 1, 3]),
        },
        service=Settings(
            generation_median=rng.choice([2.0, 30.0, 90.0]),
            log_lag=lag,
            latency=rng.choice([0.0, 0.1, 2.0]),
            late_by=rng.choice([10.0, 150.0]),
            concurrency=rng.choice([None, None, 2]),
            rate_per_minute=rng.choice([None, None, 6]),
            retry_after=rng.random() < 0.5,
            url_ttl=rng.choice([None, None, 3.0]),
            faults=faults,
            seed=seed,
        ),
        kills=tuple(rng.choice([0.0, 0.05, 1.0, 10.0, 45.0, 100.0, 200.0]) for _ in range(rng.randint(0, 4))),
        crash_chance=rng.choice([0.0, 0.0, 0.02, 0.1]),
    )
    rng_of_gates = random.Random(seed + 4)
    if rng_of_gates.random() < 0.4:
        plan = replace(plan, rejects=rng_of_gates.choice([0.2, 0.5, 0.9]))
    plan = replace(plan, in_folders=random.Random(seed + 6).random() < 0.4)
    plan = _with_chains(plan, random.Random(seed + 7))
    plan = _with_remote(plan, far_of(rng)) if seed % 2 else _with_losses(plan)
    return add_people(plan) if random.Random(seed + 10).random() < PEOPLE_SHARE else plan


def add_people(plan: Plan) -> Plan:
    """``plan`` with people; a lost database forgets what they said, and they cancel what they like."""
    return replace(plan, people=True, cancels=False, loses_database=False)


def _with_chains(plan: Plan, rng: random.Random) -> Plan:
    """``plan`` with chains in each second night, of which a budget may end in the middle."""
    shapes = tuple(rng.choice(sorted(SHAPES)) for _ in range(rng.choice([0, 0, 1, 2, 3])))
    budget = plan.run["budget"]
    if budget is not None:
        budget = round(budget + rng.uniform(0, len(make_chains(shapes))), 2)
    url_ttl = plan.service.url_ttl if not shapes else rng.choice([None, 60.0, 900.0])
    return replace(
        plan,
        chains=shapes,
        cancels=bool(shapes) and rng.random() < 0.3,
        run={**plan.run, "budget": budget, "inputs": URL if BY_URL in shapes else None},
        service=replace(plan.service, url_ttl=url_ttl),
    )


def _with_losses(plan: Plan) -> Plan:
    """``plan`` with a second key in each third night, and a database that is lost in each second."""
    rng = random.Random(plan.seed + 2)
    plan = replace(plan, loses_database=rng.random() < 0.5)
    if rng.random() < 0.33:
        other = NamedKey(name="", key=ApiKey("another"))
        return replace(plan, keys=(KEY, other), service=replace(plan.service, per_key=True))
    return plan


def _with_remote(plan: Plan, remote: RemotePlan) -> Plan:
    """``plan`` with workers elsewhere.

    A worker that freezes with leave in its hand, or gets it late, sends its request later than all may know: the
    log's silence must not count before. And a URL that dies within seconds would be dead whenever it has come
    over a slow wire.
    """
    settle = plan.run["settle"] + PERMISSION_SECONDS + remote.longest_freeze
    url_ttl = None if plan.service.url_ttl is None else URL_TTL_ELSEWHERE
    service = replace(plan.service, per_key=True, url_ttl=url_ttl, latency=remote.latency)
    return replace(plan, run={**plan.run, "settle": settle}, service=service, remote=remote)


@dataclass
class WatchedNight(Night):
    """A night whose ``observer`` sees what the service does."""

    observer: Observer = field(kw_only=True)
    true_clock: Clock = field(init=False)
    people: People | None = field(init=False, default=None)
    _open: Store | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.true_clock = self.clock
        self.observer.now = self.true_clock.now

    def look(self) -> Store:
        """The database, open from the first look to the end of the night: to open it takes longer than most looks."""
        if self._open is None:
            self._open = Store(self.state)
        return self._open

    def end_looks(self) -> None:
        """Close the database."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def list_jobs(self, plan: Plan, template: str = "first") -> list[JobSpec]:
        """The jobs of the manifest, as people have it now."""
        return plan.list_jobs(template) if self.people is None else self.people.list_jobs(template)

    def jobs(self, *states: JobState) -> list[Job]:
        """See ``Night``."""
        return list(self.look().jobs(*states))

    def open_transport(self, worker: str = "") -> httpx.AsyncBaseTransport:
        """See ``Night``."""
        return make_transport(self.observer.watch_service(self.service, worker))


def make_observer(plan: Plan) -> Observer:
    """The one that sees the night of ``plan``, and lets it meet what the seed decided."""
    rng = random.Random(plan.seed + 1)
    return Observer(plan.worker, plan.aims, seed=plan.seed, dies_anywhere=lambda: rng.random() < plan.crash_chance)


async def live(plan: Plan, folder: Path, observer: Observer, *, after_run: Any) -> WatchedNight:
    """Live through the night: runs that are killed or crash, then runs until nothing more can happen."""
    night = WatchedNight(folder, plan.service, observer=observer, poll_rate=None)
    night.clips = FakeClips(judge=plan.is_good, seconds=random.Random(plan.seed + 5).choice([0.0, 1.0, 30.0]))
    night.bucket = FakeBucket(chance=0.1, random=random.Random(plan.seed + 9))
    if plan.people:
        night.people = _invite_people(plan, night)
    observer.list_looked_up = lambda: _list_looked_up(plan, night)
    observer.note_beginning = lambda: _note_clock(night)
    observer.list_children = lambda parent: _list_children(night, parent)
    rng = random.Random(plan.seed + 8)
    with observer.watching(), mock.patch.object(recorder, "GROUP_TURNS", plan.group_turns):
        for number, kill in enumerate(plan.kills):
            night.key = plan.keys[number % len(plan.keys)]
            await _run_until_death(plan, night, night.list_jobs(plan), kill)
            after_run(night)
            if plan.cancels:
                _cancel_one(night, rng)
            await _let_act(plan, night)
        if plan.aims:
            await _pursue(plan, night, plan.list_jobs(), after_run)
        observer.works = False
        if plan.cancels:
            _retry_some(night, rng)
        await _come_to_an_end(plan, night, after_run)
    return night


def _invite_people(plan: Plan, night: WatchedNight) -> People:
    def count_paid(job: str) -> int:
        made = [each for each in night.service.generations if each.client_request_id not in people.forsaken]
        return sum(each.is_charged and name_job(each.client_request_id) == job for each in made)

    def find_generation(request: str | None) -> str | None:
        return next((each.id for each in night.service.generations if each.client_request_id == request), None)

    looks = count_paid, find_generation, night.true_clock.now, night.observer.resting
    people = People(plan.seed + 11, plan.list_jobs, *looks)
    night.observer.note_claim, night.observer.note_request = people.note_claim, people.note_request
    return people


async def _let_act(plan: Plan, night: WatchedNight, *, may_lose: bool = True) -> None:
    """Let people act between two runs, some of them twice; some lose the database, if the next run reads manifests."""
    people = night.people
    if people is not None and night.state.exists():
        for _ in range(people.rng.choice([0, 1, 2])):
            await people.act(night.state)
        if may_lose and people.rng.random() < LOSS_CHANCE:
            people.note_loss(night.look())
            _delete_database(night)
            imports = people.rng.random() < 0.7
            if imports:
                await _import_from_log(plan, night, people)
            people.acts[f"lose the database, {'and import' if imports else 'no import'}"] += 1


def _delete_database(night: WatchedNight) -> None:
    """Delete it with all that belongs to it; the night has another bucket then: only it knew what is in this one."""
    night.end_looks()
    for file in night.folder.glob("b.db*"):
        file.unlink()
    night.bucket = FakeBucket(chance=night.bucket.chance, random=night.bucket.random)


async def _import_from_log(plan: Plan, night: WatchedNight, people: People) -> None:
    """Import what was bought, as ``adopt --from-log`` does, once the log has all, unless the log does not answer."""
    await anyio.sleep(12 * plan.service.log_lag + 1)
    is_whole = True
    for key in plan.keys if plan.remote is None else plan.remote.list_keys():
        api = ApiClient(key.key, base_url=BASE_URL, transport=night.open_transport())
        with night.observer.resting(), night.store() as store:
            run = store.runs.begin_run(command="adopt", service=BASE_URL, now=night.clock.now())
            store.imports.add_jobs(night.list_jobs(plan), run=run, now=night.clock.now())
            try:
                async with api:
                    await import_from_log(store, {key.name: api}, hours=24, now=night.clock.now())
            except (ProviderError, KeyRejected):
                is_whole = False
            people.note_import(store)
    if is_whole:
        pending = {job.id for job in night.jobs(JobState.PENDING)}
        left = [each for each in night.service.generations if each.client_request_id in people.lost & people.forsaken]
        missed = {name_job(each.client_request_id) for each in left if each.failure is None} & pending
        assert not missed, f"not imported from the log: {missed}"


@asynccontextmanager
async def _beside_people(night: WatchedNight) -> AsyncIterator[None]:
    """Let people act while the run inside goes on."""
    if night.people is None:
        yield
        return
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(night.people.act_along, night.state)
        yield
        tasks.cancel_scope.cancel()


async def _run_until_death(plan: Plan, night: WatchedNight, jobs: Sequence[JobSpec], kill: float) -> None:
    killed: list[None] = []

    def die() -> None:
        killed.append(None)
        night.observer.deaths += 1
        night.observer.dead = True

    night.observer.begin_process()
    try:
        await _run_at_most(plan, night, jobs, kill, die)
    except BaseException as error:  # noqa: BLE001 - what is no crash goes on
        only_crashes(error)
    if killed:
        store = night.look()
        night.observer.note_death_between(Counter(name_state(store.transitions, job) for job in store.jobs()))


def _cancel_one(night: WatchedNight, rng: random.Random) -> None:
    """Cancel a pending job, of a chain if there is one."""
    with night.observer.resting(), night.store() as store:
        pending = [job for job in store.jobs(JobState.PENDING) if job.take == 1]
        chosen = [job for job in pending if job.chain is not None] or pending
        if chosen and rng.random() < 0.5:
            cancel_jobs(store, [rng.choice(chosen)], now=night.true_clock.now())


def _retry_some(night: WatchedNight, rng: random.Random) -> None:
    """Make some of the cancelled jobs pending again."""
    with night.observer.resting(), night.store() as store:
        retried = [job for job in store.jobs(JobState.CANCELLED) if job.take == 1 and rng.random() < 0.5]
        retry_jobs(store, retried, now=night.true_clock.now())


def _list_children(night: WatchedNight, parent: Job) -> list[str]:
    """The ids of the jobs that wait for the video of ``parent``."""
    store = night.look()
    links = store.links.list_open_links(parent.seq if parent.take_of is None else parent.take_of)
    return [store.queries.read_job(link.child).id for link in links]


async def _pursue(plan: Plan, night: WatchedNight, jobs: Sequence[JobSpec], after_run: Any) -> None:
    """Runs that die in each situation that the night looks for, until it has met all of them or has no more jobs."""
    observer, rng, true = night.observer, random.Random(plan.seed + 3), night.clock
    for _ in range(MOST_PURSUITS):
        deaths, seen = observer.deaths, len(observer.visited)
        left = plan.aims - observer.visited
        night.clock = _choose_clock(left, true, rng)
        dies_waiting = any(aim.crash == BETWEEN or aim.fault.startswith("clock") for aim in left)
        claimed = any(job.state is JobState.SUBMITTING for job in night.jobs())
        kill = KILLS[0] if claimed and plan.remote is None and rng.random() < 0.5 else rng.choice(KILLS)
        await _run_until_death(plan, night, jobs, kill if dies_waiting else NEVER)
        night.clock = true
        after_run(night)
        if observer.aims <= observer.visited:
            break
        ended = all(job.state in (JobState.SUCCEEDED, JobState.FAILED) or job.held for job in night.jobs())
        if ended or (observer.deaths, len(observer.visited)) == (deaths, seen):
            break
        await anyio.sleep(1)
    night.heal()


def _choose_clock(left: frozenset[Situation], true: Clock, rng: random.Random) -> Clock:
    """A clock that is an hour wrong, if that is wanted."""
    wrong = sorted({aim.fault for aim in left if aim.fault.startswith("clock")})
    if not wrong:
        return true
    shift = CLOCK_SECONDS if rng.choice(wrong) == "clock-ahead" else -CLOCK_SECONDS
    return Clock(wall=lambda: true.now() + shift)


def _note_clock(night: WatchedNight) -> None:
    """Note for which jobs the clock of the run that begins is wrong."""
    wrong = night.clock.now() - night.true_clock.now()
    if abs(wrong) > 1.0 and night.state.exists():
        store = night.look()
        for job in store.jobs():
            state = name_state(store.transitions, job)
            if state != JobState.SUCCEEDED:
                night.observer.note_fault("clock-ahead" if wrong > 0 else "clock-back", job.id, state)


async def _come_to_an_end(plan: Plan, night: WatchedNight, after_run: Any) -> None:
    """Whole runs until nothing more can happen; if there are people, they rest after the first ones."""
    unchanged = 0
    for number in range(MOST_RUNS):
        night.key = plan.keys[number % len(plan.keys)]
        before = [(job.state, job.held, job.verdict, job.tried) for job in night.jobs()]
        night.observer.begin_process()
        acting = night.people is not None and number < ACTIVE_RUNS
        # what their manifest does not name any more is left to ``resume``
        jobs = night.list_jobs(plan, "second") if night.people is None or acting else None
        await _whole(plan, night, jobs, number, acting=acting)
        after_run(night)
        if acting:
            await _let_act(plan, night, may_lose=number + 1 < ACTIVE_RUNS)
        jobs_now = night.jobs()
        after = [(job.state, job.held, job.verdict, job.tried) for job in jobs_now]
        unchanged = unchanged + 1 if after == before and not acting else 0
        if unchanged >= _runs_to_be_sure(plan) and not any(_moves_still(plan, night, job) for job in jobs_now):
            await _lose(plan, night, plan.list_jobs("second"))
            after_run(night)
            return
        await anyio.sleep(30 if len(plan.keys) == 1 else 30 + 12 * plan.service.log_lag)
    raise AssertionError("the night does not come to an end")


def _list_looked_up(plan: Plan, night: Night) -> list[tuple[str, str, str | None]]:
    """The jobs that the log is read for: doubts, generations that are put aside, and failures with tries left."""
    jobs = night.jobs(JobState.IN_DOUBT, JobState.GENERATING, JobState.FAILED)
    return [
        (job.id, job.state, job.client_request_id)
        for job in jobs
        if (job.error or job.state is JobState.IN_DOUBT)
        and (job.state is not JobState.FAILED or job.tried < plan.run["tries"])
    ]


def _runs_to_be_sure(plan: Plan) -> int:
    """Runs in a row that change nothing, after which no other would.

    A doubt is held at once by a run with another key: its own key needs a run when its log has had its time.
    """
    return 1 if len(plan.keys) == 1 else len(plan.keys) + 1


def may_be_refused(plan: Plan) -> bool:
    """Whether jobs may be pending in the end: for want of money, or since the service refuses them."""
    return plan.run["budget"] is not None or bool(REFUSALS & set(plan.service.faults))


def _moves_still(plan: Plan, night: WatchedNight, job: Job) -> bool:
    """Whether a further run would bring ``job`` on: the service has no more to say of some generations.

    A run that a 401 ends in its first moment changes nothing, and is not the last one.
    """
    if job.state is JobState.IN_DOUBT:
        return not job.held
    if job.waits and job.state is JobState.PENDING and not may_be_refused(plan):
        return not waits_rightly(night.look(), job)
    return job.state in UNDER_WAY and (ending_of(night, job) not in WITHOUT_END or job.error is None)


def ending_of(night: Night, job: Job) -> str:
    """The fault by which the generation of ``job`` ends."""
    return next((each.ending for each in night.service.generations if each.id == job.generation_id), "")


async def _lose(plan: Plan, night: WatchedNight, jobs: Sequence[JobSpec]) -> None:
    """Lose the database of a night that has made everything: what is on disk is enough, and nothing is bought."""
    if not plan.loses_database or any(job.state is not JobState.SUCCEEDED for job in night.jobs()):
        return
    if plan.rejects is not None and any(job.tried for job in night.jobs()):
        return  # with the database the tries that failed are forgotten: a rejected clip may be made once more
    known = [(job.id, job.verdict) for job in night.jobs()]
    _delete_database(night)
    for job in jobs:
        night.observer.note_fault("database-lost", job.id, "succeeded")
    bought = len(night.service.generations)
    await night.run(jobs, **plan.run)
    assert [job.state for job in night.jobs()] == [JobState.SUCCEEDED] * len(known)
    assert sorted((job.id, job.verdict) for job in night.jobs()) == sorted(known)
    assert len(night.service.generations) == bought, "a lost database was paid for again"


async def _run_at_most(
    plan: Plan, night: WatchedNight, jobs: Sequence[JobSpec], kill: float, die: Callable[[], None]
) -> None:
    """A run in which everything dies after ``kill`` seconds, if it has not ended by then; calls ``die`` just before."""
    async with _beside_people(night):
        if plan.remote is None:
            await night.killed(jobs, after=kill, dying=die, **plan.run)
        else:
            await _make_remote_run(plan, plan.remote, night, calm=False).live(jobs, kill_after=kill, dying=die)


async def _whole(plan: Plan, night: WatchedNight, jobs: Sequence[JobSpec] | None, number: int, *, acting: bool) -> None:
    """A run to its end; people act meanwhile if they are ``acting``."""
    if acting:
        async with _beside_people(night):
            await _whole(plan, night, jobs, number, acting=False)
    elif plan.remote is None:
        result = await night.run(jobs, **plan.run)
        if jobs is None or night.people is None:
            check_result(night.look(), night.jobs(), result)
    else:
        calm = number >= MOST_MISHAPS or bool(plan.aims)
        await _make_remote_run(plan, plan.remote, night, calm=calm).live(jobs)


def _make_remote_run(plan: Plan, remote: RemotePlan, night: WatchedNight, *, calm: bool) -> RemoteRun:
    settings = RunSettings(output=night.folder / "videos", **plan.run)
    return RemoteRun(night, night.observer, remote, plan.seed, settings, calm=calm)
