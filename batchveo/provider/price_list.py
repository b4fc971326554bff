"""The price of a job, from the service's own price list.

The list is ``GET /v1/models?include=pricing``: ``kind`` is ``fixed`` (``units``), ``variants`` (a rate for each
combination of parameters) or ``variable`` (no quote). A rate is always ``price`` divided by ``per``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batchveo.provider.catalog import MODELS

LARGEST = 1e6
"""No number of a price list is larger."""
PER_SECOND = frozenset({"second", "seconds", "sec", "s"})
PER_VIDEO = frozenset({"video", "videos", "generation", "generations", "request", "requests", "item", "call"})


@dataclass(frozen=True, slots=True)
class PriceList:
    """The prices of models by name, aliases included."""

    pricing: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, body: object) -> PriceList:
        """The price list in an answer of ``/v1/models``, without the rows that cannot be read."""
        pricing: dict[str, Mapping[str, Any]] = {}
        rows = body.get("data") if isinstance(body, dict) else None
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and isinstance(row.get("pricing"), dict):
                for name in [*_list_names(row.get("aliases")), *_list_names([row.get("id")])]:
                    pricing[name] = row["pricing"]
        return cls(pricing)

    def quote(self, model: str, request: Mapping[str, object]) -> float | None:
        """The price of ``request`` in US dollars; ``None`` if the list has none."""
        pricing = self.pricing.get(model)
        if pricing is None or pricing.get("currency", "USD") != "USD":
            return None
        asked = {**_find_defaults(model), **request}
        match pricing.get("kind"):
            case "fixed":
                return _sum_rates(_list_rows(pricing.get("units")), asked)
            case "variants":
                rows = [row for row in _list_rows(pricing.get("variants")) if _is_met(row.get("when"), asked)]
                return _multiply_rate(rows[0], asked) if rows else None
            case _:
                return None


def _list_names(names: object) -> list[str]:
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _list_rows(rows: object) -> Sequence[Mapping[str, Any]]:
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _find_defaults(model: str) -> dict[str, object]:
    """The service's defaults for the parameters that a request leaves out."""
    known = MODELS.get(model)
    params = known.params if known else {}
    return {name: param.default for name, param in params.items() if param.default is not None}


def _is_met(when: object, asked: Mapping[str, object]) -> bool:
    if not isinstance(when, dict):
        return when is None
    return all(_to_word(asked.get(name)) == _to_word(value) for name, value in when.items())


def _to_word(value: object) -> str:
    return str(value).lower()


def _sum_rates(units: Sequence[Mapping[str, Any]], asked: Mapping[str, object]) -> float | None:
    prices = [_multiply_rate(unit, asked) for unit in units]
    known = [price for price in prices if price is not None]
    return sum(known) if known and len(known) == len(prices) else None


def _multiply_rate(row: Mapping[str, Any], asked: Mapping[str, object]) -> float | None:
    price, per = _read_number(row.get("price")), _read_number(row.get("per", 1))
    unit = _to_word(row.get("unit") or row.get("measure") or row.get("name"))
    if price is None or not per:
        return None
    seconds = _read_number(asked.get("duration")) if unit in PER_SECOND else float(unit in PER_VIDEO)
    return _read_number(price / per * seconds) if seconds else None


def _read_number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number <= LARGEST else None
