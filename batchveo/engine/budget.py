"""The price of the next job, the budget that is left, and the balances of the accounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from batchveo.core.errors import BudgetReached, KeyRejected, PricesUnknown
from batchveo.core.formatting import format_usd, round_to_cents
from batchveo.core.models import Job
from batchveo.core.notices import (
    BudgetExceeded,
    CreditsAwaited,
    CreditsReturned,
    ModelPutAside,
    SeenPriceReserved,
)
from batchveo.core.settings import RunSettings
from batchveo.engine.chain_reserve import ChainReserve
from batchveo.engine.in_flight import InFlightTable
from batchveo.engine.key_limits import KeyThrottle, Label
from batchveo.engine.price_book import PriceBook, PriceSource
from batchveo.engine.run_context import EventBus, RunContext
from batchveo.provider import ApiClient, ProviderError
from batchveo.provider.catalog.price_list import PriceList
from batchveo.store import BudgetShort

BALANCE_GAP_SECONDS = 60.0
"""Seconds between two looks at the balance of an empty account."""
LOOKS = 10
TOP_UP_USD = 0.005


class Budget:
    """Prices jobs, reserves their prices, and waits for credits.

    ``apis`` and ``key_prints``: the clients of the provider and the fingerprints of the keys, by the keys' labels.
    """

    def __init__(
        self,
        context: RunContext,
        bus: EventBus,
        in_flight: InFlightTable,
        apis: Mapping[Label, ApiClient],
        prices: PriceList,
        settings: RunSettings,
        *,
        key_prints: Mapping[Label, str],
        endings: Mapping[str, str],
    ) -> None:
        self._context = context
        self._bus = bus
        self._in_flight = in_flight
        self._apis = apis
        self._prices = PriceBook(prices, context.store, settings.assume_price)
        self._budget = settings.budget
        self._key_prints = key_prints
        self._endings = endings
        self._without_price: set[str] = set()
        """The models whose jobs are skipped, since nothing is known of their prices."""
        self._reported: set[str] = set()
        self._exceeded = False
        self._reserve = ChainReserve(context, self.find_price)

    def claim_job(self, key: Label, refused: Sequence[str], check: Callable[[Job], None]) -> Job | None:
        """Claim the next job for ``key`` and reserve its price; ``None`` if there is none. Raises ``BudgetShort``.

        ``refused``: models that the service does not make with this key. ``check``: see ``Transitions.claim_job``.
        """

        def claim(*, of_begun: bool = False) -> Job | None:
            return self._context.store.transitions.claim_job(
                run=self._context.run,
                now=self._context.now(),
                price=self.find_price,
                budget=self._budget,
                key=key or None,
                refused=refused,
                key_print=self._key_prints.get(key),
                check=check,
                kept=self._reserve.find_kept,
                of_begun=of_begun,
            )

        try:
            job = claim()
        except BudgetShort as short:
            if not short.kept or short.usd is None:
                raise
            # some of it may be free by now, or the next link of a begun chain may have it
            self._reserve.read_again()
            job = claim(of_begun=True)
            if job is None:
                job = claim()
        if job is not None and self._budget is not None:
            self._reserve.add_claim(job)
            if job.model not in self._reported:
                self._report_seen(job)
        return job

    def find_price(self, job: Job) -> float | None:
        """The price of ``job`` in US dollars: listed, seen or assumed; ``None`` if none is known."""
        price = self._prices.find_price(job.model, job.request)
        return None if price is None else price.usd

    def reserve_imported(self) -> None:
        """Reserve the prices of what is in flight or in doubt without one: imported generations count as well."""
        store = self._context.store
        for job in store.queries.list_unreserved():
            usd = self.find_price(job)
            if usd is not None:
                store.transitions.reserve_price(job, usd)

    def _report_seen(self, job: Job) -> None:
        price = self._prices.find_price(job.model, job.request)
        if price is not None and price.source is PriceSource.SEEN:
            self._reported.add(job.model)
            self._bus.emit(SeenPriceReserved(model=job.model, usd=price.usd, assumed_usd=self._prices.assumed))

    def add_cost(self, job: Job) -> None:
        """Learn from the cost of ``job``, which is recorded and counts instead of its reserved price.

        Jobs of the model that were skipped for want of a price may be submitted from now on.
        """
        self._prices.add_cost(job)
        if job.model in self._without_price and self.find_price(job) is not None:
            self._without_price.discard(job.model)
            self._context.store.skipped.release_model(
                job.model, run=self._context.run, words=self._explain_without_price(job.model)
            )
            self._bus.notify()
        self._report_exceeded()

    def _report_exceeded(self) -> None:
        if self._budget is None or self._exceeded:
            return
        committed = self._context.store.queries.read_committed()
        if round_to_cents(committed) > round_to_cents(self._budget):
            self._exceeded = True
            self._bus.emit(BudgetExceeded(committed_usd=committed, budget_usd=self._budget))

    def skip_without_price(self, job: Job) -> bool:
        """Skip the pending jobs of the model of ``job``, whose price is not known; returns whether there were any.

        A job that needs a price must not keep others, whose prices are known, from being made.
        """
        reason = self._explain_without_price(job.model)
        jobs = self._context.store.skipped.skip_model(job.model, reason, run=self._context.run)
        if jobs and job.model not in self._without_price:
            self._without_price.add(job.model)
            self._bus.emit(ModelPutAside(model=job.model, jobs=jobs, reason=reason))
        return jobs > 0

    def find_end(self, short: BudgetShort) -> BudgetReached | PricesUnknown | None:
        """Why the run buys no more; ``None`` while something in flight may turn out cheaper than reserved."""
        if short.usd is None:
            return PricesUnknown(self._explain_without_price(short.job.model))
        if self._in_flight.count_unsettled():
            return None  # a failed or refused one gives its reserved price back
        committed, budget = format_usd(self._context.store.queries.read_committed()), format_usd(self._budget or 0.0)
        kept = f", and {format_usd(short.kept)} are kept for chains that have begun" if short.kept else ""
        return BudgetReached(f"{committed} of {budget} are spent, the next video costs {format_usd(short.usd)}{kept}")

    def _explain_without_price(self, model: str) -> str:
        """Why jobs of ``model`` wait. The service lists no price for a model that ends, and that is the true reason."""
        unknown = f"no price is known for {model}; give --assume-price USD"
        return f"{self._endings[model]}; {unknown}" if model in self._endings else unknown

    async def await_credits(self, throttle: KeyThrottle) -> None:
        """Read the balance of a key every minute until it has grown; then its submits resume."""
        self._bus.emit(CreditsAwaited(reason=str(throttle.out_of_credits)))
        empty = await self._read_balance(throttle)
        for _ in range(LOOKS):
            await self._context.clock.sleep_until(self._context.now() + BALANCE_GAP_SECONDS)
            balance = await self._read_balance(throttle)
            if balance is not None and balance > (balance if empty is None else empty) + TOP_UP_USD:
                self._bus.emit(CreditsReturned(balance_usd=balance))
                break
            empty = balance if empty is None else empty
        # after so many looks one submit is tried anyway: the top-up may have come before the first of them
        throttle.out_of_credits = None
        self._bus.notify()

    async def can_pay(self, throttle: KeyThrottle, job: Job, *, beside: bool) -> bool | None:
        """Whether the account of ``throttle`` can pay for ``job``; ``None`` if nobody knows.

        ``beside``: with what is in flight, whose price the account may keep back until it is charged.
        """
        jobs = 1 + (self._in_flight.count_generating(throttle.name) if beside else 0)
        balance = await self._read_balance(throttle)
        return None if balance is None else balance >= max(jobs * (self.find_price(job) or 0.0), TOP_UP_USD)

    async def _read_balance(self, throttle: KeyThrottle) -> float | None:
        try:
            return await self._apis[throttle.name].fetch_balance()
        except (ProviderError, KeyRejected):
            return None
