"""What connects the processes of a run: actors that are asked by name, and the calls of a worker to its coordinator.

A call may be lost, late or repeated, and one that failed may have been carried out nevertheless. So each has a
number: the coordinator carries it out once, and answers a repeated one as it did the first time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from batchveo.core.events import Event


class ActorLost(Exception):
    """An actor died or cannot be reached; the call may have run, and the actor may be alive."""


class Actor(Protocol):
    """An object in another process, whose methods are called by name."""

    async def call_method(self, method: str, *arguments: object) -> object:
        """Call ``method`` there; returns or raises what it does, or raises ``ActorLost`` if no answer came."""

    def kill(self, *, again: bool = False) -> None:
        """End its process at once; with ``again`` the actor restarts, without memory, in another process."""


class ActorBackend(Protocol):
    """Starts actors. All of them end with it."""

    @property
    def nodes(self) -> int:
        """How many machines there are."""

    async def start_coordinator(self) -> Actor:
        """Start a ``CoordinatorActor`` on this machine, which restarts when it dies; raises ``StateLocked``."""

    def start_worker(self) -> Actor:
        """Start a ``WorkerActor`` on any machine; it does not restart. Raises ``ActorLost`` if no machine is left."""

    async def wait_lost(self) -> str:
        """Wait until the cluster itself is lost, so that nothing can be started or ended; returns the reason."""


class Method(StrEnum):
    """The calls of a worker; see ``Broker``.

    ``INPUT_FILE`` changes nothing, and its answer may be large: it is not kept, and a repeated call reads it again.
    """

    JOIN = "join"
    CLAIM = "claim"
    MARK_SENT = "mark_sent"
    RECORD = "record"
    TAKE_OVER = "take_over"
    INPUT_FILE = "input_file"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Call ``number`` of ``worker``. Those below ``settled`` were answered; ``events`` go to the run's reporter.

    ``session``: the coordinator's answer to joining; for the joining itself, random. So neither a call of a second
    worker of that name nor one for an earlier coordinator is taken for a call of this worker.
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
    """The answer to a call: ``value``, or an ``error`` of ``batchveo.engine.broker``.

    ``over``: the run is. ``now``: the coordinator's time, in seconds since the epoch.
    """

    now: float
    value: object = None
    error: Exception | None = None
    over: bool = False


class Unreachable(Exception):
    """No answer came; the call may have run."""


Transport = Callable[[Call], Awaitable[Answer]]
"""Carries a call to the coordinator; raises ``Unreachable``."""

LONG_POLL_SECONDS = 10.0
"""Seconds after which a call that waits is answered as empty."""
