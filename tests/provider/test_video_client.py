"""Videos and images from real sockets, under the names of their hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.models import JobState
from batchveo.core.outcomes import (
    Downloaded,
    DownloadError,
)
from batchveo.engine.stages.video_fetcher import VideoFetcher
from batchveo.provider import VideoClient
from batchveo.storage.base import at_once
from tests.helpers.factories import make_job
from tests.helpers.socket_servers import HEAD, ok, say, serving
from tests.storage.test_mp4 import WHOLE

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("error")]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_video_comes_under_the_name_of_its_host(tmp_path: Path) -> None:
    """The connection goes to the address, the Host header has the name; the path stays as it was signed."""

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with serving(say(ok(WHOLE))) as server, VideoClient(loopback=True, resolve=resolve) as opened:
        url = server.url.replace("127.0.0.1", "cdn.example") + "/a%2Fb%20c/v.mp4?s=%2b%2F+x"
        job = make_job(JobState.DOWNLOADING, video_url=url)
        assert isinstance(await VideoFetcher(opened, tmp_path, disk=at_once).fetch(job), Downloaded)
    (request,) = server.requests
    assert request.startswith(b"GET /a%2Fb%20c/v.mp4?s=%2b%2F+x HTTP/1.1\r\n")
    assert f"host: {url[7:].partition('/')[0]}\r\n".encode() in request.lower()
    assert b"authorization" not in request.lower()


@pytest.mark.parametrize("host", ["a" * 64 + ".example", ".example", "a..example"])
async def test_a_name_that_tls_cannot_write_is_trouble(host: str, tmp_path: Path) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with serving(say()) as server, VideoClient(loopback=True, resolve=resolve) as opened:
        url = server.url.replace("http", "https").replace("127.0.0.1", host)
        job = make_job(JobState.DOWNLOADING, video_url=url)
        assert isinstance(await VideoFetcher(opened, tmp_path, disk=at_once).fetch(job), DownloadError)


async def test_an_etag_that_cannot_be_sent_back_is_not_used(tmp_path: Path) -> None:
    broken = HEAD + b'ETag: "\xff"\r\nContent-Length: 100\r\n\r\nxx'
    async with serving(say(broken)) as server, VideoClient(loopback=True) as opened:
        downloader = VideoFetcher(opened, tmp_path, disk=at_once)
        for _ in range(2):
            outcome = await downloader.fetch(make_job(JobState.DOWNLOADING, video_url=f"{server.url}/v.mp4"))
            assert isinstance(outcome, DownloadError)
    assert not any(b"if-range" in request.lower() for request in server.requests)
