"""The coordinator as its driver asks it: what it says stands, however often the coordinator dies on the way."""

from __future__ import annotations

from collections.abc import Sequence
from signal import Signals
from typing import cast

import anyio

from batchveo.core.errors import StoppedEarly
from batchveo.engine.cluster.backend import Actor, ActorLost
from batchveo.engine.cluster.event_buffer import EventBuffer
from batchveo.engine.cluster.process_spec import ProcessSpec
from batchveo.engine.result import RunResult

GAP_SECONDS = 0.5


class CoordinatorClient:
    """Typed calls of a ``CoordinatorActor``."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor

    async def run(self, assignment: ProcessSpec) -> RunResult:
        """Raises ``ActorLost``, and whatever ends a run without a result."""
        return cast("RunResult", await self.actor.ask("run", assignment))

    async def silent(self, started: Sequence[str], seconds: float) -> Sequence[str]:
        """The workers of whom nothing was heard for so long, of those too who were started; raises ``ActorLost``."""
        return cast("Sequence[str]", await self.actor.ask("silent", started, seconds))

    async def news(self, edition: str, number: int) -> EventBuffer:
        """See ``News.since``; asked for until it is there."""
        return cast("EventBuffer", await self._insist("news", edition, number))

    async def remove_worker(self, worker: str) -> None:
        """Give ``worker`` up, or see it off; a coordinator that started anew does not know it anyway."""
        await self._insist("remove_worker", worker)

    async def stop(self, why: StoppedEarly) -> None:
        """End the run for a reason that only the driver sees."""
        await self._insist("stop", why)

    async def interrupt(self, received: Signals) -> None:
        """End the run, as a signal demands."""
        await self._insist("interrupt", received.name)

    async def _insist(self, method: str, *arguments: object) -> object:
        while True:
            try:
                return await self.actor.ask(method, *arguments)
            except ActorLost:
                await anyio.sleep(GAP_SECONDS)
