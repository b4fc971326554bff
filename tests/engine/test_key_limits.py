"""Claims of remote workers that bring several jobs at once: what may be submitted in that moment, and no more."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from signal import SIGINT
from typing import Any
from unittest import mock

import pytest

from batchveo.core.errors import BudgetReached, DiskTrouble
from batchveo.core.events import ThrottleChanged, ThrottleReason
from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import Completed, Refused, Throttled
from batchveo.engine.broker import Fenced
from batchveo.engine.cluster.protocol import Method
from batchveo.store.transitions import Transitions
from tests.helpers.coordinator_at_work import (
    FAULTY,
    REMOTE,
    BrokerKind,
    CoordinatorAtWork,
    finished,
    generation,
    joined,
    key,
    sent,
)
from tests.helpers.faulty_wire import WireFaults

pytestmark = pytest.mark.anyio
S = JobState


def open_coordinator(folder: Path, jobs: int, kind: BrokerKind = REMOTE, **options: Any) -> CoordinatorAtWork:
    return CoordinatorAtWork(folder, kind, jobs, most=16, **options)


def claims(at_work: CoordinatorAtWork) -> int:
    """How many calls asked for jobs."""
    return sum(call.method is Method.CLAIM for call in at_work.wire.calls)


async def test_what_may_be_submitted_comes_in_one_answer(tmp_path: Path) -> None:
    """As many jobs as there are slots; the next call waits for a free slot."""
    async with open_coordinator(tmp_path, 5, concurrency=3) as at_work:
        broker = await joined(at_work)
        jobs = [await broker.claim() for _ in range(3)]
        assert ([job.seq for job in jobs], claims(at_work)) == ([1, 2, 3], 1)
        assert len({job.client_request_id for job in jobs}) == 3
        assert [job.state for job in map(at_work.on_disk, jobs)] == [S.SUBMITTING] * 3
        more = at_work.begin(broker.claim)
        assert await more.waits()
        await broker.record_outcome(jobs[0], Refused(reason="no"))
        assert (await more.ended()).seq == 4
        assert len(at_work.attempts()) == 4


async def test_no_worker_gets_more_than_its_share_at_once(tmp_path: Path) -> None:
    """Its share of all slots."""
    async with open_coordinator(tmp_path, 9, concurrency=5, workers=2) as at_work:
        one, two = await joined(at_work, "one"), await joined(at_work, "two")
        await one.claim()
        assert len(at_work.jobs(S.SUBMITTING)) == 3
        await two.claim()
        assert len(at_work.jobs(S.SUBMITTING)) == 5


async def test_a_rate_saves_nothing_up(tmp_path: Path) -> None:
    """What may be submitted a minute later is claimed a minute later."""
    async with open_coordinator(tmp_path, 3, rate=1.0) as at_work:
        broker = await joined(at_work)
        begun = at_work.clock.now()
        times = [float((await broker.claim()).submitted_at or 0) - begun for _ in range(3)]
        assert [round(seconds / 60) for seconds in times] == [0, 1, 2]
        assert ThrottleReason.RATE in [event.brake for event in at_work.events if isinstance(event, ThrottleChanged)]


async def test_each_key_keeps_to_its_slots(tmp_path: Path) -> None:
    """Although one answer brings jobs for both keys."""
    async with open_coordinator(tmp_path, 9, keys=[key("a", concurrency=1), key("b", concurrency=3)]) as at_work:
        broker = await joined(at_work)
        assert sorted([str((await broker.claim()).key) for _ in range(4)]) == ["a", "b", "b", "b"]
        assert claims(at_work) == 1
        assert await at_work.begin(broker.claim).waits()


async def test_the_budget_ends_an_answer_and_not_the_run(tmp_path: Path) -> None:
    """Each job reserves its own price; the run stops when nothing can turn out cheaper any more."""
    async with open_coordinator(tmp_path, 4, budget=5.0, assume_price=2.0) as at_work:
        broker = await joined(at_work)
        jobs = [await sent(broker), await sent(broker)]
        assert (claims(at_work), at_work.process.store.queries.read_committed()) == (1, 4.0)
        waiting = at_work.begin(broker.claim)
        assert await waiting.waits()
        assert at_work.process.coordinator._bus.stopped is None
        for job in jobs:
            moved = await broker.record_outcome(job, generation(job))
            await broker.record_outcome(moved, Completed(url="https://x/v.mp4", cost_usd=2.0))
        assert await waiting.waits(100.0)
        assert isinstance(at_work.process.coordinator._bus.stopped, BudgetReached)


async def test_a_pause_keeps_back_what_is_not_claimed_yet(tmp_path: Path) -> None:
    """And the limit that a 429 lowers holds for the next answer."""
    async with open_coordinator(tmp_path, 9, concurrency=4) as at_work:
        broker = await joined(at_work)
        jobs = [await sent(broker) for _ in range(4)]
        begun = at_work.clock.now()
        for job in jobs:
            await broker.record_outcome(job, Throttled(reason="429", retry_after=30.0))
        assert float((await broker.claim()).submitted_at or 0) - begun >= 30.0
        assert len(at_work.jobs(S.SUBMITTING)) == 1


async def test_a_worker_that_dies_with_claimed_jobs(tmp_path: Path) -> None:
    """The one that was marked as sent is in doubt, the others are pending again and get new client request ids."""
    async with open_coordinator(tmp_path, 3, settle=600.0) as at_work:
        broker, other = await joined(at_work, "one"), await joined(at_work, "two")
        first = await sent(broker)
        at_work.lives["one"].end()
        at_work.give_up("one")
        assert [job.state for job in at_work.jobs()] == [S.IN_DOUBT, S.PENDING, S.PENDING]
        again = [await other.claim(), await other.claim()]
        assert first.seq not in {job.seq for job in again}
        assert [job.attempts for job in again] == [2, 2]


async def test_a_worker_that_was_given_up_is_given_nothing_of_what_it_has(tmp_path: Path) -> None:
    """Neither the claimed jobs that its broker still has, nor permission to send the one that it took."""
    async with open_coordinator(tmp_path, 3) as at_work:
        broker = await joined(at_work)
        job = await broker.claim()
        at_work.give_up("a")
        with pytest.raises(Fenced):
            await broker.mark_sent(job)
        assert await at_work.begin(broker.claim).waits()
        assert [job.state for job in at_work.jobs()] == [S.PENDING] * 3


async def test_an_answer_that_was_lost_is_given_again(tmp_path: Path) -> None:
    """The same jobs, claimed once."""
    async with open_coordinator(tmp_path, 3) as at_work:
        broker = await joined(at_work)
        at_work.wire.wire_faults = WireFaults(lose_answer=1.0)
        claiming = at_work.begin(broker.claim)
        assert await claiming.waits(3.0)
        at_work.wire.wire_faults = WireFaults()
        await claiming.ended()
        assert {(await broker.claim()).seq for _ in range(2)} == {2, 3}
        assert claims(at_work) > 1
        assert len(at_work.attempts()) == 3


@pytest.mark.parametrize("kind", FAULTY, ids=lambda kind: kind.name)
async def test_each_is_bought_once_in_foul_weather(tmp_path: Path, kind: BrokerKind) -> None:
    """Whatever the connection does to the answers."""
    async with open_coordinator(tmp_path, 12, kind, concurrency=5) as at_work:
        broker = await joined(at_work)
        for _ in range(12):
            job = await sent(broker)
            await broker.record_outcome(job, Refused(reason="no"))
        await finished(broker)
        assert len(at_work.attempts()) == 12


async def test_nothing_is_claimed_once_the_run_is_over(tmp_path: Path) -> None:
    """A worker that has not heard of it gets no job, although slots are free."""
    async with open_coordinator(tmp_path, 20, concurrency=20, workers=4) as at_work:
        broker = await joined(at_work)
        jobs = [await broker.claim() for _ in range(5)]
        at_work.process.coordinator.interrupt(SIGINT)
        await at_work.process.coordinator.finished.wait()
        assert await at_work.begin(broker.claim).waits()
        assert at_work.jobs(S.SUBMITTING) == jobs


async def test_a_state_that_fails_between_two_claims_ends_the_run(tmp_path: Path) -> None:
    """What was claimed before is given to nobody, and pending for the next coordinator."""
    full = sqlite3.OperationalError("database or disk is full")
    async with open_coordinator(tmp_path, 5, concurrency=5) as at_work:
        broker = await joined(at_work)
        taken = [at_work.process.store.transitions.claim_job, at_work.process.store.transitions.claim_job]

        def claim(*_: Any, **options: Any) -> Job | None:
            if not taken:
                raise full
            return taken.pop()(**options)

        with mock.patch.object(Transitions, "claim_job", claim):
            assert await at_work.begin(broker.claim).waits()
        result = await at_work.result()
        assert (result.exit_status, type(result.stopped)) == (3, DiskTrouble)
        await at_work.open()
        assert len(at_work.attempts()) == 2
        assert [job.state for job in at_work.jobs()] == [S.PENDING] * 5
