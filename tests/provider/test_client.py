"""The calls, over a scripted transport."""

from __future__ import annotations

import gzip
import json
import ssl
from collections.abc import AsyncIterator, Callable

import anyio
import httpx
import pytest

from batchveo.core.errors import KeyRejected, UsageError
from batchveo.core.outcomes import (
    Accepted,
    Completed,
    PollError,
    Refused,
    RejectedTemporarily,
    StillGenerating,
    SubmitUncertain,
)
from batchveo.provider import ApiClient, ApiKey, ProviderError, check_base_url
from batchveo.provider import client as client_module
from batchveo.provider.client import LARGEST_ANSWER, CallLimit

pytestmark = pytest.mark.anyio
KEY = "sk-secret"
Handler = Callable[[httpx.Request], httpx.Response]


def api(handler: Handler) -> ApiClient:
    return ApiClient(ApiKey(KEY), base_url="https://api.example", transport=httpx.MockTransport(handler))


async def test_a_submit_carries_the_key_the_request_id_and_the_body() -> None:
    """One POST, as documented."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json={"id": "g-1", "status": "queued"})

    async with api(handler) as service:
        outcome = await service.submit({"model": "m", "prompt": "é"}, client_request_id="bv.1")
    assert outcome == Accepted(generation_id="g-1")
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", "https://api.example/v2/video/generations")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["x-client-request-id"] == "bv.1"
    assert json.loads(request.content) == {"model": "m", "prompt": "é"}


async def test_a_poll_quotes_the_id() -> None:
    """Ids are opaque: slashes and colons in them are part of the value."""
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, json={"status": "queued"})

    async with api(handler) as service:
        await service.poll("5246:google/veo-3.1&x=1")
    assert seen == ["https://api.example/v2/video/generations?generation_id=5246%3Agoogle%2Fveo-3.1%26x%3D1"]


async def test_redirects_are_not_followed() -> None:
    """The key must not go where a redirect points."""
    hosts: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(307, headers={"location": "https://evil.example/"})

    async with api(handler) as service:
        assert isinstance(await service.submit({}, client_request_id="x"), SubmitUncertain)
        assert isinstance(await service.poll("g"), PollError)
    assert set(hosts) == {"api.example"}


async def test_an_echoed_key_is_scrubbed() -> None:
    """A server may put the key into its error message; messages are kept, the key is not."""

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json={"message": f"bad key {KEY}", "statusCode": 400})

    async with api(handler) as service:
        outcome = await service.submit({}, client_request_id="x")
    assert outcome == Refused(reason="HTTP 400: bad key ***")


async def test_an_echoed_signature_is_hidden() -> None:
    """A service that cannot fetch an input may name its signed address."""

    def handler(request: httpx.Request) -> httpx.Response:
        said = "cannot fetch https://b.example/in/a.png?X-Amz-Expires=900&X-Amz-Signature=5ecret"
        return httpx.Response(400, json={"message": said, "statusCode": 400})

    async with api(handler) as service:
        outcome = await service.submit({}, client_request_id="x")
    assert outcome == Refused(reason="HTTP 400: cannot fetch https://b.example/in/a.png?…")


async def test_a_cut_message_holds_no_half_key() -> None:
    """The key goes before the message is cut."""

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json={"message": "x" * 380 + KEY * 3, "statusCode": 400})

    async with api(handler) as service:
        outcome = await service.submit({}, client_request_id="x")
    assert isinstance(outcome, Refused)
    assert "sk-" not in outcome.reason


async def test_a_compressed_answer_is_not_unfolded() -> None:
    """A small body may become gigabytes."""

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "identity"
        bomb = gzip.compress(gzip.compress(b"0" * 10_000_000))
        return httpx.Response(200, headers={"content-encoding": "gzip, gzip"}, stream=Once(bomb))

    async with api(handler) as service:
        assert isinstance(await service.poll("g"), PollError)


async def test_what_a_proxy_compressed_is_unfolded_within_bounds() -> None:
    """An answer of gzip counts, a bomb or a part of one does not."""
    said = gzip.compress(b'{"id": "g", "status": "generating"}')
    bodies = [said, gzip.compress(b"0" * (LARGEST_ANSWER + 1)), said[:-9], b"{}", said]
    left = iter(bodies)

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Once(next(left)))

    async with api(handler) as service:
        kinds = [type(await service.poll("g")) for _ in bodies]
    assert kinds == [StillGenerating, PollError, PollError, PollError, StillGenerating]


class Once(httpx.AsyncByteStream):
    def __init__(self, body: bytes, error: Exception | None = None) -> None:
        self._body, self._error = body, error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body
        if self._error:
            raise self._error


async def test_an_answer_cut_after_naming_the_generation_is_an_acceptance() -> None:
    """The header has the id."""

    def handler(request: httpx.Request) -> httpx.Response:
        cut = Once(b'{"id": "g', httpx.RemoteProtocolError("cut"))
        return httpx.Response(201, headers={"x-inference-id": "g-1"}, stream=cut)

    async with api(handler) as service:
        assert await service.submit({}, client_request_id="x") == Accepted(generation_id="g-1")


async def test_a_tls_error_is_a_fault_of_the_network() -> None:
    """It comes as an OSError."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise ssl.SSLError(1, "bad record mac")

    async with api(handler) as service:
        assert isinstance(await service.submit({}, client_request_id="x"), SubmitUncertain)
        assert isinstance(await service.poll("g"), PollError)
        with pytest.raises(ProviderError):
            await service.get_json("/v2/logs")


