"""Videos, posters and sidecars, by the id of their job: no path ever comes from outside."""

from __future__ import annotations

from pathlib import Path

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from batchveo.files import SUFFIX, sidecar_path
from batchveo.models import Job, JobState
from batchveo.page.asking import job_asked_for, reading
from batchveo.verifying import video_path

DECODING_AT_ONCE = 2
KEEP = "private, max-age=86400, immutable"
"""A poster is that of one content for ever."""


def video(request: Request) -> Response:
    """The video, whole or in ranges."""
    _, path = _video_of(request)
    return FileResponse(
        path,
        media_type="video/mp4",
        filename=path.name,
        content_disposition_type="attachment" if "download" in request.query_params else "inline",
        headers={"cache-control": "private, no-cache"},
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
    """What stands beside the video."""
    _, path = _video_of(request)
    beside = sidecar_path(path)
    if not _is_plain(beside):
        raise HTTPException(404, "there is no sidecar")
    return FileResponse(beside, media_type="application/json")


def _video_of(request: Request) -> tuple[Job, Path]:
    with reading(request) as store:
        job = job_asked_for(store, request)
    if job.state is not JobState.SUCCEEDED or job.file is None:
        raise HTTPException(404, "this job has no video")
    path = video_path(job, request.app.state.videos)
    if path.suffix != SUFFIX or Path(job.file).name != job.file or not _is_plain(path):
        raise HTTPException(404, "the video is not where it was put; `batchveo verify` tells more")
    return job, path


def _is_plain(path: Path) -> bool:
    """Whether it is a file of its own: what a link leads to was not recorded by anybody."""
    try:
        return path.is_file() and not path.is_symlink()
    except (OSError, ValueError):
        return False
