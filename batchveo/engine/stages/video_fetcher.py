"""Fetches one finished video and puts it, verified, where it belongs."""

from __future__ import annotations

import anyio
import httpx

from batchveo.core.destination import BESIDE, BucketUrl, Destination, Sidecars
from batchveo.core.errors import find_reason
from batchveo.core.models import Job
from batchveo.core.outcomes import Blocked, DiskRefused, Downloaded, DownloadError, FetchOutcome, Scope, Stop
from batchveo.engine.stages.http_range import Body, Partial, check_length, read_head
from batchveo.provider import VideoClient
from batchveo.provider.catalog import MODELS
from batchveo.provider.http_errors import describe_exception, explain_distrust
from batchveo.provider.http_messages import StallDetector, Stalled, TooLong, read_body
from batchveo.provider.url_guard import UrlRefused
from batchveo.storage.base import Disk, DownloadFailed, Storage, VideoTarget, VideoWriter, in_thread
from batchveo.storage.bucket import BucketStorage
from batchveo.storage.file_system import NAME_ERRORS
from batchveo.storage.local import FolderStorage
from batchveo.storage.mp4 import NotAnMp4
from batchveo.storage.object_errors import StoreUnavailable
from batchveo.storage.objects import open_objects

LARGEST_VIDEO = 512 * 1024**2
"""Bytes; what is announced to be larger is not a video of ours: eight seconds take some 30 MB."""
BYTES_A_SECOND = 16 * 1024**2
"""Of a video whose length is not announced, at most: five times what 1080p takes at its best."""
LEAST_BOUND = 64 * 1024**2
"""Bytes that even the shortest video may have if its length is not announced."""
REFUSED_TRIES = 3
"""How often a run looks at a URL that must not be fetched from."""
STALLED_TRIES = 6
"""How often a run waits for a body that trickles; each time takes half a minute."""
ENDLESS_TRIES = 2
"""How often a run reads a body that does not end."""
ONE_FILE_TRIES = 3
"""How often a run tries to write a video whose file the disk refuses while it takes others."""
CONTENT_TRIES = 8
"""How often a run fetches what turns out to be no video."""


class Untrusted(Exception):
    """The certificate of a video's host is not trusted."""


def open_storage(
    output: Destination, disk: Disk = in_thread, *, writer: str = "", sidecars: Sidecars = BESIDE
) -> Storage:
    """The place for videos that ``output`` names; raises ``UsageError`` if its extra is missing.

    ``writer``, ``sidecars``: see ``VideoFile``.
    """
    if isinstance(output, BucketUrl):
        return BucketStorage(open_objects(output), disk)
    return FolderStorage(output.absolute(), disk, writer=writer, sidecars=sidecars)


def largest_body(job: Job) -> int:
    """Bytes that the body of ``job``'s video may have if its length is not announced.

    By the seconds that were asked for. A video that extends another is as long as both, and of a model that is not
    in the catalogue nobody knows the usual length.
    """
    model = MODELS.get(job.model)
    seconds = model.find_value(job.request, "duration") if model else job.request.get("duration")
    if "video_url" in job.request or isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return LARGEST_VIDEO
    return min(max(int(seconds * BYTES_A_SECOND), LEAST_BOUND), LARGEST_VIDEO)


class VideoFetcher:
    """Fetches videos to one destination. Remembers, while it lives, how far a broken download came."""

    def __init__(
        self,
        videos: VideoClient,
        output: Destination | Storage,
        *,
        disk: Disk = in_thread,
        writer: str = "",
        sidecars: Sidecars = BESIDE,
    ) -> None:
        self._videos = videos
        self._storage = (
            open_storage(output, disk, writer=writer, sidecars=sidecars) if isinstance(output, Destination) else output
        )
        self._partial: dict[int, Partial] = {}

    async def fetch(self, job: Job) -> FetchOutcome:
        """Fetch the video of ``job``, and put it, with its length, hash and container checked, where it belongs.

        One that a run left whole just before it died is recognised and not fetched again.
        """
        try:
            target = await self._storage.choose_target(job)
            return await target.find_video() or await self._download(job, target)
        except DownloadFailed as failed:
            return failed.trouble
        except Untrusted as error:
            return Blocked(stop=Stop.CERTIFICATE, reason=str(error))
        except NotAnMp4 as error:
            return DownloadError(reason=str(error), tries=CONTENT_TRIES)
        except StoreUnavailable as error:
            return DownloadError(reason=f"the bucket does not take it for now: {find_reason(error)}")
        except OSError as error:
            reason = f"cannot write the video of {job.name!r}: {error}"
            if self._storage.scope_of(error, job) is Scope.DISK:
                return DiskRefused(reason=reason)
            if error.errno in NAME_ERRORS and self._storage.use_plain_name(job):
                return await self.fetch(job)
            return DownloadError(reason=reason, tries=ONE_FILE_TRIES)

    async def _download(self, job: Job, target: VideoTarget) -> Downloaded:
        try:
            return await self._stream(job, target)
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

    async def _stream(self, job: Job, target: VideoTarget) -> Downloaded:
        """Write the body to its target; after a broken try, only the missing rest of it."""
        partial = self._partial.pop(job.seq, None)
        if partial is not None and not await target.has_part(partial.size, partial.digest):
            partial = None
        async with self._videos.open(job.video_url or "", partial.make_headers() if partial else None) as response:
            body = read_head(response, partial)
            if body.total is not None and body.total > LARGEST_VIDEO:
                raise TooLong(f"{body.total} bytes are announced, more than {LARGEST_VIDEO}")
            async with target.open_writer(body.start, body.digest) as writer:
                try:
                    await self._receive_body(job, response, body, writer)
                    return await writer.finish_video()
                except (TooLong, NotAnMp4, DownloadFailed, OSError):
                    await writer.discard_part()  # a full disk needs the room
                    raise

    async def _receive_body(self, job: Job, response: httpx.Response, body: Body, writer: VideoWriter) -> None:
        """Write the body to ``writer``. What came before a connection broke is kept for the next try."""
        flow = StallDetector(anyio.current_time(), total=body.total)
        most = LARGEST_VIDEO if body.total is not None else largest_body(job)

        async def take(piece: bytes) -> None:
            flow.add(len(piece), anyio.current_time())
            await writer.write(piece)

        try:
            await read_body(response.stream, take, most=most - body.start)
            check_length(writer.size, body)
        except TooLong:
            raise TooLong(f"the body does not end: more than {most} bytes came, too many for this video") from None
        except (httpx.HTTPError, Stalled):
            await writer.keep_part()
            self._remember_partial(job, body, writer.size)
            raise

    def _remember_partial(self, job: Job, body: Body, size: int) -> None:
        """Remember how far the download came; without a strong ETag it begins anew, since the file may change."""
        if body.etag is not None and size:
            self._partial[job.seq] = Partial(etag=body.etag, size=size, digest=body.digest)
