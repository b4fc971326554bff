"""The coordinator in a process of its own, and the client with which its driver asks it."""

from __future__ import annotations

import secrets
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import cast

import anyio

from batchveo.core.clock import Clock
from batchveo.core.errors import StoppedEarly
from batchveo.core.events import Event
from batchveo.core.shutdown import ShutdownBudget
from batchveo.engine.broker import Fenced
from batchveo.engine.cluster.call_server import CallServer
from batchveo.engine.cluster.protocol import LONG_POLL_SECONDS, Actor, ActorLost, Answer, Call
from batchveo.engine.coordinator import Coordinator
from batchveo.engine.key_limits import Label
from batchveo.engine.lifecycle import acquire_lock
from batchveo.engine.result import RunResult
from batchveo.engine.run_context import RunSpec
from batchveo.provider import ApiClient
from batchveo.provider.service import Service, open_api_clients
from batchveo.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """What the coordinator's process begins with: a run over the database ``state``, done by ``workers`` workers.

    ``worker_spec``: what each worker begins with. ``hold``: seconds after which a call that waits returns empty.
    """

    state: Path
    spec: RunSpec
    worker_spec: RunSpec
    workers: int
    hold: float


MOST_EVENTS = 10_000
"""Events that are kept; older ones are dropped, since a run does not wait for its display."""
MOST_EVENTS_READ = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBatch:
    """Events from number ``first`` on, of ``edition``: a coordinator that restarts counts from 0 in a new edition."""

    edition: str
    first: int
    events: tuple[Event, ...] = ()


class EventBuffer:
    """A reporter whose events another process reads."""

    def __init__(self) -> None:
        self._edition = secrets.token_hex(4)
        self._events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._count = 0
        self._more = anyio.Event()

    def __call__(self, event: Event) -> None:
        """Keep ``event``."""
        self._events.append(event)
        self._count += 1
        self._more.set()

    async def read_since(self, edition: str, number: int) -> EventBatch:
        """The events from ``number`` on of ``edition``; waits for some, at most ``LONG_POLL_SECONDS``."""
        number = number if edition == self._edition else 0
        if number >= self._count:
            self._more = anyio.Event()
            with anyio.move_on_after(LONG_POLL_SECONDS):
                await self._more.wait()
        first = max(number, self._count - len(self._events))
        skip = first - (self._count - len(self._events))
        events = tuple(self._events)[skip : skip + MOST_EVENTS_READ]
        return EventBatch(edition=self._edition, first=first, events=events)


LOCK_SECONDS = 30.0
"""Seconds to wait for the previous process to release the run lock."""

ApiOpener = Callable[[Service], AbstractAsyncContextManager[Mapping[Label, ApiClient]]]


