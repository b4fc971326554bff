"""One HTTP/1.1 connection of asyncio: a request leaves, then the head and the body of its response are read."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

import httptools
import httpx

READ_AHEAD = 256 * 1024
"""Bytes of a body that are read from the socket before anyone asks for them."""
LARGEST_HEAD = 64 * 1024
"""Bytes before the end of a response's head; a longer one is not read."""
LARGEST_GAP = 64 * 1024
"""Bytes between two pieces of a body: lengths, extensions of chunks, headers after the body."""
SMALL_PIECE = 1024
"""Bytes of a piece, on average, below which the pieces that are there are taken as one."""


class ResponseParser:
    """One response as far as it has come. ``feed`` raises ``httpx.RemoteProtocolError`` for bytes that are no HTTP."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: deque[bytes] = deque()
        """Of the body, unread."""
        self.unread = 0
        self.has_begun = False
        self.has_head = False
        self.is_complete = False
        self.is_reusable = False
        """Whether the connection may carry another request after this response."""
        self._gap = 0
        """Bytes since the head ended or a piece of the body came."""
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Parse the next bytes."""
        self.has_begun = True
        if self.is_complete:
            self.is_reusable = False  # whatever comes after a response was not asked for
            return
        before = (self.has_head, self.unread)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.is_reusable = False
            if not self.is_complete:
                # without the parser's words: they may hold bytes of the server, and these the key
                raise httpx.RemoteProtocolError("the answer is not HTTP/1.1") from error
        # the parser keeps a header until it ends, so that one without an end would fill the memory
        self._gap = self._gap + len(data) if (self.has_head, self.unread) == before else 0
        if not self.has_head and self._gap > LARGEST_HEAD:
            raise httpx.RemoteProtocolError(f"the head of the answer is longer than {LARGEST_HEAD} bytes")
        if self._gap > LARGEST_GAP:
            raise httpx.RemoteProtocolError(f"{self._gap} bytes came of which none is of the body")

    def feed_end(self) -> None:
        """Complete a body that has no other end than that of its connection."""
        if self.has_head and not any(name.lower() in _LENGTHS for name, _ in self.headers):
            self.is_complete = True

    def take_piece(self) -> bytes:
        """Take the next unread piece of the body."""
        if self.unread < SMALL_PIECE * len(self.pieces):
            # a server may send chunks of one byte, each of which costs its reader as much as a large one
            piece = b"".join(self.pieces)
            self.pieces.clear()
        else:
            piece = self.pieces.popleft()
        self.unread -= len(piece)
        return piece

    def close(self) -> None:
        """Let the parser go, which refers to this object as this object does to it."""
        del self._parser

    # -- calls of the parser

    def on_message_begin(self) -> None:
        """A second response in the same bytes belongs to no request."""
        if self.is_complete:
            self.is_reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header; those after the body are ignored."""
        if not self.has_head:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Note the status; a head of 1xx precedes the response's own."""
        if self.is_complete:
            return
        self.status = self._parser.get_status_code()
        self.has_head = not 100 <= self.status < 200
        if not self.has_head:
            self.headers.clear()

    def on_body(self, piece: bytes) -> None:
        """Keep a piece of the body."""
        if not self.is_complete:
            self.pieces.append(piece)
            self.unread += len(piece)

    def on_message_complete(self) -> None:
        """Note the end, unless it is that of a head of 1xx."""
        if self.has_head and not self.is_complete:
            self.is_complete = True
            self.is_reusable = self._parser.should_keep_alive()


_LENGTHS = frozenset({b"content-length", b"transfer-encoding"})


class Connection(asyncio.Protocol):
    """A connection for one request at a time: ``send`` it, ``read`` the body, ``finish``.

    Errors are httpx's; the connection is closed after one. ``among`` holds it from the beginning to the end.
    """

    def __init__(self, among: set[Connection]) -> None:
        self._loop = asyncio.get_running_loop()
        self._among = among
        self._transport: asyncio.Transport
        self._response: ResponseParser | None = None
        self._error: httpx.TransportError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_full = False
        """Whether what was written waits for the server to read."""
        self.lost = asyncio.Event()
        """Set when it is closed."""
        self.since = self._loop.time()
        """When it was made, or finished its last request, by the clock of the event loop."""

    @property
    def is_open(self) -> bool:
        """Whether a request may be sent: nothing unasked has come, and the server has not closed."""
        return self._error is None and not self._transport.is_closing()

    @property
    def has_answered(self) -> bool:
        """Whether anything of a response to the request has come."""
        return self._response is not None and self._response.has_begun

    async def send(self, request: bytes, *, seconds: float) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Send a whole request; returns the status and the headers of the response.

        ``seconds``: the longest pause between two pieces of the response.
        """
        self._raise_error()
        self._response = response = ResponseParser()
        self._transport.write(request)
        while not response.has_head:
            # as long as a large body leaves on a slow line, no answer can come
            await self._wait(None if self._is_full else self._loop.time() + seconds, seconds)
        return response.status, response.headers

    async def read(self, *, seconds: float) -> bytes:
        """The next piece of the body; empty at its end. ``seconds``: the longest wait for it."""
        response = self._response
        assert response is not None  # noqa: S101 - ``send`` came first
        deadline = self._loop.time() + seconds  # bytes that are not of the body must not prolong it
        while not response.pieces:
            if response.is_complete:
                return b""
            await self._wait(deadline, seconds)
        piece = response.take_piece()
        if response.unread < READ_AHEAD and not self._transport.is_closing():
            self._transport.resume_reading()
        return piece

    def finish(self) -> bool:
        """End the response, read or not; returns whether the connection may carry another request."""
        response, self._response = self._response, None
        self.since = self._loop.time()
        is_reusable = False
        if response is not None:
            response.close()
            is_reusable = response.is_reusable and not response.pieces and self.is_open
        if not is_reusable:
            self._transport.abort()
        return is_reusable

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    async def _wait(self, deadline: float | None, seconds: float) -> None:
        """Wait for something to happen, at ``deadline`` for a ``ReadTimeout``. Raises the connection's error."""
        self._raise_error()
        self._waiter = self._loop.create_future()
        # a timer, not a scope around the wait: nothing has to be cancelled, and it takes a tenth of the time
        timer = None if deadline is None else self._loop.call_at(deadline, self._fail_late, seconds)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: httpx.TransportError) -> None:
        self._error = self._error or error
        self._transport.abort()
        self._wake()

    def _fail_late(self, seconds: float) -> None:
        self._fail(httpx.ReadTimeout(f"nothing came for {seconds:g} s"))

    # -- calls of the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast("asyncio.Transport", transport)
        self._among.add(self)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        response = self._response
        if response is None:  # it would pass for the answer to the next request
            self._fail(httpx.RemoteProtocolError("bytes came that were not asked for"))
            return
        try:
            response.feed(data)
        except httpx.RemoteProtocolError as error:
            self._fail(error)
            return
        if response.unread >= READ_AHEAD:
            self._transport.pause_reading()
        self._wake()

    def pause_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._is_full = True

    def resume_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._is_full = False
        self._wake()

    def eof_received(self) -> None:
        """See ``asyncio.Protocol``."""
        # not when the connection is lost: this side may have closed it in the middle of the body
        if self._response is not None:
            self._response.feed_end()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        if self._error is None:
            lost = httpx.RemoteProtocolError("Server disconnected") if exc is None else httpx.ReadError(str(exc))
            lost.__cause__ = exc
            self._error = lost
        self._wake()
        self._among.discard(self)
        self.lost.set()
