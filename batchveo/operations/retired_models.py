"""Which models of a purchase end or have ended, and what a person can do about it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import anyio

from batchveo.core.errors import KeyRejected
from batchveo.core.hints import format_remake
from batchveo.provider import ApiClient, ProviderError
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.provider.retirement import Retirement, Retirements, fetch_retirements, read_kept_retirements

FEED_SECONDS = 10.0
"""Time limit for the feed: nothing depends on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredModel:
    """A model of the jobs at hand that ends or has ended, by the name that the jobs give it."""

    model: str
    retirement: Retirement

    def describe(self, today: date) -> str:
        """The sentence for a person."""
        return self.retirement.describe(today, name=self.model)

    def format_retry(self, state: Path | None = None) -> str:
        """The command that makes its jobs in the database at ``state`` under another model."""
        return format_remake(self.model, self.retirement.successor, state=state)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetirementFindings:
    """``models`` that need a person. ``trouble``: why the feed was not read."""

    models: Sequence[RetiredModel] = field(default=())
    trouble: str | None = None

    @property
    def notes(self) -> list[str]:
        """What could not be found out."""
        return [f"no list of retired models now: {self.trouble}"] if self.trouble else []


async def find_retired(api: ApiClient, models: Collection[str], *, catalog: Catalog = MODELS) -> RetirementFindings:
    """Ask the service which of ``models`` end or have ended; a refreshed ``catalog`` has rows if it does not answer."""
    if not models:
        return RetirementFindings()
    trouble = None
    try:
        with anyio.fail_after(FEED_SECONDS):
            rows = await fetch_retirements(api)
    except (ProviderError, KeyRejected, TimeoutError) as error:
        rows = read_kept_retirements(catalog)
        trouble = None if rows else str(error) or "no answer in time"
    return RetirementFindings(models=list(choose_retired(rows, models, catalog=catalog)), trouble=trouble)


def choose_retired(rows: Retirements, models: Collection[str], *, catalog: Catalog = MODELS) -> Iterator[RetiredModel]:
    """Those of ``models`` that are in the feed, unless another model answers under their name for good."""
    for model in models:
        found = rows.find(model, catalog.find_own_name(model))
        if found is not None and found.needs_action:
            yield RetiredModel(model=model, retirement=found)


def find_today() -> date:
    """The day in UTC, which the dates of the feed are in."""
    return datetime.now(UTC).date()
