"""A run whose connections meet a certificate that is not trusted."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from batchveo.core.errors import ServiceMisplaced
from batchveo.core.models import JobState
from batchveo.sandbox import Settings, transport
from tests.helpers import virtual_run
from tests.helpers.virtual_run import Night, specs

pytestmark = pytest.mark.anyio
Meets = Callable[[httpx.Request], bool]


class Distrusting(httpx.AsyncBaseTransport):
    """Ends the connections of the requests that ``meets`` picks as TLS does."""

    def __init__(self, inner: httpx.AsyncBaseTransport, meets: Meets) -> None:
        self._inner = inner
        self._meets = meets

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._meets(request):
            cause = ssl.SSLCertVerificationError(1, "certificate verify failed")
            raise httpx.ConnectError("certificate verify failed") from cause
        return await self._inner.handle_async_request(request)


def is_submit(request: httpx.Request) -> bool:
    return request.method == "POST"


def is_poll(request: httpx.Request) -> bool:
    return request.method == "GET" and "generation_id" in request.url.query.decode()


def is_video(request: httpx.Request) -> bool:
    return request.url.path.endswith(".mp4")


@pytest.fixture
def distrusting(monkeypatch: pytest.MonkeyPatch) -> Callable[[Meets], None]:
    def begin(meets: Meets) -> None:
        monkeypatch.setattr(virtual_run, "transport", lambda service: Distrusting(transport(service), meets))

    return begin


@pytest.mark.parametrize(
    ("meets", "left"),
    [(is_submit, JobState.PENDING), (is_poll, JobState.GENERATING), (is_video, JobState.DOWNLOADING)],
)
async def test_it_stops_the_run(
    meets: Meets, left: JobState, tmp_path: Path, distrusting: Callable[[Meets], None]
) -> None:
    """Status 3 within minutes, nothing failed or in doubt; once the certificate is mended, all is made."""
    night = Night(tmp_path, Settings(generation_median=5.0))
    distrusting(meets)
    began = night.clock.now()
    result = await night.run(specs(6), concurrency=3)
    assert result.exit_status == 3
    assert isinstance(result.stopped, ServiceMisplaced)
    assert "the certificate is not trusted" in str(result.stopped)
    assert "SSL_CERT_FILE" in str(result.stopped)
    assert night.clock.now() - began < 300
    assert {job.state for job in night.jobs()} <= {JobState.PENDING, left}
    assert any(job.state is left for job in night.jobs())
    distrusting(lambda request: False)
    assert (await night.run()).exit_status == 0
    assert len(night.service.generations) == 6


async def test_one_hosts_certificate_does_not_stop_the_others(
    tmp_path: Path, distrusting: Callable[[Meets], None]
) -> None:
    """Its video is left to the next run."""
    night = Night(tmp_path, Settings(generation_median=5.0))
    first: list[str] = []

    def meets(request: httpx.Request) -> bool:
        if is_video(request) and not first:
            first.append(request.url.path)
        return request.url.path in first

    distrusting(meets)
    result = await night.run(specs(12), concurrency=3)
    assert (result.exit_status, result.stopped) == (3, None)
    assert len(night.jobs(JobState.SUCCEEDED)) == 11
