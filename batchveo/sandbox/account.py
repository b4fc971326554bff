"""An account: its generations, its charges, its usage log and its calls of the last minute."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from operator import attrgetter

from batchveo.sandbox.calls import format_moment
from batchveo.sandbox.generations import Generation, Status
from batchveo.sandbox.prices import CREDITS_PER_USD, to_usd

_WINDOW_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One submit as the usage log shows it; ``generation`` is ``None`` if it was refused.

    While the generation is in flight, the row has the status ``succeeded`` and costs nothing, for the request
    succeeded. A generation that ends in an error changes it to ``failed``. ``owner`` names the account.
    """

    ordinal: int
    created: float
    shown_at: float
    model: str
    request_id: str
    inference_id: str
    client_request_id: str | None
    generation: Generation | None = None
    owner: str = ""

    def status(self, now: float) -> str:
        """``succeeded`` or ``failed``, at this moment."""
        failed = self.generation is None or self.generation.status(now) is Status.ERROR
        return "failed" if failed else "succeeded"

    def to_json(self, now: float) -> dict[str, object]:
        """The row as the API shows it."""
        cost = self.generation.count_charged(now) if self.generation else 0
        return {
            "created": format_moment(self.created),
            "status": self.status(now),
            "origin": "api",
            "model": self.model,
            "cost": {"usd": to_usd(cost), "credits": cost},
            "tokens": {"input": 0, "output": 0, "total": 0},
            "request_id": self.request_id,
            "inference_id": self.inference_id,
            "client_request_id": self.client_request_id,
        }


_CREATED: Callable[[LoggedRequest], float] = attrgetter("created")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """The rows that are asked for: a window of seconds since the epoch; an empty set of values admits all."""

    start: float
    end: float
    models: Collection[str] = ()
    statuses: Collection[str] = ()

    def admits(self, entry: LoggedRequest, now: float) -> bool:
        """Whether this row of the window is asked for."""
        if self.models and entry.model not in self.models and entry.model.split("/")[-1] not in self.models:
            return False
        return not self.statuses or entry.status(now) in self.statuses


class UsageLog:
    """The rows in the order of their requests; each appears late, at its ``shown_at``."""

    def __init__(self) -> None:
        self._hidden: list[tuple[float, int, LoggedRequest]] = []
        self._shown: list[LoggedRequest] = []

    def add_row(self, entry: LoggedRequest) -> None:
        """Add a row that appears at its time."""
        heappush(self._hidden, (entry.shown_at, entry.ordinal, entry))

    def read_page(self, query: LogQuery, *, offset: int, limit: int, now: float) -> tuple[list[LoggedRequest], int]:
        """A page of the rows that have appeared, newest first, and the number of rows on all pages."""
        while self._hidden and self._hidden[0][0] <= now:
            insort(self._shown, heappop(self._hidden)[-1], key=_CREATED)
        low = bisect_left(self._shown, query.start, key=_CREATED)
        high = bisect_right(self._shown, query.end, key=_CREATED)
        if not query.models and not query.statuses:
            # the usual query: without a look at each row, for a log of a night has many thousands
            newest, oldest = max(low, high - offset), max(low, high - offset - limit)
            return self._shown[oldest:newest][::-1], max(0, high - low)
        rows = [entry for entry in self._shown[low:high] if query.admits(entry, now)]
        rows.reverse()
        return rows[offset : offset + limit], len(rows)


class RateWindow:
    """The calls of the last 60 seconds."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def seconds_until_free(self, limit: int, now: float) -> float:
        """Seconds until another call keeps within the limit; 0 if it does so now."""
        while self._times and self._times[0] <= now - _WINDOW_SECONDS:
            self._times.popleft()
        if len(self._times) < limit:
            return 0.0
        return self._times[-limit] + _WINDOW_SECONDS - now if limit else _WINDOW_SECONDS

    def add_call(self, now: float) -> None:
        """Count a call."""
        self._times.append(now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """Money taken for a generation that completed; ``at`` is seconds since the epoch."""

    at: float
    credits: int
    model: str
    generation_id: str


class Account:
    """The account of one API key, or the one that all keys share.

    Nothing happens here by itself: each method gets the time, and first settles what has ended by then.
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

    def add_request(self, entry: LoggedRequest) -> None:
        """Log a request; if it was accepted, add its generation and reserve the price."""
        self.log.add_row(entry)
        generation = entry.generation
        if generation is None:
            return
        self._settle(generation.submitted_at)  # or what ended before would count in the peak
        self.generations[generation.id] = generation
        self.files[generation.file] = generation
        heappush(self._in_flight, (generation.ready_at, generation.ordinal, generation))
        self._reserved += generation.credits
        self.peak_in_flight = max(self.peak_in_flight, len(self._in_flight))

    def count_in_flight(self, now: float) -> int:
        """How many generations are in flight."""
        self._settle(now)
        return len(self._in_flight)

    def find_next_end(self) -> float | None:
        """When the next generation in flight ends."""
        return self._in_flight[0][0] if self._in_flight else None

    def read_balance(self, now: float) -> int:
        """The credits left, with those that are reserved for generations in flight."""
        self._settle(now)
        return self.opening - self._spent

    def read_available(self, now: float) -> int:
        """The credits that a new generation may cost."""
        return self.read_balance(now) - self._reserved

    def list_charges(self, now: float) -> Sequence[Charge]:
        """All charges, oldest first; the caller must not change the list."""
        self._settle(now)
        return self._charges

    def _settle(self, now: float) -> None:
        while self._in_flight and self._in_flight[0][0] <= now:
            generation = heappop(self._in_flight)[-1]
            self._reserved -= generation.credits
            # a failed generation is free: only its reservation ends
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
