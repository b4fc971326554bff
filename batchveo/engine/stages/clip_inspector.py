"""Reads finished clips where they are stored: measures one, and adds to its sidecar what was found."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import anyio
import anyio.to_thread

from batchveo.core.destination import BESIDE, Sidecars
from batchveo.core.measures import CheckLevel, Measures
from batchveo.core.models import Job
from batchveo.media.worker import check_extra, measure_video, take_frame
from batchveo.storage.file_system import measure_file
from batchveo.storage.sidecar import add_to_bucket_sidecar, add_to_sidecar
from batchveo.storage.stored_video import LARGEST_COPY, BucketVideo, local_copy, video_at

Found = TypeVar("Found")

CHANGED = "its content has changed since it was downloaded"


class ClipInspector(Protocol):
    """Access to the clips of succeeded jobs. ``at_once``: how many are measured at the same time."""

    at_once: int

    def check_ready(self) -> None:
        """Raise ``UsageError`` if nothing can be measured here."""

    async def measure_clip(self, job: Job, level: CheckLevel) -> Measures:
        """The measures of the clip; raises ``OSError`` if it cannot be read."""

    async def take_frame(self, job: Job, part: str) -> bytes:
        """A frame of the clip as a PNG image, see ``checks.frames``; raises ``OSError`` if it cannot be had."""

    async def read_clip(self, job: Job) -> bytes:
        """The whole clip, as it was downloaded and verified; raises ``OSError``."""

    async def add_to_sidecar(self, job: Job, content: Mapping[str, object]) -> None:
        """Add keys to the sidecar of the clip, if it has one; raises ``OSError``."""


class StoredClips:
    """The clips at their destinations, measured in processes of this machine, by default one for each core."""

    def __init__(self, sidecars: Sidecars = BESIDE, *, at_once: int | None = None) -> None:
        self.at_once = at_once or os.cpu_count() or 1
        self._sidecars = sidecars
        self._limiter: anyio.CapacityLimiter | None = None

    def check_ready(self) -> None:
        """See ``ClipInspector``."""
        check_extra()

    async def measure_clip(self, job: Job, level: CheckLevel) -> Measures:
        """See ``ClipInspector``. A video in a bucket is copied to a temporary file for it.

        Raises ``OSError`` too if the file is not the one that was downloaded.
        """
        return await self._decode(job, partial(measure_video, level=level))

    async def take_frame(self, job: Job, part: str) -> bytes:
        """See ``ClipInspector``; of the file that was downloaded and verified, and of no other."""
        return await self._decode(job, partial(take_frame, part=part))

    async def read_clip(self, job: Job) -> bytes:
        """See ``ClipInspector``."""
        return await anyio.to_thread.run_sync(_read_clip, job)

    async def _decode(self, job: Job, decode: Callable[..., Awaitable[Found]]) -> Found:
        self._limiter = self._limiter or anyio.CapacityLimiter(self.at_once)  # needs a running event loop
        async with AsyncExitStack() as stack:
            copy = local_copy(video_at(job))
            path = await anyio.to_thread.run_sync(copy.__enter__)
            stack.callback(copy.__exit__, None, None, None)
            found = await decode(path, limiter=self._limiter)
            # what happened to the file since is no reason to buy the clip again; after the pass, since it takes a while
            if await anyio.to_thread.run_sync(measure_file, path) != (job.bytes, job.sha256):
                raise OSError(CHANGED)
            return found

    async def add_to_sidecar(self, job: Job, content: Mapping[str, object]) -> None:
        """See ``ClipInspector``."""
        video = video_at(job)
        if isinstance(video, BucketVideo):
            await add_to_bucket_sidecar(job, video, content)
        elif (sidecar := self._sidecars.of(Path(job.folder or ""), job.file or "")) is not None:
            await anyio.to_thread.run_sync(partial(add_to_sidecar, job, sidecar, content))


def _read_clip(job: Job) -> bytes:
    with local_copy(video_at(job)) as path:
        if path.stat().st_size > LARGEST_COPY:
            raise OSError(errno.EFBIG, "too large to be uploaded", str(path))
        content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != job.sha256:
        raise OSError(CHANGED)
    return content
