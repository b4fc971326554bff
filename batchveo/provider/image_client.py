"""The first bytes of images, over HTTP, as the service would fetch them: without the key, from public hosts."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import httpx

from batchveo.provider.http_errors import describe_exception
from batchveo.provider.http_messages import TooLong, read_body
from batchveo.provider.url_guard import UrlRefused
from batchveo.provider.video_client import VideoClient

MOST_BYTES = 1024 * 1024
"""How far into an image its size is looked for: a photograph's notes on itself may come first."""
LOOK_SECONDS = 20.0
"""How long one look may take, redirects and all."""
BUSY = frozenset({429, 500, 502, 503, 504})

Feed = Callable[[bytes], bool]
"""Takes the next bytes; whether they are enough."""


class ImageUnavailable(Exception):
    """The image cannot be had. ``passing``: that may be otherwise in a moment. ``silent``: nobody answered."""

    def __init__(self, reason: str, *, passing: bool = False, silent: bool = False) -> None:
        super().__init__(reason)
        self.passing = passing or silent
        self.silent = silent


class _Enough(Exception):
    """No more bytes are needed."""


async def read_image_start(videos: VideoClient, url: str, feed: Feed) -> None:
    """Ask for ``url`` and hand over its beginning until ``feed`` has enough. Raises ``ImageUnavailable``."""
    try:
        with anyio.fail_after(LOOK_SECONDS):
            await _look(videos, url, feed)
    except TimeoutError:
        raise ImageUnavailable(f"does not answer within {LOOK_SECONDS:.0f} s", silent=True) from None
    except UrlRefused as error:
        raise ImageUnavailable(f"cannot be fetched: {error}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ImageUnavailable(f"does not answer: {describe_exception(error)}", silent=True) from None


async def _look(videos: VideoClient, url: str, feed: Feed) -> None:
    async def take(piece: bytes) -> None:
        if feed(piece):
            raise _Enough

    async with videos.open(url, {"Range": f"bytes=0-{MOST_BYTES - 1}", "Accept": "image/*"}) as response:
        status = response.status_code
        if status not in (200, 206):
            raise ImageUnavailable(f"does not answer with an image, but with {status}", passing=status in BUSY)
        try:
            await read_body(response.stream, take, most=MOST_BYTES)
        except (_Enough, TooLong):
            return
