"""How soon a run sees that a generation is finished, and at what cost: whole runs in virtual time."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from batchveo.core.durations import Durations, Expectation
from batchveo.core.errors import UsageError
from batchveo.core.settings import RunSettings
from batchveo.engine.stages.poll_schedule import PollSchedule
from batchveo.sandbox import Settings
from batchveo.sandbox.http_messages import Request, Response, json_response
from tests.helpers.factories import make_job
from tests.helpers.samples import sample_cases
from tests.helpers.virtual_run import Night, specs

pytestmark = pytest.mark.anyio


@dataclass(kw_only=True)
class Watched:
    """A ``Night`` whose polls are counted."""

    night: Night
    polls: list[float] = field(default_factory=list)
    by_generation: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        service = self.night.service
        handle = service.handle

        def counted(request: Request) -> Response:
            generation = dict(request.query).get("generation_id")
            if request.method == "GET" and generation:
                self.polls.append(self.night.clock.now())
                self.by_generation.setdefault(generation, []).append(self.polls[-1])
            return handle(request)

        service.handle = counted  # type: ignore[method-assign]

    @property
    def delay(self) -> float:
        """Seconds from completion to notice, on average."""
        generations = self.night.service.generations
        return fmean(self.by_generation[g.id][-1] - g.ready_at for g in generations)

    @property
    def polls_a_job(self) -> float:
        return len(self.polls) / len(self.by_generation)

    @property
    def most_a_second(self) -> int:
        """The most polls within any second."""
        polls = self.polls
        return max(bisect_left(polls, at + 1 - 1e-6) - n for n, at in enumerate(polls))

    def longest_unseen(self) -> float:
        """The longest that any generation went without a poll."""
        submitted = {g.id: g.submitted_at for g in self.night.service.generations}
        return max(
            later - earlier
            for generation, times in self.by_generation.items()
            for earlier, later in zip([submitted[generation], *times], times, strict=False)
        )

    def against_ideal(self, in_flight: int) -> float:
        """The run's length over that of the same generations, each seen the moment it ends."""
        places = [0.0] * in_flight
        for generation in self.night.service.generations:
            heapq.heapreplace(places, places[0] + generation.ready_at - generation.submitted_at)
        return self.seconds / max(places)


async def watched(folder: Path, jobs: int = 60, *, median: float = 90.0, **settings: Any) -> Watched:
    """A run of ``jobs`` whose polls are counted."""
    service = Settings(generation_median=median, generation_sigma=0.3, balance=1e6)
    seen = Watched(night=Night(folder, service, poll_rate=None))
    result = await seen.night.run(specs(jobs), **settings)
    assert result.exit_status == 0
    seen.seconds = result.seconds
    return seen


async def test_a_run_takes_little_longer_than_its_generations(tmp_path: Path) -> None:
    """At most 3 % longer, at four polls a second, although nothing is known at first."""
    seen = await watched(tmp_path, concurrency=10, poll_rate=4.0)
    assert seen.against_ideal(10) < 1.03
    assert seen.delay < 1.5
    assert seen.most_a_second <= 4


@pytest.mark.parametrize(
    ("jobs", "in_flight", "median"),
    sample_cases([(100, 10, 35.0), (200, 10, 35.0), (100, 10, 90.0), (500, 100, 35.0)], size=1),
)
async def test_by_default_a_night_takes_a_fiftieth_longer_at_most(
    tmp_path: Path, jobs: int, in_flight: int, median: float
) -> None:
    """Also if its clips are made soon, or many are in flight, and for no more polls than that is worth."""
    seen = await watched(tmp_path, jobs, median=median, concurrency=in_flight)
    assert seen.against_ideal(in_flight) <= 1.02
    assert seen.polls_a_job < (45 if in_flight == 10 else 20)


@dataclass(kw_only=True)
class StrictService:
    """Answers 429 to polls beyond ``bears`` in a second, from ``begins`` to ``ends`` (seconds of the night)."""

    night: Night
    bears: float
    begins: float = 0.0
    ends: float = inf
    refused: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        service, begun = self.night.service, self.night.clock.now()
        handle = service.handle

        def limited(request: Request) -> Response:
            if request.method != "GET" or "generation_id" not in dict(request.query):
                return handle(request)
            at = self.night.clock.now() - begun
            if self.begins <= at < self.ends and self.count_answered(at - 1, at + 1e-6) >= self.bears:
                self.refused.append(at)
                return json_response({"message": "too many"}, status=429)
            self.answered.append(at)
            return handle(request)

        service.handle = limited  # type: ignore[method-assign]

    def count_answered(self, after: float, before: float) -> int:
        """Polls answered in this time."""
        return bisect_left(self.answered, before) - bisect_right(self.answered, after)


async def test_a_run_feels_its_way_to_the_rate_of_polls_that_the_service_bears(tmp_path: Path) -> None:
    """Thirty in flight poll up to 18 times a second; of a service that bears six, they soon ask little more."""
    night = Night(tmp_path, Settings(generation_median=35.0, generation_sigma=0.3, balance=1e6), poll_rate=None)
    service = StrictService(night=night, bears=6)
    result = await night.run(specs(200), concurrency=30)
    assert result.exit_status == 0
    assert 0 < len(service.refused) < 0.1 * len(service.answered)
    assert len(service.answered) > 2.0 * result.seconds


