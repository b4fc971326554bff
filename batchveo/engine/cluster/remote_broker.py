"""The broker of a worker in another process: calls over a transport that may lose, repeat or delay them."""

from __future__ import annotations

import logging
import secrets
from collections import deque
from collections.abc import Callable, Sequence
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
from batchveo.engine.cluster.file_cache import FileCache
from batchveo.engine.cluster.protocol import LONG_POLL_SECONDS, Answer, Call, Method, Transport, Unreachable

_log = logging.getLogger(__name__)

CALL_SECONDS = LONG_POLL_SECONDS + 20.0
"""After which a call without an answer is repeated."""
PATIENCE_SECONDS = 120.0
"""How long a worker tries to reach its coordinator before it takes itself for given up."""
LAST_WORDS_SECONDS = 900.0
"""How long it tries to hand in a generation id."""
LEAVE_SECONDS = 15.0
"""How old leave to send a request may be when it arrives: by tomorrow somebody else may have bought the video."""
FENCED_GRACE_SECONDS = 90.0
"""How long submits under way may take when only their generation ids still count."""
LONGEST_GAP = 5.0


class RemoteBroker:
    """A ``Broker`` over ``transport``, for the worker called ``worker``: a name that nobody had before.

    ``despair`` gets the words that hold the last trace of a purchase, where the coordinator cannot be reached.
    """

    def __init__(self, worker: str, transport: Transport, *, despair: Callable[[str], None]) -> None:
        self.clock = Clock()
        self._worker = worker
        self._session = secrets.token_hex(8)
        self._transport = transport
        self._despair = despair
        self._numbers = count()
        self._open: set[int] = set()
        self._told: list[Event] = []
        self._claimed: deque[Job] = deque()
        self._inputs = FileCache(self._input_file)
        self._fenced = False
        self._over = anyio.Event()

    async def join(self) -> None:
        """Be taken on; from then on the coordinator's time counts."""
        answer = await self._call(Method.JOIN)
        self._session = cast("str", answer.value)
        self.clock = Clock(wall=lambda: answer.now)

    async def claim(self) -> Job:
        """See ``Broker``; a worker that was given up waits for ever."""
        if not self._claimed or self._fenced:
            self._claimed.extend(cast("Sequence[Job]", await self._something(Method.CLAIM)))
        return self._claimed.popleft()

    async def take_over(self) -> Sequence[Job]:
        """See ``Broker``; a worker that was given up waits for ever."""
        return cast("Sequence[Job]", await self._something(Method.TAKE_OVER))

    async def _something(self, method: Method) -> object:
        try:
            while True:
                answer = await self._call(method)
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
        asked = self.clock.now()
        await self._call(Method.MARK_SENT, job)
        if self.clock.now() - asked > LEAVE_SECONDS:
            raise TooLate("leave to send it came too late; it was not sent")

    async def record(self, job: Job, outcome: Outcome, *, aside: bool = False) -> Job:
        """See ``Broker``. A generation id is handed in whatever has become of the worker."""
        with anyio.CancelScope(shield=True):
            try:
                answer = await self._call(Method.RECORD, job, outcome, aside)
            except Fenced:
                if not isinstance(outcome, Accepted):
                    raise
                answer = await self._last_words(job, outcome)
        return cast("Job", answer.value)

    async def _last_words(self, job: Job, outcome: Accepted) -> Answer:
        call = self._numbered(Method.RECORD, job, outcome, False)  # noqa: FBT003 - the arguments of record
        try:
            return await self._answered(call, patience=LAST_WORDS_SECONDS)
        except Fenced:
            self._despair(
                f"{job.name}: generation {outcome.generation_id} was accepted (request {job.client_request_id}), "
                "but the run cannot be reached; the usage log will tell the next run"
            )
            raise

    async def input_file(self, sha256: str) -> tuple[str, bytes]:
        """See ``Broker``."""
        return await self._inputs(sha256)

    async def _input_file(self, sha256: str) -> tuple[str, bytes]:
        return cast("tuple[str, bytes]", (await self._call(Method.INPUT_FILE, sha256)).value)

    async def finished(self) -> float:
        """See ``Broker``."""
        await self._over.wait()
        return FENCED_GRACE_SECONDS if self._fenced else ShutdownBudget.CALLS

    @property
    def is_fenced(self) -> bool:
        """Whether the worker was given up, so that only a new one may go on."""
        return self._fenced

    def tell(self, event: Event) -> None:
        """See ``Broker``; it goes along with the next call."""
        self._told.append(event)

    async def _call(self, method: Method, *arguments: object) -> Answer:
        if self._fenced:
            raise Fenced(self._worker)
        answer = await self._answered(self._numbered(method, *arguments), patience=PATIENCE_SECONDS)
        if answer.over:
            self._over.set()
        return answer

    def _numbered(self, method: Method, *arguments: object) -> Call:
        number = next(self._numbers)
        told: tuple[Event, ...] = ()
        if method is not Method.INPUT_FILE:  # which the coordinator does not know again
            told, self._told = tuple(self._told), []
        return Call(
            worker=self._worker,
            session=self._session,
            number=number,
            settled=min(self._open, default=number),
            method=method,
            arguments=arguments,
            told=told,
        )

    async def _answered(self, call: Call, *, patience: float) -> Answer:
        """The answer to ``call``, which is repeated until there is one; raises the error that it names."""
        self._open.add(call.number)
        try:
            return await self._repeated(call, patience)
        finally:
            self._open.discard(call.number)

    async def _repeated(self, call: Call, patience: float) -> Answer:
        until = self.clock.now() + patience
        for troubles in count(1):
            answer = await self._tried(call)
            if answer is not None:
                return self._heeded(answer)
            if self.clock.now() > until:
                break
            _log.debug(
                "worker %s: call %d (%s) has no answer, try %d", self._worker, call.number, call.method, troubles + 1
            )
            await anyio.sleep(compute_backoff(troubles, 0.5, base=0.1, cap=LONGEST_GAP))
        self._give_up()
        raise Fenced("the coordinator cannot be reached")

    async def _tried(self, call: Call) -> Answer | None:
        with anyio.move_on_after(CALL_SECONDS):
            try:
                return await self._transport(call)
            except Unreachable:
                pass
        return None

    def _heeded(self, answer: Answer) -> Answer:
        if isinstance(answer.error, Fenced):
            self._give_up()
        if answer.error is not None:
            raise answer.error
        return answer

    def _give_up(self) -> None:
        self._fenced = True
        self._over.set()
