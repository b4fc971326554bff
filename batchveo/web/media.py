"""Sends videos, posters and sidecars by the id of their job: no request contains a path."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from batchveo.core.errors import find_reason
from batchveo.core.models import Job, JobState
from batchveo.storage.sidecar import sidecar_path, sidecar_text
from batchveo.storage.stored_video import BucketVideo, StoredVideo, video_at
from batchveo.web.api import find_job, open_store
from batchveo.web.file_presence import is_plain_file, is_video_name

DECODING_AT_ONCE = 2
POSTER_CACHE = "private, max-age=86400, immutable"
"""A poster belongs to one content, which never changes."""
MISSING = "the video is not where it was put; `batchveo verify` tells more"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def send_video(request: Request) -> Response:
    """The video, whole or a range of it."""
    _, video = _find_video(request)
    shown = "attachment" if "download" in request.query_params else "inline"
    headers = {"cache-control": "private, no-cache"}
    if isinstance(video, BucketVideo):
        name = quote(video.name.rpartition("/")[2], safe="", errors="replace")
        headers["content-disposition"] = f"{shown}; filename*=utf-8''{name}"
        return _stream_object(request, video, headers)
    return FileResponse(
        video, media_type="video/mp4", filename=video.name, content_disposition_type=shown, headers=headers
    )


async def send_poster(request: Request) -> Response:
    """A small JPEG; 404 without the ``media`` extra."""
    if request.app.state.posters is None:
        raise HTTPException(404, "posters need the media extra")
    # few at a time and in threads of their own: decoding takes a core, and other requests must not wait for it
    return await anyio.to_thread.run_sync(_make_poster, request, limiter=request.app.state.decoding)


def _make_poster(request: Request) -> Response:
    job, video = _find_video(request)
    picture = request.app.state.posters.read_poster(video, job.sha256 or "")
    if picture is None:
        raise HTTPException(404, "no picture can be made of this video")
    return Response(picture, media_type="image/jpeg", headers={"cache-control": POSTER_CACHE})


def send_sidecar(request: Request) -> Response:
    """The sidecar beside the video; if there is none (``--sidecars``), the same text from the database."""
    job, video = _find_video(request)
    if isinstance(video, BucketVideo):
        try:
            content = video.read_sidecar()
        except OSError as error:
            raise _make_bucket_error(error) from None
    else:
        beside = sidecar_path(video)
        content = beside.read_bytes() if is_plain_file(beside) else None
    if content is None:
        text = sidecar_text(job, job.file or "", job.bytes or 0, job.sha256 or "")
        content = text.encode(errors="surrogatepass")
    return Response(content, media_type="application/json")


def _find_video(request: Request) -> tuple[Job, StoredVideo]:
    with open_store(request) as store:
        job = find_job(store, request)
    if job.state is not JobState.SUCCEEDED or job.file is None:
        raise HTTPException(404, "this job has no video")
    video = video_at(job, request.app.state.videos)
    # a database of somebody else may name any file: only what a run writes is sent
    if not is_video_name(job.file) or (isinstance(video, Path) and not is_plain_file(video)):
        raise HTTPException(404, MISSING)
    return job, video


def _stream_object(request: Request, video: BucketVideo, headers: dict[str, str]) -> Response:
    """A video of a bucket, whole or one range of it (RFC 9110, section 14), piece by piece."""
    try:
        head = video.read_head()
    except FileNotFoundError:
        raise HTTPException(404, MISSING) from None
    except OSError as error:
        raise _make_bucket_error(error) from None
    etag = f'"{video.name.encode().hex()[:32]}-{head.size}-{(head.version.get("e_tag") or "").strip(chr(34))}"'
    headers |= {"accept-ranges": "bytes", "etag": etag}
    range_ = _read_range(request, head.size, etag)
    start, end = range_ or (0, head.size)
    if range_ is not None:
        if start >= end:
            return Response(status_code=416, headers={"content-range": f"bytes */{head.size}"})
        headers["content-range"] = f"bytes {start}-{end - 1}/{head.size}"
    headers["content-length"] = str(end - start)
    body = iter(()) if request.method == "HEAD" else video.iter_pieces(head, start, end)
    return StreamingResponse(body, 200 if range_ is None else 206, headers, media_type="video/mp4")


def _read_range(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """Start and end of the requested range, which may be empty; ``None`` for all, also if it is no single range."""
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    # a changed object (If-Range) is sent whole: a range of it would not fit what the browser has
    if match is None or match.groups() == ("", "") or request.headers.get("if-range", etag) != etag:
        return None
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    return int(first), min(size, int(last) + 1 if last else size)


def _make_bucket_error(error: OSError) -> HTTPException:
    return HTTPException(502, f"the bucket does not give it: {find_reason(error)}")
