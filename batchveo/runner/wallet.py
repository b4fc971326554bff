"""What may still be spent: the price of the next job, the budget, the account."""

from __future__ import annotations

from batchveo.api import Api, ServiceTrouble
from batchveo.errors import BudgetReached, KeyRejected
from batchveo.events import Noted
from batchveo.models import Job
from batchveo.pricing import PriceList
from batchveo.runner.desk import Desk
from batchveo.runner.settings import RunSettings
from batchveo.store import BudgetShort

BALANCE_GAP_SECONDS = 60.0
"""How often an empty account is looked at."""
LOOKS = 10
TOP_UP_USD = 0.005


class Wallet:
    """Prices jobs, and waits where the money has to come first."""

    def __init__(self, desk: Desk, api: Api, prices: PriceList, settings: RunSettings) -> None:
        self._desk = desk
        self._api = api
        self._prices = prices
        self._assumed = settings.assume_price
        self._budget = settings.budget

    def claim(self) -> Job | None:
        """The next job, claimed with its price reserved; raises ``BudgetShort``."""
        desk = self._desk
        return desk.store.claim(run=desk.run, now=desk.now(), price=self.price, budget=self._budget)

    def price(self, job: Job) -> float | None:
        """What ``job`` will cost: by the list, or else as the user assumes."""
        quoted = self._prices.quote(job.model, job.request)
        return self._assumed if quoted is None else quoted

    async def await_room(self, short: BudgetShort) -> None:
        """Wait for what is in flight to turn out cheaper; stop the run where nothing is."""
        if short.usd is None:
            self._desk.stop(BudgetReached(f"no price is known for {short.job.model}; give --assume-price USD"))
        elif self._desk.board.in_motion():
            await self._desk.wait(self._desk.now() + BALANCE_GAP_SECONDS)
        else:
            committed = self._desk.store.committed()
            text = f"${committed:.2f} of ${self._budget:.2f} are spent, the next video costs ${short.usd:.2f}"
            self._desk.stop(BudgetReached(text))

    async def await_credits(self) -> None:
        """Look at the balance now and then, until it has grown; then submits go on."""
        text = f"{self._desk.out_of_credits}; waiting for a top-up"
        self._desk.tell(Noted(text=text, warning=True))
        empty = await self._balance()
        for _ in range(LOOKS):
            await self._desk.clock.sleep_until(self._desk.now() + BALANCE_GAP_SECONDS)
            if self._desk.stopped is not None:
                return
            balance = await self._balance()
            if balance is not None and balance > (balance if empty is None else empty) + TOP_UP_USD:
                self._desk.tell(Noted(text=f"the balance is ${balance:.2f}; going on"))
                break
            empty = balance if empty is None else empty
        # after so many looks one submit is tried anyway: the top-up may have come before the first of them
        self._desk.out_of_credits = None

    async def _balance(self) -> float | None:
        try:
            return await self._api.balance()
        except (ServiceTrouble, KeyRejected):
            return None
