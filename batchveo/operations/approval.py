"""Questions to a person before a run begins: go on in spite of a finding, and buy at this price."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchveo.core.errors import Declined, UsageError
from batchveo.operations.balances import fetch_balances
from batchveo.operations.quote import Approve, PurchaseQuote, Tally, open_if_exists
from batchveo.operations.recovery import find_recoverable
from batchveo.store import Store, preview_jobs

if TYPE_CHECKING:
    from batchveo.operations.run_context import RunContext
    from batchveo.operations.staging import StagedJobs

__all__ = ["Approve", "Confirm", "Consent", "ask_approval"]

Confirm = Callable[[str], bool]
"""Asks a person a yes-or-no question; may block, since nothing else happens meanwhile."""
NOTHING_DONE = "nothing was written or bought"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the caller agrees to in advance, and who is asked about the rest.

    ``new_state``: the database may be new to the jobs although another one knows them. ``missing_videos``: the
    finished videos may be missing from their folder. ``confirm``: ``None`` if nobody can be asked.
    """

    new_state: bool = False
    missing_videos: bool = False
    confirm: Confirm | None = None

    def require(self, finding: str, advice: str, refusal: type[UsageError]) -> None:
        """Ask whether to go on in spite of ``finding``.

        Raises ``refusal`` with the ``advice`` if nobody can be asked, and ``Declined`` if the answer is no.
        """
        if self.confirm is None:
            raise refusal(f"{finding}\n{advice}\n{NOTHING_DONE}")
        if not self.confirm(f"{finding}\n{advice}"):
            raise Declined(f"not begun: {NOTHING_DONE}")


async def ask_approval(context: RunContext, staged: StagedJobs | None) -> None:
    """Show the price of a run to whoever approves it; raises ``Declined`` if the answer is no.

    Without ``staged`` jobs the run is about everything pending. Nothing is written. Nobody is asked if there is
    nothing to buy, or in the sandbox.
    """
    approve = context.options.approve
    if approve is None or context.service.sandbox:
        return
    with open_if_exists(context.options.state) as store:
        quote = await _make_quote(context, store, staged)
    if quote.new and not approve(quote):
        raise Declined("not begun: nothing was bought, nothing was written")


async def _make_quote(context: RunContext, store: Store | None, staged: StagedJobs | None) -> PurchaseQuote:
    settings, sandbox = context.options.settings, context.service.sandbox
    models = staged.models if staged else store.queries.list_pending_models() if store else []
    apis = await context.open_clients()
    known = await context.find_prices(models, store)
    balance = await fetch_balances(apis)
    tally = Tally(known.prices, settings.assume_price)
    if staged is not None:
        found = await find_recoverable(store, settings.output, sandbox=sandbox, sidecars=settings.sidecars)
        for job in preview_jobs(staged.table, context.options.state if store else None):
            tally.add(job.model, job.request, due=job.is_due and job.id not in found)
    elif store is not None:
        tally.add_all((model, request) for _, model, request, _ in store.queries.list_pending_requests())
    return PurchaseQuote(
        models=tally.models(),
        balance_usd=balance.usd,
        balances=balance.by_key if len(apis) > 1 else {},
        budget_usd=settings.budget,
        committed_usd=store.queries.read_committed() if store else 0.0,
        prices_since=known.since,
        notes=[*known.notes, *balance.notes],
    )
