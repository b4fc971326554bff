"""Workers whose calls to the service take no time: what is left is the broker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import anyio
from anyio.abc import TaskGroup

from batchveo.core.models import Job
from batchveo.core.outcomes import Accepted, Completed, Downloaded
from batchveo.engine.broker import Broker
from batchveo.engine.cluster.protocol import Actor, Answer, Call
from batchveo.engine.cluster.remote_broker import CallBatcher, RemoteBroker

MOVES = 5
"""What is recorded of a job: its claim, that its request leaves, and what came of the three steps."""


@dataclass(kw_only=True)
class Tally:
    """Calls of workers, and the messages that they travelled in."""

    calls: int = 0
    messages: int = 0


async def work(broker: Broker) -> None:
    """Take every job there is through its steps."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_claim, broker, tasks)
        await broker.wait_finished()
        tasks.cancel_scope.cancel()


async def _claim(broker: Broker, tasks: TaskGroup) -> None:
    while True:
        tasks.start_soon(_steps, broker, await broker.claim())


async def _steps(broker: Broker, job: Job) -> None:
    await broker.mark_sent(job)
    job = await broker.record_outcome(job, Accepted(generation_id=f"g-{job.seq}"))
    job = await broker.record_outcome(job, Completed(url=f"https://cdn.example/{job.seq}.mp4", cost_usd=1.56))
    video = Downloaded(folder="/videos", file=f"{job.stem}.mp4", bytes=8_000_000, sha256=f"{job.seq:064x}")
    await broker.record_outcome(job, video)


class InstantWorker:
    """A worker with a remote broker; also as an actor."""

    async def run(self, name: str, head: Actor) -> Tally:
        """Work until the run is over."""
        tally = Tally()

        async def send(calls: Sequence[Call]) -> Sequence[Answer]:
            tally.calls += len(calls)
            tally.messages += 1
            return cast("Sequence[Answer]", await head.call_method("answer_calls", calls))

        await head.call_method("read_worker_spec")
        batches = CallBatcher(send)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(batches.run)
            broker = RemoteBroker(name, batches, report_lost=print)
            await broker.join_run()
            await work(broker)
            tasks.cancel_scope.cancel()
        return tally
