"""Reading the head of a video's answer: whole or the rest of it, how long, under which validator.

Ranges and validators follow RFC 9110, sections 8.8 and 14.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from batchveo.core.outcomes import DownloadError
from batchveo.provider.responses import Response, read_retry_after
from batchveo.storage.base import DownloadFailed

if TYPE_CHECKING:
    from hashlib import _Hash

STALE = frozenset({401, 403, 404, 410})
"""What a file host says of a signed URL that has expired."""
GONE_TRIES = 9
"""How often a run asks for a fresh URL that turns out to be stale again."""
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """How far a broken download came, and of which version of the file."""

    etag: str
    size: int
    digest: _Hash

    def make_headers(self) -> dict[str, str]:
        """Ask for the rest, or for the whole where the file has changed."""
        return {"Range": f"bytes={self.size}-", "If-Range": self.etag}


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A body about to be read: where it starts in the file, how long the file is, what was hashed so far."""

    start: int
    total: int | None
    etag: str | None
    digest: _Hash


def read_head(response: httpx.Response, partial: Partial | None) -> Body:
    """What the answer's body is; raises ``DownloadFailed`` where it is no use."""
    encoding = response.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise DownloadFailed(DownloadError(reason=f"the video came {encoding}-encoded though it must not"))
    if response.status_code == 200:
        total = _parse_length(response.headers.get("content-length", ""))
        return Body(start=0, total=total, etag=_strong_etag(response), digest=hashlib.sha256())
    if response.status_code == 206 and partial is not None:
        return _read_rest(response, partial)
    raise DownloadFailed(_read_refusal(response))


def check_length(size: int, body: Body) -> None:
    """Raise ``DownloadFailed`` if other than the announced number of bytes came."""
    if body.total is not None and size != body.total:
        raise DownloadFailed(DownloadError(reason=f"{size} bytes came of {body.total}"))


def _read_rest(response: httpx.Response, partial: Partial) -> Body:
    match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    etag = response.headers.get("etag", partial.etag)
    if match is None or int(match[1]) != partial.size or etag != partial.etag:
        raise DownloadFailed(DownloadError(reason="the rest does not fit what came before; from the start"))
    return Body(start=partial.size, total=int(match[3]), etag=partial.etag, digest=partial.digest)


def _read_refusal(response: httpx.Response) -> DownloadError:
    status = response.status_code
    headers = {name.lower(): value for name, value in response.headers.items()}
    wait = read_retry_after(Response(status=status, headers=headers, body=b""))
    reason = f"the file host answered HTTP {status}"
    tries = GONE_TRIES if status in STALE else None
    return DownloadError(reason=reason, stale_url=status in STALE, retry_after=wait, tries=tries)


def _strong_etag(response: httpx.Response) -> str | None:
    """The validator for If-Range, which must be a strong one."""
    etag: str = response.headers.get("etag", "")
    return etag if etag.startswith('"') and etag.isascii() else None


def _parse_length(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
