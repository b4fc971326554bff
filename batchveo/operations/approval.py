"""The question before a purchase: what it will cost is found out, and whoever pays says yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from batchveo.core.errors import Declined
from batchveo.core.settings import RunSettings
from batchveo.operations.balances import balance_of
from batchveo.operations.prices import known_prices
from batchveo.operations.quote import Approve, PurchaseQuote, Tally, state_if_any
from batchveo.operations.recovery import recoverable
from batchveo.provider.clients import apis, first
from batchveo.provider.service import Service
from batchveo.store import StagingTable, foresee

LATEST = 2**63 - 1
"""Larger than the number of any run."""


async def ask(
    approve: Approve | None,
    *,
    using: Service,
    state: Path,
    settings: RunSettings,
    named: StagingTable | None = None,
    models: Sequence[str] = (),
) -> None:
    """Put the offer of a run to ``approve``; raises ``Declined`` where the answer is no.

    ``named`` holds what the manifests name, of these ``models``; without it, all that is pending in the state is
    offered. Nothing is written. Where nothing is to be bought, or for play money, nobody is asked.
    """
    if approve is None or using.sandbox:
        return
    budget = settings.budget
    with state_if_any(state) as store:
        if named is None and store is not None:
            models = store.queries.list_pending_models()
            budget = store.runs.read_last_budget(LATEST) if budget is None else budget
        async with apis(using) as opened:
            known = await known_prices(first(opened), models, store)
            balance = await balance_of(opened)
        tally = Tally(known.prices, settings.assume_price)
        if named is not None:
            found = await recoverable(store, settings.output, sandbox=using.sandbox, sidecars=settings.sidecars)
            for job in foresee(named, state if store else None):
                tally.add(job.model, job.request, due=job.is_due and job.id not in found)
        elif store is not None:
            tally.add_all(store.queries.list_pending_requests())
        offer = PurchaseQuote(
            models=tally.models(),
            balance_usd=balance.usd,
            balances=balance.by_key if len(opened) > 1 else {},
            budget_usd=budget,
            committed_usd=store.queries.read_committed() if store else 0.0,
            prices_since=known.since,
            notes=[*([f"no prices now: {known.trouble}"] if known.trouble else []), *balance.notes],
        )
    if offer.new and not approve(offer):
        raise Declined("not begun: nothing was bought, nothing was written")
