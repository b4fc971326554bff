"""Calls of one moment travel together: a call to another process costs it and us a thousandth of a second."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import anyio

from batchveo.engine.cluster.backend import ActorLost
from batchveo.engine.cluster.protocol import Answer, Call, Method, Unreachable
from batchveo.engine.cluster.remote_broker import CALL_SECONDS

ALONE = frozenset({Method.CLAIM, Method.TAKE_OVER, Method.INPUT_FILE})
"""Calls that may be kept long, or have large answers, and so go by themselves."""
MOST = 256
"""Calls in one message."""

Send = Callable[[Sequence[Call]], Awaitable[Sequence[Answer]]]
"""Carries calls to the coordinator; raises ``ActorLost``."""


class _Parcel:
    """A call on its way."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.answer: Answer | None = None
        self.arrived = anyio.Event()


class CallBatcher:
    """A ``wire.Transport``. While one message is under way, what comes gathers for the next."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._parcels: list[_Parcel] = []
        self._some = anyio.Event()

    async def __call__(self, call: Call) -> Answer:
        """The answer to ``call``; raises ``Unreachable``."""
        parcel = _Parcel(call)
        if call.method in ALONE:
            await self._deliver([parcel])
        else:
            self._parcels.append(parcel)
            self._some.set()
            await parcel.arrived.wait()
        if parcel.answer is None:
            raise Unreachable
        return parcel.answer

    async def run(self) -> None:
        """Send what gathers, until cancelled."""
        while True:
            await self._some.wait()
            parcels, self._parcels = self._parcels[:MOST], self._parcels[MOST:]
            if not self._parcels:
                self._some = anyio.Event()
            with anyio.move_on_after(CALL_SECONDS):
                await self._deliver(parcels)
            for parcel in parcels:
                parcel.arrived.set()

    async def _deliver(self, parcels: Sequence[_Parcel]) -> None:
        try:
            answers = await self._send([parcel.call for parcel in parcels])
        except ActorLost:
            return
        for parcel, answer in zip(parcels, answers, strict=True):
            parcel.answer = answer
