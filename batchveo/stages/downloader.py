"""Fetches a finished video and puts it, verified, where it belongs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anyio
import httpx

from batchveo.api import Videos
from batchveo.api.faults import describe
from batchveo.api.guard import UrlRefused
from batchveo.api.pour import Flow, Stalled, TooLong, pour
from batchveo.container import NotAnMp4, check_mp4
from batchveo.files import VideoFile, is_ours
from batchveo.models import Job
from batchveo.outcomes import DiskRefused, Fetched, FetchOutcome, FetchTrouble
from batchveo.stages.blocks import Blocks, Disk, in_thread
from batchveo.stages.ranges import Body, DownloadFailed, Partial, read_head

LARGEST_VIDEO = 512 * 1024**2
"""Bytes; a body that goes on beyond this is not a video of ours: eight seconds take some 30 MB."""
REFUSED_TRIES = 3
"""How often a run looks at a URL that must not be fetched from, or a body that does not end."""
CONTENT_TRIES = 8
"""How often a run fetches what turns out to be no video."""


class Downloader:
    """Downloads into one folder. Remembers, while it lives, how far a broken download came.

    ``writer``: see ``VideoFile.plan``.
    """

    def __init__(self, videos: Videos, output: Path, *, disk: Disk = in_thread, writer: str = "") -> None:
        self._videos = videos
        self._output = output
        self._disk = disk
        self._writer = writer
        self._partial: dict[int, Partial] = {}

    async def handle(self, job: Job) -> FetchOutcome:
        """Fetch the video of ``job``: ``.part``, length, hash, container, fsync, rename.

        A file that a run left whole just before it died is recognised and not fetched again.
        """
        try:
            file = VideoFile.plan(self._output, job, writer=self._writer)
            found = is_ours(file.path, job)
            if found:
                return _fetched(file, *found)
            return await self._download(job, file)
        except DownloadFailed as failed:
            return failed.trouble
        except NotAnMp4 as error:
            return FetchTrouble(reason=str(error), tries=CONTENT_TRIES)
        except OSError as error:
            return DiskRefused(reason=f"cannot write the video of {job.name!r}: {error}")

    async def _download(self, job: Job, file: VideoFile) -> Fetched:
        try:
            return await self._stream(job, file)
        except UrlRefused as error:
            raise DownloadFailed(FetchTrouble(reason=str(error), stale_url=True, tries=REFUSED_TRIES)) from None
        except TooLong as error:
            raise DownloadFailed(FetchTrouble(reason=describe(error), tries=REFUSED_TRIES)) from None
        except (httpx.HTTPError, httpx.InvalidURL, Stalled) as error:
            raise DownloadFailed(FetchTrouble(reason=describe(error))) from None

    async def _stream(self, job: Job, file: VideoFile) -> Fetched:
        """Read the body into the part; where an earlier try broke off, only what is missing of it."""
        rest = self._partial.pop(job.seq, None)
        if rest is not None and not rest.fits(file.part):
            rest = None
        async with self._videos.open(job.video_url or "", rest.headers() if rest else None) as response:
            body = read_head(response, rest)
            if body.total is not None and body.total > LARGEST_VIDEO:
                raise TooLong(f"{body.total} bytes are announced, more than {LARGEST_VIDEO}")
            with Blocks(file.part, body.digest, size=body.start, disk=self._disk) as blocks:
                await self._gather(job, response, body, blocks)
                if body.total is not None and blocks.size != body.total:
                    raise DownloadFailed(FetchTrouble(reason=f"{blocks.size} bytes came of {body.total}"))
                return await self._disk(partial(_finish, file, job, blocks))

    async def _gather(self, job: Job, response: httpx.Response, body: Body, blocks: Blocks) -> None:
        flow = Flow(anyio.current_time())

        async def take(piece: bytes) -> None:
            flow.add(len(piece), anyio.current_time())
            await blocks.add(piece)

        try:
            await pour(response.stream, take, most=LARGEST_VIDEO - body.start)
        except (httpx.HTTPError, Stalled):
            await self._disk(blocks.write)
            self._remember(job, body, blocks.size)
            raise

    def _remember(self, job: Job, body: Body, size: int) -> None:
        if body.etag is not None and size:
            self._partial[job.seq] = Partial(etag=body.etag, size=size, digest=body.digest)


def _finish(file: VideoFile, job: Job, blocks: Blocks) -> Fetched:
    blocks.write()
    check_mp4(file.part)
    file.finish(job, size=blocks.size, sha256=blocks.hexdigest())
    return _fetched(file, blocks.size, blocks.hexdigest())


def _fetched(file: VideoFile, size: int, digest: str) -> Fetched:
    return Fetched(folder=str(file.path.parent), file=file.path.name, bytes=size, sha256=digest)
