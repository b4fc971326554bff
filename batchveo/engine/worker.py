"""A worker: submits, polls and downloads the jobs that its broker gives it."""

from __future__ import annotations

from collections.abc import Mapping

import anyio

from batchveo.core.durations import Durations
from batchveo.core.models import Job, JobState
from batchveo.core.settings import RunSettings
from batchveo.core.shutdown import ShutdownBudget
from batchveo.engine.broker import Broker
from batchveo.engine.input_addresses import BucketOpener, InputAddresses
from batchveo.engine.key_limits import Label, PerKey
from batchveo.engine.stages.downloader import Downloader
from batchveo.engine.stages.poller import Poller
from batchveo.engine.stages.submitter import Submitter
from batchveo.engine.stages.video_fetcher import VideoFetcher
from batchveo.provider import ApiClient, VideoClient
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.storage.base import Disk, in_thread
from batchveo.storage.objects import open_objects


class Worker:
    """Works for ``broker`` until its run is over. Call ``run`` once.

    ``apis``: the clients of the provider, by the labels of the keys. ``writer``: a name that keeps its unfinished files
    apart from those of other workers. ``poll_share``: the part of the rate of polls that it may use.
    ``catalog`` knows which inputs the service takes only by an address.
    """

    def __init__(
        self,
        broker: Broker,
        apis: Mapping[Label, ApiClient],
        videos: VideoClient,
        settings: RunSettings,
        *,
        durations: Durations,
        disk: Disk = in_thread,
        writer: str = "",
        poll_share: float = 1.0,
        catalog: Catalog = MODELS,
        open_bucket: BucketOpener = open_objects,
    ) -> None:
        self._broker = broker
        by_key = PerKey(apis)
        self._polls = Poller(broker, by_key, settings, durations, place=self._queue_job, share=poll_share)
        fetcher = VideoFetcher(videos, settings.output, disk=disk, writer=writer, sidecars=settings.sidecars)
        self._fetches = Downloader(broker, fetcher, settings, place=self._queue_job)
        addresses = InputAddresses(broker, settings, catalog, open_bucket)
        self._submits = Submitter(broker, by_key, addresses, place=self._queue_accepted)
        self._scope = anyio.CancelScope()

    async def run(self) -> None:
        """Work until the run is over or this worker is given up; requests in progress may end."""
        async with anyio.create_task_group() as submits, anyio.create_task_group() as calls:
            self._scope = submits.cancel_scope
            async with anyio.create_task_group() as loops:
                loops.start_soon(self._submits.run, submits)
                loops.start_soon(self._polls.run, calls)
                loops.start_soon(self._fetches.run, calls)
                loops.start_soon(self._take_over_jobs)
                grace = await self._broker.wait_finished()
                loops.cancel_scope.cancel()
            # Submits may take longer than polls and downloads: their answers may hold generation ids. What is cut off
            # is recovered by the next run: submits are looked up in the usage log, the others are repeated.
            shutdown = ShutdownBudget(anyio.current_time())
            submits.cancel_scope.deadline = shutdown.find_deadline(grace)
            calls.cancel_scope.deadline = shutdown.find_deadline(shutdown.CALLS)

    def cancel(self) -> None:
        """End at once."""
        self._scope.cancel()

    async def _take_over_jobs(self) -> None:
        while True:
            for job in await self._broker.take_over():
                self._queue_job(job, due=self._broker.clock.now())

    def _queue_accepted(self, job: Job) -> None:
        if job.state is JobState.GENERATING:
            self._polls.add_accepted(job)

    def _queue_job(self, job: Job, *, due: float | None = None) -> None:
        """Queue ``job`` for the stage of its state, at ``due`` (seconds, epoch) or else at its ``not_before``."""
        due = job.not_before if due is None else due
        if job.state is JobState.GENERATING:
            self._polls.queue.put(job, due)
        elif job.state is JobState.DOWNLOADING:
            self._fetches.queue.put(job, due)
