"""Prices before a run, and those that only the ledgers tell."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from batchveo.core.outcomes import Completed
from batchveo.core.state_machine import next_state
from batchveo.operations.prices import collect_costs, remember_prices
from batchveo.provider.catalog import MODELS
from batchveo.provider.catalog.parameters import Param, ParamType
from batchveo.provider.catalog.price_list import PriceList
from batchveo.sandbox.prices import to_usd
from batchveo.store import Store
from tests.helpers.requests import make_request
from tests.helpers.sandbox_client import SandboxClient
from tests.helpers.several_keys import AccountsByKey


async def completed(accounts: AccountsByKey, *labels: str) -> None:
    """A video bought with each key, whose answer told no price."""
    async with accounts.apis(*labels) as opened:
        for label in labels:
            job, _ = await accounts.buy(opened, label)
            step = next_state(job, Completed(url="https://x.example/v"), now=accounts.now, jitter=0.0)
            assert step is not None
            accounts.store.transitions.apply_move(job, step, run=1, now=accounts.now)
    accounts.now += 3600.0


@cache
def list_prices() -> PriceList:
    return PriceList.read({"data": SandboxClient().list_models(("include", "pricing"))})


def list_values(param: Param) -> st.SearchStrategy[Any]:
    """Values that a price may depend on."""
    if param.choices:
        return st.sampled_from(param.choices)
    if param.type is ParamType.BOOLEAN:
        return st.booleans()
    whole = param.type is ParamType.INTEGER and param.minimum is not None and param.maximum is not None
    return st.integers(int(param.minimum or 0), int(param.maximum or 0)) if whole else st.nothing()


@given(st.data())
def test_a_quote_is_never_below_the_charge(data: st.DataObject) -> None:
    """Of every model of the sandbox, for any request; one that is no bound is the charge to the millionth."""
    prices = list_prices()
    model = MODELS[data.draw(st.sampled_from(sorted(name for name in MODELS if prices.find_pricing(name))))]
    chosen = {name: values for name, param in model.params.items() if not (values := list_values(param)).is_empty}
    request = {**make_request(model), **data.draw(st.fixed_dictionaries({}, optional=chosen))}
    sandbox = SandboxClient(balance=10_000.0)
    assume(sandbox.post(request).status == 201)
    charged = to_usd(sandbox.service.generations[0].credits)
    price = prices.find_price(model.id, request)
    if price is not None:
        assert price.usd >= charged - 1e-6
        assert price.is_bound or price.usd == pytest.approx(charged, abs=1e-6)


def test_remembered_prices_are_found_by_the_name_of_the_jobs(tmp_path: Path) -> None:
    """The service may list a model under another name than its jobs have."""
    known = next(model for model in MODELS.values() if model.aliases)
    rates = {"kind": "fixed", "units": [{"measure": "video", "price": 2}]}
    with Store(tmp_path / "b.db") as store:
        remember_prices(store, PriceList({known.id: rates}), [known.aliases[0], "kling/v9"], now=1.0)
        assert {model: quote.pricing for model, quote in store.prices.load_quotes([known.aliases[0]]).items()} == {
            known.aliases[0]: rates
        }


@pytest.mark.anyio
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


@pytest.mark.anyio
async def test_one_key_that_is_refused_does_not_silence_the_others(tmp_path: Path) -> None:
    """What the rest tell is kept."""
    accounts = AccountsByKey(tmp_path)
    with accounts.store as store:
        await completed(accounts, "a", "b")
        async with accounts.apis("a", "b") as opened:
            opened["a"]._headers.pop("Authorization")
            await collect_costs(store, opened.values(), since=accounts.now)
        assert len(store.queries.list_unpriced()) == 1
