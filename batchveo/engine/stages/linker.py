"""The stage that gives jobs their inputs: a frame of another job's video, its address, or its generation id."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

import anyio

from batchveo.core.errors import UsageError, find_reason
from batchveo.core.links import GENERATION, VIDEO
from batchveo.core.models import INPUT_PREFIX, Job
from batchveo.core.notices import LinkNotFilled
from batchveo.core.outcomes import Blocked, Completed, PollError
from batchveo.core.rate_limit import compute_backoff
from batchveo.core.url_expiry import expires_at
from batchveo.engine.key_limits import PerKey
from batchveo.engine.recorder import Recorder
from batchveo.engine.run_context import EventBus, RunContext
from batchveo.engine.stages.clip_inspector import ClipInspector
from batchveo.engine.stages.delay_queue import DelayQueue
from batchveo.provider import ApiClient
from batchveo.store.links import LinkRecord, describe_part

_log = logging.getLogger(__name__)

AT_ONCE = 2
"""How many videos are decoded, or asked for, at the same time: a link is ready long before the next slot is."""
TRIES = 6
"""How often a run tries to fill the links of a video; what makes it fail may be over in half a minute."""
LOOK_SECONDS = 10.0
"""Seconds between two looks for videos that became good by another process, as people pick and judge clips."""
UNSAID_SECONDS = 900.0
"""Seconds for which an address without an expiry time is sent; to ask for it anew costs nothing."""
SPARE_SECONDS = 300.0
"""Seconds that an address must live on when it is sent, or half of its life: the service fetches the video later."""


class LinksOutdated(Exception):
    """What fills ``links`` of a pending job may not be sent any more; nothing was changed."""

    def __init__(self, links: Sequence[tuple[LinkRecord, str]]) -> None:
        self.links = links
        """The links, each with the reason."""
        super().__init__(", ".join(reason for _, reason in links))


class Linker:
    """Fills the links of pending jobs as soon as the video that they wait for is verified, and its gates accept it.

    ``add_job`` takes a job as soon as that is so; those of earlier runs are found at the start. ``judged``: the gates
    of a job decide whether its video is good. ``uploads_videos``: a video without an address is uploaded.
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
        uploads_videos: bool = False,
    ) -> None:
        self._context = context
        self._bus = bus
        self._recorder = recorder
        self._apis = apis
        self._clips = clips
        self._judged = judged
        self._uploads_videos = uploads_videos
        self._parents: DelayQueue[int] = DelayQueue()
        self._troubles: Counter[int] = Counter()
        self._given_up: set[int] = set()
        self._busy = 0
        self._loaded = False

    def add_job(self, job: Job) -> None:
        """Fill the links that the video of ``job`` can fill, soon; called in the moment in which it is good."""
        if job.link > 1:
            self._context.store.links.drop_frames(job)
        if self._context.store.links.has_open_links(job.family):
            self._parents.put(job.family, self._context.now())

    def has_work(self) -> bool:
        """Whether a link may be filled in a moment."""
        return bool(self._parents or self._busy or not self._loaded)

    def check_links(self, job: Job) -> None:
        """Raise ``LinksOutdated`` if a link of a job, which is about to be claimed, holds what may not be sent.

        That is an address that expires, and a part of a video that is not, or no longer, the good one.
        """
        if job.link > 1:
            links = [(link, self._find_fault(link)) for link in self._context.store.links.list_links(job)]
            outdated = [(link, fault) for link, fault in links if fault is not None]
            if outdated:
                raise LinksOutdated(outdated)

    def _find_fault(self, link: LinkRecord) -> str | None:
        """Why what fills a link may not be sent; ``None`` if it may."""
        if link.fresh_until is not None and link.fresh_until <= self._context.now():
            return "the address of the video expires"
        source = self._find_source(link)
        if source is None or (source.seq, source.sha256) != (link.taken_from, link.sha256):
            return "its input is of a video that does not count any more"
        return None if self._context.store.links.has_value(link) else "its frame was dropped, and is taken again"

    def fill_again(self, links: Sequence[tuple[LinkRecord, str]]) -> None:
        """Let the job of outdated links wait until they are filled anew."""
        store, now = self._context.store, self._context.now()
        for link, reason in links:
            store.links.open_again(link, reason, run=self._context.run, now=now)
            self._parents.put(link.parent, now)

    async def run(self) -> None:
        """Fill links until cancelled. What is cut off is done by the next run."""
        for parent in self._context.store.links.list_open_parents(self._context.run):
            self._parents.put(parent, self._context.now())
        self._loaded = True
        self._bus.notify()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._look_again)
            for _ in range(AT_ONCE):
                tasks.start_soon(self._fill_parents)

    async def _look_again(self) -> None:
        store = self._context.store
        seen = store.connection.read_version()
        while True:
            await self._context.clock.sleep_until(self._context.now() + LOOK_SECONDS)
            written = store.connection.read_version()
            if written != seen:
                seen = written
                for parent in store.links.list_open_parents(self._context.run):
                    if parent not in self._troubles and parent not in self._given_up:
                        self._parents.put(parent, self._context.now())

    async def _fill_parents(self) -> None:
        while True:
            parent = await self._parents.take(self._context.clock)
            self._busy += 1
            try:
                await self._fill_links(parent)
            finally:
                self._busy -= 1
                self._bus.notify()

    async def _fill_links(self, parent: int) -> None:
        """Fill the links that wait for the video of ``parent``; if one cannot be filled, try again later."""
        links = self._context.store.links
        images: dict[tuple[int, str], bytes] = {}
        failed: list[tuple[LinkRecord, Job, Exception]] = []
        for link in links.list_open_links(parent):
            source = self._find_source(link)
            if source is None:
                continue
            try:
                if await self._fill_link(link, source, images):
                    _log.info("job %s: %s goes to job number %d", source.id, describe_part(link.part), link.child)
                    await self._recorder.wait_durable()
                    self._bus.notify()
            except (OSError, UsageError) as error:
                failed.append((link, source, error))
        if failed:
            self._handle_failed(parent, failed)
        else:
            self._troubles.pop(parent, None)

    def _handle_failed(self, parent: int, failed: Sequence[tuple[LinkRecord, Job, Exception]]) -> None:
        """Try again after a while, or leave the jobs to the next run, with the reason."""
        self._troubles[parent] += 1
        # a usage error, such as a missing package, does not pass
        if self._troubles[parent] < TRIES and not any(isinstance(error, UsageError) for *_, error in failed):
            wait = compute_backoff(self._troubles[parent], self._context.jitter())
            self._parents.put(parent, self._context.now() + wait)
            return
        del self._troubles[parent]
        self._given_up.add(parent)
        for link, source, error in failed:
            reason = find_reason(error)
            child = self._context.store.queries.read_job(link.child)
            self._context.store.links.note_unfilled(link, f"no input from {source.name}: {reason}")
            state = self._context.store.path
            self._bus.emit(LinkNotFilled(job=child.name, parent=source.name, reason=reason, state=state))

    async def _fill_link(self, link: LinkRecord, source: Job, images: dict[tuple[int, str], bytes]) -> bool:
        """Fill one link; whether it was open. Raises ``OSError`` if what it takes cannot be had now."""
        links, run = self._context.store.links, self._context.run
        if link.part == GENERATION:
            value = source.generation_id or ""
            return links.fill_text(link, source, value, run=run, now=self._context.now())
        if link.part == VIDEO:
            value = await self._find_video(link, source)
            now = self._context.now()
            # a file is looked for anew like an address: a person may have removed it meanwhile
            return links.fill_text(link, source, value, fresh_until=find_fresh_end(value, now), run=run, now=now)
        frame = (source.seq, link.part)
        if frame not in images:
            images[frame] = await self._clips.take_frame(source, link.part)
        # should the video have been replaced or rejected meanwhile, ``check_links`` sees it
        return links.fill_frame(link, source, images[frame], run=run, now=self._context.now())

    async def _find_video(self, link: LinkRecord, source: Job) -> str:
        """A fresh address of a finished video: the one it was downloaded from may have expired.

        If the service names none any more, the reference of the file, which is sent or uploaded.
        """
        outcome = await self._apis.for_job(source).poll(source.generation_id or "")
        # any other text, such as a reference to a file, is no address
        if isinstance(outcome, Completed) and outcome.url.startswith(("https://", "http://")):
            return outcome.url
        may_pass = isinstance(outcome, Blocked) or (
            isinstance(outcome, PollError) and not (outcome.unknown or outcome.final)
        )
        if not may_pass and (link.takes_data or self._uploads_videos):
            await self._clips.read_clip(source)
            return f"{INPUT_PREFIX}{source.sha256}"
        raise OSError(f"the service names no address of it: {getattr(outcome, 'reason', 'it is not finished')}")

    def _find_source(self, link: LinkRecord) -> Job | None:
        return self._context.store.links.find_source(link, judged=self._judged)


def find_fresh_end(address: str, now: float) -> float:
    """Until when (seconds since the epoch) an address that came ``now`` is sent: it must live on for a while then."""
    end = expires_at(address, now)
    if end is None:
        return now + UNSAID_SECONDS
    return end - min(SPARE_SECONDS, (end - now) / 2)
