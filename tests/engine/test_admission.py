"""What keeps the next job from being submitted, as data and as events."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from batchveo.core.errors import StoppedEarly
from batchveo.core.events import JobStateChanged, RunFinished, RunStarted, ThrottleChanged, ThrottleReason
from batchveo.core.settings import RunSettings
from batchveo.engine.admission import Admission, Claimed, Closed, Wait
from batchveo.engine.assignments import Assignments
from batchveo.engine.budget import Budget
from batchveo.engine.in_flight import InFlightTable
from batchveo.engine.key_limits import KeyThrottles, PerKey
from batchveo.engine.recorder import Recorder
from batchveo.engine.run_context import EventBus, RunContext
from batchveo.engine.stages.linker import Linker
from batchveo.provider.catalog.price_list import PriceList
from batchveo.sandbox import Settings
from tests.helpers.fake_clips import FakeClips
from tests.helpers.virtual_run import Night, specs

pytestmark = pytest.mark.anyio


def paces(night: Night) -> list[ThrottleChanged]:
    return [event for event in night.events if isinstance(event, ThrottleChanged)]


async def test_a_run_is_framed_by_its_beginning_and_its_end(tmp_path: Path) -> None:
    """The first event has the settings, the last one how it ended."""
    night = Night(tmp_path)
    await night.run(specs(2), concurrency=3, budget=50.0)
    began, ended = night.events[0], night.events[-1]
    assert isinstance(began, RunStarted)
    assert (began.state, began.concurrency, began.budget) == (night.state, 3, 50.0)
    assert isinstance(ended, RunFinished)
    assert (ended.run, ended.exit_status, ended.stopped) == (began.run, 0, None)


async def test_slots_are_full_and_then_nothing_is_left(tmp_path: Path) -> None:
    """Reported when the reason changes, not at every decision."""
    night = Night(tmp_path)
    await night.run(specs(5), concurrency=2)
    assert [pace.brake for pace in paces(night)] == [ThrottleReason.PLACES, ThrottleReason.NOTHING]
    assert {(pace.limit, pace.ceiling) for pace in paces(night)} == {(2, 2)}


async def test_a_429_lowers_the_limit_and_it_climbs_again(tmp_path: Path) -> None:
    """Events say when it was lowered, until it is back at the user's own limit."""
    night = Night(tmp_path, Settings(concurrency=4))
    await night.run(specs(40), concurrency=8)
    told = paces(night)
    limits = [pace.limit for pace in told]
    assert min(limits) < 8
    assert any(later > sooner for sooner, later in pairwise(limits))
    assert all((pace.lowered_at is None) == (pace.limit == 8) for pace in told)


async def test_a_pause_is_reported_with_its_end(tmp_path: Path) -> None:
    """The service asks for so long a wait that slots are free by then."""
    night = Night(tmp_path, Settings(rate_per_minute=3))
    await night.run(specs(6), concurrency=8)
    until = [pace.until for pace in paces(night) if pace.brake is ThrottleReason.PAUSE]
    assert until
    assert all(end is not None and end > 1_800_000_000.0 for end in until)


async def test_a_rate_and_a_budget_are_reported(tmp_path: Path) -> None:
    """Each is a reason why the next job is not submitted."""
    night = Night(tmp_path)
    await night.run(specs(4), concurrency=9, rate=60)
    assert ThrottleReason.RATE in {pace.brake for pace in paces(night)}
    short = Night(tmp_path / "short")
    await short.run(specs(4), concurrency=9, budget=5.0)
    assert ThrottleReason.BUDGET in {pace.brake for pace in paces(short)}


async def test_every_event_of_a_run_comes_between_both_ends(tmp_path: Path) -> None:
    """Also of a run that stops early."""
    night = Night(tmp_path)
    await night.run(specs(4), budget=3.0)
    assert isinstance(night.events[0], RunStarted)
    ended = night.events[-1]
    assert isinstance(ended, RunFinished)
    assert ended.stopped is not None
    assert any(isinstance(event, JobStateChanged) for event in night.events)


async def test_a_decision_is_data(tmp_path: Path) -> None:
    """A claimed job, what to wait for and until when, or the end: nothing is awaited to know it."""
    night = Night(tmp_path)
    settings = RunSettings(output=tmp_path, concurrency=1)
    with night.store() as store:
        context = RunContext(
            store=store, clock=night.clock, run=store.runs.begin_run(command="run", service="x", now=0.0)
        )
        bus = EventBus(night.events.append, night.clock)
        throttles = KeyThrottles(context, bus, (), settings)
        in_flight = InFlightTable(begun=0.0, patience=60.0)
        budget = Budget(context, bus, in_flight, {}, PriceList({}), settings, key_prints={}, endings={})
        linker = Linker(context, bus, Recorder(context, bus), PerKey({"": night.make_api()}), FakeClips(), judged=True)
        admission = Admission(
            context, bus, in_flight, throttles, budget, Assignments(), linker, backlog=9, inputs_come=lambda: False
        )
        now = night.clock.now()
        assert admission.decide(now) == Wait(reason=ThrottleReason.NOTHING, until=now + 5.0)
        store.imports.add_jobs(specs(2), run=context.run, now=now)
        decision = admission.decide(now)
        assert isinstance(decision, Claimed)
        in_flight.place_job(decision.job, now=now)
        assert admission.decide(now) == Wait(reason=ThrottleReason.PLACES, until=None)
        why = StoppedEarly("enough")
        bus.stop(why)
        assert admission.decide(now) == Closed(why)
