"""Remote brokers: calls in one message, and what a faulty connection does to a worker and its coordinator."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import pytest

from batchveo.core.events import JobStateChanged
from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import Completed, Refused, RejectedTemporarily
from batchveo.engine.broker import Fenced, TooLate
from batchveo.engine.cluster.protocol import ActorLost, Answer, Call, Method, Unreachable
from batchveo.engine.cluster.remote_broker import (
    FENCED_RECORD_SECONDS,
    PATIENCE_SECONDS,
    PERMISSION_SECONDS,
    SENT_ALONE,
    CallBatcher,
    RemoteBroker,
)
from batchveo.store.transitions import Transitions
from tests.helpers.coordinator_at_work import LOCAL, Begun, CoordinatorAtWork, all_of, generation, joined, names, sent
from tests.helpers.faulty_wire import WireFaults

pytestmark = pytest.mark.anyio
S = JobState


# -- the coordinator starts again


async def test_a_restarted_coordinator_knows_no_worker_and_takes_their_generations(tmp_path: Path) -> None:
    """Claimed jobs are pending, sent ones in doubt, and a generation id that still comes for one becomes the job's."""
    async with CoordinatorAtWork(tmp_path, jobs=3, settle=600.0) as at_work:
        old = await joined(at_work, "old")
        claimed, doubtful, running = await old.claim(), await sent(old), await sent(old)
        running = await old.record_outcome(running, generation(running))
        await at_work.restart()
        assert [at_work.job(job).state for job in (claimed, doubtful, running)] == [
            S.PENDING,
            S.IN_DOUBT,
            S.GENERATING,
        ]
        with pytest.raises(Fenced):
            await old.mark_sent(claimed)
        late = await old.record_outcome(doubtful, generation(doubtful))
        assert (late.state, at_work.on_disk(late).generation_id) == (S.GENERATING, "g-2-1")
        with pytest.raises(Fenced):
            await old.record_outcome(running, Completed(url="https://x/v.mp4"))
        assert await old.wait_finished() == 90.0
        new = await joined(at_work, "new")
        assert names(await new.take_over()) == names([doubtful, running])
        assert (await new.claim()).seq == claimed.seq
        assert at_work.lost_purchases == []


@pytest.mark.parametrize("step", ["claim_job", "mark_sent", "apply_move"])
async def test_a_coordinator_that_dies_before_its_answers_are_safe(tmp_path: Path, step: str) -> None:
    """It had not answered, and what it wrote is gone: the worker repeats the call to the next coordinator."""
    async with CoordinatorAtWork(tmp_path, jobs=1, settle=600.0) as at_work:
        broker = await joined(at_work)
        real = getattr(Transitions, step)

        def dying(self: Transitions, *args: Any, **options: Any) -> Any:
            result = real(self, *args, **options)
            at_work.process.kill()
            return result

        job: Job | None = None
        waiting: Begun[Job | None]
        try:
            if step != "claim_job":
                job = await broker.claim()
            if step == "apply_move" and job is not None:
                await broker.mark_sent(job)
            with mock.patch.object(Transitions, step, dying):
                if job is None:
                    waiting = at_work.begin(broker.claim)
                elif step == "mark_sent":
                    waiting = at_work.begin(partial(broker.mark_sent, job))
                else:
                    waiting = at_work.begin(lambda: broker.record_outcome(job, generation(job)))
                await anyio.sleep(0.05)
                assert at_work.process.dead
        finally:
            await at_work.open()
        (stands,) = at_work.jobs()
        if step == "apply_move":
            assert stands.state is S.IN_DOUBT
            recorded = await waiting.ended()
            assert recorded is not None
            assert recorded.generation_id == "g-1-1"
        else:
            assert stands.state is S.PENDING
            await anyio.sleep(30)
            assert (waiting.value, broker.is_fenced) == (None, True)


# -- a worker that freezes, or cannot reach its coordinator


async def test_a_permission_that_comes_too_late_is_not_used(tmp_path: Path) -> None:
    """A worker that froze between its call and the answer sends nothing; the job is pending again."""
    async with CoordinatorAtWork(tmp_path, jobs=1) as at_work:
        broker = await joined(at_work)
        job = await broker.claim()
        at_work.tasks.start_soon(_frozen_for, at_work, PERMISSION_SECONDS + 1)
        with pytest.raises(TooLate) as late:
            await broker.mark_sent(job)
        moved = await broker.record_outcome(job, RejectedTemporarily(reason=str(late.value)))
        assert (moved.state, at_work.process.store.queries.read_committed()) == (S.PENDING, 0.0)


async def _frozen_for(at_work: CoordinatorAtWork, seconds: float) -> None:
    at_work.lives["a"].freeze()
    await anyio.sleep(seconds)
    at_work.lives["a"].thaw()


