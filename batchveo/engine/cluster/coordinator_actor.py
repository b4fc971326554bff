"""The coordinator in a process of its own, as the driver and the workers see it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

import anyio

from batchveo.core.clock import Clock
from batchveo.core.errors import StoppedEarly
from batchveo.core.shutdown import ShutdownBudget
from batchveo.engine.broker import Fenced
from batchveo.engine.cluster.call_server import CallServer
from batchveo.engine.cluster.event_buffer import EventBuffer, News
from batchveo.engine.cluster.process_spec import ProcessSpec
from batchveo.engine.cluster.protocol import Answer, Call
from batchveo.engine.coordinator import Coordinator
from batchveo.engine.per_key import Label
from batchveo.engine.result import RunResult
from batchveo.engine.run_lock import hold
from batchveo.engine.spec import RunSpec
from batchveo.provider import ApiClient, clients
from batchveo.provider.service import Service
from batchveo.store import Store

LOCK_SECONDS = 30.0
"""How long the process before this one may take to let go of the state."""

Opening = Callable[[Service], AbstractAsyncContextManager[Mapping[Label, ApiClient]]]


class CoordinatorActor:
    """Runs one assignment. In memory there is nothing that the state does not have: it may start anew any time."""

    def __init__(self, opening: Opening = clients.open_api_clients, clock: Callable[[], Clock] = Clock) -> None:
        self._opening = opening
        self._clock = clock
        self._news = News()
        self._ready = anyio.Event()
        self._ended = anyio.Event()
        self._brief: RunSpec | None = None
        self._coordinator: Coordinator | None = None
        self._dispatcher: CallServer | None = None
        self._result: RunResult | None = None
        self._error: BaseException | None = None

    # -- for the driver

    async def run(self, assignment: ProcessSpec) -> RunResult:
        """Run to the end, once: who asks again, since the first answer was lost, waits for the same."""
        if self._brief is None:
            self._brief = assignment.brief
            try:
                self._result = await self._run(assignment)
            except BaseException as error:
                self._error = error
                raise
            finally:
                self._ended.set()
        await self._ended.wait()
        if self._result is None:
            raise self._error or RuntimeError("the run has no result")
        return self._result

    async def _run(self, assignment: ProcessSpec) -> RunResult:
        with Store(assignment.state) as store:
            await hold(store, patience=LOCK_SECONDS)
            async with self._opening(assignment.spec.service) as apis:
                clock = self._clock()
                self._coordinator = Coordinator(
                    store, assignment.spec, apis, clock=clock, reporter=self._news, workers=assignment.workers
                )
                self._dispatcher = CallServer(self._coordinator, clock, hold=assignment.hold)
                return await self._coordinator.execute(self._working)

    async def _working(self) -> None:
        """Let workers in, now that stock is taken, until all of them have ended."""
        self._ready.set()
        coordinator = await self._coordinating()
        await coordinator.finished.wait()
        with anyio.move_on_after(ShutdownBudget.CLEANUP):
            await coordinator.deserted()

    async def remove_worker(self, worker: str) -> None:
        """Give ``worker`` up, or see it off."""
        (await self._coordinating()).remove_worker(worker)
        if self._dispatcher is not None:
            self._dispatcher.forget(worker)

    async def silent(self, started: Sequence[str], seconds: float) -> list[str]:
        """The workers of whom nothing was heard for so long, those included that were started and never came."""
        if not self._ready.is_set():
            return []
        return (await self._coordinating()).silent(started, seconds=seconds)

    async def interrupt(self, name: str) -> None:
        """End the run, as the signal of that name demands."""
        (await self._coordinating()).interrupt(signal.Signals[name])

    async def stop(self, why: StoppedEarly) -> None:
        """End the run for a reason that only the driver sees."""
        (await self._coordinating()).stop(why)

    async def news(self, edition: str, number: int) -> EventBuffer:
        """See ``News.since``."""
        return await self._news.since(edition, number)

    # -- for workers

    async def brief(self) -> RunSpec:
        """What a worker has to know."""
        await self._ready.wait()
        if self._brief is None:
            raise RuntimeError("there is no run")
        return self._brief

    async def answer(self, calls: Sequence[Call]) -> list[Answer]:
        """Carry out calls that came together."""
        await self._ready.wait()
        answers: dict[int, Answer] = {}

        async def one(place: int, call: Call) -> None:
            answers[place] = await self._answer(call)

        async with anyio.create_task_group() as tasks:
            for place, call in enumerate(calls):
                tasks.start_soon(one, place, call)
        return [answers[place] for place in range(len(calls))]

    async def _answer(self, call: Call) -> Answer:
        if self._dispatcher is None or self._ended.is_set():
            return Answer(error=Fenced("the run is over"), over=True, now=0.0)
        return await self._dispatcher.answer(call)

    async def _coordinating(self) -> Coordinator:
        await self._ready.wait()
        if self._coordinator is None:
            raise RuntimeError("there is no run")
        return self._coordinator
