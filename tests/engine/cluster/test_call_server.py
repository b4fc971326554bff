"""The server of remote calls: each call is carried out once, however often or late it arrives."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import anyio
import pytest

from batchveo.core.events import Message
from batchveo.core.models import InputFile, Job, JobState
from batchveo.core.outcomes import Completed
from batchveo.engine.broker import Fenced
from batchveo.engine.cluster.protocol import LONG_POLL_SECONDS, Call, Method
from tests.helpers.coordinator_at_work import CoordinatorAtWork, generation, joined, sent
from tests.helpers.factories import make_spec
from tests.helpers.faulty_wire import WireFaults
from tests.helpers.restartable_coordinator import CoordinatorProcess

pytestmark = pytest.mark.anyio
S = JobState


async def test_a_join_that_straggles_to_the_next_coordinator_is_not_the_worker(tmp_path: Path) -> None:
    """Else the next coordinator would know the worker of an earlier one, and two would look after one job."""
    async with CoordinatorAtWork(tmp_path, jobs=1) as at_work:
        old = await joined(at_work, "old")
        await at_work.restart()
        join = at_work.wire.calls[0]
        assert join.method is Method.JOIN
        await at_work.process.server.answer_call(join)
        with pytest.raises(Fenced):
            await old.read_input_file("x")


async def test_no_call_is_answered_before_the_unfinished_jobs_are_loaded(tmp_path: Path) -> None:
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


async def test_a_call_is_carried_out_though_its_caller_is_cut_off(tmp_path: Path) -> None:
    """At any moment: else the claim would belong to nobody, and a repeated call would get an error."""
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
    """A repeated call reads it from the database again; events that travel with other calls are emitted once."""
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
    """The worker has had its answer long ago."""
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
    """So that a connection that was cut is noticed."""
    async with CoordinatorAtWork(tmp_path, jobs=1) as at_work:
        broker = await joined(at_work)
        await broker.claim()
        assert await at_work.begin(broker.take_over).waits(5 * LONG_POLL_SECONDS + 1)
        adopts = [call.number for call in at_work.wire.calls if call.method is Method.TAKE_OVER]
        assert len(set(adopts)) == len(adopts) == 6


async def test_silence_is_seen(tmp_path: Path) -> None:
    """Also of a worker that only joined; one that waits in long polls is not silent."""
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
    """Its silence begins when it is first looked for; a worker that has ended is not looked for any more."""
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


async def test_a_bug_at_the_coordinator_ends_the_run_and_is_raised_there(tmp_path: Path) -> None:
    """Workers hear that the run is over, and do not repeat the call."""

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
