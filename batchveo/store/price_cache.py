"""The prices that the service told last, for when it does not answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from batchveo.store.connection import Part

KEEP_QUOTE = """INSERT INTO quotes (model, pricing, at) VALUES (:model, :pricing, :at)
    ON CONFLICT (model) DO UPDATE SET pricing = excluded.pricing, at = excluded.at"""
QUOTE = "SELECT pricing, at FROM quotes WHERE model = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The ``pricing`` of a model, as the service's price list had it ``at`` that time (seconds, UTC)."""

    pricing: Mapping[str, Any]
    at: float


class PriceCache(Part):
    """Saves prices and loads them again."""

    def save_quotes(self, pricing: Mapping[str, Mapping[str, Any]], *, now: float) -> None:
        """Remember the pricing of each model, instead of what was known of it."""
        with self._transaction():
            for model, told in pricing.items():
                self._db.execute(KEEP_QUOTE, {"model": model, "pricing": json.dumps(told), "at": now})

    def load_quotes(self, models: Iterable[str]) -> dict[str, Quote]:
        """What is remembered of ``models``."""
        rows = ((model, self._db.execute(QUOTE, (model,)).fetchone()) for model in models)
        return {model: Quote(pricing=json.loads(row["pricing"]), at=row["at"]) for model, row in rows if row}
