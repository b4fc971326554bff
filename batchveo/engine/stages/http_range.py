"""Reads the head of a video response: whole or a range, its length, its validator.

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
"""Statuses of a file host for a signed URL that has expired."""
GONE_TRIES = 9
"""How often a run asks for a new URL that turns out to be expired again."""
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """The size of a download that broke off, its hash so far, and the version of the file."""

    etag: str
    size: int
    digest: _Hash

    def make_headers(self) -> dict[str, str]:
        """Request headers that ask for the rest, or for the whole if the file has changed."""
        return {"Range": f"bytes={self.size}-", "If-Range": self.etag}


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A response body: its ``start`` in the file, the file's ``total`` bytes, the hash of what precedes it."""

    start: int
    total: int | None
    etag: str | None
    digest: _Hash


def read_head(response: httpx.Response, partial: Partial | None) -> Body:
    """Describe the body of ``response``; raises ``DownloadFailed`` if it is not (the rest of) the video."""
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
    # a wrong start or another version would make a file that is right in length and wrong in content
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
    """The validator for ``If-Range``; a weak one does not promise equal bytes, and a file could be mixed of two."""
    etag: str = response.headers.get("etag", "")
    return etag if etag.startswith('"') and etag.isascii() else None


def _parse_length(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
