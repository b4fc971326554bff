"""Spare connections: made ahead while submits are expected, used once, and never at the price of a doubt."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
import pytest

from batchveo.core.outcomes import Accepted
from batchveo.provider import ApiClient, ApiKey, spare_connections, transport
from batchveo.provider.asyncio_transport import AsyncioTransport
from batchveo.provider.http_connection import Connection
from batchveo.provider.spare_connections import (
    MOST_GAP_SECONDS,
    MOST_SPARES,
    PAUSE_SECONDS,
    REQUESTS_SEEN,
    SpareConnections,
)
from tests.helpers.certificate_authority import Authority
from tests.helpers.socket_servers import Play, Server, ok, read_request, serving

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("error")]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """The server's context."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    transport._tls.cache_clear()
    yield authority.context() if request.param == "https" else None
    transport._tls.cache_clear()


@pytest.fixture
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """One spare from the first submit on; no test is slow enough to see it grow old."""
    monkeypatch.setattr(spare_connections, "REQUESTS_SEEN", 1)
    monkeypatch.setattr(spare_connections, "MOST_SPARES", 1)
    monkeypatch.setattr(spare_connections, "LIFE_SECONDS", 600.0)
    monkeypatch.setattr(spare_connections, "RENEW_SECONDS", 500.0)


eager = pytest.mark.usefixtures("_eager")


@dataclass(slots=True)
class Service:
    """Accepts submits; ``requests``: how many came on each connection, in the order of the connections.

    On the connections of ``spoiled`` it does not wait for a request: it says ``unasked`` and closes.
    """

    spoiled: set[int] = field(default_factory=set)
    unasked: bytes = b""
    closes: bool = True
    spoil: asyncio.Event = field(default_factory=asyncio.Event)
    requests: list[int] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)

    def play(self, server: Server) -> Play:
        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            number = len(self.requests)
            self.requests.append(0)
            server.changed.set()
            try:
                if number in self.spoiled:
                    await self.spoil.wait()
                    writer.write(self.unasked)
                    if self.closes:
                        return
                while True:
                    server.requests.append(await read_request(reader))
                    self.requests[number] += 1
                    writer.write(ok(b'{"id":"g-%d"}' % number))
            finally:
                self.ended.add(number)
                server.changed.set()

        return on_connection


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def server(service: Service, tls: ssl.SSLContext | None) -> AsyncIterator[Server]:
    async with serving(service.play, tls=tls) as running:
        yield running


def open_client(server: Server) -> ApiClient:
    return ApiClient(ApiKey("k"), base_url=server.url)


def list_keepers(api: ApiClient) -> list[SpareConnections]:
    assert isinstance(api._submits, AsyncioTransport)
    return list(api._submits._spares.values())


def list_spares(api: ApiClient) -> list[Connection]:
    return [spare for spares in list_keepers(api) for spare in spares._spares]


async def until(condition: Callable[[], object]) -> None:
    """Wait for what this side does by itself."""
    while not condition():  # noqa: ASYNC110 - nothing else could set an event
        await asyncio.sleep(0)


async def submit_with_spare(api: ApiClient) -> Connection:
    """Submit once, and wait for the spare that this leads to."""
    assert await api.submit({}, client_request_id="x") == Accepted(generation_id="g-0")
    await until(lambda: list_spares(api))
    (spare,) = list_spares(api)
    return spare


@eager
async def test_a_submit_takes_the_spare_and_no_connection_has_two_requests(server: Server, service: Service) -> None:
    """The mark is made on it as on any other: before the first byte."""
    marks: list[int] = []

    async def mark() -> None:
        marks.append(sum(service.requests))

    async with open_client(server) as api:
        await submit_with_spare(api)
        for number in (1, 2, 3):
            outcome = await api.submit({}, client_request_id="x", before_send=mark)
            assert outcome == Accepted(generation_id=f"g-{number}")
            await server.until(lambda number=number: len(service.requests) == number + 2)  # type: ignore[misc]
            await until(lambda: list_spares(api))
    assert service.requests == [1, 1, 1, 1, 0]
    assert marks == [1, 2, 3]


@eager
@pytest.mark.parametrize(("unasked", "closes"), [(b"", True), (ok(b'{"id":"g-other"}'), False)], ids=["end", "bytes"])
async def test_a_spoiled_spare_is_not_used(server: Server, service: Service, unasked: bytes, closes: bool) -> None:
    """The server has closed it, or has said what would pass for the answer."""
    service.spoiled, service.unasked, service.closes = {1}, unasked, closes
    async with open_client(server) as api:
        spare = await submit_with_spare(api)
        service.spoil.set()
        await spare.lost.wait()
        assert await api.submit({}, client_request_id="x") == Accepted(generation_id="g-2")
    assert service.requests[:3] == [1, 0, 1]


@eager
async def test_a_server_that_closes_spares_gets_none_for_a_while(server: Server, service: Service) -> None:
    """They would be of no use, and one that it closes as a submit leaves on it puts the job in doubt."""
    service.spoiled = {1}
    service.spoil.set()
    async with open_client(server) as api:
        spare = await submit_with_spare(api)
        await spare.lost.wait()
        (spares,) = list_keepers(api)
        for number in (2, 3):
            assert await api.submit({}, client_request_id="x") == Accepted(generation_id=f"g-{number}")
            assert not spares._spares
            assert not spares._making
        spares._paused_until -= PAUSE_SECONDS
        assert await api.submit({}, client_request_id="x") == Accepted(generation_id="g-4")
        await until(lambda: spares._spares)
    assert service.requests[:5] == [1, 0, 1, 1, 1]


