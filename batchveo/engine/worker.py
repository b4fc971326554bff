"""One worker: three stages over the jobs that its broker gives it."""

from __future__ import annotations

from collections.abc import Mapping

import anyio

from batchveo.core.durations import Durations
from batchveo.core.models import Job, JobState
from batchveo.core.settings import RunSettings
from batchveo.core.shutdown import ShutdownBudget
from batchveo.engine.broker import Broker
from batchveo.engine.per_key import Label, PerKey
from batchveo.engine.stages.downloader import Downloader
from batchveo.engine.stages.poller import Poller
from batchveo.engine.stages.submitter import Submitter
from batchveo.engine.stages.video_fetcher import VideoFetcher
from batchveo.provider import ApiClient, VideoClient
from batchveo.storage.base import Disk, in_thread


class Worker:
    """Works for ``broker`` until its run is over. ``apis`` are the service by the keys' labels. Call ``run`` once.

    ``settings`` are this worker's own: of the polls of a run it may do its share. ``writer`` sets its files
    apart, on their way, from those of other workers.
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
    ) -> None:
        self._broker = broker
        by_key = PerKey(apis)
        self._polls = Poller(broker, by_key, settings, durations, place=self._place)
        fetcher = VideoFetcher(videos, settings.output, disk=disk, writer=writer, sidecars=settings.sidecars)
        self._fetches = Downloader(broker, fetcher, settings, place=self._place)
        self._submits = Submitter(broker, by_key, place=self._submitted)
        self._scope = anyio.CancelScope()

    async def run(self) -> None:
        """Work until the run is over, or this worker was given up; what is under way then may end."""
        async with anyio.create_task_group() as submits, anyio.create_task_group() as calls:
            self._scope = submits.cancel_scope
            async with anyio.create_task_group() as loops:
                loops.start_soon(self._submits.run, submits)
                loops.start_soon(self._polls.run, calls)
                loops.start_soon(self._fetches.run, calls)
                loops.start_soon(self._adopt)
                grace = await self._broker.finished()
                loops.cancel_scope.cancel()
            # a call cut off here heals at the next start
            shutdown = ShutdownBudget(anyio.current_time())
            submits.cancel_scope.deadline = shutdown.find_deadline(grace)
            calls.cancel_scope.deadline = shutdown.find_deadline(shutdown.CALLS)

    def cancel(self) -> None:
        """End at once."""
        self._scope.cancel()

    async def _adopt(self) -> None:
        while True:
            for job in await self._broker.take_over():
                self._place(job, due=self._broker.clock.now())

    def _submitted(self, job: Job) -> None:
        if job.state is JobState.GENERATING:
            self._polls.accepted(job)

    def _place(self, job: Job, *, due: float | None = None) -> None:
        """Queue ``job`` where its state says, to be worked on at ``due``; without one, at its ``not_before``."""
        due = job.not_before if due is None else due
        if job.state is JobState.GENERATING:
            self._polls.queue.put(job, due)
        elif job.state is JobState.DOWNLOADING:
            self._fetches.queue.put(job, due)
