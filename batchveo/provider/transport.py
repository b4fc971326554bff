"""How requests reach the network, in httpx's objects on either of two stacks.

asyncio without a proxy, so almost every run: ``AiohttpTransport``, aiohttp's connections, for a fraction of the
processor time. Trio, and a proxy that the environment names: ``ConnectionPerRequestTransport``, httpcore's
connections. Both serve all three paths: submits (a fresh connection for each), the other calls, and videos.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cache, lru_cache
from json import JSONEncoder
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio
import httpx
from sniffio import current_async_library

from batchveo.core.errors import UsageError
from batchveo.core.shutdown import CLEANUP_SECONDS
from batchveo.core.version import __version__

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_encode = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
SEND_STARTED = "http11.send_request_body.started"
"""The step of httpcore's trace before the first byte of a body leaves."""
HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": f"batchveo/{__version__}"}


class ConnectionPerRequestTransport(httpx.AsyncBaseTransport):
    """As many connections as there are requests at a time, each behind a stock transport of its own.

    One pool for all of them looks through every connection at the beginning and the end of every request; with
    hundreds that search costs more than the requests do (docs/explanation/performance.md). How many requests there
    are at a time is bounded by those who make them. ``keep`` keeps connections open for the next request.
    """

    def __init__(self, *, keep: bool = True, proxy: str | None = None) -> None:
        self._limits = httpx.Limits(max_connections=1, max_keepalive_connections=int(keep))
        self._proxy = proxy
        self._idle = [self._make_transport()]

    def _make_transport(self) -> httpx.AsyncHTTPTransport:
        try:
            return httpx.AsyncHTTPTransport(verify=_tls(), limits=self._limits, proxy=self._proxy)
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            raise UsageError(f"the proxy that the environment names cannot be used: {error}") from None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request`` on the connection used last, which is the least likely to be stale."""
        transport = self._idle.pop() if self._idle else self._make_transport()
        try:
            response = await transport.handle_async_request(request)
        except BaseException:
            self._idle.append(transport)
            raise
        response.stream = _ReturningBody(response.stream, lambda: self._idle.append(transport))
        return response

    async def aclose(self) -> None:
        """Close what is idle, which is all once every response is closed."""
        while self._idle:
            await self._idle.pop().aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(CLEANUP_SECONDS):
            await self.aclose()


class _ReturningBody(httpx.AsyncByteStream):
    """The body of a response; gives its connection back when it is closed."""

    def __init__(self, body: httpx.SyncByteStream | httpx.AsyncByteStream, close: Callable[[], None]) -> None:
        assert isinstance(body, httpx.AsyncByteStream)  # noqa: S101 - what an async transport makes
        self._body = body
        self._close = close

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._body)

    async def aclose(self) -> None:
        try:
            await self._body.aclose()
        finally:
            self._close()


@cache
def _tls() -> ssl.SSLContext:
    """One for all connections: reading the certificates takes longer than all else at the start."""
    return httpx.create_ssl_context()


def open_transport(*, keep: bool = True, proxy: str | None = None) -> httpx.AsyncBaseTransport:
    """The fastest transport that can be had here; call it inside the event loop.

    aiohttp knows neither trio nor all the proxies that httpx does.
    """
    if proxy is not None or current_async_library() != "asyncio":
        return ConnectionPerRequestTransport(keep=keep, proxy=proxy)
    from batchveo.provider.aiohttp_transport import AiohttpTransport

    return AiohttpTransport(_tls, keep=keep)


def find_proxy(url: str) -> str | None:
    """The proxy that the environment names for ``url`` (``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``)."""
    parts = urlsplit(url)
    if parts.hostname in LOOPBACK or proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def make_timeouts(*, connect: float, other: float) -> Mapping[str, float]:
    """What httpx's transports take as the ``timeout`` extension, in seconds."""
    return {"connect": connect, "read": other, "write": other, "pool": other}


@lru_cache(maxsize=4096)
def _parsed(url: str) -> httpx.URL:
    """Polls ask for the same few URLs again and again."""
    return httpx.URL(url)


def build_request(
    method: str,
    url: str | httpx.URL,
    headers: Mapping[str, str],
    *,
    json: Mapping[str, object] | None = None,
    extensions: Mapping[str, object],
) -> httpx.Request:
    """A request that is ready to be sent: httpx's own preparation takes longer than all else done for it."""
    parsed = _parsed(url) if isinstance(url, str) else url
    fields = {"Host": parsed.netloc.decode("ascii"), **headers}
    body = b""
    if json is not None:
        body = _encode(json).encode()
        fields |= {"Content-Length": str(len(body)), "Content-Type": "application/json"}
    made = httpx.Request(method, parsed, headers=fields, stream=httpx.ByteStream(body), extensions=dict(extensions))
    made.headers.encoding = "ascii"  # it would be guessed from all of them
    made.read()
    return made


async def send_request(transport: httpx.AsyncBaseTransport, request: httpx.Request) -> httpx.Response:
    """Send ``request``; its answer comes with the body unread, to be closed. Raises ``httpx.HTTPError``.

    The transport is asked directly: a client's redirects, cookies and authentication are what must not happen
    here, and take a third of a request's time.
    """
    response = await transport.handle_async_request(request)
    response.request = request
    return response
