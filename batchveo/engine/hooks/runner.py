"""Calls the hooks of finished videos: few at a time, in the background, at least once for each video.

The database is the queue: a video is due from the transaction in which it succeeds until its hook has succeeded. So
nothing is lost if the run dies, memory holds a few numbers of jobs, and a slow hook holds up nothing but itself.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio

from batchveo.core.events import Event, JobStateChanged
from batchveo.core.hooks import HookKind, Hooks
from batchveo.core.models import Job, JobState
from batchveo.core.notices import HookFailed, HooksAwaited
from batchveo.engine.hooks.program import run_program, split_command
from batchveo.engine.recorder import Recorder
from batchveo.engine.run_context import EventBus, RunContext
from batchveo.provider.webhook import Webhook, check_webhook
from batchveo.store import Store

_log = logging.getLogger(__name__)

AT_ONCE = {HookKind.EXEC: 2, HookKind.WEBHOOK: 4}
"""Programs, and requests, at the same time."""
QUEUE = 50
"""Due videos of each kind that are read from the database together."""
END_SECONDS = 60.0
"""How long the end of a run waits for its hooks."""
QUIET_SECONDS = 2.0
"""Seconds of that without a word."""
WARNINGS = 3
"""Failures of each kind that get a line; the summary counts all."""

DescribeJob = Callable[[Store, Job], Mapping[str, object]]
Call = Callable[[Mapping[str, object], bytes], Awaitable[None]]
"""Calls one hook with a job, as fields and as JSON; raises an error with the reason if it fails."""


def parse_hooks(command: str | None, webhook: str | None, *, hidden: frozenset[str] = frozenset()) -> Hooks:
    """The hooks of two options; raises ``UsageError`` if there is no such program, or the address is not allowed."""
    hooks = Hooks() if command is None else Hooks(command=split_command(command), hidden=hidden)
    return hooks if webhook is None else replace(hooks, webhook=check_webhook(webhook))


@dataclass(slots=True)
class _Lane:
    """The hook of one kind: the jobs that come next, those in progress, and how often it failed."""

    kind: HookKind
    call: Call
    queue: deque[int] = field(default_factory=deque)
    busy: set[int] = field(default_factory=set)
    failures: int = 0
    more: anyio.Event = field(default_factory=anyio.Event)


class HookRunner:
    """Calls ``hooks`` for each video that is due; ``describe`` makes a job's JSON.

    ``awaits_verdict``: whether clips are still being judged; those without a verdict come later then.
    """

    def __init__(
        self,
        context: RunContext,
        bus: EventBus,
        recorder: Recorder,
        hooks: Hooks,
        describe: DescribeJob,
        *,
        awaits_verdict: Callable[[], bool] = lambda: False,
    ) -> None:
        self._context = context
        self._bus = bus
        self._recorder = recorder
        self._hooks = hooks
        # the coordinator of a cluster may be on another machine
        self._folder = hooks.folder if hooks.folder.is_dir() else None
        self._describe = describe
        self._awaits_verdict = awaits_verdict
        self._lanes: list[_Lane] = []
        if hooks.kinds:
            bus.subscribe(self._follow_event)

    async def run(self) -> None:
        """Call hooks until cancelled."""
        async with self._open_lanes() as lanes, anyio.create_task_group() as tasks:
            self._lanes = lanes
            for lane in lanes:
                for _ in range(AT_ONCE[lane.kind]):
                    tasks.start_soon(self._call_next, lane)
            while lanes:
                for lane in lanes:
                    self._fill_queue(lane)
                await self._bus.wait()

    async def finish(self, *, is_interrupted: Callable[[], bool]) -> None:
        """Wait for what is due, at most ``END_SECONDS``, and not after a stop signal."""
        with anyio.move_on_after(QUIET_SECONDS):
            await self._wait_done(is_interrupted)
            return
        self._bus.emit(HooksAwaited(videos=self._count_due(), seconds=END_SECONDS))
        with anyio.move_on_after(END_SECONDS - QUIET_SECONDS):
            await self._wait_done(is_interrupted)

    async def _wait_done(self, is_interrupted: Callable[[], bool]) -> None:
        while self._has_work() and not is_interrupted():
            await self._bus.wait()

    @asynccontextmanager
    async def _open_lanes(self) -> AsyncIterator[list[_Lane]]:
        hooks = self._hooks
        lanes = [_Lane(HookKind.EXEC, self._run_program)] if hooks.command else []
        if hooks.webhook is None:
            yield lanes
            return
        async with Webhook(hooks.webhook) as webhook:

            async def post(row: Mapping[str, object], content: bytes) -> None:  # noqa: ARG001 - the signature of a Call
                await webhook.post(content)

            yield [*lanes, _Lane(HookKind.WEBHOOK, post)]

    async def _run_program(self, row: Mapping[str, object], content: bytes) -> None:
        values = {name: str(row.get(name) or "") for name in ("file", "id", "name")}
        hooks = self._hooks
        await run_program(hooks.fill_command(values), content, folder=self._folder, hidden=hooks.hidden)

    def _follow_event(self, event: Event) -> None:
        if isinstance(event, JobStateChanged) and event.job.state is JobState.SUCCEEDED:
            self._bus.notify()

    def _fill_queue(self, lane: _Lane) -> None:
        """Read due videos from the database if few are left in memory."""
        if len(lane.queue) >= AT_ONCE[lane.kind]:
            return
        known = {*lane.queue, *lane.busy}
        lane.queue.extend(seq for seq in self._list_due(lane.kind, most=QUEUE + len(known)) if seq not in known)
        if lane.queue:
            lane.more.set()
            lane.more = anyio.Event()

    def _list_due(self, kind: HookKind, *, most: int) -> list[int]:
        judged = self._awaits_verdict()
        return self._context.store.deliveries.list_due(kind, run=self._context.run, judged=judged, most=most)

    def _has_work(self) -> bool:
        return any(lane.busy or lane.queue or self._list_due(lane.kind, most=1) for lane in self._lanes)

    def _count_due(self) -> int:
        counts = self._context.store.deliveries.count_due(run=self._context.run)
        kinds = {lane.kind for lane in self._lanes}
        return max((each.due - each.failed for each in counts if each.kind in kinds), default=0)

    async def _call_next(self, lane: _Lane) -> None:
        while True:
            if not lane.queue:
                await lane.more.wait()
                continue
            seq = lane.queue.popleft()
            lane.busy.add(seq)
            try:
                await self._call_for(lane, self._context.store.queries.read_job(seq))
            except sqlite3.DatabaseError:
                # the run itself finds out that nothing can be written; the video stays due
                _log.exception("the %s hook of job %s is not recorded", lane.kind, seq)
                await anyio.sleep(END_SECONDS)
            finally:
                lane.busy.discard(seq)
                self._bus.notify()

    async def _call_for(self, lane: _Lane, job: Job) -> None:
        if job.state is not JobState.SUCCEEDED:  # its file was missing, and it comes again
            return
        try:
            row = self._describe(self._context.store, job)
            await lane.call(row, f"{json.dumps(row)}\n".encode())
        except sqlite3.DatabaseError:
            raise
        except Exception as error:  # noqa: BLE001 - no hook may end a run
            self._record_failure(lane, job, str(error) or type(error).__name__)
        else:
            self._context.store.deliveries.record_success(job, lane.kind)
            _log.info("job %s: the %s hook is done", job.id, lane.kind)
        await self._recorder.wait_durable()

    def _record_failure(self, lane: _Lane, job: Job, reason: str) -> None:
        _log.info("job %s: the %s hook failed: %s", job.id, lane.kind, reason)
        self._context.store.deliveries.record_failure(job, lane.kind, run=self._context.run)
        lane.failures += 1
        if lane.failures <= WARNINGS:
            is_last = lane.failures == WARNINGS
            self._bus.emit(HookFailed(option=lane.kind.option, job=job.name, reason=reason, is_last=is_last))
