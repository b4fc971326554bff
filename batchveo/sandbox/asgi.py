"""The HTTP skin: a Starlette application around the service."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from urllib.parse import parse_qsl

import anyio
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from batchveo.sandbox.http_messages import Ending, Request, Response
from batchveo.sandbox.service import Service

_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


def app(service: Service) -> Starlette:
    """The service as an ASGI application; its ``state.service`` is the service."""
    application = Starlette(routes=[Route("/{path:path}", _Skin(service))])
    application.state.service = service
    return application


class _Skin:
    """The only endpoint: translates there and back, and carries out each answer's delivery."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = self._service.handle(await _request(scope, receive))
        delivery = response.delivery
        await anyio.sleep(delivery.delay)
        if not delivery.unanswered:
            await _send(response, send)
        if delivery.ending is not Ending.WHOLE:
            await _hang_up(receive, delivery.ending)


async def _request(scope: Scope, receive: Receive) -> Request:
    request = HttpRequest(scope, receive)
    return Request(
        method=request.method,
        path=scope["path"],
        query=tuple(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers=dict(request.headers),
        body=await request.body(),
        origin=f"{request.url.scheme}://{request.url.netloc}",
    )


async def _send(response: Response, send: Send) -> None:
    delivery = response.delivery
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    last = b""
    for number, piece in enumerate(delivery.split(response.body)):
        await anyio.sleep(delivery.pause)
        if number:
            await send({"type": "http.response.body", "body": last, "more_body": True})
        last = piece
    unfinished = delivery.ending is not Ending.WHOLE
    await send({"type": "http.response.body", "body": last, "more_body": unfinished})


async def _hang_up(receive: Receive, ending: Ending) -> None:
    # ASGI has no word for hanging up; uvicorn's receive is a method of the object that holds the connection.
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
