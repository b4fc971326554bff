"""A transport for httpx's requests over aiohttp's connections, for a fraction of the processor time."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any

import aiohttp
import httpx
from yarl import URL

from batchveo.provider.http_messages import SEND_STARTED

READ_AHEAD = 256 * 1024
"""Bytes of a body that are read from the socket before anyone asks for them."""

Trace = Callable[[str, Mapping[str, object]], Awaitable[None]]
"""httpcore's ``trace`` extension."""

_FAULTS: tuple[tuple[type[Exception], type[httpx.RequestError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (TimeoutError, httpx.ReadTimeout),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (aiohttp.ClientError, httpx.ReadError),
    (OSError, httpx.ReadError),
    (UnicodeError, httpx.ReadError),  # a name that DNS or TLS cannot write
)
"""aiohttp's exceptions and httpx's, the first that fits. Only the first three say that nothing has left."""
_ERRORS = tuple(theirs for theirs, _ in _FAULTS)


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Asyncio only; make and close it inside the event loop. ``keep`` keeps connections for the next request.

    The callers bound how many requests are in flight. Of httpcore's ``trace`` extension it knows one step:
    ``SEND_STARTED``, when the connection is made and no byte of the request has left.
    """

    def __init__(self, tls: Callable[[], ssl.SSLContext], *, keep: bool) -> None:
        self._tls = tls
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=0, force_close=not keep),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=READ_AHEAD,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request``; the body of the answer is unread. Raises ``httpx.RequestError``."""
        seconds = request.extensions["timeout"]
        _trace.set(request.extensions.get("trace"))
        try:
            response = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),  # a signed URL must not be written another way
                headers=request.headers.multi_items(),
                data=request.content or None,
                allow_redirects=False,
                ssl=self._tls() if request.url.scheme == "https" else True,
                server_hostname=request.extensions.get("sni_hostname"),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=seconds["connect"], sock_read=seconds["read"]),
            )
        except _ERRORS as error:
            raise _translate_error(error) from error
        return httpx.Response(response.status, headers=response.raw_headers, stream=_Body(response))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()


_trace: ContextVar[Trace | None] = ContextVar("trace", default=None)
"""Of the request that this task sends."""


class _Connector(aiohttp.TCPConnector):
    """Awaits the trace of a request between its connection and its first byte; if that raises, nothing leaves."""

    async def connect(self, *args: Any, **kwargs: Any) -> aiohttp.connector.Connection:
        connection = await super().connect(*args, **kwargs)
        try:
            _check_silent(connection)
            trace = _trace.get()
            if trace is not None:
                await trace(SEND_STARTED, {})
        except BaseException:
            connection.close()
            raise
        return connection


def _check_silent(connection: aiohttp.connector.Connection) -> None:
    """Refuse a kept connection that has received unexpected bytes: they would pass for the next answer."""
    # aiohttp checks that only when a connection is given back, not when it is taken out again
    if connection.protocol is not None and connection.protocol.should_close:
        raise aiohttp.ServerDisconnectedError


class _Body(httpx.AsyncByteStream):
    """The body of a response, in pieces of any size."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            content = self._response.content
            while True:
                chunk, _ = await content.readchunk()  # as it came: to join several is to copy them once more
                if chunk:
                    yield chunk
                elif content.at_eof():
                    return
        except _ERRORS as error:
            raise _translate_error(error) from error

    async def aclose(self) -> None:
        """Give the connection back; close it if its body was not read to the end."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


def _translate_error(error: Exception) -> httpx.RequestError:
    kind = next(ours for theirs, ours in _FAULTS if isinstance(error, theirs))
    return kind(_describe_error(error) or type(error).__name__)


def _describe_error(error: Exception) -> str:
    """The error without bytes of the server: a key that the server echoes must not get into any message."""
    match error:
        case aiohttp.ServerDisconnectedError():  # its text may be all that came of an answer
            return "Server disconnected"
        case aiohttp.ClientResponseError():
            return error.message.partition(":")[0]
        case aiohttp.ClientPayloadError():
            return str(error).partition(":")[0]
        case aiohttp.ClientConnectorError():
            return f"{error.host}: {error.__cause__}" if error.__cause__ else str(error)
        case _:
            return str(error)
