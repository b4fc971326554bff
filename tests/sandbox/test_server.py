from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from batchveo.sandbox import Service, Settings, app, running
from tests.helpers.sandbox_client import AUTH, PATH, make_body


def service(*faults: str, late_by: float = 90.0) -> Service:
    return Service(Settings(generation_median=0, faults=dict.fromkeys(faults, 1.0), late_by=late_by))


def finished(http: httpx.Client) -> str:
    """Buy a video; returns its URL."""
    accepted = http.post(PATH, json=make_body()).json()
    return str(http.get(PATH, params={"generation_id": accepted["id"]}).json()["video"]["url"])


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(headers=AUTH, timeout=10) as client:
        yield client


def test_the_whole_way(http: httpx.Client, capfd: pytest.CaptureFixture[str]) -> None:
    """Submit, poll, download and look over a real socket, and nothing is printed."""
    sandbox = service()
    with running(sandbox) as url:
        http.base_url = url
        video = finished(http)
        assert video.startswith(url)
        content = sandbox.video(sandbox.generations[0].id)
        assert httpx.get(video).content == content
        assert httpx.head(video).headers["content-length"] == str(len(content))
        assert httpx.get(video, headers={"range": "bytes=-5"}).content == content[-5:]
        etag = http.get("/v1/models").headers["etag"]
        assert http.get("/v1/models", headers={"if-none-match": etag}).status_code == 304
        assert sandbox.leaks == ()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("fault", "error"), [("lose-answer", httpx.RemoteProtocolError), ("drop-before", httpx.ReadError)]
)
def test_lost_answers(
    http: httpx.Client, capfd: pytest.CaptureFixture[str], fault: str, error: type[httpx.TransportError]
) -> None:
    """The connection ends before a byte of answer, and the next call works again."""
    with running(service(fault)) as url:
        with pytest.raises(error):
            http.post(url + PATH, json=make_body())
        assert http.get(f"{url}/v1/models").status_code == 200
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("fault", "error"), [("short-body", httpx.RemoteProtocolError), ("reset-body", httpx.ReadError)]
)
def test_broken_bodies(
    http: httpx.Client, capfd: pytest.CaptureFixture[str], fault: str, error: type[httpx.TransportError]
) -> None:
    """The connection ends amid the body."""
    with running(service(fault)) as url:
        http.base_url = url
        video = finished(http)
        with httpx.stream("GET", video) as answer:
            assert answer.status_code == 200
            with pytest.raises(error):
                answer.read()
    assert capfd.readouterr() == ("", "")


def test_slow_answers(http: httpx.Client) -> None:
    """A late answer and a slow body come whole in the end."""
    sandbox = service("late-answer", "slow-body", late_by=0.05)
    with running(sandbox) as url:
        http.base_url = url
        assert httpx.get(finished(http)).content == sandbox.video(sandbox.generations[0].id)


def test_stopping_does_not_wait_for_late_answers(http: httpx.Client, capfd: pytest.CaptureFixture[str]) -> None:
    """An answer that is minutes away does not hold the sandbox up."""
    with running(service("late-answer")) as url, pytest.raises(httpx.ReadTimeout):
        http.post(url + PATH, json=make_body(), timeout=0.05)
    assert capfd.readouterr() == ("", "")


def test_stopping_waits_for_answers_that_are_due(http: httpx.Client) -> None:
    """One that has been asked for comes whole."""
    sandbox = service("late-answer", late_by=0.3)
    with ThreadPoolExecutor(1) as caller:
        with running(sandbox) as url:
            answer = caller.submit(http.post, url + PATH, json=make_body())
            while not sandbox.generations:
                assert not answer.done()
        assert answer.result().json()["id"] == sandbox.generations[0].id


def test_stopping_waits_for_no_tick(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that looks now and then whether it is to end would hold up the end of a test, or of a command."""
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: sleep(100 * seconds))
    with running(service()) as url:
        assert http.get(f"{url}/v1/models").status_code == 200
        begin = time.monotonic()
    assert time.monotonic() - begin < 5


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_elsewhere_the_application_works_without_hanging_up() -> None:
    """Under another server all is the same, except that connections cannot be broken off."""
    application = app(service("lose-answer"))
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=AUTH) as client:
        assert (await client.get("/v1/models")).status_code == 200
        with pytest.raises(TypeError, match="uvicorn"):
            await client.post(PATH, json=make_body())
    assert len(application.state.service.generations) == 1
