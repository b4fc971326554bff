"""How a body is read: chunk by chunk, with a bound, and left tidily when enough is enough."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable

import anyio
import httpx

GZIP = ("gzip", "x-gzip")
_GZIP_BITS = zlib.MAX_WBITS | 16
"""zlib's way to say: with the header of gzip, no other."""


class TooLong(Exception):
    """The body goes on beyond its bound."""


class Stalled(Exception):
    """The body trickles so slowly that it might as well stand still."""


class StallDetector:
    """Notices a trickle: fewer than ``LEAST_BYTES`` in ``WINDOW_SECONDS``, or a pace that would take hours.

    ``total``: the bytes that are announced; the pace has to bring them within ``WHOLE_SECONDS``. A body of no
    announced length may take as long. A line that is merely slow (2 kB/s for a large video) passes.
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
    """Hand every chunk to ``take``; returns how many bytes came.

    Raises ``TooLong`` after ``most`` bytes, and whatever ``take`` raises. The body is always left by its own
    end or by cancellation, never in its middle: httpx nests generators, and one that is dropped half-way keeps
    its connection until the garbage collector comes by.
    """
    assert isinstance(body, httpx.AsyncByteStream)  # noqa: S101 - what an async transport makes
    size = 0
    failure: Exception | None = None
    with anyio.CancelScope() as scope:
        try:
            async for chunk in body:
                size += len(chunk)
                if failure is None:
                    failure = await _took(take, chunk) if size <= most else TooLong(f"more than {most} bytes")
                if failure is not None:
                    scope.cancel()
        except OSError as error:  # TLS errors come as they are; only ``take`` may speak of the disk
            raise httpx.ReadError(str(error)) from error
    if failure is not None:
        raise failure
    return size


async def _took(take: Callable[[bytes], Awaitable[None]], chunk: bytes) -> Exception | None:
    try:
        await take(chunk)
    except Exception as error:  # noqa: BLE001 - raised again once the iterator has been left
        return error
    return None


def decompress_gzip(body: bytes, *, most: int) -> bytes:
    """The content of a gzip ``body``.

    Raises ``TooLong`` beyond ``most`` bytes, since a small body may unfold to gigabytes, and
    ``httpx.DecodingError`` for what is no gzip, or not all of it.
    """
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
