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
    """Downloads into one folder. Remembers, while it lives, how far a broken download came."""

    def __init__(self, videos: Videos, output: Path, *, disk: Disk = in_thread) -> None:
        self._videos = videos
        self._output = output
        self._disk = disk
        self._partial: dict[int, Partial] = {}

    async def handle(self, job: Job) -> FetchOutcome:
        """Fetch the video of ``job``: ``.part``, length, hash, container, fsync, rename.

        A file that a run left whole just before it died is recognised and not fetched again.
        """
        try:
            file = VideoFile.plan(self._output, job)
            found = is_ours(file.path, job)
            if found:
                return _fetched(file, *found)
            size, digest = await self._download(job, file)
            await self._disk(partial(_finish, file, job, size, digest))
            return _fetched(file, size, digest)
        except DownloadFailed as failed:
            return failed.trouble
        except NotAnMp4 as error:
            return FetchTrouble(reason=str(error), tries=CONTENT_TRIES)
        except OSError as error:
            return DiskRefused(reason=f"cannot write the video of {job.name!r}: {error}")

    async def _download(self, job: Job, file: VideoFile) -> tuple[int, str]:
        try:
            return await self._stream(job, file.part)
        except UrlRefused as error:
            raise DownloadFailed(FetchTrouble(reason=str(error), stale_url=True, tries=REFUSED_TRIES)) from None
        except TooLong as error:
            raise DownloadFailed(FetchTrouble(reason=describe(error), tries=REFUSED_TRIES)) from None
        except (httpx.HTTPError, httpx.InvalidURL, Stalled) as error:
            raise DownloadFailed(FetchTrouble(reason=describe(error))) from None

    async def _stream(self, job: Job, part: Path) -> tuple[int, str]:
        """Read the body into ``part``; where an earlier try broke off, only what is missing of it."""
        partial = self._partial.pop(job.seq, None)
        if partial is not None and not partial.fits(part):
            partial = None
        async with self._videos.open(job.video_url or "", partial.headers() if partial else None) as response:
            body = read_head(response, partial)
            if body.total is not None and body.total > LARGEST_VIDEO:
                raise TooLong(f"{body.total} bytes are announced, more than {LARGEST_VIDEO}")
            flow = Flow(anyio.current_time())
            with VideoFile.open_part(part, keep=body.start) as out:
                blocks = Blocks(out, body.digest, size=body.start, disk=self._disk)

                async def take(piece: bytes) -> None:
                    flow.add(len(piece), anyio.current_time())
                    await blocks.add(piece)

                try:
                    await pour(response.stream, take, most=LARGEST_VIDEO - body.start)
                except (httpx.HTTPError, Stalled):
                    await blocks.flush()
                    self._remember(job, body, blocks.size)
                    raise
                await blocks.flush()
        if body.total is not None and blocks.size != body.total:
            raise DownloadFailed(FetchTrouble(reason=f"{blocks.size} bytes came of {body.total}"))
        return blocks.size, body.digest.hexdigest()

    def _remember(self, job: Job, body: Body, size: int) -> None:
        if body.etag is not None and size:
            self._partial[job.seq] = Partial(etag=body.etag, size=size, digest=body.digest)


def _finish(file: VideoFile, job: Job, size: int, digest: str) -> None:
    check_mp4(file.part)
    file.finish(job, size=size, sha256=digest)


def _fetched(file: VideoFile, size: int, digest: str) -> Fetched:
    return Fetched(folder=str(file.path.parent), file=file.path.name, bytes=size, sha256=digest)
