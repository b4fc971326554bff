"""Servers of raw sockets on this machine, which answer as no proper server does."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

HEAD = b"HTTP/1.1 200 OK\r\n"
JSON = b'{"id":"g-1","status":"queued"}'


@dataclass(slots=True, kw_only=True)
class Server:
    """Where it listens, and what each connection was sent."""

    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    late: int = 0
    """How often something was said unasked."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what it was asked, or has said."""
        while not condition():
            self.changed.clear()
            await self.changed.wait()


Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Script = Callable[[Server], Play]


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0)
    return head + await reader.readexactly(length)


@asynccontextmanager
async def serving(play: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server on this machine that treats every connection to ``play``; gone with all of them at the end."""
    server = Server()
    tasks: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        server.connections += 1
        try:
            await play(server)(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for task in filter(None, tasks):
            task.cancel()
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)


def say(answer: bytes = b"", *, reads: bool = True, then: str = "close", every: float = 0.0) -> Script:
    """Read a request (or not), answer, and close, reset or hold the connection; ``every`` repeats the answer."""

    def play(server: Server) -> Play:
        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if reads:
                server.requests.append(await read_request(reader))
            writer.write(answer)
            server.changed.set()
            await writer.drain()
            while every:
                await asyncio.sleep(every)
                writer.write(answer[-6:])
                await writer.drain()
            if then == "hold":
                await asyncio.sleep(60)
            if then == "reset":
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()

        return on_connection

    return play


def ok(body: bytes = JSON, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def lasting(*answers: bytes, late: bytes = b"") -> Script:
    """Answer request after request on the same connection, and say ``late`` a little after each."""

    def play(server: Server) -> Play:
        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for answer in answers:
                server.requests.append(await read_request(reader))
                writer.write(answer)
                if late:
                    await asyncio.sleep(0.01)
                    writer.write(late)
                    server.late += 1
                    server.changed.set()

        return on_connection

    return play
