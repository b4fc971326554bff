"""The latest prices of the service, for a time when it does not answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from batchveo.store.database import Part

KEEP_QUOTE = """INSERT INTO quotes (model, pricing, at) VALUES (:model, :pricing, :at)
    ON CONFLICT (model) DO UPDATE SET pricing = excluded.pricing, at = excluded.at"""
QUOTE = "SELECT pricing, at FROM quotes WHERE model = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The ``pricing`` of a model in the service's price list; ``at``: the time of that list (epoch seconds)."""

    pricing: Mapping[str, Any]
    at: float


class PriceCache(Part):
    """Saves prices and loads them again."""

    def save_quotes(self, pricing: Mapping[str, Mapping[str, Any]], *, now: float) -> None:
        """Replace the saved pricing of each model."""
        with self._transaction():
            for model, rates in pricing.items():
                self._db.execute(KEEP_QUOTE, {"model": model, "pricing": json.dumps(rates), "at": now})

    def load_quotes(self, models: Iterable[str]) -> dict[str, Quote]:
        """The saved quotes of ``models``."""
        rows = ((model, self._db.execute(QUOTE, (model,)).fetchone()) for model in models)
        return {model: Quote(pricing=json.loads(row["pricing"]), at=row["at"]) for model, row in rows if row}
