"""Whatever a server does on a real socket, every call ends as an outcome, and on the safe side."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest

from batchveo.core.models import JobState
from batchveo.core.outcomes import (
    Accepted,
    DownloadError,
    PollError,
    RejectedTemporarily,
    StillGenerating,
    SubmitUncertain,
)
from batchveo.engine.stages.video_fetcher import VideoFetcher
from batchveo.provider import ApiClient, ApiKey, ProviderError, VideoClient, asyncio_transport, client, video_client
from batchveo.provider.asyncio_transport import AsyncioTransport
from batchveo.provider.http_messages import make_timeouts, send_request
from batchveo.storage.base import at_once
from tests.helpers.certificate_authority import Authority
from tests.helpers.factories import make_job
from tests.helpers.socket_servers import HEAD, JSON, Script, lasting, ok, say, serving

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("error")]
KEY = "sk-very-secret"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For servers from which nothing good is to be waited for; a good one may be slow, where the machine is."""
    short = make_timeouts(connect=0.1, other=0.1)
    monkeypatch.setattr(client, "_SUBMIT_TIMEOUTS", short)
    monkeypatch.setattr(client, "_GET_TIMEOUTS", short)
    monkeypatch.setattr(client, "LONGEST_CALL_SECONDS", 0.3)
    monkeypatch.setattr(video_client, "_TIMEOUTS", short)
    monkeypatch.setattr(video_client, "HEAD_SECONDS", 0.3)


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BAD = {
    "closed when accepted": say(reads=False),
    "closed when asked": say(),
    "reset when accepted": say(reads=False, then="reset"),
    "reset when asked": say(then="reset"),
    "silent": say(then="hold"),
    "not HTTP": say(b"NONSENSE " + KEY.encode() + b"\r\n\r\n"),
    "HTTP/0.9": say(JSON),
    "TLS": say(b"\x15\x03\x01\x00\x02\x02\x28"),
    "status line too long": say(b"HTTP/1.1 200 " + b"O" * 20_000 + b"\r\n\r\n"),
    "header too long": say(HEAD + b"X: " + b"a" * 90 + KEY.encode() + b"a" * 20_000 + b"\r\n\r\n"),
    "headers without end": say(HEAD + b"X: a\r\n" * 5_000),
    "head cut off": say(HEAD + b"X-Echo: " + KEY.encode() + b"\r\n"),
    "head held back": say(HEAD + b"X: a\r\n", then="hold"),
    "head dripping in": say(HEAD + b"X: a\r\n", every=0.02),
    "100 and no more": say(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "101": say(b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc", then="hold"),
    "body cut off": say(HEAD + b"Content-Length: 100\r\n\r\n{"),
    "body reset": say(HEAD + b"Content-Length: 100\r\n\r\n{", then="reset"),
    "body held back": say(HEAD + b"Content-Length: 100\r\n\r\n{", then="hold"),
    "two lengths": say(ok(JSON, b"Content-Length: 2")),
    "length and chunks": say(ok(b"2\r\n{}\r\n0\r\n\r\n", b"Transfer-Encoding: chunked")),
    "chunks of nonsense": say(CHUNKED + b"zz\r\n" + JSON),
    "chunk cut off": say(CHUNKED + b"50\r\n{}"),
    "204 with a body": say(b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\n{}"),
    "gzip": say(ok(JSON, b"Content-Encoding: gzip")),
    "redirect": say(b"HTTP/1.1 307 X\r\nLocation: http://[bad/\r\nContent-Length: 0\r\n\r\n"),
    "status 999": say(b"HTTP/1.1 999 X\r\nContent-Length: 2\r\n\r\n{}"),
}
bad = pytest.mark.parametrize("play", BAD.values(), ids=list(BAD))
impatient = pytest.mark.usefixtures("_impatient")


@impatient
@bad
async def test_a_submit_that_may_have_left_is_in_doubt_and_was_sent_once(play: Script) -> None:
    """The money rule: marked before, lost after, never sent again."""
    marks: list[int] = []

    async def leaving() -> None:
        marks.append(server.connections + 1)

    async with serving(play) as server, ApiClient(ApiKey(KEY), base_url=server.url) as api:
        outcome = await api.submit({"a": 1}, client_request_id="x", before_send=leaving)
    assert isinstance(outcome, SubmitUncertain if marks else RejectedTemporarily)
    assert len(marks) == 1 or not server.requests  # a connection may be gone before anything could leave
    assert "sk-very" not in outcome.reason
    assert server.connections == 1


@impatient
@bad
async def test_questions_end_as_trouble(play: Script) -> None:
    """A poll and a question: ours in kind, and without the key that a server echoes."""
    async with serving(play) as server, ApiClient(ApiKey(KEY), base_url=server.url) as api:
        outcome = await api.poll("g-1")
        with pytest.raises(ProviderError) as trouble:
            await api.get_json("/v2/billing")
    assert isinstance(outcome, PollError)
    assert "sk-very" not in outcome.reason + str(trouble.value)


@impatient
@bad
async def test_a_download_ends_as_trouble(play: Script, tmp_path: Path) -> None:
    async with serving(play) as server, VideoClient(loopback=True) as opened:
        job = make_job(JobState.DOWNLOADING, video_url=f"{server.url}/v.mp4")
        outcome = await VideoFetcher(opened, tmp_path, disk=at_once).fetch(job)
    assert isinstance(outcome, DownloadError)
    assert list(tmp_path.glob("*.mp4")) == []


@impatient
@pytest.mark.parametrize("then", ["close", "hold", "reset"])
async def test_a_submit_whose_tls_fails_is_turned_away(then: str) -> None:
    """No mark: not a byte of the request has left."""
    marks: list[int] = []

    async def leaving() -> None:
        marks.append(1)

    async with (
        serving(say(b"HTTP/1.1 400 X\r\n\r\n" if then == "close" else b"", reads=False, then=then)) as server,
        ApiClient(ApiKey(KEY), base_url=server.url.replace("http", "https")) as api,
    ):
        outcome = await api.submit({}, client_request_id="x", before_send=leaving)
    assert isinstance(outcome, RejectedTemporarily)
    assert marks == []


@pytest.mark.parametrize(
    "answer",
    [
        ok(),
        b"HTTP/1.1 100 Continue\r\n\r\n" + ok(),
        b"HTTP/1.0 200 OK\r\n\r\n" + JSON,
        CHUNKED + b"%x\r\n" % len(JSON) + JSON + b"\r\n0\r\n\r\n",
        ok() + ok(b'{"id":"g-2"}'),
        HEAD + b"X-Inference-Id: g-1\r\nContent-Length: 100\r\n\r\n{",
    ],
    ids=["plain", "after 100", "HTTP/1.0", "chunked", "twice", "cut off after its id"],
)
async def test_a_submit_is_accepted_however_its_answer_comes(answer: bytes) -> None:
    async with serving(say(answer)) as server, ApiClient(ApiKey(KEY), base_url=server.url) as api:
        assert await api.submit({}, client_request_id="x") == Accepted(generation_id="g-1")


async def test_every_submit_has_a_connection_of_its_own() -> None:
    """One that the server just closed would put the job in doubt."""
    async with serving(lasting(ok(), ok())) as server, ApiClient(ApiKey(KEY), base_url=server.url) as api:
        for _ in range(2):
            assert isinstance(await api.submit({}, client_request_id="x"), Accepted)
    assert server.connections == 2


async def test_polls_share_a_connection_and_keep_no_cookie() -> None:
    async with (
        serving(lasting(*[ok(JSON, b"Set-Cookie: a=b")] * 3)) as server,
        ApiClient(ApiKey(KEY), base_url=server.url) as api,
    ):
        for _ in range(3):
            assert isinstance(await api.poll("g-1"), StillGenerating)
    assert server.connections == 1
    assert not any(b"cookie" in request.lower() for request in server.requests)
    assert all(b"accept-encoding: identity\r\n" in request.lower() for request in server.requests)


async def test_a_poll_survives_a_connection_closed_in_the_meantime() -> None:
    async with serving(lasting(ok())) as server, ApiClient(ApiKey(KEY), base_url=server.url) as api:
        for _ in range(3):
            assert isinstance(await api.poll("g-1"), StillGenerating)
    assert server.connections == 3


async def test_what_comes_unasked_is_not_the_answer_to_the_next_poll() -> None:
    """Without an id in it, another job's error would fail a job that is paid."""
    late = ok(b'{"status":"error","error":{"name":"x"}}')
    async with (
        serving(lasting(ok(), ok(), late=late)) as server,
        ApiClient(ApiKey(KEY), base_url=server.url) as api,
    ):
        for count in (1, 2, 3):
            assert isinstance(await api.poll("g-1"), StillGenerating)
            await server.until(lambda count=count: server.late == count)  # type: ignore[misc]
            await anyio.sleep(0.005)  # it is here already, and read in the next round of the event loop
    assert server.connections == 3


@pytest.mark.parametrize("answer", [b"", HEAD, HEAD + b"Content-Length: 100\r\n\r\n{"], ids=["head", "line", "body"])
async def test_cancelled_calls_leave_nothing_behind(answer: bytes, tmp_path: Path) -> None:
    """After each the same Api works; no socket is left to the garbage collector."""
    hang, healthy = say(answer, then="hold"), lasting(ok())
    plays = iter([hang, hang, hang, healthy, healthy])
    async with serving(lambda server: next(plays)(server)) as server:
        async with ApiClient(ApiKey(KEY), base_url=server.url) as api, VideoClient(loopback=True) as opened:
            job = make_job(JobState.DOWNLOADING, video_url=f"{server.url}/v.mp4")
            for call in (
                lambda: api.submit({}, client_request_id="x"),
                lambda: api.poll("g-1"),
                lambda: VideoFetcher(opened, tmp_path, disk=at_once).fetch(job),
            ):
                asked = len(server.requests) + 1
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(never, call)
                    await server.until(lambda asked=asked: len(server.requests) == asked)  # type: ignore[misc]
                    await anyio.wait_all_tasks_blocked()
                    tasks.cancel_scope.cancel()
            assert isinstance(await api.submit({}, client_request_id="x"), Accepted)
            assert isinstance(await api.poll("g-1"), StillGenerating)
        gc.collect()
    assert server.connections == 5


async def never(call: Callable[[], Awaitable[object]]) -> None:
    """What is called does not come back."""
    pytest.fail(f"{await call()}")


async def test_closing_under_cancellation_is_quick_and_clean() -> None:
    async with serving(lasting(ok(), ok())) as server:
        with anyio.CancelScope() as scope, anyio.fail_after(5):
            async with ApiClient(ApiKey(KEY), base_url=server.url) as api:
                await api.poll("g-1")
                scope.cancel()
    gc.collect()


@asynccontextmanager
async def kept() -> AsyncIterator[AsyncioTransport]:
    async with AsyncioTransport(ssl.create_default_context, keep=True) as transport:
        yield transport


async def ask(transport: AsyncioTransport, url: str, method: str = "GET", **headers: str) -> int:
    extensions = {"timeout": make_timeouts(connect=60, other=60)}
    response = await send_request(transport, httpx.Request(method, url, headers=headers, extensions=extensions))
    await response.aread()
    await response.aclose()
    return response.status_code


async def test_only_a_get_is_repeated_when_its_kept_connection_ends() -> None:
    """What another method does, it would do twice."""
    async with serving(lasting(ok())) as server, kept() as transport:
        assert [await ask(transport, server.url), await ask(transport, server.url)] == [200, 200]
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(transport, server.url, "POST")
    assert server.connections == 2


async def test_a_connection_is_not_kept_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio_transport, "KEEP_SECONDS", 0.0)
    async with serving(lasting(ok(), ok())) as server, kept() as transport:
        for _ in range(2):
            await ask(transport, server.url)
    assert server.connections == 2


class Resolver:
    """Lets every name lead to ``addresses``, once it may ``answer``; the first ``failures`` look-ups fail."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, failures: int = 0, addresses: Sequence[str] = ("127.0.0.1",)
    ) -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self._look_up)
        self._failures = failures
        self._addresses = addresses
        self.asked: list[str] = []
        self.answer = asyncio.Event()
        self.answer.set()

    async def _look_up(self, host: str, port: int, **_: object) -> object:
        self.asked.append(host)
        await self.answer.wait()
        if len(self.asked) <= self._failures:
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self._addresses]


async def test_a_name_is_looked_up_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's resolver may ask the network each time."""
    asked = Resolver(monkeypatch).asked
    async with (
        serving(lasting(ok())) as server,
        AsyncioTransport(ssl.create_default_context, keep=False) as transport,
    ):
        for seconds in (0.0, 10.0):
            monkeypatch.setattr(asyncio_transport, "NAME_SECONDS", seconds)
            for _ in range(2):
                await ask(transport, server.url.replace("127.0.0.1", "service.example"))
    assert asked == ["service.example"] * 3  # each time, then once


async def test_requests_share_a_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the beginning of a run hundreds need the same name; one that is cancelled does not end it for the others."""
    resolver = Resolver(monkeypatch)
    resolver.answer.clear()
    monkeypatch.setattr(asyncio_transport, "NAME_SECONDS", 0.0)  # a slow look-up is shared too
    async with serving(lasting(ok())) as server, kept() as transport:
        url = server.url.replace("127.0.0.1", "service.example")
        asks = [asyncio.create_task(ask(transport, url)) for _ in range(4)]
        await anyio.wait_all_tasks_blocked()
        asks[0].cancel()
        await anyio.wait_all_tasks_blocked()
        resolver.answer.set()
        assert await asyncio.gather(*asks[1:]) == [200] * 3
    assert resolver.asked == ["service.example"]


async def test_a_look_up_that_failed_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(monkeypatch, failures=1)
    async with serving(lasting(ok())) as server, kept() as transport:
        url = server.url.replace("127.0.0.1", "service.example")
        with pytest.raises(httpx.ConnectError, match="try again"):
            await ask(transport, url)
        assert await ask(transport, url) == 200
    assert len(resolver.asked) == 2


async def test_a_look_up_ends_with_its_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    Resolver(monkeypatch).answer.clear()
    before = asyncio.all_tasks()
    async with kept() as transport:
        asking = asyncio.create_task(ask(transport, "http://service.example/"))
        await anyio.wait_all_tasks_blocked()
        asking.cancel()
        await anyio.wait_all_tasks_blocked()
    assert asyncio.all_tasks() == before


async def test_a_certificate_needs_no_dot_at_the_end_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``service.example.`` is the same host by DNS."""
    Resolver(monkeypatch)
    authority = Authority(tmp_path)
    trust = ssl.create_default_context(cafile=authority.file)
    async with (
        serving(lasting(ok()), tls=authority.context(host="service.example")) as server,
        AsyncioTransport(lambda: trust, keep=True) as transport,
    ):
        assert await ask(transport, server.url.replace("127.0.0.1", "service.example.")) == 200
    assert b"host: service.example.:" in server.requests[0].lower()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere this machine has one such address")
@pytest.mark.parametrize("is_closed", [True, False], ids=["within TLS", "refused"])
async def test_another_address_serves_if_the_first_one_fails(
    is_closed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it fails only within TLS; if all do, that is the error."""
    authority = Authority(tmp_path)
    trust = ssl.create_default_context(cafile=authority.file)
    failing: list[str] = []

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        failing.append(writer.get_extra_info("sockname")[0])
        await reader.read(10_000)
        writer.close()

    async with serving(lasting(ok()), tls=authority.context(host="service.example")) as server:
        port = int(server.url.rpartition(":")[2])
        url = f"https://service.example:{port}/"
        listener = await asyncio.start_server(close, ["127.0.0.2", "127.0.0.3"] if is_closed else ["127.0.0.4"], port)
        async with listener:
            Resolver(monkeypatch, addresses=["127.0.0.2", "127.0.0.1"])
            async with AsyncioTransport(lambda: trust, keep=True) as transport:
                assert await ask(transport, url) == 200
            Resolver(monkeypatch, addresses=["127.0.0.2", "127.0.0.3"])
            async with AsyncioTransport(lambda: trust, keep=True) as transport:
                with pytest.raises(httpx.ConnectError):
                    await ask(transport, url)
    assert failing == (["127.0.0.2"] * 2 + ["127.0.0.3"] if is_closed else [])


async def test_a_context_that_cannot_be_made_leaves_no_socket() -> None:
    """As without files for the certificates."""

    def fail() -> ssl.SSLContext:
        raise FileNotFoundError(2, "no certificates")

    async with serving(say(then="hold")) as server, AsyncioTransport(fail, keep=True) as transport:
        with pytest.raises(httpx.ConnectError, match="no certificates"):
            await ask(transport, server.url.replace("http", "https"))
        assert server.connections == 0
    gc.collect()


async def test_an_error_without_words_shows_its_kind() -> None:
    """Asyncio has none for a server that closes within the beginning of TLS."""

    def play(_: object) -> object:
        async def on_connection(reader: asyncio.StreamReader, _: object) -> None:
            await reader.read(10_000)

        return on_connection

    async with serving(play) as server, kept() as transport:  # type: ignore[arg-type]
        with pytest.raises(httpx.ConnectError, match=r"127\.0\.0\.1: \S"):
            await ask(transport, server.url.replace("http", "https"))


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "//127.0.0.1/"])
async def test_only_http_is_spoken(url: str) -> None:
    async with kept() as transport:
        with pytest.raises(httpx.UnsupportedProtocol):
            await ask(transport, url)


async def test_no_header_ends_its_own_line() -> None:
    """It would be a request of somebody else's making."""
    async with kept() as transport:
        with pytest.raises(httpx.LocalProtocolError):
            await ask(transport, "http://127.0.0.1:1/", x="a\r\nHost: b")
