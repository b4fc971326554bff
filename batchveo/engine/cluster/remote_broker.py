"""The broker of a worker in another process: calls over a transport that may lose, repeat or delay them."""

from __future__ import annotations

import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import cast

import anyio

from batchveo.core.clock import Clock
from batchveo.core.events import Event
from batchveo.core.models import Job
from batchveo.core.outcomes import Accepted, Outcome
from batchveo.core.rate_limit import compute_backoff
from batchveo.core.shutdown import ShutdownBudget
from batchveo.engine.broker import Fenced, TooLate
from batchveo.engine.cluster.protocol import LONG_POLL_SECONDS, ActorLost, Answer, Call, Method, Transport, Unreachable
from batchveo.engine.input_files import FileCache

_log = logging.getLogger(__name__)

CALL_SECONDS = LONG_POLL_SECONDS + 20.0
"""After which a call without an answer is repeated."""
PATIENCE_SECONDS = 120.0
"""Seconds that a worker tries to reach its coordinator before it counts itself as given up."""
FENCED_RECORD_SECONDS = 900.0
"""Seconds that it tries to hand in a generation id."""
PERMISSION_SECONDS = 15.0
"""How old (seconds) the permission to send a request may be on arrival: later another worker may have bought it."""
FENCED_GRACE_SECONDS = 90.0
"""Seconds that submits in progress may take if only their generation ids still count."""
LONGEST_GAP = 5.0


class RemoteBroker:
    """A ``Broker`` over ``transport``, for the worker called ``worker``: a name that was not used before.

    ``report_lost`` gets the text about a purchase that cannot be recorded, since the coordinator is not reached.
    """

    def __init__(self, worker: str, transport: Transport, *, report_lost: Callable[[str], None]) -> None:
        self.clock = Clock()
        self._worker = worker
        self._session = secrets.token_hex(8)
        self._transport = transport
        self._report_lost = report_lost
        self._numbers = count()
        self._open: set[int] = set()
        self._events: list[Event] = []
        self._claimed: deque[Job] = deque()
        self._input_files = FileCache(self._fetch_input_file)
        self._fenced = False
        self._over = anyio.Event()

    async def join_run(self) -> None:
        """Join the run; from then on the coordinator's clock counts."""
        answer = await self._call_method(Method.JOIN)
        self._session = cast("str", answer.value)
        self.clock = Clock(wall=lambda: answer.now)

    async def claim(self) -> Job:
        """See ``Broker``; a worker that was given up waits for ever."""
        if not self._claimed or self._fenced:
            self._claimed.extend(cast("Sequence[Job]", await self._wait_for_jobs(Method.CLAIM)))
        return self._claimed.popleft()

    async def take_over(self) -> Sequence[Job]:
        """See ``Broker``; a worker that was given up waits for ever."""
        return cast("Sequence[Job]", await self._wait_for_jobs(Method.TAKE_OVER))

    async def _wait_for_jobs(self, method: Method) -> object:
        try:
            while True:
                answer = await self._call_method(method)
                if answer.value:
                    return answer.value
                if answer.over:
                    break
        except Fenced:
            pass
        await anyio.sleep_forever()
        raise AssertionError("unreachable")

    async def mark_sent(self, job: Job) -> None:
        """See ``Broker``."""
        # A worker that was frozen between question and answer is fenced by now, and its job may be submitted by
        # another. The mark alone cannot show that, since it was recorded before.
        asked = self.clock.now()
        await self._call_method(Method.MARK_SENT, job)
        if self.clock.now() - asked > PERMISSION_SECONDS:
            raise TooLate("leave to send it came too late; it was not sent")

    async def record_outcome(self, job: Job, outcome: Outcome, *, aside: bool = False) -> Job:
        """See ``Broker``. A generation id is handed in even if the worker was given up."""
        # shielded: the outcome is a purchase or its result, and no cancellation may drop it on the way
        with anyio.CancelScope(shield=True):
            try:
                answer = await self._call_method(Method.RECORD, job, outcome, aside)
            except Fenced:
                if not isinstance(outcome, Accepted):
                    raise
                answer = await self._record_fenced(job, outcome)
        return cast("Job", answer.value)

    async def _record_fenced(self, job: Job, outcome: Accepted) -> Answer:
        call = self._make_call(Method.RECORD, job, outcome, False)  # noqa: FBT003 - the arguments of record
        try:
            return await self._send_until_answered(call, patience=FENCED_RECORD_SECONDS)
        except Fenced:
            self._report_lost(
                f"{job.name}: generation {outcome.generation_id} was accepted (request {job.client_request_id}), "
                "but the run cannot be reached; the usage log will tell the next run"
            )
            raise

    async def read_input_file(self, sha256: str) -> tuple[str, bytes]:
        """See ``Broker``."""
        return await self._input_files(sha256)

    async def _fetch_input_file(self, sha256: str) -> tuple[str, bytes]:
        return cast("tuple[str, bytes]", (await self._call_method(Method.INPUT_FILE, sha256)).value)

    async def begin_upload(self, job: Job, sha256: str) -> str:
        """See ``Broker``."""
        return cast("str", (await self._call_method(Method.UPLOAD, job, sha256)).value)

    async def wait_finished(self) -> float:
        """See ``Broker``."""
        await self._over.wait()
        return FENCED_GRACE_SECONDS if self._fenced else ShutdownBudget.CALLS

    @property
    def is_fenced(self) -> bool:
        """Whether the worker was given up, so that only a new one may continue."""
        return self._fenced

    def send_event(self, event: Event) -> None:
        """See ``Broker``; the event travels with the next call."""
        self._events.append(event)

    async def _call_method(self, method: Method, *arguments: object) -> Answer:
        if self._fenced:
            raise Fenced(self._worker)
        answer = await self._send_until_answered(self._make_call(method, *arguments), patience=PATIENCE_SECONDS)
        if answer.over:
            self._over.set()
        return answer

    def _make_call(self, method: Method, *arguments: object) -> Call:
        number = next(self._numbers)
        events: tuple[Event, ...] = ()
        # the coordinator runs a repeated call for a file again, and would emit the events twice
        if method is not Method.INPUT_FILE:
            events, self._events = tuple(self._events), []
        return Call(
            worker=self._worker,
            session=self._session,
            number=number,
            settled=min(self._open, default=number),
            method=method,
            arguments=arguments,
            events=events,
        )

    async def _send_until_answered(self, call: Call, *, patience: float) -> Answer:
        """Send ``call`` until there is an answer; returns it, or raises its error."""
        self._open.add(call.number)
        try:
            return await self._repeat_call(call, patience)
        finally:
            self._open.discard(call.number)

    async def _repeat_call(self, call: Call, patience: float) -> Answer:
        until = self.clock.now() + patience
        for troubles in count(1):
            answer = await self._send_once(call)
            if answer is not None:
                return self._check_answer(answer)
            if self.clock.now() > until:
                break
            _log.debug(
                "worker %s: call %d (%s) has no answer, try %d", self._worker, call.number, call.method, troubles + 1
            )
            await anyio.sleep(compute_backoff(troubles, 0.5, base=0.1, cap=LONGEST_GAP))
        self._fence()
        raise Fenced("the coordinator cannot be reached")

    async def _send_once(self, call: Call) -> Answer | None:
        with anyio.move_on_after(CALL_SECONDS):
            try:
                return await self._transport(call)
            except Unreachable:
                pass
        return None

    def _check_answer(self, answer: Answer) -> Answer:
        if isinstance(answer.error, Fenced):
            self._fence()
        if answer.error is not None:
            raise answer.error
        return answer

    def _fence(self) -> None:
        self._fenced = True
        self._over.set()


