"""Fetches a finished video, verifies it, and writes it to the destination."""

from __future__ import annotations

import anyio
import httpx

from batchveo.core.destination import BucketUrl, Destination
from batchveo.core.models import Job
from batchveo.core.outcomes import Blocked, DiskRefused, Downloaded, DownloadError, FetchOutcome, Scope, Stop
from batchveo.core.sidecar_location import BESIDE, Sidecars
from batchveo.engine.stages.http_range import Body, Partial, check_length, read_head
from batchveo.provider import VideoClient
from batchveo.provider.body import StallDetector, Stalled, TooLong, read_body
from batchveo.provider.catalog import MODELS
from batchveo.provider.certificates import explain_distrust
from batchveo.provider.http_errors import describe_exception
from batchveo.provider.url_guard import UrlRefused
from batchveo.storage.base import DownloadFailed, Shelf, Spot, Taking
from batchveo.storage.block_writer import Disk, in_thread
from batchveo.storage.bucket import BucketShelf
from batchveo.storage.disk_errors import NAME_ERRORS
from batchveo.storage.local import FolderShelf
from batchveo.storage.mp4 import NotAnMp4
from batchveo.storage.objects import Faint, objects

LARGEST_VIDEO = 512 * 1024**2
"""Bytes; a larger body is not a video of a job: eight seconds take about 30 MB."""
BYTES_A_SECOND = 16 * 1024**2
"""Of a video whose length is not announced, at most: five times what 1080p takes at its best."""
LEAST_BOUND = 64 * 1024**2
USUAL_SECONDS = 8
"""The longest that Veo makes by default."""
REFUSED_TRIES = 3
"""How often a run tries a URL whose address is not allowed."""
STALLED_TRIES = 6
"""How often a run waits for a stalled body; each time takes half a minute."""
ENDLESS_TRIES = 2
"""How often a run reads a body that does not end."""
ONE_FILE_TRIES = 3
"""How often a run tries to write a video whose file the disk refuses while it takes others."""
CONTENT_TRIES = 8
"""How often a run fetches what turns out to be no video."""


class Untrusted(Exception):
    """The certificate of a video's host is not trusted."""


def shelf_of(output: Destination, disk: Disk = in_thread, *, writer: str = "", sidecars: Sidecars = BESIDE) -> Shelf:
    """The place for videos that ``output`` names; raises ``UsageError`` if its extra is missing.

    ``writer``, ``sidecars``: see ``VideoFile.plan``.
    """
    if isinstance(output, BucketUrl):
        return BucketShelf(objects(output), disk)
    return FolderShelf(output.absolute(), disk, writer=writer, sidecars=sidecars)


def largest_body(job: Job) -> int:
    """Bytes that the body of ``job``'s video may have if its length is not announced.

    By the seconds that were asked for. A video that extends another is as long as both, and of a model that is not
    in the catalogue nobody knows the usual length.
    """
    usual = USUAL_SECONDS if job.model in MODELS else None
    seconds = job.request.get("duration", usual)
    if "video_url" in job.request or isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return LARGEST_VIDEO
    return min(max(int(seconds * BYTES_A_SECOND), LEAST_BOUND), LARGEST_VIDEO)


class VideoFetcher:
    """Fetches videos to one destination. Remembers in memory the state of downloads that broke off."""

    def __init__(
        self,
        videos: VideoClient,
        output: Destination | Shelf,
        *,
        disk: Disk = in_thread,
        writer: str = "",
        sidecars: Sidecars = BESIDE,
    ) -> None:
        self._videos = videos
        self._shelf = (
            shelf_of(output, disk, writer=writer, sidecars=sidecars) if isinstance(output, Destination) else output
        )
        self._partial: dict[int, Partial] = {}

    async def fetch(self, job: Job) -> FetchOutcome:
        """Fetch the video of ``job``, check its length, hash and container, and write it to the destination.

        One that a run left whole just before it died is recognised and not fetched again.
        """
        try:
            spot = await self._shelf.plan(job)
            return await spot.found() or await self._download_to(job, spot)
        except DownloadFailed as failed:
            return failed.trouble
        except Untrusted as error:
            return Blocked(stop=Stop.CERTIFICATE, reason=str(error))
        except NotAnMp4 as error:
            return DownloadError(reason=str(error), tries=CONTENT_TRIES)
        except Faint as error:
            return DownloadError(reason=f"the bucket does not take it for now: {error.strerror}")
        except OSError as error:
            reason = f"cannot write the video of {job.name!r}: {error}"
            if self._shelf.scope_of(error, job) is Scope.DISK:
                return DiskRefused(reason=reason)
            if error.errno in NAME_ERRORS and self._shelf.use_plain_name(job):
                return await self.fetch(job)
            return DownloadError(reason=reason, tries=ONE_FILE_TRIES)

    async def _download_to(self, job: Job, spot: Spot) -> Downloaded:
        try:
            return await self._stream_body(job, spot)
        except UrlRefused as error:
            raise DownloadFailed(DownloadError(reason=str(error), stale_url=True, tries=REFUSED_TRIES)) from None
        except TooLong as error:
            raise DownloadFailed(DownloadError(reason=describe_exception(error), tries=ENDLESS_TRIES)) from None
        except Stalled as error:
            raise DownloadFailed(DownloadError(reason=describe_exception(error), tries=STALLED_TRIES)) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if explain_distrust(error) is not None:
                raise Untrusted(describe_exception(error)) from None
            raise DownloadFailed(DownloadError(reason=describe_exception(error))) from None

    async def _stream_body(self, job: Job, spot: Spot) -> Downloaded:
        """Read the body to its spot; if an earlier try broke off, only the rest."""
        rest = self._partial.pop(job.seq, None)
        # the part on disk may be another's, or cut short by a full disk: the hash in memory decides
        if rest is not None and not await spot.holds(rest.size, rest.digest):
            rest = None
        async with self._videos.open(job.video_url or "", rest.make_headers() if rest else None) as response:
            body = read_head(response, rest)
            if body.total is not None and body.total > LARGEST_VIDEO:
                raise TooLong(f"{body.total} bytes are announced, more than {LARGEST_VIDEO}")
            async with spot.taking(body.start, body.digest) as taking:
                try:
                    await self._write_body(job, response, body, taking)
                    return await taking.finish()
                except (TooLong, NotAnMp4, DownloadFailed, OSError):
                    await taking.discard()  # frees the space: the disk may be full
                    raise

    async def _write_body(self, job: Job, response: httpx.Response, body: Body, taking: Taking) -> None:
        """Take the body. What came before a connection broke is kept for the next try."""
        flow = StallDetector(anyio.current_time(), total=body.total)
        most = LARGEST_VIDEO if body.total is not None else largest_body(job)

        async def take(piece: bytes) -> None:
            flow.add(len(piece), anyio.current_time())
            await taking.add(piece)

        try:
            await read_body(response.stream, take, most=most - body.start)
            check_length(taking.size, body)
        except TooLong:
            raise TooLong(f"the body does not end: more than {most} bytes came, too many for this video") from None
        except (httpx.HTTPError, Stalled):
            # only a break of the connection is resumed: after any other error the bytes themselves are in question
            await taking.keep()
            self._remember_partial(job, body, taking.size)
            raise

    def _remember_partial(self, job: Job, body: Body, size: int) -> None:
        if body.etag is not None and size:
            self._partial[job.seq] = Partial(etag=body.etag, size=size, digest=body.digest)
