"""Fetches a finished video and puts it, verified, where it belongs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx

from batchveo.api import Videos
from batchveo.api.answers import Answer, retry_after
from batchveo.api.faults import describe
from batchveo.api.guard import UrlRefused
from batchveo.api.pour import TooLong, pour
from batchveo.container import NotAnMp4, check_mp4
from batchveo.files import VideoFile, is_ours
from batchveo.models import Job
from batchveo.outcomes import DiskRefused, Fetched, FetchOutcome, FetchTrouble

LARGEST_VIDEO = 2 * 1024**3
"""Bytes; a body that goes on beyond this is not a video of ours."""
STALE = frozenset({401, 403, 404, 410})
"""What a file host says of a signed URL that has expired."""


class DownloadFailed(Exception):
    """One try brought no whole video; ``trouble`` says what to do about it."""

    def __init__(self, trouble: FetchTrouble) -> None:
        self.trouble = trouble
        super().__init__(trouble.reason)


class Downloader:
    """Downloads into one folder."""

    def __init__(self, videos: Videos, output: Path) -> None:
        self._videos = videos
        self._output = output

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
            file.finish(job, size=size, sha256=digest)
            return _fetched(file, size, digest)
        except DownloadFailed as failed:
            return failed.trouble
        except OSError as error:
            return DiskRefused(reason=f"cannot write the video of {job.name!r}: {error}")

    async def _download(self, job: Job, file: VideoFile) -> tuple[int, str]:
        try:
            size, digest = await self._stream(job.video_url or "", file.part)
        except UrlRefused as error:
            raise DownloadFailed(FetchTrouble(reason=str(error), stale_url=True)) from None
        except (httpx.HTTPError, httpx.InvalidURL, TooLong) as error:
            raise DownloadFailed(FetchTrouble(reason=describe(error))) from None
        try:
            check_mp4(file.part)
        except NotAnMp4 as error:
            raise DownloadFailed(FetchTrouble(reason=str(error))) from None
        return size, digest

    async def _stream(self, url: str, part: Path) -> tuple[int, str]:
        digest = hashlib.sha256()
        async with self._videos.open(url) as response:
            expected = _expected_length(response)
            with VideoFile.open_part(part) as out:

                def take(chunk: bytes) -> None:
                    digest.update(chunk)
                    out.write(chunk)

                size = await pour(response.aiter_bytes(), take, most=LARGEST_VIDEO)
        if expected is not None and size != expected:
            raise DownloadFailed(FetchTrouble(reason=f"{size} bytes came of {expected}"))
        return size, digest.hexdigest()


def _fetched(file: VideoFile, size: int, digest: str) -> Fetched:
    return Fetched(folder=str(file.path.parent), file=file.path.name, bytes=size, sha256=digest)


def _expected_length(response: httpx.Response) -> int | None:
    """The length the host announces; raises ``DownloadFailed`` where the answer is not a plain video body."""
    status = response.status_code
    if status != 200:
        headers = {name.lower(): value for name, value in response.headers.items()}
        wait = retry_after(Answer(status=status, headers=headers, body=b""))
        reason = f"the file host answered HTTP {status}"
        raise DownloadFailed(FetchTrouble(reason=reason, stale_url=status in STALE, retry_after=wait))
    encoding = response.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise DownloadFailed(FetchTrouble(reason=f"the video came {encoding}-encoded though it must not"))
    length = response.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None