async def test_after_429s_the_rate_of_polls_recovers(tmp_path: Path) -> None:
    """A minute in which the service bears no poll slows them down, and some minutes later they are as dense again."""
    night = Night(tmp_path, Settings(generation_median=35.0, generation_sigma=0.3, balance=1e6), poll_rate=None)
    service = StrictService(night=night, bears=0, begins=120.0, ends=180.0)
    result = await night.run(specs(100), concurrency=5)
    assert result.exit_status == 0
    before, after = service.count_answered(60.0, 120.0), service.count_answered(480.0, 540.0)
    assert result.seconds > 540.0
    assert len(service.refused) < before / 5
    assert after == pytest.approx(before, rel=0.25)


def test_429s_do_not_change_a_fixed_interval() -> None:
    """If polling is adaptive, gaps double."""
    durations = Durations()
    durations.set_guess("veo2", Expectation(median=90.0, sigma=0.3))
    fixed = PollSchedule(RunSettings(poll_interval=7.0), durations)
    adaptive = PollSchedule(RunSettings(concurrency=100), durations)
    jobs = [make_job(seq=n, model="veo2", submitted_at=100.0) for n in range(100)]
    for job in jobs:
        adaptive.add_accepted(job, 100.0)
    usual = adaptive.plan_after_answer(jobs[0], 190.0) - 190.0
    for schedule in (fixed, adaptive):
        schedule.allowed.decrease(sent_at=189.0, now=190.0)
    assert fixed.plan_after_answer(jobs[0], 190.0) == 197.0
    assert adaptive.plan_after_answer(jobs[0], 190.0) - 190.0 == pytest.approx(2 * usual, rel=0.2)


@pytest.mark.parametrize("jobs", sample_cases([80, 240], size=1))
async def test_for_no_more_polls_than_a_fixed_interval_makes_the_finished_wait_less(tmp_path: Path, jobs: int) -> None:
    """Two thirds of the time, on average."""
    fixed = await watched(tmp_path / "fixed", jobs, concurrency=10, poll_interval=10.0)
    planned = await watched(tmp_path / "planned", jobs, concurrency=10, poll_rate=1.0)
    assert planned.polls_a_job <= fixed.polls_a_job
    assert planned.delay < 0.7 * fixed.delay


async def test_many_in_flight_keep_to_the_rate_and_none_starves(tmp_path: Path) -> None:
    """Each has its turn, at the latest after two rounds."""
    seen = await watched(tmp_path, 100, concurrency=60, poll_rate=0.5)
    assert seen.most_a_second <= 1
    assert seen.longest_unseen() <= 2 * 60 / 0.5


async def test_what_earlier_runs_learned_is_used(tmp_path: Path) -> None:
    """The second run polls little before a generation can be done."""
    seen = await watched(tmp_path, 20, concurrency=10)
    before = len(seen.by_generation)
    await seen.night.run(specs(25), concurrency=5)
    fresh = list(seen.by_generation)[before:]
    submitted = {g.id: g.submitted_at for g in seen.night.service.generations}
    assert len(fresh) == 5
    assert all(sum(at < submitted[g] + 30 for at in seen.by_generation[g]) <= 4 for g in fresh)


def test_the_rate_follows_from_the_concurrency() -> None:
    """Some for each in flight, within bounds; a number given is kept."""
    assert RunSettings(concurrency=1).polls_per_second == 5.0
    assert RunSettings(concurrency=100).polls_per_second == 60.0
    assert RunSettings(concurrency=10_000).polls_per_second == 500.0
    assert RunSettings(concurrency=1000, poll_rate=0.5).polls_per_second == 0.5
    with pytest.raises(UsageError):
        RunSettings(poll_rate=0.0)


def test_a_fixed_interval_is_kept() -> None:
    """Whatever is known."""
    durations = Durations()
    durations.set_guess("veo2", Expectation(median=90.0, sigma=0.3))
    schedule = PollSchedule(RunSettings(poll_interval=7.0), durations)
    job = make_job(model="veo2", submitted_at=100.0)
    assert schedule.add_accepted(job, 100.0) == 107.0
    assert schedule.plan_after_answer(job, 190.0) == 197.0
    assert schedule.plan_after_error(job, 190.0) == 197.0


def test_a_generation_that_ended_takes_no_share() -> None:
    """The gaps of those still in flight grow shorter."""
    schedule = PollSchedule(RunSettings(poll_rate=1.0), Durations())
    first, second = (make_job(seq=n, model="veo2", submitted_at=0.0) for n in (1, 2))
    schedule.add_accepted(first, 0.0)
    assert schedule.add_accepted(second, 0.0) == 2.0
    schedule.remove_job(first)
    schedule.remove_job(first)
    assert schedule.plan_after_answer(second, 2.0) == 3.0


def test_a_notice_teaches_the_interval_between_two_polls() -> None:
    """Not the moment of the notice."""
    durations = Durations()
    schedule = PollSchedule(RunSettings(), durations)
    job = make_job(model="veo2", submitted_at=1000.0)
    schedule.plan_after_answer(job, 1080.0)
    schedule.learn_duration(job, 1100.0)
    expected = durations.find_expected("veo2")
    assert expected is not None
    assert expected.median == pytest.approx(90.0)
