"""Which transport is taken, through which proxy, and how lanes are given back."""

from __future__ import annotations

import asyncio

import anyio
import httpx
import pytest

from batchveo.core.errors import UsageError
from batchveo.provider.asyncio_transport import AsyncioTransport
from batchveo.provider.http_messages import make_timeouts, send_request
from batchveo.provider.transport import ConnectionPerRequestTransport, find_proxy, open_transport

VARIABLES = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "https://api.example", None),
        ({"HTTPS_PROXY": "http://p:3128"}, "https://api.example", "http://p:3128"),
        ({"https_proxy": "p:3128"}, "https://api.example", "http://p:3128"),
        ({"HTTP_PROXY": "http://p:3128"}, "https://api.example", None),
        ({"ALL_PROXY": "socks5://p:1080"}, "https://api.example", "socks5://p:1080"),
        ({"ALL_PROXY": "http://a:1", "HTTPS_PROXY": "http://p:1"}, "https://api.example", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.example"}, "https://api.example/x", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".example"}, "https://api.example/x", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "other.example"}, "https://api.example", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, "https://api.example", None),
        ({"ALL_PROXY": "http://p:1"}, "http://127.0.0.1:8000", None),
        ({"ALL_PROXY": "http://p:1"}, "http://[::1]:8000", None),
        ({"ALL_PROXY": "http://p:1"}, "http://localhost", None),
    ],
)
def test_the_environment_names_the_proxy(
    environment: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual variables; never one for this machine."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert find_proxy(url) == proxy


@pytest.mark.parametrize(
    ("backend", "proxy", "kind"),
    [
        ("asyncio", None, AsyncioTransport),
        ("asyncio", "http://p:1", ConnectionPerRequestTransport),
        ("trio", None, ConnectionPerRequestTransport),
        ("trio", "http://p:1", ConnectionPerRequestTransport),
    ],
)
def test_the_fastest_transport_that_can_be_had(backend: str, proxy: str | None, kind: type) -> None:
    async def main() -> None:
        async with open_transport(proxy=proxy) as transport:
            assert type(transport) is kind

    anyio.run(main, backend=backend)


def test_a_proxy_that_is_none_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="proxy"):
        ConnectionPerRequestTransport(proxy="gopher://p:1")


@pytest.mark.parametrize("keep", [True, False])
def test_lanes_are_given_back_and_used_again(keep: bool) -> None:
    """As many lanes as requests at a time; with ``keep`` as many connections."""
    connections: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def main() -> None:
        listener = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
        extensions = {"timeout": make_timeouts(connect=1, other=1)}
        async with ConnectionPerRequestTransport(keep=keep) as transport:
            for _ in range(2):
                two = [
                    await send_request(transport, httpx.Request("GET", url, extensions=extensions)) for _ in range(2)
                ]
                assert transport._idle == []
                for response in two:
                    assert await response.aread() == b"{}"
                    await response.aclose()
                assert len(transport._idle) == 2
        assert transport._idle == []
        listener.close()
        await listener.wait_closed()

    anyio.run(main)
    assert len(connections) == (2 if keep else 4)


@pytest.mark.anyio
async def test_a_lane_comes_back_from_a_request_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    monkeypatch.setattr(httpx, "AsyncHTTPTransport", lambda **_: httpx.MockTransport(fails))
    transport = ConnectionPerRequestTransport()
    for _ in range(3):
        with pytest.raises(httpx.ConnectError):
            await send_request(transport, httpx.Request("GET", "http://127.0.0.1/"))
    assert len(transport._idle) == 1
