"""The choice of a transport: how requests reach the network.

Requests, responses and errors are httpx's everywhere; a transport is one of two::

    asyncio, no proxy (almost every run)    AsyncioTransport, for a fraction of the processor time
    a proxy of the environment, or trio     ConnectionPerRequestTransport, over httpcore: it knows SOCKS and trio

Whichever it is serves all calls of its client: submits (``keep=False``: a fresh connection for each), the other
calls, and videos.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from functools import cache
from types import TracebackType
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio
import httpx
from sniffio import current_async_library

from batchveo.core.errors import UsageError
from batchveo.core.shutdown import CLEANUP_SECONDS

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class ConnectionPerRequestTransport(httpx.AsyncBaseTransport):
    """A stock transport with one connection for each request that is in flight.

    A shared pool searches all its connections at the beginning and the end of every request; with hundreds of them
    the search costs more than the requests (docs/explanation/performance.md). The callers bound how many requests
    are in flight. ``keep`` keeps connections open for the next request.
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
        """Send ``request``; raises ``httpx.HTTPError``."""
        # the connection that was used last is the least likely to be stale
        transport = self._idle.pop() if self._idle else self._make_transport()
        try:
            response = await transport.handle_async_request(request)
        except BaseException:
            self._idle.append(transport)
            raise
        response.stream = _ReturningBody(response.stream, lambda: self._idle.append(transport))
        return response

    async def aclose(self) -> None:
        """Close the idle connections: these are all of them once every response is closed."""
        while self._idle:
            await self._idle.pop().aclose()

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
    # one for all connections: reading the certificates takes longer than all else at the start
    return httpx.create_ssl_context()


def open_transport(*, keep: bool = True, proxy: str | None = None) -> httpx.AsyncBaseTransport:
    """The fastest transport for this event loop and ``proxy``; call it inside the event loop."""
    if proxy is not None or current_async_library() != "asyncio":
        return ConnectionPerRequestTransport(keep=keep, proxy=proxy)
    from batchveo.provider.asyncio_transport import AsyncioTransport  # many commands make no call

    return AsyncioTransport(_tls, keep=keep)


def find_proxy(url: str) -> str | None:
    """The proxy that the environment names for ``url`` (``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``)."""
    parts = urlsplit(url)
    if parts.hostname in LOOPBACK or proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"
