"""The price of a job, from the service's own price list.

The list is ``GET /v1/models?include=pricing``: ``kind`` is ``fixed`` (``units``, which add up), ``variants`` (a rate
for each combination of parameters) or ``variable`` (by a formula that is not published). A rate is always ``price``
divided by ``per``. What a request leaves open is read from the catalogue of models: the default, else what the
parameter can be at most. A price that is not known for certain is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from batchveo.core.formatting import format_rate
from batchveo.provider.catalog.catalog import MODELS, Catalog
from batchveo.provider.catalog.request_size import RequestSize, find_measure, to_word

LARGEST = 1e6
"""No number of a price list is larger."""
SAME_NAMES = {"audio": "generate_audio", "sound": "generate_audio", "with_audio": "generate_audio"}
"""Dimensions of a price list that a request names differently."""


@dataclass(frozen=True, slots=True)
class ListedPrice:
    """US dollars for one request; ``is_bound``: it costs at most that, since the request leaves something open."""

    usd: float
    is_bound: bool = False


@dataclass(frozen=True, slots=True)
class PriceList:
    """The prices of models by name, aliases included; ``catalog`` has the defaults of what a request leaves out."""

    pricing: Mapping[str, Mapping[str, Any]]
    catalog: Catalog = field(default_factory=lambda: MODELS, repr=False, compare=False)

    @classmethod
    def read(cls, body: object, catalog: Catalog = MODELS) -> PriceList:
        """The price list in an answer of ``/v1/models``, without the rows that cannot be read."""
        pricing: dict[str, Mapping[str, Any]] = {}
        rows = body.get("data") if isinstance(body, dict) else None
        named = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        # a model's own name wins over an alias of another one
        for names in ("aliases", "id"):
            for row in named:
                rates = row.get("pricing")
                if isinstance(rates, dict):
                    pricing |= dict.fromkeys(_list_names(row.get(names)), rates)
        return cls(pricing, catalog)

    def find_pricing(self, model: str) -> Mapping[str, Any] | None:
        """The ``pricing`` of ``model``, listed under this name or another name of the same model."""
        known = self.catalog.get(model)
        names = (model, *(known.names if known else ()))
        return next((self.pricing[name] for name in names if name in self.pricing), None)

    def find_price(self, model: str, request: Mapping[str, object]) -> ListedPrice | None:
        """The price of ``request``; ``None`` if the list has none, or not for certain."""
        pricing = self.find_pricing(model)
        if pricing is None or _read_currency(pricing) != "USD":
            return None
        size = RequestSize(self.catalog.get(model), request)
        match pricing.get("kind"):
            case "fixed":
                return _sum_rates(_list_rows(pricing.get("units")), size)
            case "variants":
                return _find_variant(_list_rows(pricing.get("variants")), size)
            case _:
                return None

    def quote(self, model: str, request: Mapping[str, object]) -> float | None:
        """The US dollars of ``find_price``."""
        price = self.find_price(model, request)
        return None if price is None else price.usd


def describe_price(pricing: object) -> str:
    """A ``pricing`` in words: ``$0.13 to $0.52 a second``, ``$0.40 a video``, ``by formula``, ``not known``."""
    if not isinstance(pricing, Mapping):
        return "not known"
    if pricing.get("kind") == "variable":
        return "by formula"
    if _read_currency(pricing) != "USD":
        return f"in {_read_currency(pricing)}, not in US dollars"
    if pricing.get("kind") == "fixed":
        return " + ".join(_describe_rates(_list_rows(pricing.get("units")), apart=True)) or "not known"
    rows = [rate for row in _list_rows(pricing.get("variants")) for rate in _list_rates(row)]
    return " or ".join(_describe_rates(rows)) or "not known"


def _describe_rates(rows: Iterable[Mapping[str, Any]], *, apart: bool = False) -> list[str]:
    """The rates in words, from the lowest to the highest of a measure; ``apart``: each by itself."""
    ranges: dict[object, tuple[str, list[float]]] = {}
    for number, row in enumerate(rows):
        rate = _read_rate(row)
        if rate is not None:
            unit = find_measure(row)
            # a token costs too little to be shown: a rate that no other knows is shown as it is listed
            words, usd = (unit.words, rate) if unit else _describe_unknown(row)
            ranges.setdefault((words, number if apart else None), (words, []))[1].append(usd)
    return [f"{_describe_range(usd)} {words}" for words, usd in ranges.values()]


def _describe_range(usd: Sequence[float]) -> str:
    low, high = format_rate(min(usd)), format_rate(max(usd))
    return low if low == high else f"{low} to {high}"


def _describe_unknown(row: Mapping[str, Any]) -> tuple[str, float]:
    """The words and the price of a rate that no request is measured by, as it is listed."""
    price, per, unit = _read_number(row.get("price")) or 0.0, _read_number(row.get("per", 1)) or 1.0, _name_unit(row)
    plural = unit if unit.endswith("s") else f"{unit}s"
    return (f"a {unit}" if per == 1 else f"for {per:,.15g} {plural}"), price


def _name_unit(row: Mapping[str, Any]) -> str:
    return to_word(row.get("unit") or row.get("measure") or row.get("name") or "unit").replace("_", " ")


def _read_currency(pricing: Mapping[str, Any]) -> str:
    return str(pricing.get("currency") or "USD").upper()


def _list_names(names: object) -> list[str]:
    if isinstance(names, str):
        return [names]
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _list_rows(rows: object) -> Sequence[Mapping[str, Any]]:
    """The rows of a list of rates; none if one of them cannot be read, since it might be the one that counts."""
    return rows if isinstance(rows, list) and all(isinstance(row, dict) for row in rows) else []


def _find_variant(rows: Sequence[Mapping[str, Any]], size: RequestSize) -> ListedPrice | None:
    """The price of the only row that fits, or of the dearest of those that may fit."""
    fitting = [row for row in rows if _may_fit(row.get("when"), size)]
    prices = [_sum_rates(_list_rates(row), size) for row in fitting]
    known = [price for price in prices if price is not None]
    # one row that cannot be priced might be the dearest
    if not known or len(known) < len(prices):
        return None
    dearest = max(price.usd for price in known)
    is_open = any(not math.isclose(price.usd, dearest, abs_tol=1e-9) for price in known)
    return ListedPrice(dearest, is_open or any(price.is_bound for price in known))


def _list_rates(row: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The rates of a variant, which add up: its ``units``, else the variant itself."""
    return _list_rows(row["units"]) if "units" in row else [row]


