"""An account: what was bought, what is in flight, what was charged, what it asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from batchveo.sandbox.generations import Generation
from batchveo.sandbox.logs import LoggedRequest, UsageLog
from batchveo.sandbox.prices import CREDITS_PER_USD
from batchveo.sandbox.rate_window import RateWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """Money taken for a generation that completed; ``at`` is seconds since the epoch."""

    at: float
    credits: int
    model: str
    generation_id: str


class Account:
    """The account that every key shares, or that of one key.

    Nothing happens here by itself: whoever asks says what time it is, and what is due by then is settled.
    """

    def __init__(self, balance: float) -> None:
        self.generations: dict[str, Generation] = {}
        self.files: dict[str, Generation] = {}
        self.log = UsageLog()
        self.submits = RateWindow()
        self.log_calls = RateWindow()
        self.peak_in_flight = 0
        self.opening = round(balance * CREDITS_PER_USD)
        self._in_flight: list[tuple[float, int, Generation]] = []
        self._reserved = 0
        self._spent = 0
        self._charges: list[Charge] = []

    def take_in(self, entry: LoggedRequest) -> None:
        """Take in a request, and its generation if it was accepted."""
        self.log.add(entry)
        if entry.generation is not None:
            self.accept(entry.generation)

    def accept(self, generation: Generation) -> None:
        """Take in a generation and reserve its price."""
        self._settle(generation.submitted_at)
        self.generations[generation.id] = generation
        self.files[generation.file] = generation
        heappush(self._in_flight, (generation.ready_at, generation.ordinal, generation))
        self._reserved += generation.credits
        self.peak_in_flight = max(self.peak_in_flight, len(self._in_flight))

    def in_flight(self, now: float) -> int:
        """How many generations are under way."""
        self._settle(now)
        return len(self._in_flight)

    def next_ready(self) -> float | None:
        """When the next generation under way will be ready."""
        return self._in_flight[0][0] if self._in_flight else None

    def balance(self, now: float) -> int:
        """The credits left, with those reserved for generations under way."""
        self._settle(now)
        return self.opening - self._spent

    def available(self, now: float) -> int:
        """The credits that a new generation may cost."""
        return self.balance(now) - self._reserved

    def charges(self, now: float) -> Sequence[Charge]:
        """Every charge so far, oldest first; not to be changed."""
        self._settle(now)
        return self._charges

    def _settle(self, now: float) -> None:
        while self._in_flight and self._in_flight[0][0] <= now:
            generation = heappop(self._in_flight)[-1]
            self._reserved -= generation.credits
            if generation.is_charged:
                self._charge(generation)

    def _charge(self, generation: Generation) -> None:
        self._spent += generation.credits
        charge = Charge(
            at=generation.ready_at,
            credits=generation.credits,
            model=generation.model,
            generation_id=generation.id,
        )
        self._charges.append(charge)
