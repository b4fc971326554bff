"""A coordinator at work with desks of one kind: in its own process, or over a wire, fair or foul."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import anyio
from anyio.abc import TaskGroup

from batchveo.core.clock import Clock
from batchveo.core.events import Event, Message
from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.settings import RunSettings
from batchveo.engine.broker import Broker, Fenced
from batchveo.engine.cluster.remote_broker import RemoteBroker
from batchveo.engine.local_run import LocalBroker
from batchveo.engine.run_context import RunResult, RunSpec
from batchveo.provider import ApiClient, ApiKey, NamedKey
from batchveo.provider import service as services
from batchveo.provider.price_list import PriceList
from batchveo.sandbox import Service, Settings, transport
from batchveo.store import Store
from tests.helpers.faulty_wire import FAIR, FOUL, Life, Weather, Wire
from tests.helpers.restartable_coordinator import Head, Plans
from tests.helpers.virtual_run import BASE_URL, specs

T = TypeVar("T")

KEY = NamedKey(name="", key=ApiKey("key"))


@dataclass(frozen=True, kw_only=True)
class Face:
    """Which desks there are; without weather, local ones."""

    name: str
    weather: Weather | None = None
    seed: int = 0

    @property
    def is_far(self) -> bool:
        return self.weather is not None


LOCAL = Face(name="local")
FAR = Face(name="far", weather=FAIR)
STORMY = [Face(name=f"foul-{seed}", weather=FOUL, seed=seed) for seed in range(2)]


def key(name: str, **limits: Any) -> NamedKey:
    """An API key with a label."""
    return NamedKey(name=name, key=ApiKey(f"sk-{name}"), **limits)


class Begun(Generic[T]):
    """A call that was begun; ``value`` is ``None`` while it waits, and where its worker was given up."""

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
        """Whether it still waits after so long."""
        await anyio.sleep(seconds)
        return not self._ended.is_set()


class Office:
    """A run over ``jobs`` with nobody but the desks that a test asks for. Use as an async context manager.

    ``most``: jobs that one claim over a wire brings; one, so that a test has every step in its hands.
    """

    def __init__(
        self,
        folder: Path,
        face: Face = FAR,
        jobs: int | Sequence[JobSpec] = 3,
        *,
        keys: Sequence[NamedKey] = (KEY,),
        service: Settings | None = None,
        prices: PriceList | None = None,
        workers: int = 1,
        most: int = 1,
        **settings: Any,
    ) -> None:
        self.face = face
        self.despair: list[str] = []
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
        self.plans = Plans(
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
        self.wire = Wire(self.tasks, lambda: self.dispatcher(), self.face.weather or FAIR, seed=self.face.seed)
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.tasks.cancel_scope.cancel()
        for life in self.lives.values():
            life.end()
        await self._open.__aexit__(kind, error, trace)
        self.head.store.close()

    def _begin(self) -> int:
        with Store(self._folder / "b.db") as store:
            run = store.runs.begin_run(command="run", service=BASE_URL, now=self.clock.now())
            store.imports.add_jobs(self._jobs, run=run, now=self.clock.now())
            return run

    def dispatcher(self) -> Any:
        return None if self.head.dead else self.head.dispatcher

    async def open(self) -> None:
        """A coordinator begins, over what the state holds."""
        self.head = Head(self.plans)
        self.tasks.start_soon(self.head.live, anyio.sleep_forever)
        await anyio.wait_all_tasks_blocked()

    async def restart(self) -> None:
        """The coordinator's process dies, and another takes its place."""
        self.head.kill()
        await self.open()

    async def desk(self, worker: str = "a") -> Broker:
        """A desk for one more worker, who was taken on."""
        if not self.face.is_far:
            return LocalBroker(self.head.coordinator, worker, self.clock)
        desk = self.far(worker)
        await desk.join_run()
        return desk

    def far(self, worker: str) -> RemoteBroker:
        """A remote desk that has not joined."""
        life = self.lives[worker] = Life()
        return RemoteBroker(worker, self.wire.end(life), despair=self.despair.append)

    def give_up(self, worker: str) -> None:
        self.head.give_up(worker)

    async def result(self) -> RunResult:
        """How the run ended; waits for that."""
        with anyio.fail_after(3600):
            await self.head.ended.wait()
        assert self.head.result is not None
        return self.head.result

    def begin(self, work: Callable[[], Awaitable[T]]) -> Begun[T]:
        """Begin a call that may have to wait: a worker's claim is not taken back."""
        begun: Begun[T] = Begun()
        self.tasks.start_soon(begun.run, work)
        return begun

    # -- what the state holds

    def jobs(self, *states: JobState) -> list[Job]:
        return list(self.head.store.jobs(*states))

    def job(self, job: Job) -> Job:
        return self.head.store.queries.read_job(job.seq)

    def attempts(self) -> list[tuple[str, str | None]]:
        """Of each attempt the client request id and the generation."""
        return [(row["client_request_id"], row["generation_id"]) for row in self.head.store.queries.list_attempts()]

    def on_disk(self, job: Job) -> Job:
        """The job as another process sees it: what is durable."""
        with Store(self.plans.path, writing=False) as store:
            return store.queries.read_job(job.seq)

    def notes(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Message)]

    @property
    def events(self) -> list[Event]:
        return self.plans.events


async def all_of(*works: Callable[[], Awaitable[T]]) -> list[T]:
    """What they return, all begun at once."""
    results: dict[int, T] = {}

    async def one(number: int, work: Callable[[], Awaitable[T]]) -> None:
        results[number] = await work()

    async with anyio.create_task_group() as tasks:
        for number, work in enumerate(works):
            tasks.start_soon(one, number, work)
    return [results[number] for number in sorted(results)]


async def finished(desk: Broker) -> float:
    """As a worker waits for it: with a call under way, whose answer tells of it."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_ask_on, desk)
        grace = await desk.wait_finished()
        tasks.cancel_scope.cancel()
    return grace


async def _ask_on(desk: Broker) -> None:
    with suppress(Fenced):
        while True:
            await desk.take_over()


def names(jobs: Iterable[Job]) -> list[str]:
    return sorted(job.name for job in jobs)
