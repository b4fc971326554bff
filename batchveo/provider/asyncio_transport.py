"""A transport for httpx's requests over asyncio's connections, for a fraction of the processor time."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, NamedTuple

import anyio
import httpx
from aiohappyeyeballs import start_connection

from batchveo.provider.http_connection import Connection
from batchveo.provider.http_messages import SEND_STARTED
from batchveo.provider.spare_connections import SpareConnections

KEEP_SECONDS = 15.0
"""How long a connection is kept for the next request."""
NAME_SECONDS = 10.0
"""How long the addresses of a name are kept."""
NEXT_ADDRESS_SECONDS = 0.25
"""How long the first address of a name is tried alone (RFC 8305)."""
_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Where a connection leads. ``tls_name``: the name that its certificate must have; ``None`` without TLS."""

    host: str
    port: int
    tls_name: str | None


class AsyncioTransport(httpx.AsyncBaseTransport):
    """Asyncio only; make and close it inside the event loop.

    ``keep`` keeps connections for the next request. Without it each request has a connection of its own, on which
    nothing was sent before; if requests are expected, it is made ahead.

    The callers bound how many requests are in flight. Of httpcore's ``trace`` extension it knows one step:
    ``SEND_STARTED``, when the connection is made and no byte of the request has left.
    """

    def __init__(self, tls: Callable[[], ssl.SSLContext], *, keep: bool) -> None:
        self._tls = tls
        self._keep = keep
        self._loop = asyncio.get_running_loop()
        self._names = _Names()
        self._open: set[Connection] = set()
        self._spares: dict[Origin, SpareConnections] = {}
        self._idle: dict[Origin, deque[Connection]] = {}
        """The connections that wait for their next request, the one that was used last at the end."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request``; the body of the answer is unread. Raises ``httpx.RequestError``."""
        message = _encode_request(request)
        origin = _find_origin(request)
        kept = self._take_idle(origin)
        if kept is not None:
            await _call_trace(request, kept)
            try:
                return await self._exchange(request, message, origin, kept)
            except (httpx.RemoteProtocolError, httpx.ReadError):
                # a server may close a kept connection in the moment in which it is used again
                if request.method != "GET" or kept.has_answered:
                    raise
        connect_seconds: float = request.extensions["timeout"]["connect"]
        spare = None if self._keep else self._find_spares(origin, connect_seconds).take()
        connection = spare or await self._connect(origin, connect_seconds)
        await _call_trace(request, connection)
        if not connection.is_open:  # it ended meanwhile, and not a byte has left
            connection = await self._connect(origin, connect_seconds)
        return await self._exchange(request, message, origin, connection)

    async def _exchange(
        self, request: httpx.Request, message: bytes, origin: Origin, connection: Connection
    ) -> httpx.Response:
        seconds: float = request.extensions["timeout"]["read"]
        try:
            status, headers = await connection.send(message, seconds=seconds)
        except BaseException:
            connection.abort()
            raise
        body = _Body(connection, seconds, lambda: self._release(origin, connection))
        return httpx.Response(status, headers=headers, stream=body)

    async def aclose(self) -> None:
        """Close all connections."""
        # everything is ended before anything is awaited: this may be cancelled
        making: list[asyncio.Task[Any]] = [task for spares in self._spares.values() for task in spares.close()]
        making += self._names.close()
        for connection in self._open:
            connection.abort()
        await asyncio.gather(*making, return_exceptions=True)
        for connection in list(self._open):
            connection.abort()
            await connection.lost.wait()

    def _find_spares(self, origin: Origin, seconds: float) -> SpareConnections:
        if origin not in self._spares:
            self._spares[origin] = SpareConnections(lambda: self._connect(origin, seconds))
        return self._spares[origin]

    def _take_idle(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.is_open and connection.since > self._loop.time() - KEEP_SECONDS:
                return connection
            connection.abort()
        return None

    def _release(self, origin: Origin, connection: Connection) -> None:
        if not connection.finish():
            return
        if self._keep:
            self._idle.setdefault(origin, deque()).append(connection)
        else:
            connection.abort()
        self._drop_old()

    def _drop_old(self) -> None:
        """Close the connections that have waited too long for their next request."""
        for idle in self._idle.values():
            while idle and not (idle[0].is_open and idle[0].since > self._loop.time() - KEEP_SECONDS):
                idle.popleft().abort()

    async def _connect(self, origin: Origin, seconds: float) -> Connection:
        """Make a connection; raises ``httpx.ConnectTimeout``, ``ConnectError``, or ``ReadError`` for a wrong name."""
        try:
            with anyio.fail_after(seconds):
                return await self._open_connection(origin)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"{origin.host}: no connection in {seconds:g} s") from error
        except OSError as error:
            error.add_note(origin.tls_name or origin.host)  # for `explain_distrust`
            raise httpx.ConnectError(f"{origin.host}: {str(error) or type(error).__name__}") from error
        except UnicodeError as error:  # a name that DNS or TLS cannot write
            raise httpx.ReadError(f"{origin.host}: {error}") from error

    async def _open_connection(self, origin: Origin) -> Connection:
        tls = None if origin.tls_name is None else self._tls()  # may raise, so before there is a socket to lose
        addresses = await self._names.resolve(origin.host, origin.port)
        while True:
            joined = await start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS)
            peer = None
            with suppress(OSError):
                peer = joined.getpeername()
            try:
                # from here on the event loop looks after the socket, whatever happens
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._open), sock=joined, ssl=tls, server_hostname=origin.tls_name
                )
            except OSError:
                others = [address for address in addresses if address[4] != peer]
                if not 0 < len(others) < len(addresses):
                    raise
                addresses = others  # one machine of several may be at fault, and TLS shows it late
            else:
                return connection


