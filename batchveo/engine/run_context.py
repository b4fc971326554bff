"""What the parts of a run share: its specification, its context and its events."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import anyio

from batchveo.core.clock import Clock
from batchveo.core.durations import Durations
from batchveo.core.errors import StoppedEarly
from batchveo.core.events import Event, Reporter
from batchveo.core.hooks import Hooks
from batchveo.core.models import Job
from batchveo.core.notices import SubmitsEnded
from batchveo.core.settings import RunSettings
from batchveo.provider.catalog.price_list import PriceList
from batchveo.provider.service import Service
from batchveo.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Run number ``run`` over an open, locked ``store``; ``jitter`` gives a random number in [0, 1)."""

    store: Store
    clock: Clock
    run: int
    jitter: Callable[[], float] = random.random

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.clock.now()


def describe_nothing(store: Store, job: Job) -> Mapping[str, object]:  # noqa: ARG001 - its signature is all it has
    """The JSON of a job in a run without hooks."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """Run number ``run`` of a database, begun at ``begun`` (seconds since the epoch).

    It holds API keys: it travels to other processes as an argument or an answer of a call, which Ray forgets, never
    to a constructor, whose arguments Ray keeps. ``durations``: the expected times that a worker begins with.
    ``endings``: sentences about models that end and have no listed price, by the jobs' names of them.
    ``poll_share``: the part of the rate of polls that one worker may use. ``to_judge``: the jobs, by number, whose
    clips are judged though they came before this run; ``None``: all that need it. ``hooks``: what is told of each
    finished video; ``describe_job``, a function of a module, makes the JSON that they get.
    """

    run: int
    begun: float
    settings: RunSettings
    service: Service = field(default_factory=Service)
    prices: PriceList = field(default_factory=lambda: PriceList({}))
    durations: Durations = field(default_factory=Durations)
    endings: Mapping[str, str] = field(default_factory=dict)
    poll_share: float = 1.0
    to_judge: Sequence[int] | None = None
    hooks: Hooks = field(default_factory=Hooks)
    describe_job: Callable[[Store, Job], Mapping[str, object]] = describe_nothing


class EventBus:
    """Hands events to ``report``, wakes what waits for a change, and keeps why the run submits no more."""

    def __init__(self, report: Reporter, clock: Clock) -> None:
        self._report = report
        self._listeners: list[Reporter] = []
        self._clock = clock
        self._changed = anyio.Event()
        self.stopped: StoppedEarly | None = None
        """Why no more jobs are submitted; ``None`` while they are."""

    def emit(self, event: Event) -> None:
        """Hand ``event`` to the listeners and the reporter; an error there never reaches the run."""
        for report in (*self._listeners, self._report):
            with contextlib.suppress(Exception):
                report(event)

    def subscribe(self, listener: Reporter) -> None:
        """Hand all events that follow to ``listener``, too."""
        self._listeners.append(listener)

    def stop(self, why: StoppedEarly) -> None:
        """Submit no more jobs; the first reason counts."""
        if self.stopped is None:
            self.stopped = why
            self.emit(SubmitsEnded(reason=str(why)))
        self.notify()

    def notify(self) -> None:
        """Wake everything that waits for a change."""
        self._changed.set()
        self._changed = anyio.Event()

    async def wait(self, until: float | None = None) -> None:
        """Wait for a change, at the longest until ``until`` (seconds since the epoch)."""
        changed = self._changed
        if until is None:
            await changed.wait()
            return
        with anyio.move_on_after(max(0.0, until - self._clock.now())):
            await changed.wait()
