"""Prices before a run, from the service's price list, and after it, from its ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio

from batchveo.core.errors import KeyRejected
from batchveo.provider import ApiClient, ProviderError
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.provider.catalog.price_list import PriceList
from batchveo.provider.service_lists import read_charges
from batchveo.store import Store

AT_ONCE = 50
"""Models in one request of the price list."""
PRICES_SECONDS = 30.0
"""Time limit for the prices of all models."""
LEDGER_SECONDS = 30.0
"""Time limit for the ledgers of all keys."""
LEDGER_REACH_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPrices:
    """Prices of models. ``trouble``: why the service did not answer; the prices are then remembered ones.

    ``since``: when the oldest remembered price was live, in seconds since the epoch.
    """

    prices: PriceList
    since: float | None = None
    trouble: str | None = None

    @property
    def notes(self) -> list[str]:
        """What a person who reads the prices should know."""
        return [f"no prices now: {self.trouble}"] if self.trouble else []


async def fetch_prices(api: ApiClient, models: Sequence[str], *, catalog: Catalog = MODELS) -> PriceList:
    """The live prices of ``models``; raises ``ProviderError`` or ``KeyRejected``."""
    pricing: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(models), AT_ONCE):
        names = [("id", name) for name in models[start : start + AT_ONCE]]
        body = await api.get_json("/v1/models", [*names, ("include", "pricing")], auth=False)
        pricing.update(PriceList.read(body).pricing)
    return PriceList(pricing, catalog)


async def find_prices(
    api: ApiClient, models: Sequence[str], store: Store | None, *, catalog: Catalog = MODELS
) -> KnownPrices:
    """The prices of ``models``: live, or else those that ``store`` remembers."""
    try:
        with anyio.fail_after(PRICES_SECONDS):
            return KnownPrices(prices=await fetch_prices(api, models, catalog=catalog))
    except (ProviderError, KeyRejected, TimeoutError) as error:
        quotes = store.prices.load_quotes(models) if store else {}
        return KnownPrices(
            prices=PriceList({model: quote.pricing for model, quote in quotes.items()}, catalog),
            since=min((quote.at for quote in quotes.values()), default=None),
            trouble=str(error) or "it does not answer in time",
        )


def remember_prices(store: Store, prices: PriceList, models: Sequence[str], *, now: float) -> None:
    """Keep the prices of ``models`` in ``store``, for a time when the service does not answer."""
    found = ((model, prices.find_pricing(model)) for model in models)
    store.prices.save_quotes({model: pricing for model, pricing in found if pricing is not None}, now=now)


async def collect_costs(store: Store, apis: Iterable[ApiClient], *, since: float) -> None:
    """Record from the ledgers what generations cost whose price no response named.

    The ledger may be late: what it lacks now, the next run looks up again.
    """
    with suppress(TimeoutError, sqlite3.DatabaseError), anyio.fail_after(LEDGER_SECONDS):
        unpriced = store.queries.list_unpriced()
        for api in apis:
            if not unpriced:
                return
            with suppress(ProviderError, KeyRejected):
                charges = await read_charges(api, since=since - LEDGER_REACH_SECONDS)
                # pop: a generation is charged once, even if the ledgers of several keys list it
                for generation in unpriced.keys() & charges.keys():
                    store.transitions.record_cost(unpriced.pop(generation), charges[generation])
