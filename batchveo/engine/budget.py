"""What may still be spent: the price of the next job, the budget, the accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from batchveo.core.errors import BudgetReached, KeyRejected
from batchveo.core.events import Message
from batchveo.core.formatting import format_usd
from batchveo.core.models import Job
from batchveo.core.settings import RunSettings
from batchveo.engine.event_bus import EventBus
from batchveo.engine.in_flight import InFlightTable
from batchveo.engine.key_limits import KeyThrottle
from batchveo.engine.per_key import Label
from batchveo.engine.run_context import RunContext
from batchveo.provider import ApiClient, ProviderError
from batchveo.provider.price_list import PriceList
from batchveo.store import BudgetShort

BALANCE_GAP_SECONDS = 60.0
"""How often an empty account is looked at."""
LOOKS = 10
TOP_UP_USD = 0.005


class Budget:
    """Prices jobs, and waits where the money has to come first. ``apis``: the service, by the label of the key.

    ``key_prints``: the fingerprints of the keys, by their labels.
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
    ) -> None:
        self._context = context
        self._bus = bus
        self._in_flight = in_flight
        self._apis = apis
        self._prices = prices
        self._assumed = settings.assume_price
        self._budget = settings.budget
        self._key_prints = key_prints

    def claim(self, key: Label, refused: Sequence[str] = ()) -> Job | None:
        """The next job, claimed for ``key`` with its price reserved; raises ``BudgetShort``.

        ``refused``: models that the service does not make with this key.
        """
        return self._context.store.transitions.claim_job(
            run=self._context.run,
            now=self._context.now(),
            price=self.price,
            budget=self._budget,
            key=key or None,
            refused=refused,
            key_print=self._key_prints.get(key),
        )

    def price(self, job: Job) -> float | None:
        """What ``job`` will cost: by the list, or else as the user assumes."""
        quoted = self._prices.quote(job.model, job.request)
        return self._assumed if quoted is None else quoted

    def find_end(self, short: BudgetShort) -> BudgetReached | None:
        """Why the run buys no more; ``None`` while something in flight may turn out cheaper than reserved."""
        if short.usd is None:
            return BudgetReached(f"no price is known for {short.job.model}; give --assume-price USD")
        if self._in_flight.in_motion():
            return None
        committed, budget = format_usd(self._context.store.queries.read_committed()), format_usd(self._budget or 0.0)
        return BudgetReached(f"{committed} of {budget} are spent, the next video costs {format_usd(short.usd)}")

    async def await_credits(self, throttle: KeyThrottle) -> None:
        """Look at the balance of a key now and then, until it has grown; then its submits go on."""
        text = f"{throttle.out_of_credits}; waiting for a top-up"
        self._bus.warn(text)
        empty = await self._balance(throttle)
        for _ in range(LOOKS):
            await self._context.clock.sleep_until(self._context.now() + BALANCE_GAP_SECONDS)
            balance = await self._balance(throttle)
            if balance is not None and balance > (balance if empty is None else empty) + TOP_UP_USD:
                self._bus.emit(Message(text=f"the balance is {format_usd(balance)}; going on"))
                break
            empty = balance if empty is None else empty
        # after so many looks one submit is tried anyway: the top-up may have come before the first of them
        throttle.out_of_credits = None
        self._bus.notify()

    async def can_pay(self, throttle: KeyThrottle, job: Job, *, beside: bool) -> bool | None:
        """Whether the account of ``throttle`` can pay for ``job``; ``None`` if nobody knows.

        ``beside``: with what is in flight, whose price the account may keep back until it is charged.
        """
        jobs = 1 + (self._in_flight.generating(throttle.name) if beside else 0)
        balance = await self._balance(throttle)
        return None if balance is None else balance >= max(jobs * (self.price(job) or 0.0), TOP_UP_USD)

    async def _balance(self, throttle: KeyThrottle) -> float | None:
        try:
            return await self._apis[throttle.name].fetch_balance()
        except (ProviderError, KeyRejected):
            return None
