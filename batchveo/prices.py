"""The service's price list, asked for by model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from batchveo.api import Api
from batchveo.pricing import PriceList

AT_ONCE = 50
"""Models asked for in one call of the catalogue."""


async def price_list(api: Api, models: Sequence[str]) -> PriceList:
    """The prices of ``models``, live; raises ``ServiceTrouble`` or ``KeyRejected`` where they cannot be had."""
    pricing: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(models), AT_ONCE):
        names = [("id", name) for name in models[start : start + AT_ONCE]]
        body = await api.ask("/v1/models", [*names, ("include", "pricing")], auth=False)
        pricing.update(PriceList.read(body).pricing)
    return PriceList(pricing)
