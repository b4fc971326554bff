"""Certificates that are not trusted stop a run: waiting does not change them."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from batchveo.core.errors import UsageError
from batchveo.core.models import JobState
from batchveo.core.outcomes import Accepted, Blocked, Outcome, StillGenerating, Stop
from batchveo.engine.stages.video_fetcher import VideoFetcher
from batchveo.provider import ApiClient, ApiKey, ProviderError, VideoClient, client, transport
from batchveo.provider.http_errors import check_authorities, describe_exception, describe_unreached, explain_distrust
from batchveo.provider.http_messages import TooLong
from batchveo.storage.base import at_once
from tests.helpers.certificate_authority import Authority, secure
from tests.helpers.factories import make_job

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(autouse=True)
def _fresh_trust() -> Iterator[None]:
    """The context is kept for all connections of a process."""
    transport._tls.cache_clear()
    yield
    transport._tls.cache_clear()


@pytest.fixture(params=["asyncio", "httpx"])
def _both_transports(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "httpx":
        monkeypatch.setattr(
            client,
            "open_transport",
            lambda *, keep=True, proxy=None: transport.ConnectionPerRequestTransport(keep=keep, proxy=proxy),
        )


async def asked(url: str) -> list[Outcome]:
    """What a submit and a poll come to."""
    async with ApiClient(ApiKey("key"), base_url=url) as api:
        with pytest.raises(ProviderError, match="the certificate"):
            await api.get_json("/v1/models")
        return [await api.submit({}, client_request_id="x"), await api.poll("g-1")]


Trusting = Callable[[pytest.MonkeyPatch, Authority], None]
CASES = [
    ("127.0.0.1", (-1, 1), False, "SSL_CERT_FILE"),
    ("127.0.0.1", (-3, -2), True, "it has expired: check this machine's clock"),
    ("127.0.0.1", (2, 3), True, "it is not valid yet"),
    ("10.9.8.7", (-1, 1), True, "it is another server's"),
    ("elsewhere.example", (-1, 1), True, "it is another server's"),
]


@pytest.mark.usefixtures("_both_transports")
@pytest.mark.parametrize(("host", "days", "trusted", "words"), CASES)
async def test_the_fault_is_named(
    host: str,
    days: tuple[float, float],
    trusted: bool,
    words: str,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An unknown issuer, a date, another host: by a submit and a poll over both transports."""
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with secure(authority.context(host=host, days=days)) as url:
        for outcome in await asked(url):
            assert isinstance(outcome, Blocked)
            assert outcome.stop is Stop.CERTIFICATE
            assert words in outcome.reason


@pytest.mark.usefixtures("_both_transports")
async def test_an_authority_of_ones_own_is_trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the variable that the message names."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with secure(authority.context()) as url, ApiClient(ApiKey("key"), base_url=url) as api:
        assert await api.submit({}, client_request_id="x") == Accepted(generation_id="g-1")
        assert await api.poll("g-1") == StillGenerating(word="queued")


async def test_the_host_of_a_video_too(authority: Authority, tmp_path: Path) -> None:
    """Its download is not a matter of patience."""
    async with secure(authority.context()) as url, VideoClient(loopback=True) as videos:
        downloader = VideoFetcher(videos, tmp_path / "videos", disk=at_once)
        job = make_job(JobState.DOWNLOADING, video_url=f"{url}/v.mp4", generation_id="g")
        outcome = await downloader.fetch(job)
    assert isinstance(outcome, Blocked)
    assert "SSL_CERT_FILE" in outcome.reason


def test_an_error_of_tls_has_words_of_its_own() -> None:
    """Its number is OpenSSL's, and by the operating system's list it would be "Operation not permitted"."""
    error = httpx.ConnectError("service.example: tlsv1 alert protocol version")
    error.__cause__ = ssl.SSLError(1, "tlsv1 alert protocol version")
    assert "(service.example: tlsv1 alert protocol version)" in describe_unreached(error, "https://service.example")


def test_other_faults_of_tls_are_not_meant() -> None:
    """A broken connection passes; a circle of causes ends."""
    assert explain_distrust(httpx.ConnectError("refused")) is None
    assert explain_distrust(ssl.SSLError(1, "bad record mac")) is None
    error = ValueError("round")
    error.__cause__ = error
    assert explain_distrust(error) is None


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read: No such file"), ("no certificate", "in PEM form")]
)
async def test_a_file_of_authorities_that_is_none(
    content: str | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said before anything is sent; else each request would fail by it."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(UsageError, match=words):
        async with ApiClient(ApiKey("key")):
            pass
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", str(file))
    with pytest.raises(UsageError, match="SSL_CERT_DIR"):
        check_authorities()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ConnectError("127.0.0.1: [Errno 111] Connect call failed"), "no connection (Connection refused)"),
        (httpx.ReadTimeout("The read operation timed out"), "no answer in time"),
        (httpx.ConnectTimeout(""), "no connection in time"),
        (httpx.RemoteProtocolError("Server disconnected"), "the connection was closed"),
        (httpx.ReadError("[Errno 104] Connection reset by peer"), "the connection broke (Connection reset by peer)"),
        (httpx.DecodingError("the answer is no gzip"), "the answer is no gzip"),
        (TooLong("more than 10 bytes"), "more than 10 bytes"),
        (KeyError("prompt"), "KeyError: 'prompt'"),
    ],
)
def test_no_class_of_an_error_is_shown(error: Exception, words: str) -> None:
    """A person reads what has happened; only a bug has the name that finds it."""
    assert describe_exception(error) == words
