"""A wire for tests: it loses, repeats, delays and reorders the calls of remote workers, by seed."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from batchveo.engine.cluster.call_server import CallServer
from batchveo.engine.cluster.protocol import Answer, Call, Transport, Unreachable


@dataclass(frozen=True, kw_only=True)
class WireFaults:
    """What happens to a call: chances, and seconds at most.

    ``lose_call``: it never arrives. ``lose_answer``: it was carried out, but its answer is lost. ``silence``: how
    often a loss raises no error, so that only a time-out ends the wait. ``repeat``: it arrives a second
    time, up to ``straggle`` later. ``delay``: of a call, and of its answer.
    """

    lose_call: float = 0.0
    lose_answer: float = 0.0
    silence: float = 0.0
    repeat: float = 0.0
    straggle: float = 0.0
    delay: float = 0.0


NO_FAULTS = WireFaults()
MANY_FAULTS = WireFaults(lose_call=0.15, lose_answer=0.15, repeat=0.3, straggle=90.0, delay=1.0)


class Died(BaseException):
    """The worker's process is dead: whatever it waits for ends with this."""


class Life:
    """A worker's process: it may freeze, thaw, and die."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.dead = False
        self.awaiting: set[_Reply] = set()
        self._thawed = anyio.Event()
        self._thawed.set()

    def end(self) -> None:
        """Die: nothing that the worker does after this has an effect."""
        self.dead = True
        self._thawed.set()
        for reply in self.awaiting:
            reply.came.set()
        self.scope.cancel()

    def freeze(self) -> None:
        if self._thawed.is_set():  # else those that wait would wait for ever
            self._thawed = anyio.Event()

    def thaw(self) -> None:
        self._thawed.set()

    async def awake(self) -> None:
        """Wait while it is frozen; raises ``Died`` if it is dead."""
        await self._thawed.wait()
        if self.dead:
            raise Died


class _Reply:
    def __init__(self) -> None:
        self.came = anyio.Event()
        self.packed: bytes | None = None


class Wire:
    """The connection to the ``server`` that is there when a call arrives; ``None``: nobody listens.

    ``tasks`` are the other end's: a call that was sent arrives even if its worker dies. Values are pickled both ways,
    so that nothing is shared by accident.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        server: Callable[[], CallServer | None],
        wire_faults: WireFaults = NO_FAULTS,
        *,
        seed: float = 0,
    ) -> None:
        self._tasks = tasks
        self._server = server
        self._rng = random.Random(seed)
        self.wire_faults = wire_faults
        self.calls: list[Call] = []
        """All that arrived, in that order, repeated ones too."""
        self.watch: Callable[[Call], None] = lambda call: None
        """Gets each call that was carried out, before its answer is sent."""
        self.struck: Callable[[str, Call], None] = lambda fault, call: None
        """Gets what befalls a call: ``call-lost``, ``answer-lost`` or ``call-repeated``."""

    def end(self, life: Life) -> Transport:
        """The end of the connection for the worker of ``life``."""

        async def carry(call: Call) -> Answer:
            await life.awake()
            reply = _Reply()
            life.awaiting.add(reply)
            try:
                await self._carry(call, reply)
            finally:
                life.awaiting.discard(reply)
            await life.awake()
            if reply.packed is None:
                raise Unreachable
            answer = pickle.loads(reply.packed)
            assert isinstance(answer, Answer)
            return answer

        return carry

    async def _carry(self, call: Call, reply: _Reply) -> None:
        wire_faults, packed = self.wire_faults, pickle.dumps(call)
        if self._strikes(wire_faults.repeat):
            self.struck("call-repeated", call)
            self._tasks.start_soon(self._arrive, packed, self._rng.uniform(0.0, wire_faults.straggle), _Reply())
        if self._strikes(wire_faults.lose_call):
            self.struck("call-lost", call)
            await self._lost(reply)
            return
        lost = self._strikes(wire_faults.lose_answer)
        heard = _Reply() if lost else reply
        self._tasks.start_soon(self._arrive, packed, self._rng.uniform(0.0, wire_faults.delay), heard)
        if lost:
            self.struck("answer-lost", call)
            await self._lost(reply)
            return
        await reply.came.wait()
        await anyio.sleep(self._rng.uniform(0.0, wire_faults.delay))

    async def _lost(self, reply: _Reply) -> None:
        told_after = (
            float("inf") if self._strikes(self.wire_faults.silence) else self._rng.uniform(0, self.wire_faults.delay)
        )
        with anyio.move_on_after(told_after):
            await reply.came.wait()  # it comes where the worker dies

    async def _arrive(self, packed: bytes, after: float, reply: _Reply) -> None:
        await anyio.sleep(after)
        call = pickle.loads(packed)
        self.calls.append(call)
        server = self._server()
        try:
            if server is not None:
                answer = await server.answer_call(call)
                self.watch(call)
                if server is self._server():  # else it is the answer of a dead one
                    reply.packed = pickle.dumps(answer)
        except Unreachable:  # it died over it
            pass
        finally:
            reply.came.set()

    def _strikes(self, chance: float) -> bool:
        return self._rng.random() < chance