@eager
async def test_a_spare_that_ends_while_the_mark_is_made_leaves_no_doubt(server: Server, service: Service) -> None:
    """Not a byte has left on it, so the request may leave on another; the mark is made once."""
    service.spoiled = {1}
    marks: list[int] = []

    async def mark() -> None:
        marks.append(1)
        service.spoil.set()
        await spare.lost.wait()

    async with open_client(server) as api:
        spare = await submit_with_spare(api)
        outcome = await api.submit({}, client_request_id="x", before_send=mark)
        assert isinstance(outcome, Accepted)
        assert outcome.generation_id != "g-1"
    assert marks == [1]
    assert sum(service.requests) == 2


@pytest.mark.parametrize(("unasked", "closes"), [(b"", True), (ok(b'{"id":"g-other"}'), False)], ids=["end", "bytes"])
async def test_a_connection_that_ends_while_the_mark_is_made_leaves_no_doubt_either(
    server: Server, service: Service, unasked: bytes, closes: bool
) -> None:
    """A busy server may accept a connection only to close it."""
    service.spoiled, service.unasked, service.closes = {0}, unasked, closes
    marks: list[int] = []

    async def mark() -> None:
        marks.append(1)
        assert isinstance(api._submits, AsyncioTransport)
        (connection,) = api._submits._open
        service.spoil.set()
        await connection.lost.wait()

    async with open_client(server) as api:
        outcome = await api.submit({}, client_request_id="x", before_send=mark)
    assert outcome == Accepted(generation_id="g-1")
    assert marks == [1]
    assert service.requests == [0, 1]


@eager
async def test_an_old_spare_is_closed(server: Server, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_client(server) as api:
        spare = await submit_with_spare(api)
        spare.since -= 601.0
        outcome = await api.submit({}, client_request_id="x")
        assert isinstance(outcome, Accepted)
        assert outcome.generation_id != "g-1"
        await spare.lost.wait()
    assert service.requests[1] == 0


@eager
async def test_a_spare_grows_old_by_itself(server: Server, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any further submit: another takes its place as long as submits are expected, and then none."""
    monkeypatch.setattr(spare_connections, "LIFE_SECONDS", 0.02)
    monkeypatch.setattr(spare_connections, "RENEW_SECONDS", 0.01)
    async with open_client(server) as api:
        await api.submit({}, client_request_id="x")
        await server.until(lambda: {1, 2} <= service.ended)
        monkeypatch.setattr(spare_connections, "MOST_GAP_SECONDS", 0.0)
        (spares,) = list_keepers(api)
        await until(lambda: not (spares._spares or spares._making or spares._renewal))
    await server.until(lambda: len(service.ended) == len(service.requests))
    assert sum(service.requests) == 1


@eager
async def test_a_cancelled_submit_ends_its_spare(server: Server, service: Service) -> None:
    async with open_client(server) as api:
        spare = await submit_with_spare(api)
        with anyio.CancelScope() as scope:

            async def mark() -> None:
                scope.cancel()
                await anyio.sleep_forever()

            await api.submit({}, client_request_id="x", before_send=mark)
        assert scope.cancelled_caught
        await spare.lost.wait()
    assert service.requests[1] == 0


@eager
@pytest.mark.parametrize("is_made", [True, False])
async def test_nothing_is_left_at_the_end(server: Server, service: Service, is_made: bool) -> None:
    """Neither a connection nor a task, whether the spare was there or on its way."""
    before = asyncio.all_tasks()
    async with open_client(server) as api:
        await api.submit({}, client_request_id="x")
        submits = api._submits
        assert isinstance(submits, AsyncioTransport)
        await until(lambda: list_spares(api) or not is_made)
    assert submits._open == set()
    await server.until(lambda: len(service.ended) == len(service.requests))
    await until(lambda: not asyncio.all_tasks() - before)  # the server's too
    gc.collect()


class Connects:
    """Counts what is made."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error or httpx.ConnectError("down")
        self.count = 0

    async def __call__(self) -> Connection:
        self.count += 1
        raise self._error


async def test_no_spare_is_made_for_a_few_requests() -> None:
    connects = Connects()
    spares = SpareConnections(connects)
    for _ in range(REQUESTS_SEEN - 1):
        assert spares.take() is None
    assert not spares.close()
    assert connects.count == 0


async def test_requests_that_come_seldom_are_not_expected() -> None:
    spares = SpareConnections(Connects())
    now = asyncio.get_running_loop().time()
    for gap, expected in ((0.0, MOST_SPARES), (1.0, 2), (3.0, 1), (MOST_GAP_SECONDS + 1, 0)):
        spares._requests.extend(now - gap * ago for ago in range(REQUESTS_SEEN, 0, -1))
        assert spares._count_expected() == expected


@pytest.mark.parametrize("error", [httpx.ConnectError("down"), ValueError("a name that TLS does not take")])
async def test_a_spare_that_cannot_be_made_is_no_error(error: Exception) -> None:
    """And is not tried again until as many requests have come."""
    connects = Connects(error)
    spares = SpareConnections(connects)
    for _ in range(REQUESTS_SEEN):
        assert spares.take() is None
    await anyio.wait_all_tasks_blocked()
    assert connects.count == MOST_SPARES
    assert spares.take() is None
    await anyio.wait_all_tasks_blocked()
    assert connects.count == MOST_SPARES
    assert not spares.close()
