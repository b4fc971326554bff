"""Prices that only the ledgers tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.outcomes import Completed
from batchveo.core.state_machine import next_state
from batchveo.operations.prices import collect_costs
from tests.helpers.several_keys import AccountsByKey

pytestmark = pytest.mark.anyio


async def completed(accounts: AccountsByKey, *labels: str) -> None:
    """A video bought with each key, whose answer told no price."""
    async with accounts.apis(*labels) as opened:
        for label in labels:
            job, _ = await accounts.buy(opened, label)
            step = next_state(job, Completed(url="https://x.example/v"), now=accounts.now, jitter=0.0)
            assert step is not None
            accounts.store.transitions.apply_move(job, step, run=1, now=accounts.now)
    accounts.now += 3600.0


async def test_each_ledger_tells_its_own(tmp_path: Path) -> None:
    """All keys are asked, until nothing is left."""
    accounts = AccountsByKey(tmp_path)
    with accounts.store as store:
        await completed(accounts, "a", "b")
        async with accounts.apis("a", "b", "c") as opened:
            await collect_costs(store, opened.values(), since=accounts.now)
            assert not store.queries.list_unpriced()
            await collect_costs(store, opened.values(), since=accounts.now)
        assert store.spend()[0] == pytest.approx(sum(charge.credits for charge in accounts.service.charges()) / 2e6)
    assert accounts.service.calls["transactions"] == 2


async def test_one_key_that_is_refused_does_not_silence_the_others(tmp_path: Path) -> None:
    """What the rest tell is kept."""
    accounts = AccountsByKey(tmp_path)
    with accounts.store as store:
        await completed(accounts, "a", "b")
        async with accounts.apis("a", "b") as opened:
            opened["a"]._headers.pop("Authorization")
            await collect_costs(store, opened.values(), since=accounts.now)
        assert len(store.queries.list_unpriced()) == 1
