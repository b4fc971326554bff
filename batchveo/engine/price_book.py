"""What a job costs: by the service's list, else by what its model has cost before, else as the user assumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from batchveo.core.models import Job
from batchveo.provider.catalog.price_list import PriceList
from batchveo.provider.catalog.request_size import Measure, RequestSize
from batchveo.store import Store


class PriceSource(StrEnum):
    """How the price of a job is known.

    ``BOUND``: by the list, as the most that it may cost, since the request leaves something open. ``SEEN``: the most
    that the model has cost in this database.
    """

    LISTED = "listed"
    BOUND = "bound"
    SEEN = "seen"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class JobPrice:
    """The US dollars that are reserved for a job, and how they are known."""

    usd: float
    source: PriceSource


@dataclass(frozen=True, slots=True)
class _SeenCost:
    """The most that a video of this length has cost; ``seconds`` is ``None`` if the request does not show it."""

    usd: float
    seconds: float | None


class PriceBook:
    """Prices jobs. ``store``: the database whose costs count; ``None`` if there is none. ``assumed``: US dollars."""

    def __init__(self, prices: PriceList, store: Store | None = None, assumed: float | None = None) -> None:
        self._prices = prices
        self._store = store
        self._assumed = assumed
        self._seen: dict[str, set[_SeenCost]] = {}

    @property
    def assumed(self) -> float | None:
        """The price that the user assumes for a job without one, in US dollars."""
        return self._assumed

    def find_price(self, model: str, request: Mapping[str, object]) -> JobPrice | None:
        """The price of a request to ``model``; ``None`` if nothing is known of it."""
        listed = self._prices.find_price(model, request)
        if listed is not None:
            return JobPrice(listed.usd, PriceSource.BOUND if listed.is_bound else PriceSource.LISTED)
        seen = self.find_most_seen(model, request)
        if seen is not None and seen > (self._assumed or 0.0):
            return JobPrice(seen, PriceSource.SEEN)
        return None if self._assumed is None else JobPrice(self._assumed, PriceSource.ASSUMED)

    def find_most_seen(self, model: str, request: Mapping[str, object]) -> float | None:
        """The most that a video of ``model`` has cost; more for one that is longer, by the highest cost of a second."""
        seen = self._load_seen(model)
        if not seen:
            return None
        seconds = self._find_seconds(model, request)
        rates = [cost.usd / cost.seconds for cost in seen if cost.seconds]
        longest = max(rates) * seconds if rates and seconds else 0.0
        return max(longest, *(cost.usd for cost in seen))

    def add_cost(self, job: Job) -> None:
        """Learn from the cost of ``job``, if it is known."""
        # what the database has is read when the model's first job is priced, with this cost
        if job.cost_usd and job.model in self._seen:
            self._seen[job.model].add(_SeenCost(job.cost_usd, self._find_seconds(job.model, job.request)))

    def _load_seen(self, model: str) -> set[_SeenCost]:
        if model not in self._seen:
            costs = self._store.queries.list_highest_costs(model) if self._store is not None else []
            self._seen[model] = {_SeenCost(usd, self._find_seconds(model, request)) for usd, request in costs}
        return self._seen[model]

    def _find_seconds(self, model: str, request: Mapping[str, object]) -> float | None:
        amount = RequestSize(self._prices.catalog.get(model), request).measure(Measure.SECOND)
        # a bound would make the cost of a second too low
        return None if amount is None or amount.is_bound else amount.most
