"""The sandbox over HTTP: a Starlette application around the service, on a real socket."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from urllib.parse import parse_qsl

import anyio
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from batchveo.sandbox import asgi_server
from batchveo.sandbox.http_messages import Ending, Request, Response
from batchveo.sandbox.service import Service

_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


def app(service: Service) -> Starlette:
    """The service as an ASGI application, with the service as its ``state.service``."""
    application = Starlette(routes=[Route("/{path:path}", _HttpEndpoint(service))])
    application.state.service = service
    return application


class _HttpEndpoint:
    """The only route: translates requests and answers, and carries out each answer's delivery."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = self._service.handle(await _read_request(scope, receive))
        delivery = response.delivery
        await anyio.sleep(delivery.delay)
        if not delivery.unanswered:
            await _send_response(response, send)
        if delivery.ending is not Ending.WHOLE:
            await _break_connection(receive, delivery.ending)


async def _read_request(scope: Scope, receive: Receive) -> Request:
    request = HttpRequest(scope, receive)
    return Request(
        method=request.method,
        path=scope["path"],
        query=tuple(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers=dict(request.headers),
        body=await request.body(),
        origin=f"{request.url.scheme}://{request.url.netloc}",
    )


async def _send_response(response: Response, send: Send) -> None:
    delivery = response.delivery
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    last = b""  # one piece is held back, since the message of the last one must say that none follows
    for number, piece in enumerate(delivery.split(response.body)):
        await anyio.sleep(delivery.pause)
        if number:
            await send({"type": "http.response.body", "body": last, "more_body": True})
        last = piece
    unfinished = delivery.ending is not Ending.WHOLE
    await send({"type": "http.response.body", "body": last, "more_body": unfinished})


async def _break_connection(receive: Receive, ending: Ending) -> None:
    # ASGI has no message for this; uvicorn's receive is a method of the object that holds the connection.
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if not isinstance(transport, asyncio.Transport):
        raise TypeError("this server's connections cannot be broken off; run the sandbox under uvicorn")
    if ending is Ending.RESET:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass


def running(service: Service, *, host: str = "127.0.0.1", port: int = 0) -> AbstractContextManager[str]:
    """Serve in a thread until the block ends; yields the base URL. Port 0 takes a free one."""
    return asgi_server.running(app(service), host=host, port=port)


def serve(service: Service, *, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; ``on_ready`` gets the base URL once connections are accepted."""
    asgi_server.serve(app(service), host=host, port=port, on_ready=on_ready)
