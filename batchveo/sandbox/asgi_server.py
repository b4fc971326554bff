"""An ASGI application on a real socket of this machine, under uvicorn."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from batchveo.core.errors import UsageError, find_reason

_BACKLOG = 2048
_GRACE = 1
_LOOK_EVERY = 0.005


@contextmanager
def running(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve in a thread until the block ends; yields the base URL. Port 0 takes a free one."""
    with open_listener(host, port) as listener:
        server = _Server(app)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="batchveo-server", daemon=True
        )
        thread.start()
        try:
            _await_start(server, thread)
            yield url_of(listener)
        finally:
            server.end()
            thread.join()


def serve(app: ASGIApp, *, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; ``on_ready`` gets the base URL once connections are accepted."""
    with open_listener(host, port) as listener:
        _Server(app, lambda: on_ready(url_of(listener))).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Calls ``on_ready``, and ends on a signal without raising it again as uvicorn does.

    It ends at once: uvicorn looks only ten times a second, first whether it is to end, then whether all is answered.
    """

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None] = lambda: None) -> None:
        super().__init__(_make_config(app))
        self._on_ready = on_ready
        self._stop_ticks: Callable[[], object] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        self.force_exit = self.should_exit
        self.end()

    def end(self) -> None:
        """End soon. Any thread may call it, and a signal handler."""
        self._stop_ticks()  # first: a server that is to end may do so at once, and its loop is closed then
        self.should_exit = True

    async def main_loop(self) -> None:
        ticks = asyncio.create_task(super().main_loop())
        self._stop_ticks = partial(asyncio.get_running_loop().call_soon_threadsafe, ticks.cancel)
        await asyncio.wait([ticks])
        self._stop_ticks = lambda: None  # a later signal may find the loop closed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                await self._wait_answered()

    async def _wait_answered(self) -> None:
        state = self.server_state
        while (state.connections or state.tasks) and not self.force_exit:  # noqa: ASYNC110 - uvicorn has no event
            await asyncio.sleep(_LOOK_EVERY)


def _make_config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        loop="asyncio",  # another loop, if one is installed, aborts connections in its own way
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
    )


def open_listener(host: str, port: int) -> socket.socket:
    """A socket that accepts connections at ``host`` and ``port``; raises ``OSError`` if it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only then: without it an answer takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":  # on Windows two processes could listen on one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise UsageError(f"cannot listen on {host}:{port}: {find_reason(error)}; --port 0 takes a free one") from None
    return listener


def url_of(listener: socket.socket) -> str:
    """The base URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _await_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the server did not start")
        time.sleep(_LOOK_EVERY)
