"""The service's price list, asked for by model; or the last known one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from batchveo.core.errors import KeyRejected
from batchveo.provider import ApiClient, ProviderError
from batchveo.provider.price_list import PriceList
from batchveo.store import Store

AT_ONCE = 50
"""Models asked for in one call of the catalogue."""
PRICES_SECONDS = 30.0
"""How long the service may take for all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPrices:
    """Prices that may be old: ``since`` is when the oldest of them was told (seconds, UTC), ``None`` for now.

    ``trouble`` says why the service did not tell them now.
    """

    prices: PriceList
    since: float | None = None
    trouble: str | None = None


async def price_list(api: ApiClient, models: Sequence[str]) -> PriceList:
    """The prices of ``models``, live; raises ``ProviderError`` or ``KeyRejected`` where they cannot be had."""
    pricing: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(models), AT_ONCE):
        names = [("id", name) for name in models[start : start + AT_ONCE]]
        body = await api.ask("/v1/models", [*names, ("include", "pricing")], auth=False)
        pricing.update(PriceList.read(body).pricing)
    return PriceList(pricing)


async def known_prices(api: ApiClient, models: Sequence[str], state: Store | None) -> KnownPrices:
    """The prices of ``models``: live, or else those that ``state`` remembers."""
    try:
        with anyio.fail_after(PRICES_SECONDS):
            return KnownPrices(prices=await price_list(api, models))
    except (ProviderError, KeyRejected, TimeoutError) as error:
        quotes = state.prices.load_quotes(models) if state else {}
        return KnownPrices(
            prices=PriceList({model: quote.pricing for model, quote in quotes.items()}),
            since=min((quote.at for quote in quotes.values()), default=None),
            trouble=str(error) or "it does not answer in time",
        )


def keep_prices(state: Store, prices: PriceList, models: Sequence[str], *, now: float) -> None:
    """Let ``state`` remember what was told of ``models``."""
    told = {model: prices.pricing[model] for model in models if model in prices.pricing}
    state.prices.save_quotes(told, now=now)
