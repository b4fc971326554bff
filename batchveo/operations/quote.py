"""What a purchase costs, and whether it can be paid: what a person sees before saying yes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio

from batchveo.core.errors import KeyRejected
from batchveo.core.gates import Verdict, parse_policy
from batchveo.core.models import JobState
from batchveo.core.settings import RunSettings
from batchveo.engine.price_book import PriceBook, PriceSource
from batchveo.operations.retired_models import RetiredModel
from batchveo.provider import ApiClient, ProviderError
from batchveo.provider.service import label_errors
from batchveo.store import LastTake, PreviewedJob, Store
from batchveo.store.waiting_jobs import BlockedCount

BALANCE_SECONDS = 30.0
"""Time limit for the balances of all keys."""
COUNTED = ("jobs", "new", "unpriced", "assumed", "seen", "bound")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """The jobs of one model. ``new`` jobs are still to be bought, for ``usd`` as far as there are prices.

    ``unpriced`` of them have no price; ``assumed`` of them count with the price that the user assumes, ``seen`` with
    the most that the model has cost in this database, ``bound`` with the most that they may cost by the list. One of
    them costs ``lowest_usd`` to ``highest_usd``, as far as there are prices.

    ``further_usd``: for each number of further takes that gates may make at most, the price of one take of those jobs.
    ``judged``: how many clips of the model this database has judged, ``rejected`` of them with this verdict.
    """

    model: str
    jobs: int = 0
    new: int = 0
    usd: float = 0.0
    unpriced: int = 0
    assumed: int = 0
    seen: int = 0
    bound: int = 0
    lowest_usd: float | None = None
    highest_usd: float | None = None
    further_usd: Mapping[int, float] = field(default_factory=dict)
    judged: int = 0
    rejected: int = 0

    @property
    def most_usd(self) -> float:
        """The price of the new jobs if every clip is rejected that its gates may reject."""
        return self.usd + sum(most * usd for most, usd in self.further_usd.items())

    @property
    def average_usd(self) -> float | None:
        """What they cost on average if as many clips are rejected as so far; ``None`` if none was judged yet."""
        if not self.further_usd:
            return self.usd
        if not self.judged:
            return None
        rate = self.rejected / self.judged
        takes = {most: sum(rate**take for take in range(1, most + 1)) for most in self.further_usd}
        return self.usd + sum(takes[most] * usd for most, usd in self.further_usd.items())

    @property
    def sources(self) -> dict[PriceSource, int]:
        """How many of the new jobs are priced in which way; without the ways of none."""
        listed = self.new - self.unpriced - self.assumed - self.seen - self.bound
        counts = {
            PriceSource.LISTED: listed,
            PriceSource.BOUND: self.bound,
            PriceSource.SEEN: self.seen,
            PriceSource.ASSUMED: self.assumed,
        }
        return {source: jobs for source, jobs in counts.items() if jobs}


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseQuote:
    """Jobs and their price by model, and the money for them (US dollars).

    ``prices_since``: if the service names no prices now, when the remembered ones were live (seconds, UTC).
    ``committed_usd``: what the database has spent, in flight and in doubt, which counts against the budget.
    ``balances``: of each key, if there are several. ``notes`` name what could not be found out. ``retired``: the models
    of new jobs that end or have ended. ``blocked``: jobs that count as not new, since no run can make them now.
    """

    models: Sequence[ModelPlan]
    balance_usd: float | None = None
    balances: Mapping[str, float] = field(default_factory=dict)
    budget_usd: float | None = None
    committed_usd: float = 0.0
    prices_since: float | None = None
    notes: Sequence[str] = field(default=())
    retired: Sequence[RetiredModel] = field(default=())
    blocked: Sequence[BlockedCount] = field(default=())

    @property
    def jobs(self) -> int:
        """All jobs named."""
        return sum(model.jobs for model in self.models)

    @property
    def new(self) -> int:
        """Jobs that a run would buy: pending ones, and those that are not in the database yet."""
        return sum(model.new for model in self.models)

    @property
    def usd(self) -> float:
        """The price of the new jobs, as far as there are prices."""
        return sum(model.usd for model in self.models)

    @property
    def unpriced(self) -> int:
        """New jobs without a known price."""
        return sum(model.unpriced for model in self.models)

    @property
    def assumed(self) -> int:
        """New jobs that count with an assumed price."""
        return sum(model.assumed for model in self.models)

    @property
    def seen(self) -> int:
        """New jobs that count with the most that their model has cost."""
        return sum(model.seen for model in self.models)

    @property
    def bound(self) -> int:
        """New jobs that count with the most that they may cost."""
        return sum(model.bound for model in self.models)

    @property
    def most_usd(self) -> float:
        """The price of the new jobs with all takes that gates and tries allow, as far as there are prices."""
        return sum(model.most_usd for model in self.models)

    @property
    def average_usd(self) -> float | None:
        """The same with as many takes as so far on average; ``None`` if that is not known of a model."""
        known = [model.average_usd for model in self.models]
        return None if None in known else sum(usd for usd in known if usd is not None)

    @property
    def short_usd(self) -> float | None:
        """What the balance lacks for what has a price; 0 if it suffices, ``None`` if it is not known."""
        return None if self.balance_usd is None else _find_lacking(self.usd, self.balance_usd)

    @property
    def over_usd(self) -> float | None:
        """What the budget lacks for what has a price; 0 if it suffices, ``None`` if there is none."""
        return None if self.budget_usd is None else _find_lacking(self.committed_usd + self.usd, self.budget_usd)


def _find_lacking(usd: float, available: float) -> float:
    # to millionths: the sum of many prices is a little more or less than their exact sum
    return max(round(usd - available, 6), 0.0)


def count_purchases(last: LastTake, settings: RunSettings) -> tuple[int, int]:
    """How many clips a run buys for a job in any case, and how many more takes its gates may make at most."""
    due, further = _count_after(last, settings)
    return due + last.waiting, further


def _count_after(last: LastTake, settings: RunSettings) -> tuple[bool, int]:
    """Whether the last take is bought, or one after it, in any case, and how many more at most."""
    tries = settings.tries if last.tries is None else last.tries
    most = tries if settings.checks and parse_policy(last.policy).gates else 1
    left = max(most - last.number, 0)
    if last.state in (None, JobState.PENDING):
        return True, left
    # an open verdict waits for scores; a clip without one is judged
    is_final = last.state in (JobState.FAILED, JobState.CANCELLED)
    if not left or is_final or last.verdict in (Verdict.ACCEPTED, Verdict.OPEN):
        return False, 0
    # a run judges a rejected clip again, by the same gates in the same way
    return (True, left - 1) if last.verdict == Verdict.REJECTED else (False, left)


class LostParents:
    """Finds the named jobs that no run makes now, because of a video that they are made from. Parents come first."""

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._cause: dict[str, str] = {} if store is None else store.waiting.find_lost()
        self._blocked: Counter[str] = Counter()

    def blocks(self, job: PreviewedJob, due: int) -> bool:
        """Whether ``job``, of which a run would buy ``due`` clips, cannot be made now."""
        if job.state in (JobState.FAILED, JobState.CANCELLED) and not due and job.last.state is job.state:
            self._cause.setdefault(job.id, job.id)
        if not job.is_due:
            if due:  # it is made again
                self._cause.pop(job.id, None)
            return False
        causes = (self._cause[parent] for parent in job.parents if parent in self._cause)
        # of a known job the database says whether it is blocked: its input may be there already
        cause = next(causes, None) if job.state is None else self._cause.get(job.id)
        if cause is None or cause not in self._cause:
            return False
        self._cause[job.id] = cause
        self._blocked[cause] += 1
        return True

    def list_counts(self) -> list[BlockedCount]:
        """How many jobs are blocked, by what became of the jobs that block them."""
        found: dict[str, BlockedCount] = {}
        causes = [] if self._store is None else self._store.queries.list_jobs_by_id(self._blocked)
        for cause in causes:
            state = "rejected" if cause.state is JobState.SUCCEEDED else cause.state.value
            known = found.get(state, BlockedCount(state=state, jobs=0, example=cause.name, parents=0))
            jobs = known.jobs + self._blocked[cause.id]
            found[state] = replace(known, jobs=jobs, parents=known.parents + 1)
        return list(found.values())


Approve = Callable[[PurchaseQuote], bool]
"""Asks whether to buy; may block, since nothing else happens meanwhile."""


class Tally:
    """Counts jobs by model, and adds up their prices. ``store``: the database whose verdicts count, if there is one."""

    def __init__(self, prices: PriceBook, store: Store | None = None) -> None:
        self._prices = prices
        self._store = store
        self._rows: dict[str, dict[str, Any]] = {}

    def add_job(self, model: str, request: Mapping[str, Any], *, due: int = 1, further: int = 0) -> None:
        """Count a job; ``due`` clips of it are bought, and at most ``further`` takes because of its gates."""
        row = self._rows.setdefault(model, {**dict.fromkeys(COUNTED, 0), "usd": 0.0, "further_usd": {}})
        row["jobs"] += 1
        price = self._prices.find_price(model, request) if due or further else None
        if further and price is not None:
            row["further_usd"][further] = row["further_usd"].get(further, 0.0) + price.usd
        if not due:
            return
        row["new"] += due
        if price is None:
            row["unpriced"] += due
            return
        if price.source is not PriceSource.LISTED:
            row[price.source.value] += due
        row["usd"] += due * price.usd
        row["lowest_usd"] = min(price.usd, row.get("lowest_usd", price.usd))
        row["highest_usd"] = max(price.usd, row.get("highest_usd", price.usd))

    def list_models(self) -> list[ModelPlan]:
        """What was counted, in the order in which the models came."""
        has_takes = any(row["further_usd"] for row in self._rows.values())
        rates = self._store.verdicts.list_rejection_rates() if has_takes and self._store is not None else {}
        return [
            ModelPlan(model=model, judged=judged, rejected=rejected, **row)
            for model, row in self._rows.items()
            for judged, rejected in [rates.get(model, (0, 0))]
        ]


def is_missing_database(path: Path) -> bool:
    """Whether there is no database at ``path``; an empty file is none."""
    return not path.exists() or not path.stat().st_size


@contextmanager
def open_if_exists(path: Path) -> Iterator[Store | None]:
    """The database, for reading, if there is one; an empty file is none, and stays empty."""
    if is_missing_database(path):
        yield None
        return
    with Store(path, writing=False) as store:
        yield store


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What the accounts hold, in US dollars: together, and by key as far as the service answers.

    ``notes`` name what could not be found out, and what is assumed.
    """

    usd: float | None = None
    by_key: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = field(default=())