async def test_only_messages_are_scrubbed() -> None:
    """A key may be so short that it stands in ids and URLs; those must stay what they are."""

    def handler(request: httpx.Request) -> httpx.Response:
        done = {"status": "completed", "video": {"url": "https://cdn.example/key/k.mp4"}}
        return httpx.Response(200, json={"id": "k-key", **done})

    async with ApiClient(
        ApiKey("k"), base_url="https://api.example", transport=httpx.MockTransport(handler)
    ) as service:
        assert await service.submit({}, client_request_id="x") == Accepted(generation_id="k-key")
        assert await service.poll("k-key") == Completed(url="https://cdn.example/key/k.mp4")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("no route"), RejectedTemporarily),
        (httpx.ReadTimeout("slow"), SubmitUncertain),
        (httpx.ReadError("rst"), SubmitUncertain),
    ],
)
async def test_faults_become_outcomes(error: Exception, kind: type) -> None:
    """A submit never raises."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    async with api(handler) as service:
        assert isinstance(await service.submit({}, client_request_id="x"), kind)
        assert isinstance(await service.poll("g"), PollError)


class Endless(httpx.AsyncByteStream):
    def __init__(self, chunk: bytes, gap: float) -> None:
        self._chunk, self._gap = chunk, gap

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await anyio.sleep(self._gap)
            yield self._chunk


@pytest.mark.parametrize(("chunk", "gap"), [(b"x" * 1_000_000, 0.001), (b"x", 20.0)])
async def test_answers_without_end(chunk: bytes, gap: float) -> None:
    """Neither an endless flood nor an endless drip holds a call for ever."""

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Endless(chunk, gap))

    async with api(handler) as service:
        begun = anyio.current_time()
        assert isinstance(await service.submit({}, client_request_id="x"), SubmitUncertain)
        assert anyio.current_time() - begun <= client_module.LONGEST_CALL_SECONDS


async def test_questions() -> None:
    """Balance; and what questions raise."""
    answers = {
        "/v2/billing": httpx.Response(200, json={"current_balance": 12.5, "currency": "USD"}),
        "/401": httpx.Response(401, json={"message": "no"}),
        "/500": httpx.Response(500),
        "/html": httpx.Response(200, text="<html>"),
    }
    async with api(lambda request: answers[request.url.path]) as service:
        assert await service.fetch_balance() == 12.5
        with pytest.raises(KeyRejected):
            await service.get_json("/401")
        for path in ("/500", "/html"):
            with pytest.raises(ProviderError, match=path):
                await service.get_json(path)


async def test_no_key_for_public_questions() -> None:
    """The catalogue needs none, so it gets none."""
    seen: list[httpx.Headers] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, json={})

    async with api(handler) as service:
        await service.get_json("/v1/models", auth=False)
    assert "authorization" not in seen[0]


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example",
        "ftp://x",
        "api.example",
        "https://u:p@x",
        "https://:p@x",
        "https://x?y",
        "",
        "http://10.0.0.1",
    ],
)
def test_base_urls_that_are_refused(url: str) -> None:
    """https, or this machine."""
    with pytest.raises(UsageError, match="--base-url"):
        check_base_url(url)


@pytest.mark.parametrize("url", ["https://api.example/", "http://127.0.0.1:8000", "http://localhost:1", "http://[::1]"])
def test_base_urls_that_are_taken(url: str) -> None:
    """A trailing slash is no matter."""
    assert check_base_url(url) == url.rstrip("/")


async def test_the_key_in_a_fault_of_the_connection_is_scrubbed() -> None:
    """Its words may quote what the server sent."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError(f"bad line: {KEY}")

    async with api(handler) as service:
        with pytest.raises(ProviderError, match="bad line") as trouble:
            await service.get_json("/v2/billing")
    assert KEY not in str(trouble.value)


async def test_never_more_calls_than_the_limit_in_any_minute() -> None:
    """Whoever asks, and however many at once."""
    limit = CallLimit(10, 60.0)
    times: list[float] = []

    async def caller() -> None:
        for _ in range(12):
            await limit.wait_for_call()
            times.append(anyio.current_time())

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(caller)
    times.sort()
    assert len(times) == 36
    assert all(later - earlier >= 60.0 for earlier, later in zip(times, times[10:], strict=False))
    assert times[-1] - times[0] <= 180.0
