"""Prices that only the ledgers tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.outcomes import Completed
from batchveo.core.state_machine import next_state
from batchveo.operations.prices import collect_costs
from tests.helpers.several_keys import Office

pytestmark = pytest.mark.anyio


async def completed(office: Office, *labels: str) -> None:
    """A video bought with each key, whose answer told no price."""
    async with office.apis(*labels) as opened:
        for label in labels:
            job, _ = await office.buy(opened, label)
            step = next_state(job, Completed(url="https://x.example/v"), now=office.now, jitter=0.0)
            assert step is not None
            office.store.transitions.apply_move(job, step, run=1, now=office.now)
    office.now += 3600.0


async def test_each_ledger_tells_its_own(tmp_path: Path) -> None:
    """All keys are asked, until nothing is left."""
    office = Office(tmp_path)
    with office.store as store:
        await completed(office, "a", "b")
        async with office.apis("a", "b", "c") as opened:
            await collect_costs(store, opened.values(), since=office.now)
            assert not store.queries.list_unpriced()
            await collect_costs(store, opened.values(), since=office.now)
        assert store.spend()[0] == pytest.approx(sum(charge.credits for charge in office.service.charges()) / 2e6)
    assert office.service.calls["transactions"] == 2


async def test_one_key_that_is_refused_does_not_silence_the_others(tmp_path: Path) -> None:
    """What the rest tell is kept."""
    office = Office(tmp_path)
    with office.store as store:
        await completed(office, "a", "b")
        async with office.apis("a", "b") as opened:
            opened["a"]._headers.pop("Authorization")
            await collect_costs(store, opened.values(), since=office.now)
        assert len(store.queries.list_unpriced()) == 1
