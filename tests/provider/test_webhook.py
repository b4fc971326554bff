"""POSTs of finished jobs."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import httpx
import pytest

from batchveo.core.errors import UsageError
from batchveo.provider.webhook import CALL_SECONDS, TRIES, Webhook, WebhookError, check_webhook

pytestmark = pytest.mark.anyio

URL = "https://hooks.example/secret?token=t"


class Server:
    """Answers with one of ``answers`` after the other, the last one for ever."""

    def __init__(self, *answers: int | Exception | Callable[[httpx.Request], httpx.Response]) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer) if isinstance(answer, int) else answer(request)

    async def post(self) -> None:
        async with Webhook(URL, transport=httpx.MockTransport(self)) as webhook:
            await webhook.post(b'{"id": 1}\n')


def redirect(status: int, to: str) -> Callable[[httpx.Request], httpx.Response]:
    return lambda request: httpx.Response(status, headers={"location": to})


async def test_the_job_is_posted_once() -> None:
    """As JSON."""
    server = Server(204)
    await server.post()
    (request,) = server.requests
    assert (request.method, str(request.url), request.content) == ("POST", URL, b'{"id": 1}\n')
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("fault", [500, 503, 429, httpx.ConnectError("refused"), httpx.ReadTimeout("slow")])
async def test_a_passing_fault_is_tried_again(fault: int | Exception) -> None:
    """Until it is accepted."""
    server = Server(fault, fault, 200)
    await server.post()
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("fault", "words"), [(500, "HTTP 500"), (httpx.ConnectError("[Errno 111] x"), "no connection")]
)
async def test_it_gives_up(fault: int | Exception, words: str) -> None:
    """The reason shows nothing of the address."""
    server = Server(fault)
    with pytest.raises(WebhookError, match=words) as raised:
        await server.post()
    assert len(server.requests) == TRIES
    assert "secret" not in str(raised.value)
    assert "token" not in str(raised.value)


async def test_retry_after_is_respected_within_bounds() -> None:
    """An hour is not waited for."""
    began = anyio.current_time()
    await Server(lambda request: httpx.Response(429, headers={"retry-after": "9"}), 200).post()
    assert anyio.current_time() - began == 9
    began = anyio.current_time()
    await Server(lambda request: httpx.Response(429, headers={"retry-after": "3600"}), 200).post()
    assert anyio.current_time() - began == 30


async def test_a_refusal_is_final() -> None:
    """The same request would be refused again."""
    server = Server(404)
    with pytest.raises(WebhookError, match="HTTP 404"):
        await server.post()
    assert len(server.requests) == 1


async def test_a_server_that_hangs_is_given_up() -> None:
    """Each try has its time limit."""

    async def hang(request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    began = anyio.current_time()
    async with Webhook(URL, transport=httpx.MockTransport(hang)) as webhook:
        with pytest.raises(WebhookError, match="no answer in time"):
            await webhook.post(b"")
    assert TRIES * CALL_SECONDS <= anyio.current_time() - began < TRIES * CALL_SECONDS + 60


async def test_a_redirect_on_the_same_host_is_followed() -> None:
    """With the same body."""
    server = Server(redirect(308, "/elsewhere"), 200)
    await server.post()
    assert [str(each.url) for each in server.requests] == [URL, "https://hooks.example/elsewhere"]
    assert server.requests[1].content == b'{"id": 1}\n'


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (redirect(307, "https://evil.example/"), "leads to another host"),
        (redirect(308, "http://hooks.example/"), "leads to another host"),
        (redirect(308, "https://hooks.example:8443/"), "leads to another host"),
        (redirect(302, "/login"), "leads elsewhere"),
        (redirect(307, "/again"), "leads elsewhere"),
    ],
)
async def test_other_hosts_get_nothing(answer: Callable[[httpx.Request], httpx.Response], words: str) -> None:
    """Nor does a circle go on for ever."""
    server = Server(answer)
    with pytest.raises(WebhookError, match=words):
        await server.post()
    assert {each.url.host for each in server.requests} == {"hooks.example"}
    assert {each.url.scheme for each in server.requests} == {"https"}


@pytest.mark.parametrize("url", [URL, "http://127.0.0.1:8000/x", "http://localhost/", "http://[::1]:1/"])
def test_addresses_that_are_allowed(url: str) -> None:
    assert check_webhook(url) == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://hooks.example/tok", "must be https"),
        ("ftp://hooks.example/tok", "must be https"),
        ("hooks.example/tok", "not an address"),
        ("https://", "not an address"),
        ("https://a b/tok", "not an address"),
        ("https://x:99999/tok", "not an address"),
        ("https://x/\x1btok", "not an address"),
    ],
)
def test_addresses_that_are_not(url: str, words: str) -> None:
    """No message shows the part that may be secret."""
    with pytest.raises(UsageError, match=words) as raised:
        check_webhook(url)
    assert "tok" not in str(raised.value)
