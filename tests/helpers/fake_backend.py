"""An engine in this process, on virtual time: actors are objects, and die when a test says so."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup

from batchveo.core.clock import Clock
from batchveo.engine.cluster.coordinator_actor import CoordinatorActor
from batchveo.engine.cluster.protocol import ActorLost
from batchveo.engine.cluster.worker_actor import WorkerActor
from batchveo.provider import ApiClient, VideoClient
from batchveo.provider.service import Service
from batchveo.sandbox import Service as Sandbox
from batchveo.sandbox import transport
from batchveo.storage.base import at_once


class FakeActor:
    """An object whose calls can be cut off; what travels is pickled, so that nothing is shared by accident."""

    def __init__(self, make: Any, tasks: TaskGroup) -> None:
        self._make = make
        self._tasks = tasks
        self._scopes: set[anyio.CancelScope] = set()
        self.object: Any = make()
        self.starts = 1
        self.frozen = False
        self.is_dead = False

    def __reduce__(self) -> Any:
        return _known, (_keep(self),)

    async def call_method(self, method: str, *arguments: object) -> object:
        if self.is_dead:
            raise ActorLost("it is dead")
        answer: list[Any] = []
        answered = anyio.Event()
        call = pickle.dumps(arguments)
        self._tasks.start_soon(self._call, method, call, answer, answered)
        await answered.wait()
        if not answer:
            raise ActorLost("it died")
        value, error = pickle.loads(answer[0])
        if error is not None:
            raise error
        return value

    async def _call(self, method: str, call: bytes, answer: list[Any], answered: anyio.Event) -> None:
        """As an engine does it: to its end, whether somebody waits or not."""
        if self.frozen:
            await anyio.sleep_forever()
        with anyio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                reply: tuple[object, Exception | None]
                try:
                    reply = (await getattr(self.object, method)(*pickle.loads(call)), None)
                except Exception as error:  # noqa: BLE001 - told to whoever asked
                    reply = (None, error)
                if not scope.cancel_called:
                    answer.append(pickle.dumps(reply))
            finally:
                self._scopes.discard(scope)
                answered.set()

    def kill(self, *, again: bool = False) -> None:
        for scope in list(self._scopes):
            scope.cancel()
        self.is_dead = not again
        self.frozen = False
        if again:
            self.starts += 1
            self.object = self._make()


_KNOWN: list[FakeActor] = []


def _keep(actor: FakeActor) -> int:
    if actor not in _KNOWN:
        _KNOWN.append(actor)
    return _KNOWN.index(actor)


def _known(number: int) -> FakeActor:
    return _KNOWN[number]


class FakeBackend:
    """``unable``: how many workers die at their start, from now on."""

    nodes = 2

    def __init__(self, sandbox: Sandbox, clock: Clock, tasks: TaskGroup) -> None:
        self._sandbox = sandbox
        self._clock = clock
        self._tasks = tasks
        self.coordinators: list[FakeActor] = []
        self.workers: list[FakeActor] = []
        self.unable = 0
        self.nodes_left = 2
        self.is_gone = anyio.Event()

    async def start_coordinator(self) -> FakeActor:
        self.coordinators.append(FakeActor(lambda: CoordinatorActor(self._apis, lambda: self._clock), self._tasks))
        return self.coordinators[-1]

    async def wait_lost(self) -> str:
        await self.is_gone.wait()
        return "the head of the cluster is gone"

    def start_worker(self) -> FakeActor:
        if not self.nodes_left:
            raise ActorLost("no machine is left")
        self.workers.append(FakeActor(lambda: WorkerActor(self._clients, at_once), self._tasks))
        if self.unable:
            self.unable -= 1
            self.workers[-1].is_dead = True
        return self.workers[-1]

    @property
    def alive(self) -> list[FakeActor]:
        return [worker for worker in self.workers if not worker.is_dead]

    @asynccontextmanager
    async def _apis(self, using: Service) -> AsyncIterator[Mapping[str, ApiClient]]:
        wire = transport(self._sandbox)
        async with ApiClient(using.key, base_url=using.base_url, transport=wire) as api:
            yield {"": api}

    @asynccontextmanager
    async def _clients(self, using: Service) -> AsyncIterator[tuple[Mapping[str, ApiClient], VideoClient]]:
        async with (
            self._apis(using) as apis,
            VideoClient(loopback=True, transport=transport(self._sandbox)) as videos,
        ):
            yield apis, videos
