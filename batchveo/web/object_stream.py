"""A video of a bucket as an answer, whole or one range of it (RFC 9110, section 14)."""

from __future__ import annotations

import re

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from batchveo.storage.stored_video import BucketVideo

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def streamed(request: Request, video: BucketVideo, headers: dict[str, str]) -> Response:
    """The bytes that were asked for, piece by piece; 404 and 502 where the bucket does not give them."""
    try:
        head = video.read_head()
    except FileNotFoundError:
        raise HTTPException(404, "the video is not where it was put; `batchveo verify` tells more") from None
    except OSError as error:
        raise HTTPException(502, f"the bucket does not give it: {error.strerror}") from None
    etag = f'"{video.name.encode().hex()[:32]}-{head.size}-{(head.version.get("e_tag") or "").strip(chr(34))}"'
    headers = {**headers, "accept-ranges": "bytes", "etag": etag}
    asked = _asked(request, head.size, etag)
    start, end = asked or (0, head.size)
    if start >= end and asked is not None:
        return Response(status_code=416, headers={"content-range": f"bytes */{head.size}"})
    headers["content-length"] = str(end - start)
    if asked is not None:
        headers["content-range"] = f"bytes {start}-{end - 1}/{head.size}"
    body = iter(()) if request.method == "HEAD" else video.iter_pieces(head, start, end)
    status = 200 if asked is None else 206
    return StreamingResponse(body, status, headers, media_type="video/mp4")


def _asked(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """Where the range begins and ends; ``None`` for all, which is also what is no single range; may be empty."""
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    if match is None or match.groups() == ("", "") or request.headers.get("if-range", etag) != etag:
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < start:
            return None
    return start, end
