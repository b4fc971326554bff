"""The stage that gives jobs their inputs: a frame of another job's video, its address, or its generation id."""

from __future__ import annotations

import logging
from collections import deque

import anyio

from batchveo.core.errors import UsageError
from batchveo.core.links import GENERATION, VIDEO
from batchveo.core.models import Job
from batchveo.core.notices import LinkNotFilled
from batchveo.core.outcomes import Completed
from batchveo.engine.key_limits import PerKey
from batchveo.engine.recorder import Recorder
from batchveo.engine.run_context import EventBus, RunContext
from batchveo.engine.stages.clip_inspector import ClipInspector
from batchveo.provider import ApiClient
from batchveo.store.chains import LinkRecord

_log = logging.getLogger(__name__)

AT_ONCE = 2
"""How many videos are decoded, or asked for, at the same time: a link is ready long before the next slot is."""


class Linker:
    """Fills the links of pending jobs as soon as the video that they wait for is verified, and its gates accept it.

    ``add_job`` takes a job as soon as that is so; those of earlier runs are found at the start. ``judged``: the gates
    of a job decide whether its video is good.
    """

    def __init__(
        self,
        context: RunContext,
        bus: EventBus,
        recorder: Recorder,
        apis: PerKey[ApiClient],
        clips: ClipInspector,
        *,
        judged: bool,
    ) -> None:
        self._context = context
        self._bus = bus
        self._recorder = recorder
        self._apis = apis
        self._clips = clips
        self._judged = judged
        self._parents: deque[int] = deque()
        self._busy: set[int] = set()
        self._loaded = False
        self._more = anyio.Event()

    def add_job(self, job: Job) -> None:
        """Fill the links that the video of ``job`` can fill, soon; called in the moment in which it is good."""
        if job.chain is not None:
            self._parents.append(job.seq if job.take_of is None else job.take_of)
            self._more.set()
            self._more = anyio.Event()

    def has_work(self) -> bool:
        """Whether a link may be filled in a moment."""
        return bool(self._parents or self._busy or not self._loaded)

    async def run(self) -> None:
        """Fill links until cancelled. What is cut off is done by the next run."""
        self._parents.extend(self._context.store.chains.list_open_parents(self._context.run))
        self._loaded = True
        self._bus.notify()
        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(self._fill_parents)

    async def _fill_parents(self) -> None:
        while True:
            if not self._parents:
                await self._more.wait()
                continue
            parent = self._parents.popleft()
            if parent in self._busy:
                continue  # whoever is at it looks again at the end
            self._busy.add(parent)
            try:
                await self._fill_links(parent)
            finally:
                self._busy.discard(parent)
                self._bus.notify()

    async def _fill_links(self, parent: int) -> None:
        chains = self._context.store.chains
        images: dict[tuple[int, str], bytes] = {}
        for link in chains.list_open_links(parent):
            source = chains.find_source(link, judged=self._judged)
            if source is None:
                continue
            try:
                if await self._fill_link(link, source, images):
                    await self._recorder.wait_durable()
                    self._bus.notify()
            except (OSError, UsageError) as error:
                reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
                child = self._context.store.queries.read_job(link.child)
                self._bus.emit(LinkNotFilled(job=child.name, parent=source.name, reason=reason))

    async def _fill_link(self, link: LinkRecord, source: Job, images: dict[tuple[int, str], bytes]) -> bool:
        """Fill one link; whether it was open. Raises ``OSError`` if what it takes cannot be had now."""
        chains, run = self._context.store.chains, self._context.run
        if link.part == GENERATION:
            value = source.generation_id or ""
            return chains.fill_text(link, source, value, run=run, now=self._context.now())
        if link.part == VIDEO:
            return chains.fill_text(link, source, await self._find_address(source), run=run, now=self._context.now())
        frame = (source.seq, link.part)
        if frame not in images:
            images[frame] = await self._clips.take_frame(source, link.part)
        # no await since the frame was taken from the file that the database names
        return chains.fill_frame(link, source, images[frame], run=run, now=self._context.now())

    async def _find_address(self, source: Job) -> str:
        """A fresh address of a finished video: the one it was downloaded from may have expired."""
        outcome = await self._apis.for_job(source).poll(source.generation_id or "")
        if isinstance(outcome, Completed):
            return outcome.url
        raise OSError(f"the service names no address of it: {getattr(outcome, 'reason', 'it is not finished')}")
