"""The sandbox inside the client's own process, without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import anyio
import httpx

from batchveo.sandbox.http_messages import Delivery, Ending, Request, Response
from batchveo.sandbox.service import Service


def transport(service: Service) -> httpx.MockTransport:
    """A transport for ``httpx.AsyncClient`` that asks this service; works with asyncio and trio.

    Lost connections and the client's read timeout raise the same errors as over a real socket.
    """
    return make_transport(service.handle)


def make_transport(handle: Callable[[Request], Response]) -> httpx.MockTransport:
    """The same for any function that answers as ``Service.handle`` does."""

    async def answer(request: httpx.Request) -> httpx.Response:
        response = handle(_translate_request(request))
        await _wait(request, response.delivery.delay)
        if response.delivery.unanswered:
            raise _make_error(request, response)
        return httpx.Response(
            response.status, headers=dict(response.headers), stream=_Body(request, response), request=request
        )

    return httpx.MockTransport(answer)


class _Body(httpx.AsyncByteStream):
    """The answer's body, piece by piece, until the delivery ends it."""

    def __init__(self, request: httpx.Request, response: Response) -> None:
        self._request = request
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        delivery: Delivery = self._response.delivery
        for piece in delivery.split(self._response.body):
            await _wait(self._request, delivery.pause)
            yield piece
        if delivery.ending is not Ending.WHOLE:
            raise _make_error(self._request, self._response)


def _translate_request(request: httpx.Request) -> Request:
    url = request.url
    return Request(
        method=request.method,
        path=url.path,
        query=tuple(url.params.multi_items()),
        headers=dict(request.headers),
        body=request.content,
        origin=f"{url.scheme}://{url.netloc.decode('ascii')}",
    )


async def _wait(request: httpx.Request, seconds: float) -> None:
    timeout = request.extensions.get("timeout", {}).get("read")
    if timeout is not None and seconds > timeout:
        await anyio.sleep(timeout)
        raise httpx.ReadTimeout("The read operation timed out", request=request)
    if seconds > 0:
        await anyio.sleep(seconds)


def _make_error(request: httpx.Request, response: Response) -> httpx.TransportError:
    if response.delivery.ending is Ending.RESET:
        return httpx.ReadError("Connection reset by peer", request=request)
    if response.delivery.unanswered:
        message = "Server disconnected without sending a response."
    else:
        message = "peer closed connection without sending complete message body"
    return httpx.RemoteProtocolError(message, request=request)
