"""Remote brokers: calls in one message, and whatever a wire does to a worker and its coordinator."""

from __future__ import annotations

import hashlib
import itertools
import pickle
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast
from unittest import mock

import anyio
import pytest

from batchveo.core.events import JobStateChanged, Message
from batchveo.core.models import InputFile, Job, JobState
from batchveo.core.outcomes import Accepted, Completed, Refused, RejectedTemporarily
from batchveo.engine.broker import Fenced, TooLate
from batchveo.engine.cluster.protocol import LONG_POLL_SECONDS, ActorLost, Answer, Call, Method, Unreachable
from batchveo.engine.cluster.remote_broker import (
    FENCED_RECORD_SECONDS,
    PATIENCE_SECONDS,
    PERMISSION_SECONDS,
    SENT_ALONE,
    CallBatcher,
    RemoteBroker,
)
from batchveo.store.transitions import Transitions
from tests.helpers.coordinator_at_work import LOCAL, CoordinatorAtWork, all_of, names
from tests.helpers.factories import make_spec
from tests.helpers.faulty_wire import WireFaults
from tests.helpers.restartable_coordinator import CoordinatorProcess

pytestmark = pytest.mark.anyio
S = JobState


def generation(job: Job) -> Accepted:
    return Accepted(generation_id=f"g-{job.seq}-{job.attempts}")


async def sent(broker: RemoteBroker) -> Job:
    """The next job, its request about to leave."""
    job = await broker.claim()
    await broker.mark_sent(job)
    return job


async def joined(at_work: CoordinatorAtWork, worker: str = "a") -> RemoteBroker:
    broker = at_work.remote_broker(worker)
    await broker.join_run()
    return broker


# -- the coordinator starts again


async def test_a_restarted_coordinator_knows_no_worker_and_takes_their_generations(tmp_path: Path) -> None:
    """What was claimed is free, what was sent is in doubt, and the id that comes for it is the job's."""
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
async def test_a_coordinator_that_dies_before_its_words_are_safe(tmp_path: Path, step: str) -> None:
    """Nothing was answered; what was written is gone; the worker says it again, to the next one."""
    async with CoordinatorAtWork(tmp_path, jobs=1, settle=600.0) as at_work:
        broker = await joined(at_work)
        real = getattr(Transitions, step)

        def dying(self: Transitions, *args: Any, **options: Any) -> Any:
            result = real(self, *args, **options)
            at_work.process.kill()
            return result

        job: Job | None = None
        try:
            if step != "claim_job":
                job = await broker.claim()
            if step == "apply_move" and job is not None:
                await broker.mark_sent(job)
            with mock.patch.object(Transitions, step, dying):
                if job is None:
                    waiting = at_work.begin(broker.claim)
                elif step == "mark_sent":
                    waiting = at_work.begin(lambda: broker.mark_sent(job))
                else:
                    waiting = at_work.begin(lambda: broker.record_outcome(job, generation(job)))
                await anyio.sleep(0.05)
                assert at_work.process.dead
        finally:
            await at_work.open()
        (stands,) = at_work.jobs()
        if step == "apply_move":
            assert stands.state is S.IN_DOUBT
            assert (await waiting.ended()).generation_id == "g-1-1"
        else:
            assert stands.state is S.PENDING
            await anyio.sleep(30)
            assert (waiting.value, broker.is_fenced) == (None, True)


async def test_a_join_that_straggles_to_the_next_coordinator_is_not_the_worker(tmp_path: Path) -> None:
    """Else a worker of before would pass for one that it knows, and two would look after one job."""
    async with CoordinatorAtWork(tmp_path, jobs=1) as at_work:
        old = await joined(at_work, "old")
        await at_work.restart()
        join = at_work.wire.calls[0]
        assert join.method is Method.JOIN
        await at_work.process.server.answer_call(join)
        with pytest.raises(Fenced):
            await old.read_input_file("x")


async def test_no_call_is_heard_before_stock_is_taken(tmp_path: Path) -> None:
    """A late id would meet a job that still seems to be under way with it."""
    async with CoordinatorAtWork(tmp_path, jobs=1, settle=600.0) as at_work:
        old = await joined(at_work)
        job = await sent(old)
        at_work.process.kill()
        at_work.process = CoordinatorProcess(at_work.setup)
        waiting = at_work.begin(lambda: old.record_outcome(job, generation(job)))
        assert await waiting.waits(1)
        at_work.tasks.start_soon(at_work.process.live, anyio.sleep_forever)
        assert (await waiting.ended()).state is S.GENERATING
        assert at_work.notes() == ["1 submit was cut off by the end of the last run; looking it up in the log"]


# -- a worker that freezes, or cannot reach its coordinator


async def test_leave_that_comes_too_late_is_not_used(tmp_path: Path) -> None:
    """A worker that froze between its question and the answer sends nothing; the job waits again."""
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


