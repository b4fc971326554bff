"""Answers the calls of remote workers: each is run once, however often it arrives."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

import anyio

from batchveo.core.clock import Clock
from batchveo.core.models import Job
from batchveo.core.outcomes import Outcome
from batchveo.engine.broker import ClaimLost, Fenced
from batchveo.engine.cluster.protocol import LONG_POLL_SECONDS, Answer, Call, Method
from batchveo.engine.coordinator import Coordinator
from batchveo.engine.lifecycle import single_error
from batchveo.storage.object_errors import StoreRefused, StoreUnavailable

T = TypeVar("T")

MOST_TAKEN_OVER = 500
MOST_CLAIMED = 16
"""Jobs in one answer, at most."""


class _Pending:
    """A call that is running, or has run."""

    def __init__(self) -> None:
        self.ended = anyio.Event()
        self.value: object = None
        self.error: Exception | None = Fenced("the call was not carried out")


class _Calls(dict[int, _Pending]):
    """The calls of one worker, by number; those below ``settled`` were answered, and are forgotten."""

    settled = 0

    def forget_below(self, below: int) -> None:
        """Forget the calls with lower numbers: the worker has their answers."""
        for number in range(self.settled, below):
            self.pop(number, None)
        self.settled = max(self.settled, below)


class CallServer:
    """Answers calls for ``coordinator``; a call that waits returns empty after ``hold`` seconds.

    ``most``: jobs in the answer to one claim, at most.
    """

    def __init__(
        self, coordinator: Coordinator, clock: Clock, *, hold: float = LONG_POLL_SECONDS, most: int = MOST_CLAIMED
    ) -> None:
        self._coordinator = coordinator
        self._clock = clock
        self._hold = hold
        self._most = most
        self._sessions: dict[str, str] = {}
        self._calls: defaultdict[tuple[str, str], _Calls] = defaultdict(_Calls)

    async def answer_call(self, call: Call) -> Answer:
        """Run ``call``, or return the first answer if it was run before.

        Once begun it runs to its end, although its caller may no longer wait. A bug ends the run.
        """
        await self._coordinator.ready.wait()
        self._coordinator.mark_heard(call.worker)
        # numbers are a session's own: a call for a coordinator before this one must not match a number of this one
        calls = self._calls[call.worker, call.session]
        calls.forget_below(call.settled)
        if call.number < calls.settled:  # a late copy of a call that was answered: no caller waits for it
            return Answer(now=self._clock.now())
        pending = calls.get(call.number)
        if pending is None:
            pending = _Pending()
            if call.method is not Method.INPUT_FILE:
                calls[call.number] = pending
            # shielded: the caller may hang up and repeat the call, which waits for the same result
            with anyio.CancelScope(shield=True):
                await self._run_call(call, pending)
        await pending.ended.wait()
        over = self._coordinator.finished.is_set()
        return Answer(value=pending.value, error=pending.error, over=over, now=self._clock.now())

    def forget_worker(self, worker: str) -> None:
        """Forget the session and the calls of ``worker``, which was given up: its later calls are refused."""
        self._sessions.pop(worker, None)
        for key in [key for key in self._calls if key[0] == worker]:
            del self._calls[key]

    async def _run_call(self, call: Call, pending: _Pending) -> None:
        for event in call.events:
            self._coordinator.send_event(event)
        try:
            pending.value = await self._run_method(call)
            pending.error = None
        except (ClaimLost, Fenced) as error:
            pending.error = error
        except (StoreRefused, StoreUnavailable) as error:  # of one job, which the worker reports
            pending.error = error
        except Exception as error:  # noqa: BLE001 - it ends the run, and is raised there
            self._coordinator.fail(error)
            pending.error = Fenced(f"the run cannot continue: {error}")
        finally:
            pending.ended.set()

    async def _run_method(self, call: Call) -> object:
        coordinator = self._coordinator
        worker = call.worker if self._sessions.get(call.worker) == call.session else ""
        match call.method:
            case Method.JOIN:
                coordinator.add_worker(call.worker)
                coordinator.mark_heard(call.worker)
                self._sessions[call.worker] = secrets.token_hex(8)
                return self._sessions[call.worker]
            case Method.CLAIM:
                return await self._claim_jobs(worker)
            case Method.MARK_SENT:
                await coordinator.mark_sent(worker, cast("Job", call.arguments[0]))
            case Method.RECORD:
                job, outcome, aside = cast("tuple[Job, Outcome, bool]", call.arguments)
                return await coordinator.record_outcome(worker, job, outcome, aside=aside)
            case Method.TAKE_OVER:
                return await self._wait_for_result(lambda: coordinator.take_over(worker, most=MOST_TAKEN_OVER)) or ()
            case Method.INPUT_FILE:
                return await coordinator.read_input_file(worker, cast("str", call.arguments[0]))
            case Method.UPLOAD:
                job, sha256 = cast("tuple[Job, str]", call.arguments)
                return await coordinator.begin_upload(worker, job, sha256)
        return None

    async def _claim_jobs(self, worker: str) -> Sequence[Job]:
        jobs = await self._wait_for_result(lambda: self._coordinator.claim(worker, most=self._most))
        # the answer may arrive when this process is dead: a claim that is not on disk would be another's then
        await self._coordinator.wait_durable()
        return jobs or ()

    async def _wait_for_result(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """The result of ``work``; ``None`` after ``hold`` seconds or at the end of the run."""
        result: T | None = None
        if self._coordinator.finished.is_set():  # else ``work`` might be the faster one
            return result
        with single_error():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._cancel_in_time, tasks.cancel_scope)
                result = await work()
                tasks.cancel_scope.cancel()
        return result

    async def _cancel_in_time(self, scope: anyio.CancelScope) -> None:
        with anyio.move_on_after(self._hold):
            await self._coordinator.finished.wait()
        scope.cancel()