class _Names:
    """The addresses of names, kept for a while: a system's resolver may ask the network each time."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[float, asyncio.Task[Sequence[Any]]]] = {}
        """Until when each look-up counts; it may be under way."""

    async def resolve(self, host: str, port: int) -> Sequence[Any]:
        """What ``getaddrinfo`` knows of ``host``; raises ``OSError`` if that is nothing."""
        with suppress(ValueError):  # an address already: no look-up in a thread
            family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
            return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._known = {
            name: (until, task) for name, (until, task) in self._known.items() if until > now or not task.done()
        }
        if (host, port) not in self._known:
            task: asyncio.Task[Sequence[Any]] = loop.create_task(self._look_up(host, port))
            self._known[host, port] = now + NAME_SECONDS, task
        # one look-up serves all that need it, so that it does not end with the one that began it
        return await asyncio.shield(self._known[host, port][1])

    def close(self) -> list[asyncio.Task[Sequence[Any]]]:
        """End the look-ups that are under way; returns their tasks."""
        tasks = [task for _, task in self._known.values()]
        for task in tasks:
            task.cancel()
        return tasks

    async def _look_up(self, host: str, port: int) -> Sequence[Any]:
        try:
            return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except BaseException:
            self._known.pop((host, port), None)
            raise


class _Body(httpx.AsyncByteStream):
    """The body of a response, in pieces of any size."""

    def __init__(self, connection: Connection, seconds: float, release: Callable[[], None]) -> None:
        self._connection = connection
        self._seconds = seconds
        self._release = release

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self._connection.read(seconds=self._seconds):
            yield piece

    async def aclose(self) -> None:
        """Give the connection back; close it if its body was not read to the end."""
        self._release()


async def _call_trace(request: httpx.Request, connection: Connection) -> None:
    trace = request.extensions.get("trace")
    if trace is None:
        return
    try:
        await trace(SEND_STARTED, {})
    except BaseException:
        connection.abort()
        raise


def _find_origin(request: httpx.Request) -> Origin:
    url = request.url
    if url.scheme not in _PORTS or not url.raw_host:
        raise httpx.UnsupportedProtocol(f"not an address of HTTP: {url.scheme}://{url.host}")
    host = url.raw_host.decode("ascii")
    named = request.extensions.get("sni_hostname") or host
    # a dot at the end of a name is for DNS; no certificate has it
    return Origin(host, url.port or _PORTS[url.scheme], named.rstrip(".") if url.scheme == "https" else None)


def _encode_request(request: httpx.Request) -> bytes:
    """The bytes of ``request``; raises ``httpx.LocalProtocolError`` if a header would end its line."""
    headers = request.headers.raw
    lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%s: %s" % header for header in headers]
    if any(b"\n" in line or b"\r" in line for line in lines):
        raise httpx.LocalProtocolError("a header of the request has a line break")
    return b"\r\n".join([*lines, b"", request.content])
