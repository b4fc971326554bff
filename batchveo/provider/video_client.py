"""Finished videos and input images, over HTTP: from hosts that must never see the key."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from urllib.parse import urljoin, urlsplit

import anyio
import httpx

from batchveo.provider.http_errors import describe_exception
from batchveo.provider.http_messages import HEADERS, TooLong, build_request, make_timeouts, read_body, send_request
from batchveo.provider.transport import find_proxy, open_transport
from batchveo.provider.url_guard import Resolve, Target, UrlRefused, check_url, resolve_host

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 15.0
STALL_SECONDS = 30.0
"""The longest pause between two bytes of a download."""
HEAD_SECONDS = 60.0
"""The longest time for a connection and the head of the answer together, however slowly the head comes."""
_TIMEOUTS = make_timeouts(connect=CONNECT_SECONDS, other=STALL_SECONDS)
MOST_REDIRECTS = 5
MOST_ADDRESSES = 4
REDIRECTS = frozenset({301, 302, 303, 307, 308})

MOST_IMAGE_BYTES = 1024 * 1024
"""The part of an image that is searched for its size: a photograph's metadata may come first."""
IMAGE_SECONDS = 20.0
"""The longest time for the start of an image, redirects included."""
BUSY = frozenset({429, 500, 502, 503, 504})

Feed = Callable[[bytes], bool]
"""Takes the next bytes; returns whether they are enough."""


class VideoClient:
    """Opens URLs of videos and images, without any key. Use as an async context manager.

    ``loopback`` allows URLs on this machine; ``transport`` and ``resolve`` replace the network in tests.
    """

    def __init__(
        self,
        *,
        loopback: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
        resolve: Resolve = resolve_host,
    ) -> None:
        self._loopback = loopback
        self._resolve = resolve
        self._transport = transport
        self._by_proxy: dict[str | None, httpx.AsyncBaseTransport] = {}
        self._open = AsyncExitStack()

    async def __aenter__(self) -> VideoClient:
        if self._transport is not None:
            await self._open.enter_async_context(self._transport)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def _open_transport(self, target: Target) -> httpx.AsyncBaseTransport:
        if self._transport is not None:
            return self._transport
        proxy = find_proxy(str(target.url))
        if proxy not in self._by_proxy:
            self._by_proxy[proxy] = await self._open.enter_async_context(open_transport(proxy=proxy))
        return self._by_proxy[proxy]

    @asynccontextmanager
    async def open(self, url: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[httpx.Response]:
        """Send a GET and yield the response with its body unread; redirects are followed, each of them checked.

        Raises ``UrlRefused``, or an ``httpx.HTTPError``.
        """
        for _ in range(MOST_REDIRECTS + 1):
            target = await self._check(url)
            response = await self._connect(target, headers or {})
            try:
                location = response.headers.get("location")
                if response.status_code not in REDIRECTS or not location:
                    yield response
                    return
            finally:  # a redirect gives its connection back before the next one is made
                await response.aclose()
            url = _join_url(target, location)
        raise UrlRefused(f"the URL redirects more than {MOST_REDIRECTS} times")

    async def _check(self, url: str) -> Target:
        try:
            with anyio.fail_after(CONNECT_SECONDS):
                return await check_url(url, loopback=self._loopback, resolve=self._resolve)
        except OSError as error:
            # no such name, or no answer in time: an OSError would be taken for an error of the disk
            raise httpx.ConnectError(f"{urlsplit(url).hostname}: {error}") from None

    async def _connect(self, target: Target, headers: Mapping[str, str]) -> httpx.Response:
        """Ask the addresses in turn until one answers."""
        # connected by the checked address, not by the name, which might resolve to another one the next time;
        # the name still goes into the Host header and into TLS
        transport = await self._open_transport(target)
        last: httpx.HTTPError = httpx.ConnectError(f"{target.url.host} has no address")
        for address in target.addresses[:MOST_ADDRESSES]:
            request = build_request(
                "GET",
                target.request_url(address),
                {**HEADERS, **headers, "Host": target.host_header},
                extensions={"sni_hostname": target.tls_name, "timeout": _TIMEOUTS},
            )
            try:
                with anyio.fail_after(HEAD_SECONDS):
                    response = await send_request(transport, request)
            except TimeoutError:
                raise httpx.ReadTimeout(f"{target.url.host}: no answer in {HEAD_SECONDS:.0f} s") from None
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                last = error
            except OSError as error:
                last = httpx.ConnectError(f"{target.url.host}: {error}")
                last.__cause__ = error  # by it a certificate that is not trusted is recognized
            else:
                # no query: the signature of a URL is in it
                logger.debug("GET %s%s: %d", target.url.host, target.url.path, response.status_code)
                return response
        raise last


def _join_url(target: Target, location: str) -> str:
    try:
        return urljoin(str(target.url), location)
    except ValueError as error:
        raise UrlRefused(f"the URL redirects to nonsense: {error}") from None


class ImageUnavailable(Exception):
    """The image cannot be read. ``passing``: a later call may succeed. ``silent``: nobody answered."""

    def __init__(self, reason: str, *, passing: bool = False, silent: bool = False) -> None:
        super().__init__(reason)
        self.passing = passing or silent
        self.silent = silent


class _Enough(Exception):
    """No more bytes are needed."""


async def read_image_start(videos: VideoClient, url: str, feed: Feed) -> None:
    """Pass the beginning of the image at ``url`` to ``feed`` until it has enough. Raises ``ImageUnavailable``."""
    try:
        with anyio.fail_after(IMAGE_SECONDS):
            await _read_start(videos, url, feed)
    except TimeoutError:
        raise ImageUnavailable(f"does not answer within {IMAGE_SECONDS:.0f} s", silent=True) from None
    except UrlRefused as error:
        raise ImageUnavailable(f"cannot be fetched: {error}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ImageUnavailable(f"does not answer: {describe_exception(error)}", silent=True) from None


async def _read_start(videos: VideoClient, url: str, feed: Feed) -> None:
    async def take(piece: bytes) -> None:
        if feed(piece):
            raise _Enough

    async with videos.open(url, {"Range": f"bytes=0-{MOST_IMAGE_BYTES - 1}", "Accept": "image/*"}) as response:
        status = response.status_code
        if status not in (200, 206):
            raise ImageUnavailable(f"does not answer with an image, but with {status}", passing=status in BUSY)
        try:
            await read_body(response.stream, take, most=MOST_IMAGE_BYTES)
        except (_Enough, TooLong):
            return
