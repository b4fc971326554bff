"""The loop that downloads: a slot first, then the finished video that has waited longest."""

from __future__ import annotations

import anyio
from anyio.abc import TaskGroup

from batchveo.events import Noted
from batchveo.models import Job
from batchveo.outcomes import DiskRefused, FetchOutcome, FetchTrouble
from batchveo.runner.desk import UNEXPECTED, Desk
from batchveo.runner.settings import RunSettings
from batchveo.stages.downloader import Downloader

UNEXPECTED_TRIES = 3


class FetchLoop:
    """Keeps up to ``settings.downloads`` downloads going."""

    def __init__(self, desk: Desk, downloader: Downloader, settings: RunSettings) -> None:
        self._desk = desk
        self._downloader = downloader
        self._slots = anyio.Semaphore(settings.downloads)

    async def run(self, workers: TaskGroup) -> None:
        """Download until cancelled."""
        queue = self._desk.board.downloads
        while True:
            await self._slots.acquire()
            workers.start_soon(self._fetch, await queue.take(self._desk.clock))

    def _set_aside(self, job: Job, trouble: FetchTrouble) -> None:
        self._desk.board.set_aside(job)
        text = f"{job.name}: set aside, the next run tries again: {trouble.reason}"
        self._desk.tell(Noted(text=text, warning=True))

    async def _fetched(self, job: Job) -> FetchOutcome:
        try:
            return await self._downloader.handle(job)
        except UNEXPECTED as error:
            return FetchTrouble(reason=self._desk.unexpected(job, error), stale_url=True, tries=UNEXPECTED_TRIES)

    async def _fetch(self, job: Job) -> None:
        try:
            await self._desk.durable()
            outcome = await self._fetched(job)
            # a disk that refused one video refuses the next; the run stops, and this one is not due again in it
            due = float("inf") if isinstance(outcome, DiskRefused) else None
            if (
                isinstance(outcome, FetchTrouble)
                and outcome.tries is not None
                and job.troubles + 1 >= outcome.tries
            ):
                self._set_aside(job, outcome)
            await self._desk.commit(job, outcome, due=due)
        finally:
            self._slots.release()
