"""One simulated night: everything that happens in it follows from one seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import anyio

from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.settings import Doubt, RunSettings
from batchveo.core.state_machine import Move
from batchveo.engine.cluster.remote_broker import PERMISSION_SECONDS
from batchveo.provider import ApiKey, NamedKey
from batchveo.sandbox import FAULTS, Settings
from batchveo.sandbox.settings import VIDEO
from batchveo.storage.video_file import VideoFile
from batchveo.store.database import Connection
from batchveo.store.transitions import Transitions
from tests.helpers.virtual_run import KEY, Night, specs
from tests.simulation.remote_run import Crash, RemotePlan, RemoteRun, far_of, only_crashes

PRICE = 2.275
"""US dollars of one of the night's videos in the sandbox's list."""
CALM = frozenset({"401", "403"})
"""Faults that stop a whole run; they are drawn apart, and seldom."""
HEAVY = frozenset({"endless-body"})
"""Faults that move so many bytes that a night would take minutes; ``test_downloader.py`` has them."""
UNSEEN = frozenset(VIDEO)
"""Faults of a video that is whole all the same: no run looks into it."""
WITHOUT_END = frozenset({"no-url", "poll-403"})
"""Endings that no poll tells of."""
REFUSALS = CALM | {"402", "403-moderated", "403-plan", "404-withdrawn"}
"""Faults by which jobs may be pending in the end."""
MOST_RUNS = 40
URL_TTL_ELSEWHERE = 120.0
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
    return _with_remote(plan, far_of(rng)) if seed % 2 else _with_losses(plan)


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


async def live(plan: Plan, folder: Path, *, after_run: Any) -> Night:
    """Live through the night: runs that are killed or crash, then runs until nothing more can happen."""
    night = Night(folder, plan.service)
    jobs = specs(plan.jobs)
    rng = random.Random(plan.seed + 1)
    with _crash_points(rng, plan) as process:
        for number, kill in enumerate(plan.kills):
            process.dead = False
            night.key = plan.keys[number % len(plan.keys)]
            try:
                await _killed(plan, night, jobs, kill, process)
            except BaseException as error:  # noqa: BLE001 - what is no crash goes on
                only_crashes(error)
            after_run(night)
    unchanged = 0
    for number in range(MOST_RUNS):
        night.key = plan.keys[number % len(plan.keys)]
        before = [(job.state, job.held) for job in night.jobs()]
        await _whole(plan, night, jobs, number)
        after_run(night)
        jobs_now = night.jobs()
        after = [(job.state, job.held) for job in jobs_now]
        unchanged = unchanged + 1 if after == before else 0
        if unchanged >= _runs_to_be_sure(plan) and not any(_moves_still(night, job) for job in jobs_now):
            await _lose(plan, night, jobs)
            after_run(night)
            return night
        await anyio.sleep(30 if len(plan.keys) == 1 else 30 + 12 * plan.service.log_lag)
    raise AssertionError("the night does not come to an end")


def _runs_to_be_sure(plan: Plan) -> int:
    """Runs in a row that change nothing, after which no other would.

    A doubt is held at once by a run with another key: its own key needs a run when its log has had its time.
    """
    return 1 if len(plan.keys) == 1 else len(plan.keys) + 1


def _moves_still(night: Night, job: Job) -> bool:
    """Whether a further run would bring ``job`` on: the service has no more to say of some generations."""
    return job.state in UNDER_WAY and ending_of(night, job) not in WITHOUT_END


def ending_of(night: Night, job: Job) -> str:
    """The fault by which the generation of ``job`` ends."""
    return next((each.ending for each in night.service.generations if each.id == job.generation_id), "")


async def _lose(plan: Plan, night: Night, jobs: Sequence[JobSpec]) -> None:
    """Lose the database of a night that has made everything: what is on disk is enough, and nothing is bought."""
    if not plan.loses_database or any(job.state is not JobState.SUCCEEDED for job in night.jobs()):
        return
    for file in night.folder.glob("b.db*"):
        file.unlink()
    bought = len(night.service.generations)
    await night.run(jobs, **plan.run)
    assert [job.state for job in night.jobs()] == [JobState.SUCCEEDED] * len(jobs)
    assert len(night.service.generations) == bought, "a lost database was paid for again"


async def _killed(plan: Plan, night: Night, jobs: Sequence[JobSpec], kill: float, process: Process) -> None:
    if plan.remote is None:
        await night.killed(jobs, after=kill, dying=process.die, **plan.run)
    else:
        await _make_remote_run(plan, plan.remote, night, reborn=process.live, calm=False).live(jobs, kill_after=kill)


async def _whole(plan: Plan, night: Night, jobs: Sequence[JobSpec], number: int) -> None:
    if plan.remote is None:
        await night.run(jobs, **plan.run)
    else:
        calm = number >= MOST_MISHAPS
        await _make_remote_run(plan, plan.remote, night, reborn=lambda: None, calm=calm).live(jobs)


def _make_remote_run(
    plan: Plan, remote: RemotePlan, night: Night, *, reborn: Callable[[], None], calm: bool
) -> RemoteRun:
    settings = RunSettings(output=night.folder / "videos", **plan.run)
    return RemoteRun(night, remote, plan.seed, settings, reborn=reborn, calm=calm)


class Process:
    """The one that writes the state, and dies; a dead one puts nothing more on disk."""

    dead = False

    def die(self) -> None:
        self.dead = True

    def live(self) -> None:
        """Another takes its place."""
        self.dead = False


@contextmanager
def _crash_points(rng: random.Random, plan: Plan) -> Iterator[Process]:  # noqa: C901 - a function a point
    """Let the process die before or after each write, each flush, and around the rename, now and then.

    The rename is a worker's, which may be another process.
    """
    process = Process()

    def maybe() -> None:
        if process.dead or rng.random() < plan.crash_chance:
            process.die()
            raise Crash

    def maybe_worker() -> None:
        if plan.remote is None:
            maybe()
        elif rng.random() < plan.crash_chance:
            raise Crash

    claim, apply, mark_sent, flush, finish = (
        Transitions.claim_job,
        Transitions.apply_move,
        Transitions.mark_sent,
        Connection.flush,
        VideoFile.publish_part,
    )

    def crashing_claim(self: Transitions, **options: Any) -> Job | None:
        maybe()  # before the intent
        job = claim(self, **options)
        maybe()  # after the intent, before the POST
        return job

    def crashing_apply(self: Transitions, job: Job, move: Move, **options: Any) -> Job:
        maybe()  # after the answer, before its commit
        moved = apply(self, job, move, **options)
        maybe()  # after the commit
        return moved

    def crashing_mark(self: Transitions, job: Job, **options: Any) -> None:
        maybe()
        mark_sent(self, job, **options)
        maybe()  # the mark is written, the body has not left

    def crashing_flush(self: Connection) -> None:
        maybe()  # all that was written since the last flush is gone
        flush(self)
        maybe()  # it is safe, and nobody has acted on it

    def crashing_finish(self: VideoFile, job: Job, **options: Any) -> tuple[str, ...]:
        maybe_worker()  # after the download, before the rename
        notes = finish(self, job, **options)
        maybe_worker()  # after the rename, before the final commit
        return notes

    with (
        mock.patch.object(Transitions, "claim_job", crashing_claim),
        mock.patch.object(Transitions, "apply_move", crashing_apply),
        mock.patch.object(Transitions, "mark_sent", crashing_mark),
        mock.patch.object(Connection, "flush", crashing_flush),
        mock.patch.object(VideoFile, "publish_part", crashing_finish),
    ):
        yield process
