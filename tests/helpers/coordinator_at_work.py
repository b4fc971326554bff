"""A coordinator with brokers of one kind: in its own process, or over a connection, with faults or without."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import anyio
import pytest
from anyio.abc import TaskGroup

from batchveo.core.clock import Clock
from batchveo.core.events import Event, Message
from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.outcomes import Accepted, Completed, Downloaded
from batchveo.core.settings import RunSettings
from batchveo.engine.broker import Broker, Fenced
from batchveo.engine.cluster.remote_broker import RemoteBroker
from batchveo.engine.local_run import LocalBroker
from batchveo.engine.result import RunResult
from batchveo.engine.run_context import RunSpec
from batchveo.provider import ApiClient, ApiKey, NamedKey
from batchveo.provider import service as services
from batchveo.provider.catalog.price_list import PriceList
from batchveo.sandbox import Service, Settings, transport
from batchveo.store import Store
from tests.helpers.faulty_wire import MANY_FAULTS, NO_FAULTS, Life, Wire, WireFaults
from tests.helpers.restartable_coordinator import CoordinatorProcess, CoordinatorSetup
from tests.helpers.store_rows import list_attempts
from tests.helpers.virtual_run import BASE_URL, specs

T = TypeVar("T")

KEY = NamedKey(name="", key=ApiKey("key"))
FETCHED = Downloaded(folder="/videos", file="v.mp4", bytes=3, sha256="00")
URL = Completed(url="https://cdn.example/v.mp4", cost_usd=1.0)


@dataclass(frozen=True, kw_only=True)
class BrokerKind:
    """Which brokers there are; without ``wire_faults``, local ones."""

    name: str
    wire_faults: WireFaults | None = None
    seed: int = 0

    @property
    def is_remote(self) -> bool:
        return self.wire_faults is not None


LOCAL = BrokerKind(name="local")
REMOTE = BrokerKind(name="remote", wire_faults=NO_FAULTS)
FAULTY = [BrokerKind(name=f"faulty-{seed}", wire_faults=MANY_FAULTS, seed=seed) for seed in range(2)]


def key(name: str, **limits: Any) -> NamedKey:
    """An API key with a label."""
    return NamedKey(name=name, key=ApiKey(f"sk-{name}"), **limits)


class Begun(Generic[T]):
    """A call that was begun; ``value`` is ``None`` while it waits, and if its worker was given up."""

    def __init__(self) -> None:
        self.value: T | None = None
        self._ended = anyio.Event()

    async def run(self, work: Callable[[], Awaitable[T]]) -> None:
        with suppress(Fenced):
            self.value = await work()
        self._ended.set()

    async def ended(self) -> T:
        with anyio.fail_after(600):
            await self._ended.wait()
        assert self.value is not None
        return self.value

    async def waits(self, seconds: float = 60.0) -> bool:
        """Whether it still waits after ``seconds``."""
        await anyio.sleep(seconds)
        return not self._ended.is_set()


class CoordinatorAtWork:
    """A run over ``jobs`` whose only workers are the brokers that a test asks for. Use as an async context manager.

    ``most``: how many jobs a remote claim brings; 1, so that a test decides every step.
    """

    def __init__(
        self,
        folder: Path,
        kind: BrokerKind = REMOTE,
        jobs: int | Sequence[JobSpec] = 3,
        *,
        keys: Sequence[NamedKey] = (KEY,),
        service: Settings | None = None,
        prices: PriceList | None = None,
        workers: int = 1,
        most: int = 1,
        **settings: Any,
    ) -> None:
        self.kind = kind
        self.lost_purchases: list[str] = []
        self.lives: dict[str, Life] = {}
        self._open = AsyncExitStack()
        self._folder, self._prices, self._workers, self._most = folder, prices, workers, most
        self._jobs = specs(jobs) if isinstance(jobs, int) else jobs
        self._keys = keys
        self._sandbox = service or Settings(per_key=len(keys) > 1)
        self._settings = RunSettings(output=folder / "videos", **settings)

    async def __aenter__(self) -> Self:
        self.clock = Clock(wall=lambda: 1_800_000_000.0)
        self.service = Service(self._sandbox, clock=self.clock.now)
        wire = transport(self.service)
        apis = {
            named.name: await self._open.enter_async_context(ApiClient(named.key, base_url=BASE_URL, transport=wire))
            for named in self._keys
        }
        self.setup = CoordinatorSetup(
            path=self._folder / "b.db",
            spec=RunSpec(
                run=self._begin(),
                begun=self.clock.now(),
                settings=self._settings,
                service=services.Service(base_url=BASE_URL, keys=tuple(self._keys)),
                prices=self._prices or PriceList({}),
            ),
            clock=self.clock,
            apis=apis,
            workers=self._workers,
            most=self._most,
        )
        self.tasks: TaskGroup = await self._open.enter_async_context(anyio.create_task_group())
        self.wire = Wire(self.tasks, lambda: self.server(), self.kind.wire_faults or NO_FAULTS, seed=self.kind.seed)
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.tasks.cancel_scope.cancel()
        for life in self.lives.values():
            life.end()
        await self._open.__aexit__(kind, error, trace)
        self.process.store.close()

    def _begin(self) -> int:
        with Store(self._folder / "b.db") as store:
            run = store.runs.begin_run(command="run", service=BASE_URL, now=self.clock.now())
            store.imports.add_jobs(self._jobs, run=run, now=self.clock.now())
            return run

    def server(self) -> Any:
        return None if self.process.dead else self.process.server

    async def open(self) -> None:
        """A coordinator begins, over what the state holds."""
        self.process = CoordinatorProcess(self.setup)
        self.tasks.start_soon(self.process.live, anyio.sleep_forever)
        await anyio.wait_all_tasks_blocked()

    async def restart(self) -> None:
        """The coordinator's process dies, and another takes its place."""
        self.process.kill()
        await self.open()

    async def broker(self, worker: str = "a") -> Broker:
        """A broker for one more worker, who was taken on."""
        if not self.kind.is_remote:
            return LocalBroker(self.process.coordinator, worker, self.clock)
        broker = self.remote_broker(worker)
        await broker.join_run()
        return broker

    def remote_broker(self, worker: str) -> RemoteBroker:
        """A remote broker that has not joined."""
        life = self.lives[worker] = Life()
        return RemoteBroker(worker, self.wire.end(life), report_lost=self.lost_purchases.append)

    def give_up(self, worker: str) -> None:
        self.process.give_up(worker)

    async def result(self) -> RunResult:
        """How the run ended; waits for that."""
        with anyio.fail_after(3600):
            await self.process.ended.wait()
        assert self.process.result is not None
        return self.process.result

    def begin(self, work: Callable[[], Awaitable[T]]) -> Begun[T]:
        """Begin a call that may have to wait: a worker's claim is not taken back."""
        begun: Begun[T] = Begun()
        self.tasks.start_soon(begun.run, work)
        return begun

    # -- what the state holds

    def jobs(self, *states: JobState) -> list[Job]:
        return list(self.process.store.jobs(*states))

    def job(self, job: Job) -> Job:
        return self.process.store.queries.read_job(job.seq)

    def attempts(self) -> list[tuple[str, str | None]]:
        """Of each attempt the client request id and the generation."""
        return [(row["client_request_id"], row["generation_id"]) for row in list_attempts(self.process.store)]

    def on_disk(self, job: Job) -> Job:
        """The job as another process sees it: what is durable."""
        with Store(self.setup.path, writing=False) as store:
            return store.queries.read_job(job.seq)

    def notes(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Message)]

    @property
    def events(self) -> list[Event]:
        return self.setup.events


