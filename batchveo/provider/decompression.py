"""What a proxy in between has compressed although it was asked not to."""

from __future__ import annotations

import zlib

import httpx

from batchveo.provider.body import TooLong

GZIP = ("gzip", "x-gzip")
_GZIP_BITS = zlib.MAX_WBITS | 16
"""zlib's way to say: with the header of gzip, no other."""


def unfold(body: bytes, *, most: int) -> bytes:
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
