"""A service that cannot be reached for a while."""

from __future__ import annotations

from pathlib import Path

import anyio
import httpx
import pytest

from batchveo.core.events import Message, SubmitsPaused, WaitingForLog
from batchveo.display.event_text import format_event
from batchveo.provider.price_list import PriceList
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
        f"cannot reach {virtual_run.BASE_URL} (Connection refused): polls go on trying"
    ]
    assert sum("polls reach the service again" in note for note in notes) == 1
    assert not any("polls keep failing" in note for note in notes)


async def test_the_wait_for_the_usage_log_is_said_once(tmp_path: Path) -> None:
    """How long at most, and how to go on; with -q too."""
    night = Night(tmp_path, Settings(faults={"drop-before": 1.0}))
    assert (await night.run(specs(1), settle=600.0)).exit_status == 1
    (waiting,) = [event for event in night.events if isinstance(event, WaitingForLog)]
    assert waiting.since is not None
    assert waiting.until - waiting.since == pytest.approx(600.0)
    said = format_event(waiting, verbosity=-1)
    assert said is not None
    assert "waiting for 1 submit to appear in the usage log (10 min at most, until " in said
    resume = f"batchveo resume --base-url {virtual_run.BASE_URL} --state {night.state}"
    assert f"Ctrl-C is safe, `{resume}` continues" in said
