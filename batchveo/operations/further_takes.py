"""More takes of jobs, as a person asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from batchveo.core.errors import UsageError
from batchveo.core.hints import format_command
from batchveo.core.models import Job, JobState
from batchveo.engine.clip_judgement import change_seed
from batchveo.engine.price_book import PriceBook
from batchveo.operations.manage import TOGETHER, name_job
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.provider.catalog.price_list import PriceList
from batchveo.store import Store
from batchveo.store.takes import NewTake

MOST_AT_ONCE = 100
"""Takes of one job that are asked for at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherTakes:
    """``count`` more takes of each of ``firsts``, the first takes of their jobs.

    They cost at most ``usd`` US dollars, by the latest prices that the database has; ``unpriced`` have no price.
    """

    firsts: Sequence[Job]
    count: int
    usd: float
    unpriced: int

    @property
    def takes(self) -> int:
        """How many takes these are in all."""
        return len(self.firsts) * self.count


def plan_takes(store: Store, jobs: Iterable[Job], count: int, *, catalog: Catalog = MODELS) -> FurtherTakes:
    """Price ``count`` more takes of each job, once for jobs that are takes of one; writes nothing.

    Raises ``UsageError`` for a job that is cancelled, and for a count that is not from 1 to ``MOST_AT_ONCE``.
    """
    check_count(count)
    listed = {job.seq: job for job in jobs}
    _require_wanted(store, listed.values())
    numbers = dict.fromkeys(job.family for job in listed.values())
    firsts = [listed[seq] if seq in listed else store.queries.read_job(seq) for seq in numbers]
    usd, unpriced = sum_prices(store, firsts, catalog)
    return FurtherTakes(firsts=firsts, count=count, usd=usd * count, unpriced=unpriced * count)


def check_count(count: int) -> None:
    """Raise ``UsageError`` unless so many takes of a job may be asked for."""
    if not 1 <= count <= MOST_AT_ONCE:
        raise UsageError(f"{count} takes: from 1 to {MOST_AT_ONCE} may be asked for at once")


def sum_prices(store: Store, jobs: Sequence[Job], catalog: Catalog) -> tuple[float, int]:
    """What ``jobs`` cost in US dollars, by the latest prices of the database, and how many have no known price."""
    quotes = store.prices.load_quotes({job.model for job in jobs})
    prices = PriceBook(PriceList({model: quote.pricing for model, quote in quotes.items()}, catalog), store)
    known = [price.usd for job in jobs if (price := prices.find_price(job.model, job.request)) is not None]
    return sum(known), len(jobs) - len(known)


def add_takes(store: Store, wanted: FurtherTakes, *, now: float) -> list[Job]:
    """Add the takes as pending jobs, with further seeds.

    They count against the budget, are bought by the next run, and are not given up if another take is accepted.
    """
    added: list[Job] = []
    for start in range(0, len(wanted.firsts), TOGETHER):
        # seeds are read in the transaction that adds the takes: no two takes may have the same one
        with store.connection.transaction():
            for first in wanted.firsts[start : start + TOGETHER]:
                added += store.takes.add_takes(first, list(make_takes(store, first, wanted.count)), now=now)
    return added


def make_takes(store: Store, first: Job, count: int) -> Iterator[NewTake]:
    """``count`` more takes of a job, with further seeds; in the transaction that adds them."""
    used = store.takes.list_seeds(first) if "seed" in first.request else set()
    for _ in range(count):
        request, seed = change_seed(first, used)
        detail = "asked for by a person"
        if seed is not None:
            used.add(seed)
            detail = f"{detail}; with seed {seed}"
        yield NewTake(request=request, tries=first.tries, detail=detail, asked=True)


def _require_wanted(store: Store, jobs: Iterable[Job]) -> None:
    for job in jobs:
        if job.state is JobState.CANCELLED:
            again = format_command("retry", name_job(store, job), state=store.path)
            raise UsageError(f"{job.name!r} is cancelled: make it pending first by `{again}`")
