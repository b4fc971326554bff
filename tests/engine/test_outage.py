"""A service that cannot be reached for a while."""

from __future__ import annotations

from pathlib import Path

import anyio
import httpx
import pytest

from batchveo.core.events import Message, SubmitsPaused
from batchveo.provider.catalog.price_list import PriceList
from batchveo.sandbox import Service, Settings, transport
from tests.helpers import virtual_run
from tests.helpers.virtual_run import Night, specs

pytestmark = pytest.mark.anyio


class Cut(httpx.AsyncBaseTransport):
    """No connection until ``until``, or from ``since`` on for that long."""

    def __init__(self, inner: httpx.AsyncBaseTransport, since: float, until: float) -> None:
        self._inner = inner
        self._since = since
        self._until = until

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._since <= anyio.current_time() < self._until:
            raise httpx.ConnectError("refused") from ConnectionRefusedError(111, "Connect call failed")
        return await self._inner.handle_async_request(request)


async def test_submits_say_why_and_for_how_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same words each time, which makes them countable; nothing is in doubt by it."""
    night = Night(tmp_path, Settings(generation_median=5.0), prices=PriceList({}))
    monkeypatch.setattr(
        virtual_run, "transport", lambda service: Cut(transport(service), 0.0, anyio.current_time() + 60.0)
    )
    assert (await night.run(specs(4))).exit_status == 0
    slowed = [event for event in night.events if isinstance(event, SubmitsPaused)]
    assert len(slowed) > 3
    assert {(event.reason, event.unreachable) for event in slowed} == {
        (f"cannot reach {virtual_run.BASE_URL} (Connection refused)", True)
    }
    assert all(0 <= event.wait <= 60 for event in slowed)


async def test_polls_say_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for each of twenty generations."""
    night = Night(tmp_path, Settings(generation_median=60.0))

    def cut(service: Service) -> Cut:
        now = anyio.current_time()
        return Cut(transport(service), now + 20.0, now + 400.0)

    monkeypatch.setattr(virtual_run, "transport", cut)
    assert (await night.run(specs(20), concurrency=20)).exit_status == 0
    notes = [event.text for event in night.events if isinstance(event, Message)]
    assert [note for note in notes if "cannot reach" in note] == [
        f"cannot reach {virtual_run.BASE_URL} (Connection refused): polling again"
    ]
    assert sum("polls reach the service again" in note for note in notes) == 1
    assert not any("polls keep failing" in note for note in notes)
