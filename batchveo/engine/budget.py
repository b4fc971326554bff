"""What may still be spent: the price of the next job, the budget, the accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from batchveo.core.errors import BudgetReached, KeyRejected
from batchveo.core.events import Message
from batchveo.core.formatting import format_usd
from batchveo.core.models import Job
from batchveo.core.settings import RunSettings
from batchveo.engine.in_flight import InFlightTable
from batchveo.engine.key_limits import KeyThrottle
from batchveo.engine.per_key import Label
from batchveo.engine.recorder import Recorder
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
        recorder: Recorder,
        board: InFlightTable,
        apis: Mapping[Label, ApiClient],
        prices: PriceList,
        settings: RunSettings,
        *,
        key_prints: Mapping[Label, str],
    ) -> None:
        self._recorder = recorder
        self._board = board
        self._apis = apis
        self._prices = prices
        self._assumed = settings.assume_price
        self._budget = settings.budget
        self._key_prints = key_prints

    def claim(self, key: Label, refused: Sequence[str] = ()) -> Job | None:
        """The next job, claimed for ``key`` with its price reserved; raises ``BudgetShort``.

        ``refused``: models that the service does not make with this key.
        """
        recorder = self._recorder
        return recorder.store.transitions.claim_job(
            run=recorder.run,
            now=recorder.now(),
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

    async def await_room(self, short: BudgetShort) -> None:
        """Wait for what is in flight to turn out cheaper; stop the run where nothing is."""
        if short.usd is None:
            self._recorder.stop(BudgetReached(f"no price is known for {short.job.model}; give --assume-price USD"))
        elif self._board.in_motion():
            await self._recorder.wait(self._recorder.now() + BALANCE_GAP_SECONDS)
        else:
            committed, budget = (
                format_usd(self._recorder.store.queries.read_committed()),
                format_usd(self._budget or 0.0),
            )
            text = f"{committed} of {budget} are spent, the next video costs {format_usd(short.usd)}"
            self._recorder.stop(BudgetReached(text))

    async def await_credits(self, line: KeyThrottle) -> None:
        """Look at the balance of a key now and then, until it has grown; then its submits go on."""
        text = f"{line.out_of_credits}; waiting for a top-up"
        self._recorder.tell(Message(text=text, warning=True))
        empty = await self._balance(line)
        for _ in range(LOOKS):
            await self._recorder.clock.sleep_until(self._recorder.now() + BALANCE_GAP_SECONDS)
            balance = await self._balance(line)
            if balance is not None and balance > (balance if empty is None else empty) + TOP_UP_USD:
                self._recorder.tell(Message(text=f"the balance is {format_usd(balance)}; going on"))
                break
            empty = balance if empty is None else empty
        # after so many looks one submit is tried anyway: the top-up may have come before the first of them
        line.out_of_credits = None
        self._recorder.notify()

    async def can_pay(self, line: KeyThrottle, job: Job, *, beside: bool) -> bool | None:
        """Whether the account of ``line`` can pay for ``job``; ``None`` if nobody knows.

        ``beside``: with what is in flight, whose price the account may keep back until it is charged.
        """
        jobs = 1 + (self._board.generating(line.name) if beside else 0)
        balance = await self._balance(line)
        return None if balance is None else balance >= max(jobs * (self.price(job) or 0.0), TOP_UP_USD)

    async def _balance(self, line: KeyThrottle) -> float | None:
        try:
            return await self._apis[line.name].fetch_balance()
        except (ProviderError, KeyRejected):
            return None