async def test_a_permission_within_its_time_is_used(tmp_path: Path) -> None:
    """However often the call had to be repeated."""
    async with CoordinatorAtWork(tmp_path, jobs=1) as at_work:
        broker = await joined(at_work)
        job = await broker.claim()
        at_work.tasks.start_soon(_frozen_for, at_work, PERMISSION_SECONDS - 1)
        await broker.mark_sent(job)
        assert [call.method for call in at_work.wire.calls] == [Method.JOIN, Method.CLAIM, Method.MARK_SENT]


async def test_a_coordinator_that_is_gone_for_ever(tmp_path: Path) -> None:
    """The worker ends; a warning has all that is known of what it bought, the last trace of it."""
    async with CoordinatorAtWork(tmp_path, jobs=3) as at_work:
        broker = await joined(at_work)
        job = await sent(broker)
        other = await broker.claim()
        at_work.process.kill()
        begun = anyio.current_time()
        waiting = at_work.begin(broker.claim)
        with pytest.raises(Fenced):
            await broker.record_outcome(other, Refused(reason="no"))
        assert PATIENCE_SECONDS <= anyio.current_time() - begun < PATIENCE_SECONDS + 30
        assert await broker.wait_finished() == 90.0
        assert broker.is_fenced
        assert await waiting.waits()
        begun = anyio.current_time()
        with pytest.raises(Fenced):
            await broker.record_outcome(job, generation(job))
        assert FENCED_RECORD_SECONDS <= anyio.current_time() - begun < FENCED_RECORD_SECONDS + 30
        (words,) = at_work.lost_purchases
        assert f"generation g-1-1 was accepted (request {job.client_request_id})" in words


async def test_a_generation_is_handed_in_to_whoever_comes_in_time(tmp_path: Path) -> None:
    """Even minutes after the worker counted itself as given up."""
    async with CoordinatorAtWork(tmp_path, jobs=1, settle=3600.0) as at_work:
        broker = await joined(at_work)
        job = await sent(broker)
        at_work.process.kill()
        waiting = at_work.begin(lambda: broker.record_outcome(job, generation(job)))
        assert await waiting.waits(PATIENCE_SECONDS + 300)
        await at_work.open()
        assert (await waiting.ended()).generation_id == "g-1-1"


async def test_generation_ids_of_a_fenced_worker_do_not_settle_each_other(tmp_path: Path) -> None:
    """Two of them at once, of which the first is lost on its way: it is carried out when its repetition arrives."""
    async with CoordinatorAtWork(tmp_path, jobs=2, settle=600.0) as at_work:
        broker = await joined(at_work)
        jobs = [await sent(broker), await sent(broker)]
        at_work.give_up("a")
        with pytest.raises(Fenced):
            await broker.read_input_file("x")
        at_work.wire.wire_faults = WireFaults(lose_call=1.0)
        first = at_work.begin(lambda: broker.record_outcome(jobs[0], generation(jobs[0])))
        await anyio.sleep(0.01)
        at_work.wire.wire_faults = WireFaults()
        second = at_work.begin(lambda: broker.record_outcome(jobs[1], generation(jobs[1])))
        moved = [await first.ended(), await second.ended()]
        assert [job.generation_id for job in moved] == ["g-1-1", "g-2-1"]


# -- calls that are lost, repeated, late


async def test_whoever_watches_sees_what_a_dead_worker_leaves(tmp_path: Path) -> None:
    """Its submits are in doubt, or pending again."""
    async with CoordinatorAtWork(tmp_path, jobs=2, settle=600.0) as at_work:
        broker = await joined(at_work)
        jobs = [await sent(broker), await broker.claim()]
        at_work.give_up("a")
        await anyio.sleep(1)
        moved = [(event.job.name, event.job.state) for event in at_work.events if isinstance(event, JobStateChanged)]
        assert sorted(moved) == [("job 0", S.IN_DOUBT), ("job 1", S.PENDING)]
        assert [at_work.on_disk(job).state for job in jobs] == [S.IN_DOUBT, S.PENDING]


async def test_hostile_text_survives_a_faulty_connection(tmp_path: Path) -> None:
    """Every character comes back as it was sent, and no object is shared."""
    words = "<script>\x00\x1b[2J\n\u202e\ud83d\ude00" + "\u6f22" * 10_000
    words = words.encode("utf-16", "surrogatepass").decode("utf-16")
    async with CoordinatorAtWork(tmp_path, jobs=1) as at_work:
        broker = await joined(at_work)
        job = await sent(broker)
        failed = await broker.record_outcome(job, Refused(reason=words))
        assert (failed.error, at_work.job(job).error) == (words, words)


