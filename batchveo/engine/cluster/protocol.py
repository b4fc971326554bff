"""What connects the processes of a run: actors that are asked by name, and the calls of a worker to its coordinator.

A call may be lost, late or repeated, and one that failed may have been carried out all the same. So each has a
number: the coordinator carries it out once, and answers a repeated one as it did the first time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from batchveo.core.events import Event


class ActorLost(Exception):
    """An actor died, or cannot be reached; what it was asked may have been done, and it may be alive."""


class Actor(Protocol):
    """An object in another process, whose methods are asked for by name."""

    async def call_method(self, method: str, *arguments: object) -> object:
        """What the method returns or raises; raises ``ActorLost`` where nothing came back."""

    def kill(self, *, again: bool = False) -> None:
        """End its process at once; with ``again`` the actor starts anew, from nothing, in another one."""


class ActorBackend(Protocol):
    """Starts actors. All of them end with it."""

    @property
    def nodes(self) -> int:
        """How many machines there are."""

    async def start_coordinator(self) -> Actor:
        """A ``CoordinatorActor`` on this machine, which starts anew when it dies; raises ``StateLocked``."""

    def start_worker(self) -> Actor:
        """A new ``WorkerActor``, on any machine; it ends when it dies. Raises ``ActorLost`` where none is left."""

    async def wait_lost(self) -> str:
        """Wait until the engine itself is lost, and nothing can be started or ended any more; tells of it."""


class Method(StrEnum):
    """What a worker can ask for; ``broker.Broker`` tells of each.

    ``INPUT_FILE`` changes nothing, and its answer may be large: that is not kept, a repeated call reads anew.
    """

    JOIN = "join"
    CLAIM = "claim"
    MARK_SENT = "mark_sent"
    RECORD = "record"
    TAKE_OVER = "take_over"
    INPUT_FILE = "input_file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Call ``number`` of ``worker``. Those below ``settled`` were answered; ``told`` goes to whoever watches.

    ``session`` is what the worker got for an answer when it joined, and to join something that no other has: so
    neither a second worker of that name nor what is meant for an earlier coordinator is taken for its call.
    """

    worker: str
    session: str
    number: int
    settled: int
    method: Method
    arguments: tuple[object, ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a call: ``value``, or an ``error`` of ``batchveo.engine.broker``.

    ``over``: the run is. ``now``: the coordinator's time, in seconds since the epoch.
    """

    now: float
    value: object = None
    error: Exception | None = None
    over: bool = False


class Unreachable(Exception):
    """No answer came. The call may have been carried out."""


Transport = Callable[[Call], Awaitable[Answer]]
"""Carries a call to the coordinator; raises ``Unreachable``."""

LONG_POLL_SECONDS = 10.0
"""How long a call that waits for something is kept, before the answer is that there is nothing."""
