"""The stage that downloads: a slot first, then the finished video whose URL ends first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress

import anyio
from anyio.abc import TaskGroup

from batchveo.core.events import Message
from batchveo.core.models import Job
from batchveo.core.notices import DownloadLeft
from batchveo.core.outcomes import Blocked, DiskRefused, Downloaded, DownloadError, FetchOutcome, UrlExpired
from batchveo.core.settings import RunSettings
from batchveo.engine.broker import Broker, Fenced
from batchveo.engine.stages.delay_queue import DelayQueue
from batchveo.engine.stages.failures import UNEXPECTED, describe_unexpected
from batchveo.engine.stages.video_fetcher import VideoFetcher

_log = logging.getLogger(__name__)

UNEXPECTED_TRIES = 3
UNSAID_SECONDS = 6 * 3600.0
"""Seconds for which a URL without an expiry time counts as valid: those of some models last for hours."""
REFUSALS_TO_STOP = 3
"""Untrusted certificates in a row that stop the run: one may be a host's, several are the network's."""


class Downloader:
    """Keeps up to ``settings.downloads`` downloads in progress. ``place`` gets each job as it is after its download."""

    def __init__(
        self, broker: Broker, fetcher: VideoFetcher, settings: RunSettings, *, place: Callable[[Job], None]
    ) -> None:
        self._broker = broker
        self._fetcher = fetcher
        self._slots = anyio.Semaphore(settings.downloads)
        self._place = place
        self._noted: set[str] = set()
        self._refusals = 0
        self.queue = DelayQueue(rank=_url_end)

    async def run(self, calls: TaskGroup) -> None:
        """Download until cancelled."""
        while True:
            # a slot first, then the most urgent video: chosen earlier, it would be the most urgent of then
            await self._slots.acquire()
            job = await self.queue.take(self._broker.clock)
            if self._has_expired(job):
                # it gives its slot back first: while this is recorded, the URLs behind it would end too, and so on
                self._slots.release()
                calls.start_soon(self._renew_url, job)
            else:
                calls.start_soon(self._run_download, job)

    async def _renew_url(self, job: Job) -> None:
        """Let a job whose URL ended while it waited for its turn be polled for another one."""
        with suppress(Fenced):
            self._place(await self._broker.record_outcome(job, UrlExpired()))

    async def _run_download(self, job: Job) -> None:
        try:
            with suppress(Fenced):
                await self._download_video(job)
        finally:
            self._slots.release()

    async def _download_video(self, job: Job) -> None:
        outcome = self._confirm_refusal(await self._find_outcome(job))
        if isinstance(outcome, Downloaded):
            self._report_once(outcome.notes)
        aside = isinstance(outcome, Blocked)
        if isinstance(outcome, DownloadError) and _has_no_tries_left(job, outcome):
            aside = True
            self._broker.send_event(DownloadLeft(job=job.name, reason=outcome.reason))
        if isinstance(outcome, DownloadError):
            _log.debug(
                "job %s: download failed, %s: %s",
                job.id,
                "left to the next run" if aside else "tried again",
                outcome.reason,
            )
        moved = await self._broker.record_outcome(job, outcome, aside=aside)
        # a disk that refused one video refuses the next: the run stops, and this one is not tried again in it
        if not aside and not isinstance(outcome, DiskRefused):
            self._place(moved)

    def _has_expired(self, job: Job) -> bool:
        """Whether its URL has ended while the job waited for its turn."""
        return job.url_expires_at is not None and job.url_expires_at <= self._broker.clock.now()

    def _report_once(self, notes: Iterable[str]) -> None:
        """Warn with each text once, whatever the number of videos."""
        for text in notes:
            if text not in self._noted:
                self._noted.add(text)
                self._broker.send_event(Message(text=text, warning=True))

    def _confirm_refusal(self, outcome: FetchOutcome) -> FetchOutcome:
        """Stop the run by certificates only if no download succeeds between; one host's affect its videos only."""
        if not isinstance(outcome, Blocked):
            self._refusals = 0
            return outcome
        self._refusals += 1
        if self._refusals >= REFUSALS_TO_STOP:
            return outcome
        return DownloadError(reason=outcome.reason, stale_url=True, tries=REFUSALS_TO_STOP)

    async def _find_outcome(self, job: Job) -> FetchOutcome:
        try:
            return await self._fetcher.fetch(job)
        except UNEXPECTED as error:
            reason, note = describe_unexpected(job, error)
            self._broker.send_event(note)
            return DownloadError(reason=reason, stale_url=True, tries=UNEXPECTED_TRIES)


def _url_end(job: Job) -> float:
    """The latest time to fetch the video: the expiry of its URL, else ``UNSAID_SECONDS`` after it came."""
    return job.not_before + UNSAID_SECONDS if job.url_expires_at is None else job.url_expires_at


def _has_no_tries_left(job: Job, trouble: DownloadError) -> bool:
    return trouble.tries is not None and job.troubles + 1 >= trouble.tries