async def test_a_broker_in_the_same_process_needs_no_connection(tmp_path: Path) -> None:
    """Two local brokers share one coordinator."""
    async with CoordinatorAtWork(tmp_path, LOCAL, jobs=2) as at_work:
        one, two = await at_work.broker("one"), await at_work.broker("two")
        jobs = await all_of(one.claim, two.claim)
        assert names(jobs) == ["job 0", "job 1"]
        assert at_work.wire.calls == []


async def test_an_unreachable_coordinator_is_asked_again_with_growing_gaps() -> None:
    """So that many workers do not overload it."""
    times: list[float] = []

    async def nobody(call: Call) -> Answer:
        times.append(anyio.current_time())
        raise Unreachable

    broker = RemoteBroker("a", nobody, report_lost=lambda words: None)
    with pytest.raises(Fenced):
        await broker.join_run()
    gaps = [round(later - earlier, 6) for earlier, later in itertools.pairwise(times)]
    assert gaps == sorted(gaps)
    assert 20 < len(times) < 40
    assert times[-1] - times[0] >= PATIENCE_SECONDS - 5


async def test_a_worker_given_up_while_the_database_cannot_be_written(tmp_path: Path) -> None:
    """The run ends with exit status 3; the next one finds the job still submitting, and puts it in doubt."""
    async with CoordinatorAtWork(tmp_path, jobs=1) as at_work:
        broker = await joined(at_work)
        job = await sent(broker)
        full = sqlite3.OperationalError("database or disk is full")
        with mock.patch.object(Transitions, "recover_job", side_effect=full):
            at_work.give_up("a")
            result = await at_work.result()
        assert (result.exit_status, at_work.on_disk(job).state) == (3, S.SUBMITTING)
        await at_work.open()
        assert at_work.job(job).state is S.IN_DOUBT


def call_of(number: int, method: Method = Method.RECORD) -> Call:
    return Call(worker="w", session="s", number=number, settled=0, method=method)


class Post:
    """A way to the coordinator; a message takes a second."""

    def __init__(self) -> None:
        self.messages: list[list[int]] = []
        self.lost = False

    async def __call__(self, calls: Sequence[Call]) -> Sequence[Answer]:
        self.messages.append([call.number for call in calls])
        await anyio.sleep(1.0)
        if self.lost:
            raise ActorLost
        return [Answer(value=call.number, now=0.0) for call in calls]


@pytest.mark.anyio
async def test_calls_of_one_moment_travel_together() -> None:
    """The first call is sent at once; those that come meanwhile share a message, and each gets its own answer."""
    post = Post()
    batches = CallBatcher(post)
    answers: dict[int, object] = {}

    async def ask(number: int) -> None:
        answers[number] = (await batches(call_of(number))).value

    async with anyio.create_task_group() as tasks, anyio.create_task_group() as calls:
        tasks.start_soon(batches.run)
        calls.start_soon(ask, 0)
        await anyio.sleep(0.5)
        for number in range(1, 10):
            calls.start_soon(ask, number)
        await anyio.sleep(5)
        tasks.cancel_scope.cancel()
    assert [len(message) for message in post.messages] == [1, 9]
    assert answers == {number: number for number in range(10)}


@pytest.mark.anyio
async def test_long_polls_and_large_answers_go_by_themselves() -> None:
    """So that no small call waits for them."""
    post = Post()
    batches = CallBatcher(post)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(batches.run)
        async with anyio.create_task_group() as calls:
            for number, method in enumerate([Method.RECORD, *SENT_ALONE, Method.RECORD]):
                calls.start_soon(batches, call_of(number, method))
        tasks.cancel_scope.cancel()
    assert sorted(map(len, post.messages)) == [*(1 for _ in SENT_ALONE), 2]


@pytest.mark.anyio
async def test_a_lost_message_is_an_error_of_each_call() -> None:
    """Each call in it raises; the next message is sent all the same."""
    post = Post()
    batches = CallBatcher(post)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(batches.run)
        assert (await batches(call_of(1, Method.CLAIM))).value == 1
        post.lost = True
        for method in (Method.CLAIM, Method.RECORD):
            with pytest.raises(Unreachable):
                await batches(call_of(2, method))
        post.lost = False
        assert (await batches(call_of(3))).value == 3
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_caller_that_gives_up_does_not_hold_the_others() -> None:
    """Its call is sent all the same."""
    post = Post()
    batches = CallBatcher(post)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(batches.run)
        with anyio.move_on_after(0.5):
            await batches(call_of(1))
        assert (await batches(call_of(2))).value == 2
        tasks.cancel_scope.cancel()
    assert post.messages == [[1], [2]]