def _may_fit(when: object, size: RequestSize) -> bool:
    """Whether the service may charge by a row with this condition: no value of the request excludes it."""
    if not isinstance(when, Mapping):
        return when is None
    for name, wanted in when.items():
        possible = size.list_possible(str(name if size.has(name) else SAME_NAMES.get(name, name)))
        words = {to_word(value) for value in (wanted if isinstance(wanted, list) else [wanted])}
        # a range, or another form that nobody has documented, excludes nothing
        if possible is not None and not isinstance(wanted, Mapping) and words.isdisjoint(map(to_word, possible)):
            return False
    return True


def _sum_rates(rates: Sequence[Mapping[str, Any]], size: RequestSize) -> ListedPrice | None:
    prices = [_multiply_rate(rate, size) for rate in rates]
    known = [price for price in prices if price is not None]
    if not known or len(known) < len(prices):
        return None
    return ListedPrice(sum(price.usd for price in known), any(price.is_bound for price in known))


def _multiply_rate(row: Mapping[str, Any], size: RequestSize) -> ListedPrice | None:
    rate, measure = _read_rate(row), find_measure(row)
    amount = size.measure(measure) if measure is not None else None
    if rate is None or amount is None:
        return None
    usd = _read_number(rate * amount.most)
    return None if usd is None else ListedPrice(usd, amount.is_bound and rate > 0)


def _read_rate(row: Mapping[str, Any]) -> float | None:
    """US dollars for one unit."""
    price, per = _read_number(row.get("price")), _read_number(row.get("per", 1))
    return price / per if price is not None and per else None


def _read_number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number <= LARGEST else None