async def fetch_balances(apis: Mapping[str, ApiClient], *, has_key: bool = True) -> Balance:
    """Ask for the balance of every key. One that is not known counts as nothing if another is known."""
    if not has_key:
        return Balance(notes=["no API key, so no balance"])
    by_key: dict[str, float] = {}
    notes: list[str] = []
    with anyio.move_on_after(BALANCE_SECONDS):
        for label, api in apis.items():
            try:
                with label_errors(label):
                    by_key[label] = await api.fetch_balance()
            except (ProviderError, KeyRejected) as error:
                notes.append(f"no balance: {error}")
    # each key leaves a balance or a note, unless the time limit ended the loop
    if len(by_key) + len(notes) < len(apis):
        notes.append("no balance: no answer in time")
    # no call shows which keys share an account; equal balances most likely do
    usd = sum(set(by_key.values())) if by_key else None
    return Balance(usd=usd, by_key=by_key, notes=[*notes, *_note_shared(by_key)])


def _note_shared(by_key: Mapping[str, float]) -> Iterator[str]:
    """Keys that seem to share an account: no call shows it, and their money must not be counted twice."""
    for usd in dict.fromkeys(by_key.values()):
        labels = [label for label, other in by_key.items() if other == usd]
        if len(labels) > 1 and usd:
            yield f"the same balance with {', '.join(map(repr, labels))}: taken for one account, and counted once"