async def test_leave_within_its_time_is_used(tmp_path: Path) -> None:
    """However often it had to be asked for."""
    async with CoordinatorAtWork(tmp_path, jobs=1) as at_work:
        broker = await joined(at_work)
        job = await broker.claim()
        at_work.tasks.start_soon(_frozen_for, at_work, PERMISSION_SECONDS - 1)
        await broker.mark_sent(job)
        assert [call.method for call in at_work.wire.calls] == [Method.JOIN, Method.CLAIM, Method.MARK_SENT]


async def test_a_coordinator_that_is_gone_for_ever(tmp_path: Path) -> None:
    """The worker ends; the last trace of what it bought is told, with all that is known of it."""
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
    """Minutes after the worker took itself for given up."""
    async with CoordinatorAtWork(tmp_path, jobs=1, settle=3600.0) as at_work:
        broker = await joined(at_work)
        job = await sent(broker)
        at_work.process.kill()
        waiting = at_work.begin(lambda: broker.record_outcome(job, generation(job)))
        assert await waiting.waits(PATIENCE_SECONDS + 300)
        await at_work.open()
        assert (await waiting.ended()).generation_id == "g-1-1"


async def test_last_words_do_not_settle_each_other(tmp_path: Path) -> None:
    """Two of them at once, the first lost on its way: it is carried out when it comes."""
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


async def test_a_call_is_carried_out_though_its_caller_is_cut_off(tmp_path: Path) -> None:
    """At whatever moment: else a claim would be nobody's, and who asks again be told that nothing came of it."""
    async with CoordinatorAtWork(tmp_path, jobs=25, concurrency=25) as at_work:
        await joined(at_work)
        server = at_work.process.server
        session = str((await server.answer_call(at_work.wire.calls[0])).value)
        for moment in range(25):
            call = Call(worker="a", session=session, number=5 + moment, settled=0, method=Method.CLAIM)
            async with anyio.create_task_group() as first:
                first.start_soon(server.answer_call, call)
                for _ in range(moment):
                    await anyio.lowlevel.checkpoint()
                first.cancel_scope.cancel()
            answer = await server.answer_call(call)
            jobs = cast("Sequence[Job]", answer.value)
            assert ([job.seq for job in jobs], answer.error) == ([moment + 1], None)
        assert len(at_work.attempts()) == 25


async def test_an_input_file_is_not_kept_by_the_coordinator(tmp_path: Path) -> None:
    """Whoever missed the answer gets it from the state; what was told with other calls is told once."""
    content = b"x" * 1_000_000
    (tmp_path / "cat.png").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    image = InputFile(sha256=sha256, media_type="image/png", path=str(tmp_path / "cat.png"))
    async with CoordinatorAtWork(tmp_path, jobs=[make_spec(inputs=(image,))]) as at_work:
        broker = await joined(at_work)
        broker.send_event(Message(text="once"))
        at_work.wire.wire_faults = WireFaults(lose_answer=1.0)
        asking = at_work.begin(lambda: broker.read_input_file(sha256))
        assert await asking.waits(3.0)
        at_work.wire.wire_faults = WireFaults()
        assert (await asking.ended()) == ("image/png", content)
        assert [call.method for call in at_work.wire.calls].count(Method.INPUT_FILE) > 1
        kept = [pending.value for calls in at_work.process.server._calls.values() for pending in calls.values()]
        assert not any(isinstance(value, tuple) and content in value for value in kept)
        asked = len(at_work.wire.calls)
        assert await broker.read_input_file(sha256) == ("image/png", content)
        assert len(at_work.wire.calls) == asked, "it is at hand"
        await broker.claim()
        assert at_work.notes().count("once") == 1


async def test_a_straggler_is_not_carried_out(tmp_path: Path) -> None:
    """Its like was answered long ago."""
    async with CoordinatorAtWork(tmp_path, jobs=3) as at_work:
        broker = await joined(at_work)
        await broker.claim()
        straggler = at_work.wire.calls[-1]
        await broker.claim()
        await broker.claim()
        answer = await at_work.process.server.answer_call(pickle.loads(pickle.dumps(straggler)))
        assert (answer.value, answer.error) == (None, None)
        assert len(at_work.attempts()) == 3


async def test_a_long_poll_ends_with_nothing_and_is_asked_again(tmp_path: Path) -> None:
    """So that a wire that was cut is noticed."""
    async with CoordinatorAtWork(tmp_path, jobs=1) as at_work:
        broker = await joined(at_work)
        await broker.claim()
        assert await at_work.begin(broker.take_over).waits(5 * LONG_POLL_SECONDS + 1)
        adopts = [call.number for call in at_work.wire.calls if call.method is Method.TAKE_OVER]
        assert len(set(adopts)) == len(adopts) == 6


