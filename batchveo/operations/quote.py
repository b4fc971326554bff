"""What is about to be bought, and whether it can be paid for: what a person looks at before saying yes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from batchveo.core.errors import KeyRejected
from batchveo.provider import ApiClient, ProviderError
from batchveo.provider.clients import label_errors
from batchveo.provider.price_list import PriceList
from batchveo.store import Store

BALANCE_SECONDS = 30.0
"""How long the service may take for all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """What is asked of one model. ``new`` jobs are still to be bought, for ``usd`` as far as there are prices.

    ``unpriced`` of them have none; ``assumed`` of them count with the price that the user assumes.
    """

    model: str
    jobs: int = 0
    new: int = 0
    usd: float = 0.0
    unpriced: int = 0
    assumed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseQuote:
    """Jobs and their price by model, and the money there is for them (US dollars).

    ``prices_since``: when the prices were told (seconds, UTC) that the service does not tell now; ``None`` where
    they are live. ``committed_usd``: what the state has spent, in flight and in doubt, which counts against the
    budget. ``balances``: of each key, where there are several. ``notes`` say what could not be found out.
    """

    models: Sequence[ModelPlan]
    balance_usd: float | None = None
    balances: Mapping[str, float] = field(default_factory=dict)
    budget_usd: float | None = None
    committed_usd: float = 0.0
    prices_since: float | None = None
    notes: Sequence[str] = field(default=())

    @property
    def jobs(self) -> int:
        """All jobs named."""
        return sum(model.jobs for model in self.models)

    @property
    def new(self) -> int:
        """Jobs that a run would buy: those that the state does not have yet, or has pending."""
        return sum(model.new for model in self.models)

    @property
    def usd(self) -> float:
        """What the new jobs will cost, as far as there are prices."""
        return sum(model.usd for model in self.models)

    @property
    def unpriced(self) -> int:
        """New jobs whose price is not known."""
        return sum(model.unpriced for model in self.models)

    @property
    def assumed(self) -> int:
        """New jobs that count with an assumed price."""
        return sum(model.assumed for model in self.models)

    @property
    def short_usd(self) -> float | None:
        """What the balance lacks for what has a price; 0 where it suffices, ``None`` where it is not known."""
        return None if self.balance_usd is None else max(self.usd - self.balance_usd, 0.0)

    @property
    def over_usd(self) -> float | None:
        """What the budget lacks for what has a price; 0 where it suffices, ``None`` where there is none."""
        return None if self.budget_usd is None else max(self.committed_usd + self.usd - self.budget_usd, 0.0)


Approve = Callable[[PurchaseQuote], bool]
"""Asks whether to buy; may take its time, for nothing else goes on meanwhile."""


class Tally:
    """Counts jobs by model, and adds up their prices."""

    def __init__(self, prices: PriceList, assume: float | None = None) -> None:
        self._prices = prices
        self._assume = assume
        self._rows: dict[str, dict[str, float]] = {}

    def add(self, model: str, request: Mapping[str, Any], *, due: bool = True) -> None:
        """Count a job; one that is not ``due`` costs nothing any more."""
        row = self._rows.setdefault(model, dict.fromkeys(("jobs", "new", "usd", "unpriced", "assumed"), 0))
        row["jobs"] += 1
        if not due:
            return
        row["new"] += 1
        price = self._prices.quote(model, request)
        if price is not None:
            row["usd"] += price
        elif self._assume is None:
            row["unpriced"] += 1
        else:
            row["assumed"] += 1
            row["usd"] += self._assume

    def add_all(self, requests: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Count jobs that are all still to be bought."""
        for model, request in requests:
            self.add(model, request)

    def models(self) -> list[ModelPlan]:
        """What was counted, in the order in which the models came."""
        return [
            ModelPlan(
                model=model,
                jobs=int(row["jobs"]),
                new=int(row["new"]),
                usd=row["usd"],
                unpriced=int(row["unpriced"]),
                assumed=int(row["assumed"]),
            )
            for model, row in self._rows.items()
        ]


@contextmanager
def open_if_exists(path: Path) -> Iterator[Store | None]:
    """The state, for reading, where there is one."""
    if not path.exists():
        yield None
        return
    with Store(path, writing=False) as store:
        yield store


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What the accounts hold, in US dollars: together, and of each key that told it.

    ``notes`` say what could not be found out, and what was assumed.
    """

    usd: float | None = None
    by_key: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = field(default=())


async def fetch_balances(apis: Mapping[str, ApiClient], *, has_key: bool = True) -> Balance:
    """Ask every key. A balance that nobody tells counts as nothing, where another does tell."""
    if not has_key:
        return Balance(notes=["no API key, so no balance"])
    told: dict[str, float] = {}
    notes: list[str] = []
    with anyio.move_on_after(BALANCE_SECONDS):
        for label, api in apis.items():
            await _ask(label, api, told, notes)
    if len(told) + len(notes) < len(apis):
        notes.append("no balance: no answer in time")
    return Balance(usd=sum(set(told.values())) if told else None, by_key=told, notes=[*notes, *_shared(told)])


async def _ask(label: str, api: ApiClient, told: dict[str, float], notes: list[str]) -> None:
    try:
        with label_errors(label):
            told[label] = await api.fetch_balance()
    except (ProviderError, KeyRejected) as error:
        notes.append(f"no balance: {error}")


def _shared(told: Mapping[str, float]) -> Iterator[str]:
    """Keys that seem to have one account: no call tells, and money that is counted twice is not there."""
    for usd in dict.fromkeys(told.values()):
        labels = [label for label, other in told.items() if other == usd]
        if len(labels) > 1 and usd:
            yield f"the same balance with {', '.join(map(repr, labels))}: taken for one account, and counted once"
