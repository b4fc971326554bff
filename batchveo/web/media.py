"""Videos, posters and sidecars, by the id of their job: no path ever comes from outside."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from batchveo.core.models import Job, JobState
from batchveo.core.sidecar_location import VIDEO_SUFFIX
from batchveo.storage.sidecar import sidecar_path, sidecar_text
from batchveo.storage.stored_video import BucketVideo, StoredVideo, video_at
from batchveo.web.object_stream import streamed
from batchveo.web.requests import job_asked_for, reading

DECODING_AT_ONCE = 2
KEEP = "private, max-age=86400, immutable"
"""A poster is that of one content for ever."""


def video(request: Request) -> Response:
    """The video, whole or in ranges."""
    _, path = _video_of(request)
    shown = "attachment" if "download" in request.query_params else "inline"
    headers = {"cache-control": "private, no-cache"}
    if isinstance(path, BucketVideo):
        disposition = f"{shown}; filename*=utf-8''{quote(path.name, safe='', errors='replace')}"
        return streamed(request, path, {**headers, "content-disposition": disposition})
    return FileResponse(
        path, media_type="video/mp4", filename=path.name, content_disposition_type=shown, headers=headers
    )


async def poster(request: Request) -> Response:
    """A small JPEG; 404 without the ``media`` extra."""
    if request.app.state.posters is None:
        raise HTTPException(404, "posters need the media extra")
    # few at a time, in threads of their own: decoding takes a core, and the other requests shall not wait
    return await anyio.to_thread.run_sync(_poster, request, limiter=request.app.state.decoding)


def _poster(request: Request) -> Response:
    job, path = _video_of(request)
    picture = request.app.state.posters.poster(path, job.sha256 or "")
    if picture is None:
        raise HTTPException(404, "no picture can be made of this video")
    return Response(picture, media_type="image/jpeg", headers={"cache-control": KEEP})


def sidecar(request: Request) -> Response:
    """The file beside the video; if there is none (``--sidecars``), the same text from the database."""
    job, path = _video_of(request)
    if isinstance(path, BucketVideo):
        return _sidecar_in_bucket(job, path)
    beside = sidecar_path(path)
    return FileResponse(beside, media_type="application/json") if _is_plain(beside) else _sidecar_from(job)


def _sidecar_in_bucket(job: Job, video: BucketVideo) -> Response:
    try:
        content = video.read_sidecar()
    except OSError as error:
        raise HTTPException(502, f"the bucket does not give it: {error.strerror}") from None
    return _sidecar_from(job) if content is None else Response(content, media_type="application/json")


def _sidecar_from(job: Job) -> Response:
    text = sidecar_text(job, job.file or "", job.bytes or 0, job.sha256 or "")
    return Response(text.encode(errors="surrogatepass"), media_type="application/json")


def _video_of(request: Request) -> tuple[Job, StoredVideo]:
    with reading(request) as store:
        job = job_asked_for(store, request)
    if job.state is not JobState.SUCCEEDED or job.file is None:
        raise HTTPException(404, "this job has no video")
    path = video_at(job, request.app.state.videos)
    is_name = job.file.endswith(VIDEO_SUFFIX) and Path(job.file).name == job.file
    if not is_name or (isinstance(path, Path) and not _is_plain(path)):
        raise HTTPException(404, "the video is not where it was put; `batchveo verify` tells more")
    return job, path


def _is_plain(path: Path) -> bool:
    """Whether it is a file of its own: what a link leads to was not recorded by anybody."""
    try:
        return path.is_file() and not path.is_symlink()
    except (OSError, ValueError):
        return False
