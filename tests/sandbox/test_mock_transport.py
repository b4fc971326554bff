from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext

import httpx
import pytest
import trio.testing

from batchveo.sandbox import Service, Settings, transport
from tests.helpers.sandbox_client import AUTH, PATH, make_body

pytestmark = pytest.mark.anyio
BASE = "https://sandbox.test"


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str | tuple[str, dict[str, object]]:
    if request.param == "trio":
        return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}
    return "asyncio"


def client(service: Service, timeout: float | None = 5.0) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=transport(service), base_url=BASE, headers=AUTH, timeout=timeout)


def faulty(fault: str, *, late_by: float = 90.0) -> Service:
    return Service(Settings(generation_median=0, faults={fault: 1.0}, late_by=late_by))


async def collect(answer: httpx.Response, into: bytearray) -> None:
    async for chunk in answer.aiter_raw():
        into += chunk


async def test_the_whole_way() -> None:
    """Submit, poll and download through httpx."""
    service = Service(Settings(generation_median=0))
    async with client(service) as http:
        accepted = (await http.post(PATH, json=make_body())).json()
        polled = (await http.get(PATH, params={"generation_id": accepted["id"]})).json()
        url = polled["video"]["url"]
        assert url.startswith(BASE)
        video = await http.get(url, headers={"range": "bytes=10-"})
    assert video.content == service.video(accepted["id"])[10:]
    assert service.leaks


@pytest.mark.parametrize(
    ("fault", "error"), [("lose-answer", httpx.RemoteProtocolError), ("drop-before", httpx.ReadError)]
)
async def test_lost_answers_are_httpx_errors(fault: str, error: type[httpx.TransportError]) -> None:
    """A lost connection raises what it raises over a socket."""
    async with client(faulty(fault)) as http:
        with pytest.raises(error):
            await http.post(PATH, json=make_body())


@pytest.mark.parametrize(
    ("fault", "error"), [("short-body", httpx.RemoteProtocolError), ("reset-body", httpx.ReadError)]
)
async def test_broken_bodies_are_httpx_errors(fault: str, error: type[httpx.TransportError]) -> None:
    """Half the body arrives before the error does."""
    service = faulty(fault)
    arrived = bytearray()
    async with client(service) as http:
        await http.post(PATH, json=make_body())
        generation = service.generations[0]
        async with http.stream("GET", f"/files/{generation.file}.mp4") as answer:
            with pytest.raises(error):
                await collect(answer, arrived)
    video = service.video(generation.id)
    assert arrived == video[: len(video) // 2]


@pytest.mark.parametrize("anyio_backend", [("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})])
@pytest.mark.parametrize(("patience", "outcome"), [(60.0, pytest.raises(httpx.ReadTimeout)), (None, nullcontext())])
async def test_late_answers_meet_the_read_timeout(
    patience: float | None, outcome: AbstractContextManager[object]
) -> None:
    """The client's patience ends on the virtual clock as it would on a real one."""
    service = faulty("late-answer", late_by=90.0)
    started = trio.current_time()
    async with client(service, patience) as http:
        with outcome:
            await http.post(PATH, json=make_body())
    assert trio.current_time() - started == pytest.approx(patience or 90.0)
    assert len(service.generations) == 1


@pytest.mark.parametrize("anyio_backend", [("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})])
async def test_a_service_on_virtual_time() -> None:
    """A generation of two minutes is over as soon as the virtual clock says so."""
    service = Service(Settings(generation_median=120, generation_sigma=0), clock=trio.current_time)
    async with client(service) as http:
        accepted = (await http.post(PATH, json=make_body())).json()
        real = time.monotonic()
        await trio.sleep(120)
        polled = (await http.get(PATH, params={"generation_id": accepted["id"]})).json()
        assert time.monotonic() - real < 60
    assert polled["status"] == "completed"
