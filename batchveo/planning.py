"""What a run would do, before it does it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from batchveo.api import Api, ServiceTrouble
from batchveo.errors import KeyRejected
from batchveo.manifest import Manifests
from batchveo.models import JobSpec
from batchveo.prices import price_list
from batchveo.pricing import PriceList
from batchveo.store import Scratch, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """What the manifests ask of one model. ``usd`` counts the jobs that are new and have a price."""

    model: str
    jobs: int = 0
    new: int = 0
    usd: float = 0.0
    unpriced: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run would make and what it would cost; ``notes`` says what could not be found out."""

    models: Sequence[ModelPlan]
    repeated: int
    sample: Sequence[JobSpec]
    balance_usd: float | None
    notes: Sequence[str] = field(default=())

    @property
    def jobs(self) -> int:
        """All jobs named."""
        return sum(model.jobs for model in self.models)

    @property
    def new(self) -> int:
        """Jobs that the state does not have yet, or has not bought."""
        return sum(model.new for model in self.models)

    @property
    def usd(self) -> float:
        """What the new jobs will cost, as far as there are prices."""
        return sum(model.usd for model in self.models)

    @property
    def unpriced(self) -> int:
        """New jobs whose price is not known."""
        return sum(model.unpriced for model in self.models)


async def plan(
    manifests: Sequence[str | os.PathLike[str]],
    *,
    state: Path,
    api: Api,
    has_key: bool,
    allow_unknown_model: bool = False,
    strict_provenance: bool = False,
    stdin: BinaryIO | None = None,
) -> Plan:
    """Validate, expand, count, price; writes nothing and buys nothing.

    Raises ``ManifestError``. A service that does not answer costs the plan its prices, not its life.
    """
    with Scratch() as scratch:
        with Manifests(
            manifests, allow_unknown_model=allow_unknown_model, strict_provenance=strict_provenance, stdin=stdin
        ) as reading:
            summary = reading.read(scratch.take)
        prices, notes = await _prices(api, list(summary.by_model))
        balance, balance_notes = await _balance(api) if has_key else (None, ["no API key, so no balance"])
        models = _count(scratch, _bought(state), prices)
    return Plan(
        models=models,
        repeated=summary.repeated,
        sample=summary.sample,
        balance_usd=balance,
        notes=[*notes, *balance_notes],
    )


async def _prices(api: Api, models: Sequence[str]) -> tuple[PriceList, list[str]]:
    try:
        return await price_list(api, models), []
    except (ServiceTrouble, KeyRejected) as error:
        return PriceList({}), [f"no prices: {error}"]


async def _balance(api: Api) -> tuple[float | None, list[str]]:
    try:
        return await api.balance(), []
    except (ServiceTrouble, KeyRejected) as error:
        return None, [f"no balance: {error}"]


def _bought(state: Path) -> set[str]:
    """The ids of the jobs that need no purchase any more."""
    if not state.exists():
        return set()
    with Store(state, writing=False) as store:
        return store.settled_ids()


def _count(scratch: Scratch, bought: set[str], prices: PriceList) -> list[ModelPlan]:
    jobs: Counter[str] = Counter()
    new: Counter[str] = Counter()
    unpriced: Counter[str] = Counter()
    usd: dict[str, float] = {}
    for job_id, model, request in scratch.requests():
        jobs[model] += 1
        if job_id in bought:
            continue
        new[model] += 1
        price = prices.quote(model, json.loads(request))
        if price is None:
            unpriced[model] += 1
        else:
            usd[model] = usd.get(model, 0.0) + price
    return [
        ModelPlan(model=model, jobs=jobs[model], new=new[model], usd=usd.get(model, 0.0), unpriced=unpriced[model])
        for model in jobs
    ]