async def test_silence_is_seen(tmp_path: Path) -> None:
    """A worker that only joined, too; one that waits in long polls is not silent."""
    async with CoordinatorAtWork(tmp_path, jobs=1) as at_work:
        await joined(at_work, "frozen")
        awake = await joined(at_work, "awake")
        await awake.claim()
        at_work.begin(awake.claim)
        await anyio.sleep(40)
        assert at_work.process.coordinator.find_silent(seconds=2 * LONG_POLL_SECONDS) == ["frozen"]
        at_work.give_up("frozen")
        assert at_work.process.coordinator.find_silent(seconds=2 * LONG_POLL_SECONDS) == []


async def test_the_silence_of_a_worker_that_never_came_is_seen(tmp_path: Path) -> None:
    """It begins with the first question after it; one that has ended is asked after no more."""
    async with CoordinatorAtWork(tmp_path, jobs=1) as at_work:
        silent = at_work.process.coordinator.find_silent
        await joined(at_work, "here")
        assert silent(["here", "ended", "lost"], seconds=30) == []
        await anyio.sleep(20)
        assert silent(["here", "lost", "new"], seconds=30) == []
        await joined(at_work, "new")
        await anyio.sleep(20)
        assert silent(["here", "lost", "new"], seconds=30) == ["here", "lost"]
        assert silent(["here"], seconds=30) == ["here"]
        assert silent(["lost"], seconds=30) == ["here"]


async def test_whoever_watches_sees_what_a_dead_worker_leaves(tmp_path: Path) -> None:
    """Its submits go into doubt, or wait again."""
    async with CoordinatorAtWork(tmp_path, jobs=2, settle=600.0) as at_work:
        broker = await joined(at_work)
        jobs = [await sent(broker), await broker.claim()]
        at_work.give_up("a")
        await anyio.sleep(1)
        moved = [(event.job.name, event.job.state) for event in at_work.events if isinstance(event, JobStateChanged)]
        assert sorted(moved) == [("job 0", S.IN_DOUBT), ("job 1", S.PENDING)]
        assert [at_work.on_disk(job).state for job in jobs] == [S.IN_DOUBT, S.PENDING]


async def test_a_bug_at_the_coordinator_ends_the_run_and_is_raised_there(tmp_path: Path) -> None:
    """Workers are told that it is over, not kept asking."""

    async def whole() -> None:
        async with CoordinatorAtWork(tmp_path, jobs=1) as at_work:
            broker = await joined(at_work)
            job = await sent(broker)
            with pytest.raises(Fenced):
                await broker.record_outcome(job, Completed(url="https://x/v.mp4"))
            await at_work.process.ended.wait()

    with pytest.raises(BaseExceptionGroup) as raised:
        await whole()
    assert raised.group_contains(ValueError, match="a submitting job cannot become downloading")


async def test_a_foul_wire_carries_what_is_hostile(tmp_path: Path) -> None:
    """Every character comes back as it went, and nothing is shared."""
    words = "<script>\x00\x1b[2J\n\u202e\ud83d\ude00" + "\u6f22" * 10_000
    words = words.encode("utf-16", "surrogatepass").decode("utf-16")
    async with CoordinatorAtWork(tmp_path, jobs=1) as at_work:
        broker = await joined(at_work)
        job = await sent(broker)
        failed = await broker.record_outcome(job, Refused(reason=words))
        assert (failed.error, at_work.job(job).error) == (words, words)


async def test_a_desk_in_the_same_process_needs_no_wire(tmp_path: Path) -> None:
    """Two of them share one coordinator."""
    async with CoordinatorAtWork(tmp_path, LOCAL, jobs=2) as at_work:
        one, two = await at_work.broker("one"), await at_work.broker("two")
        jobs = await all_of(one.claim, two.claim)
        assert names(jobs) == ["job 0", "job 1"]
        assert at_work.wire.calls == []


async def test_an_unreachable_coordinator_is_asked_again_with_growing_gaps() -> None:
    """Not more often than it can bear."""
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


async def test_a_worker_given_up_while_the_state_cannot_be_written(tmp_path: Path) -> None:
    """The run ends with exit status 3; the next one finds its job still under way, and in doubt."""
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
    """The first goes at once; what comes meanwhile goes in one message, and each gets its own answer."""
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
    """So that nothing small waits for them."""
    post = Post()
    batches = CallBatcher(post)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(batches.run)
        async with anyio.create_task_group() as calls:
            for number, method in enumerate([Method.RECORD, *SENT_ALONE, Method.RECORD]):
                calls.start_soon(batches, call_of(number, method))
        tasks.cancel_scope.cancel()
    assert sorted(map(len, post.messages)) == [1, 1, 1, 2]


@pytest.mark.anyio
async def test_a_lost_message_is_told() -> None:
    """A message that is lost is lost for each call in it; the next goes on."""
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
    """Its call goes all the same."""
    post = Post()
    batches = CallBatcher(post)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(batches.run)
        with anyio.move_on_after(0.5):
            await batches(call_of(1))
        assert (await batches(call_of(2))).value == 2
        tasks.cancel_scope.cancel()
    assert post.messages == [[1], [2]]
