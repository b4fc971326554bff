"""One connection: how responses are parsed, however their bytes are cut, and what bounds memory and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from batchveo.provider.http_connection import (
    LARGEST_GAP,
    LARGEST_HEAD,
    READ_AHEAD,
    SMALL_PIECE,
    Connection,
    ResponseParser,
)
from tests.helpers.socket_servers import HEAD, JSON, Script, lasting, ok, read_request, say, serving

pytestmark = pytest.mark.anyio
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def parse(*pieces: bytes) -> tuple[ResponseParser, bytes]:
    response = ResponseParser()
    for piece in pieces:
        response.feed(piece)
    return response, b"".join(response.pieces)


@pytest.mark.parametrize(
    ("answer", "body", "is_reusable"),
    [
        (ok(), JSON, True),
        (ok(JSON, b"Connection: close"), JSON, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"{}", False),
        (CHUNKED, b"{}", True),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok(), JSON, True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", b"", True),
        (ok(b"[]").replace(b"200", b"099") + ok(), b"[]", False),
        (ok() + ok(b"[]"), JSON, False),
        (ok() + b"NONSENSE", JSON, False),
    ],
    ids=["plain", "close", "HTTP/1.0", "chunked", "after 103", "204 after 100", "099", "twice", "nonsense after"],
)
@pytest.mark.parametrize("cut", [1, 7, 10_000])
def test_a_response_is_the_same_however_it_is_cut(answer: bytes, body: bytes, is_reusable: bool, cut: int) -> None:
    """Only the first response counts; whatever follows it makes the connection unusable."""
    response, found = parse(*(answer[at : at + cut] for at in range(0, len(answer), cut)))
    assert response.is_complete
    assert found == body
    assert response.is_reusable is is_reusable
    assert not any(name in (b"Link", b"X-Trailer") for name, _ in response.headers)


@pytest.mark.parametrize(
    ("head", "is_complete"),
    [(HEAD, True), (HEAD + b"Content-Length: 9\r\n", False), (HEAD + b"Transfer-Encoding: chunked\r\n", False)],
)
def test_only_a_body_without_a_length_ends_with_its_connection(head: bytes, is_complete: bool) -> None:
    response, _ = parse(head + b"\r\n", b"2\r\n{}\r\n")
    assert not response.is_complete
    response.feed_end()
    assert response.is_complete is is_complete


def test_an_error_shows_no_byte_of_the_server() -> None:
    """A server may echo the key."""
    with pytest.raises(httpx.RemoteProtocolError) as refused:
        parse(b"sk-secret\r\n\r\n")
    assert "sk-secret" not in str(refused.value)


def test_a_head_without_end_is_not_kept() -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="longer than"):
        parse(HEAD, *[b"X: %s\r\n" % (b"a" * 1000)] * (LARGEST_HEAD // 1000 + 1))


@pytest.mark.parametrize("begin", [b"2;", b"0" * 9, b"0\r\nX: ", b"0\r\nX: 1\r\n"])
def test_what_is_no_body_is_bounded_too(begin: bytes) -> None:
    """An extension of a chunk, its length, headers after the body: none needs an end, and some are kept."""
    more = b"X: 1\r\n" if begin.endswith(b"\r\n") else b"0"
    with pytest.raises(httpx.RemoteProtocolError, match="none is of the body"):
        parse(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + begin, *[more * 1000] * (LARGEST_GAP // 1000 + 1))


def test_a_body_may_be_longer_than_the_gaps_in_it() -> None:
    pieces = [b"1;%s\r\na\r\n" % (b"x" * 1000)] * 100
    response, body = parse(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *pieces, b"0\r\n\r\n")
    assert response.is_complete
    assert body == b"a" * 100


@pytest.mark.parametrize(("size", "takes"), [(1, 1), (SMALL_PIECE, 50)])
def test_small_pieces_are_taken_together(size: int, takes: int) -> None:
    """Tens of thousands of them would keep the event loop busy for a second; large ones would only be copied."""
    chunks = b"%x\r\n%s\r\n" % (size, b"a" * size) * 50
    response, body = parse(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    taken = []
    while response.pieces:
        taken.append(response.take_piece())
    assert b"".join(taken) == body
    assert len(taken) == takes
    assert response.unread == 0


@asynccontextmanager
async def connected(play: Script) -> AsyncIterator[tuple[Connection, set[Connection]]]:
    among: set[Connection] = set()
    async with serving(play) as server:
        port = int(server.url.rpartition(":")[2])
        _, connection = await asyncio.get_running_loop().create_connection(lambda: Connection(among), "127.0.0.1", port)
        yield connection, among
        connection.abort()
        await connection.lost.wait()


async def test_requests_take_turns_on_a_connection() -> None:
    """It is among the open ones as long as it is."""
    async with connected(lasting(ok(), ok(b"[]"))) as (connection, among):
        for body in (JSON, b"[]"):
            status, headers = await connection.send(REQUEST, seconds=60)
            assert (status, headers) == (200, [(b"Content-Length", b"%d" % len(body))])
            assert await connection.read(seconds=60) == body
            assert await connection.read(seconds=60) == b""
            assert among == {connection}
            assert connection.finish()
    assert among == set()


async def test_a_body_that_was_not_read_ends_the_connection() -> None:
    async with connected(lasting(ok(), ok())) as (connection, _):
        await connection.send(REQUEST, seconds=60)
        assert not connection.finish()
        assert not connection.is_open


async def test_no_more_is_read_than_somebody_asks_for() -> None:
    """A video that is written slowly does not fill the memory."""
    body = bytes(16 * READ_AHEAD)
    async with connected(say(ok(body), then="hold")) as (connection, _):
        await connection.send(REQUEST, seconds=60)
        assert connection._response is not None
        most = size = 0
        while piece := await connection.read(seconds=60):
            size += len(piece)
            for _ in range(3):  # a slow reader
                await asyncio.sleep(0)
            most = max(most, connection._response.unread)
        assert size == len(body)
        assert most <= 2 * READ_AHEAD  # the piece that passes the bound was read already


async def test_a_large_request_may_take_its_time() -> None:
    """The wait for the answer begins when the request has left: a timer of no seconds would end it at once."""

    def play(_: object) -> object:
        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            for _ in range(20):
                await asyncio.sleep(0)
            writer.write(ok())
            await read_request(reader)

        return on_connection

    async with connected(play) as (connection, _):  # type: ignore[arg-type]
        large = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (1 << 24) + bytes(1 << 24)
        status, _ = await connection.send(large, seconds=0)
        assert status == 200


async def test_silence_ends_as_a_timeout() -> None:
    async with connected(say(then="hold")) as (connection, _):
        with pytest.raises(httpx.ReadTimeout):
            await connection.send(REQUEST, seconds=0)
        assert not connection.is_open


async def test_a_request_on_a_lost_connection_says_so() -> None:
    async with connected(say(reads=False)) as (connection, _):
        await connection.lost.wait()
        with pytest.raises(httpx.RemoteProtocolError, match="disconnected"):
            await connection.send(REQUEST, seconds=60)


async def test_bytes_that_are_no_body_do_not_prolong_the_wait_for_it() -> None:
    """A server could keep a download waiting as long as it likes."""
    begun = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n1;" + b"x" * 6
    async with connected(say(begun, every=0.01)) as (connection, _):
        await connection.send(REQUEST, seconds=60)
        assert await connection.read(seconds=60) == b"{}"
        async with asyncio.timeout(5):
            with pytest.raises(httpx.ReadTimeout, match="nothing came"):
                await connection.read(seconds=0.05)


async def test_only_the_server_ends_a_body_without_a_length() -> None:
    """If this side closes the connection, half a video must not pass for a whole one."""
    async with connected(say(HEAD + b"\r\n{", then="hold")) as (connection, _):
        await connection.send(REQUEST, seconds=60)
        assert await connection.read(seconds=60) == b"{"
        connection.abort()
        with pytest.raises(httpx.RemoteProtocolError):
            await connection.read(seconds=60)