CoordinatorOpener = Callable[..., AbstractAsyncContextManager[CoordinatorAtWork]]


def generation(job: Job) -> Accepted:
    """The answer to the submit of ``job``."""
    return Accepted(generation_id=f"g-{job.seq}-{job.attempts}")


async def bought(broker: Broker) -> Job:
    """The next job, claimed, sent, accepted."""
    job = await broker.claim()
    await broker.mark_sent(job)
    return await broker.record_outcome(job, generation(job))


async def is_fenced(broker: Broker, at_work: CoordinatorAtWork) -> bool:
    """Whether nothing is given to it any more."""
    with pytest.raises(Fenced):
        await broker.read_input_file("none")
    return not isinstance(broker, RemoteBroker) or broker.is_fenced


async def sent(broker: RemoteBroker) -> Job:
    """Claim the next job and mark it as sent."""
    job = await broker.claim()
    await broker.mark_sent(job)
    return job


async def joined(at_work: CoordinatorAtWork, worker: str = "a") -> RemoteBroker:
    broker = at_work.remote_broker(worker)
    await broker.join_run()
    return broker


async def all_of(*works: Callable[[], Awaitable[T]]) -> list[T]:
    """Begin all ``works`` at once; returns what they return."""
    results: dict[int, T] = {}

    async def one(number: int, work: Callable[[], Awaitable[T]]) -> None:
        results[number] = await work()

    async with anyio.create_task_group() as tasks:
        for number, work in enumerate(works):
            tasks.start_soon(one, number, work)
    return [results[number] for number in sorted(results)]


async def finished(broker: Broker) -> float:
    """Wait for the end of the run as a worker does: a claim in progress whose answer says so."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_ask_on, broker)
        grace = await broker.wait_finished()
        tasks.cancel_scope.cancel()
    return grace


async def _ask_on(broker: Broker) -> None:
    with suppress(Fenced):
        while True:
            await broker.take_over()


def names(jobs: Iterable[Job]) -> list[str]:
    return sorted(job.name for job in jobs)