SENT_ALONE = frozenset({Method.CLAIM, Method.TAKE_OVER, Method.INPUT_FILE, Method.UPLOAD})
"""Calls that may wait long or have large answers: each travels by itself."""
MOST_CALLS = 256
"""Calls in one message."""

Send = Callable[[Sequence[Call]], Awaitable[Sequence[Answer]]]
"""Carries calls to the coordinator; raises ``ActorLost``."""


class _QueuedCall:
    """A call that waits to be sent, or for its answer."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.answer: Answer | None = None
        self.arrived = anyio.Event()


class CallBatcher:
    """A ``Transport`` that sends the calls of one moment together: while one message is on its way, the next gathers.

    A call to another process costs each side about a millisecond, whatever it carries.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._queued: list[_QueuedCall] = []
        self._any_queued = anyio.Event()

    async def __call__(self, call: Call) -> Answer:
        """The answer to ``call``; raises ``Unreachable``."""
        queued = _QueuedCall(call)
        if call.method in SENT_ALONE:
            await self._send_calls([queued])
        else:
            self._queued.append(queued)
            self._any_queued.set()
            await queued.arrived.wait()
        if queued.answer is None:
            raise Unreachable
        return queued.answer

    async def run(self) -> None:
        """Send the queued calls, until cancelled."""
        while True:
            await self._any_queued.wait()
            queued, self._queued = self._queued[:MOST_CALLS], self._queued[MOST_CALLS:]
            if not self._queued:
                self._any_queued = anyio.Event()
            with anyio.move_on_after(CALL_SECONDS):
                await self._send_calls(queued)
            for call in queued:
                call.arrived.set()

    async def _send_calls(self, queued: Sequence[_QueuedCall]) -> None:
        try:
            answers = await self._send([waiting.call for waiting in queued])
        except ActorLost:
            return
        for waiting, answer in zip(queued, answers, strict=True):
            waiting.answer = answer
