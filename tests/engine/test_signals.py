"""Which signals end a run."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import anyio
import pytest

from batchveo.engine.signals import hangup_signals, stop_signals

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


@pytest.fixture
def _hangup_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("_hangup_as_before")
async def test_a_closed_terminal_is_a_stop_signal(anyio_backend: str) -> None:
    """The first and the second time."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with stop_signals() as signals, anyio.fail_after(60):
        assert signals is not None
        for _ in range(2):
            signal.raise_signal(signal.SIGHUP)
            assert await anext(signals) is signal.SIGHUP


@pytest.mark.usefixtures("_hangup_as_before")
async def test_under_nohup_it_stays_ignored(anyio_backend: str) -> None:
    """It neither ends the run nor is it heard; the others are."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert hangup_signals() == ()
    with stop_signals() as signals, anyio.fail_after(60):
        assert signals is not None
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        assert await anext(signals) is signal.SIGTERM
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