class CoordinatorActor:
    """Runs the coordinator. Its memory holds nothing that the database lacks, so that it may restart at any time."""

    def __init__(self, opening: ApiOpener = open_api_clients, clock: Callable[[], Clock] = Clock) -> None:
        self._opening = opening
        self._clock = clock
        self._events = EventBuffer()
        self._ready = anyio.Event()
        self._ended = anyio.Event()
        self._worker_spec: RunSpec | None = None
        self._coordinator: Coordinator | None = None
        self._server: CallServer | None = None
        self._result: RunResult | None = None
        self._error: BaseException | None = None

    # -- for the driver

    async def run(self, spec: ProcessSpec) -> RunResult:
        """Run to the end, once: a repeated call, whose first answer was lost, waits for the same result."""
        if self._worker_spec is None:
            self._worker_spec = spec.worker_spec
            try:
                self._result = await self._run_coordinator(spec)
            except BaseException as error:
                self._error = error
                raise
            finally:
                self._ended.set()
        await self._ended.wait()
        if self._result is None:
            raise self._error or RuntimeError("the run has no result")
        return self._result

    async def _run_coordinator(self, spec: ProcessSpec) -> RunResult:
        with Store(spec.state) as store:
            await acquire_lock(store, patience=LOCK_SECONDS)
            async with self._opening(spec.spec.service) as apis:
                clock = self._clock()
                self._coordinator = Coordinator(
                    store, spec.spec, apis, clock=clock, reporter=self._events, workers=spec.workers
                )
                self._server = CallServer(self._coordinator, clock, hold=spec.hold)
                return await self._coordinator.execute(self._wait_for_workers)

    async def _wait_for_workers(self) -> None:
        """Serve workers until the run is over and all of them have ended."""
        self._ready.set()
        coordinator = await self._wait_ready()
        await coordinator.finished.wait()
        with anyio.move_on_after(ShutdownBudget.CLEANUP):
            await coordinator.wait_without_workers()

    async def remove_worker(self, worker: str) -> None:
        """Remove ``worker``, which has ended or was given up."""
        (await self._wait_ready()).remove_worker(worker)
        if self._server is not None:
            self._server.forget_worker(worker)

    async def find_silent(self, started: Sequence[str], seconds: float) -> list[str]:
        """The workers without a call for ``seconds``, including those of ``started`` that never joined."""
        if not self._ready.is_set():
            return []
        return (await self._wait_ready()).find_silent(started, seconds=seconds)

    async def interrupt(self, name: str) -> None:
        """End the run because of the signal called ``name``."""
        (await self._wait_ready()).interrupt(signal.Signals[name])

    async def stop(self, why: StoppedEarly) -> None:
        """Submit no more jobs, for a reason that only the driver sees."""
        (await self._wait_ready()).stop(why)

    async def read_events(self, edition: str, number: int) -> EventBatch:
        """See ``EventBuffer.read_since``."""
        return await self._events.read_since(edition, number)

    # -- for workers

    async def read_worker_spec(self) -> RunSpec:
        """What a worker begins with."""
        await self._ready.wait()
        if self._worker_spec is None:
            raise RuntimeError("there is no run")
        return self._worker_spec

    async def answer_calls(self, calls: Sequence[Call]) -> list[Answer]:
        """Answer calls that arrived together."""
        await self._ready.wait()
        answers: dict[int, Answer] = {}

        async def one(place: int, call: Call) -> None:
            answers[place] = await self._answer_call(call)

        async with anyio.create_task_group() as tasks:
            for place, call in enumerate(calls):
                tasks.start_soon(one, place, call)
        return [answers[place] for place in range(len(calls))]

    async def _answer_call(self, call: Call) -> Answer:
        if self._server is None or self._ended.is_set():
            return Answer(error=Fenced("the run is over"), over=True, now=0.0)
        return await self._server.answer_call(call)

    async def _wait_ready(self) -> Coordinator:
        await self._ready.wait()
        if self._coordinator is None:
            raise RuntimeError("there is no run")
        return self._coordinator


ASK_GAP_SECONDS = 0.5


class CoordinatorClient:
    """Typed calls of a ``CoordinatorActor``."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor

    async def run(self, spec: ProcessSpec) -> RunResult:
        """Run to the end; raises ``ActorLost``, and the error of a run without a result."""
        return cast("RunResult", await self.actor.call_method("run", spec))

    async def find_silent(self, started: Sequence[str], seconds: float) -> Sequence[str]:
        """See ``CoordinatorActor.find_silent``; raises ``ActorLost``."""
        return cast("Sequence[str]", await self.actor.call_method("find_silent", started, seconds))

    async def read_events(self, edition: str, number: int) -> EventBatch:
        """See ``EventBuffer.read_since``; repeated until there is an answer."""
        return cast("EventBatch", await self._ask_until_answered("read_events", edition, number))

    async def remove_worker(self, worker: str) -> None:
        """Remove ``worker``, which has ended or was given up; a coordinator that restarted does not know it."""
        await self._ask_until_answered("remove_worker", worker)

    async def stop(self, why: StoppedEarly) -> None:
        """End the run for a reason that only the driver sees."""
        await self._ask_until_answered("stop", why)

    async def interrupt(self, received: Signals) -> None:
        """End the run because of a signal."""
        await self._ask_until_answered("interrupt", received.name)

    async def _ask_until_answered(self, method: str, *arguments: object) -> object:
        while True:
            try:
                return await self.actor.call_method(method, *arguments)
            except ActorLost:
                await anyio.sleep(ASK_GAP_SECONDS)
