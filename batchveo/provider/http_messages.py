"""HTTP messages: how a request is built and sent, and how the body of its response is read."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from json import JSONEncoder

import anyio
import httpx

from batchveo.core.version import __version__

HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": f"batchveo/{__version__}"}
SEND_STARTED = "http11.send_request_body.started"
"""The step of httpcore's trace before the first byte of a body leaves."""
GZIP = ("gzip", "x-gzip")
_GZIP_BITS = zlib.MAX_WBITS | 16
"""zlib's flag for gzip alone."""
_encode = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def make_timeouts(*, connect: float, other: float) -> Mapping[str, float]:
    """The ``timeout`` extension of httpx's transports, in seconds."""
    return {"connect": connect, "read": other, "write": other, "pool": other}


@lru_cache(maxsize=4096)
def _parse_url(url: str) -> httpx.URL:
    # polls ask for the same URLs again and again
    return httpx.URL(url)


def build_request(
    method: str,
    url: str | httpx.URL,
    headers: Mapping[str, str],
    *,
    json: Mapping[str, object] | None = None,
    extensions: Mapping[str, object],
) -> httpx.Request:
    """A request that is ready to be sent; ``json`` becomes its body.

    Made by hand, since a client's own preparation of a request takes longer than all else that is done for it.
    """
    parsed = _parse_url(url) if isinstance(url, str) else url
    fields = {"Host": parsed.netloc.decode("ascii"), **headers}
    body = b""
    if json is not None:
        body = _encode(json).encode()
        fields |= {"Content-Length": str(len(body)), "Content-Type": "application/json"}
    request = httpx.Request(method, parsed, headers=fields, stream=httpx.ByteStream(body), extensions=dict(extensions))
    request.headers.encoding = "ascii"  # httpx would guess it from all headers
    request.read()
    return request


async def send_request(transport: httpx.AsyncBaseTransport, request: httpx.Request) -> httpx.Response:
    """Send ``request``; returns the response with its body unread, to be closed. Raises ``httpx.HTTPError``."""
    # not by a client: its redirects, cookies and authentication must not happen here, and take a third of the time
    response = await transport.handle_async_request(request)
    response.request = request
    return response


class TooLong(Exception):
    """The body is longer than its bound."""


class Stalled(Exception):
    """The body comes too slowly."""


class StallDetector:
    """Detects a download with fewer than ``LEAST_BYTES`` in ``WINDOW_SECONDS``, or one that would take hours.

    ``total``: the announced bytes, which have to come within ``WHOLE_SECONDS``. A body without an announced length
    may take that long. A slow line passes (2 kB/s for a large video).
    """

    LEAST_BYTES = 256
    WINDOW_SECONDS = 30.0
    WHOLE_SECONDS = 6 * 3600.0

    def __init__(self, now: float, *, total: int | None = None) -> None:
        self._begun = self._since = now
        self._bytes = 0
        self._least = max(self.LEAST_BYTES, (total or 0) * self.WINDOW_SECONDS / self.WHOLE_SECONDS)

    def add(self, size: int, now: float) -> None:
        """Count a chunk; raises ``Stalled``."""
        self._bytes += size
        if now - self._since < self.WINDOW_SECONDS:
            return
        if self._bytes < self._least:
            raise Stalled(f"{self._bytes} bytes came in {now - self._since:.0f} s")
        if now - self._begun > self.WHOLE_SECONDS:
            raise Stalled(f"the download takes longer than {self.WHOLE_SECONDS / 3600:.0f} hours")
        self._since, self._bytes = now, 0


async def read_body(
    body: httpx.AsyncByteStream | httpx.SyncByteStream, take: Callable[[bytes], Awaitable[None]], *, most: int
) -> int:
    """Pass every chunk to ``take``; returns the number of bytes.

    Raises ``TooLong`` after ``most`` bytes, and any error of ``take``.
    """
    assert isinstance(body, httpx.AsyncByteStream)  # noqa: S101 - what an async transport makes
    size = 0
    failure: Exception | None = None
    pieces = aiter(body)
    try:
        async for piece in pieces:
            size += len(piece)
            failure = await _call_take(take, piece) if size <= most else TooLong(f"more than {most} bytes")
            if failure is not None:
                break
    except OSError as error:  # TLS errors come as OSError; only those of ``take`` are about the disk
        raise httpx.ReadError(str(error)) from error
    if failure is not None:
        await _cancel_iteration(pieces)
        raise failure
    return size


async def _cancel_iteration(pieces: AsyncIterator[bytes]) -> None:
    """End an iteration from within: httpx nests generators, and one that is left half-way keeps its connection."""
    with anyio.CancelScope() as scope, suppress(httpx.HTTPError, OSError):
        scope.cancel()
        async for _ in pieces:
            pass


async def _call_take(take: Callable[[bytes], Awaitable[None]], chunk: bytes) -> Exception | None:
    try:
        await take(chunk)
    except Exception as error:  # noqa: BLE001 - raised again after the iteration
        return error
    return None


def decompress_gzip(body: bytes, *, most: int) -> bytes:
    """The content of a gzip ``body``; raises ``TooLong`` beyond ``most`` bytes, or ``httpx.DecodingError``."""
    # bounded while it unpacks: a small body may hold gigabytes
    stream = zlib.decompressobj(_GZIP_BITS)
    try:
        content = stream.decompress(body, most + 1)
    except zlib.error as error:
        raise httpx.DecodingError(f"the answer is no gzip: {error}") from None
    if len(content) > most:
        raise TooLong(f"more than {most} bytes")
    if not stream.eof:
        raise httpx.DecodingError("the answer ends within its gzip")
    return content
