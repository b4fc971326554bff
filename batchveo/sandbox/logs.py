"""The usage log: one row a request, showing up late."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection
from dataclasses import dataclass
from heapq import heappop, heappush
from operator import attrgetter

from batchveo.sandbox.generations import Generation, Status
from batchveo.sandbox.prices import usd
from batchveo.sandbox.times import iso


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One submit as the usage log tells of it; ``generation`` is None where it was refused.

    While the generation is under way the row says ``succeeded`` at no cost: the request did. A generation
    that ends in an error turns its row to ``failed``. ``owner`` is whose account it belongs to.
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

    def succeeded(self, now: float) -> bool:
        """Whether the request counts as a success at this moment."""
        return self.generation is not None and self.generation.status(now) is not Status.ERROR

    def row(self, now: float) -> dict[str, object]:
        """The row as the API words it."""
        cost = self.generation.charged(now) if self.generation else 0
        return {
            "created": iso(self.created),
            "status": "succeeded" if self.succeeded(now) else "failed",
            "origin": "api",
            "model": self.model,
            "cost": {"usd": usd(cost), "credits": cost},
            "tokens": {"input": 0, "output": 0, "total": 0},
            "request_id": self.request_id,
            "inference_id": self.inference_id,
            "client_request_id": self.client_request_id,
        }


_CREATED: Callable[[LoggedRequest], float] = attrgetter("created")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Which rows are wanted: a window of seconds since the epoch, and sets that are empty for "any"."""

    start: float
    end: float
    models: Collection[str] = ()
    statuses: Collection[str] = ()

    @property
    def window_only(self) -> bool:
        """Whether every row of the window is wanted."""
        return not self.models and not self.statuses

    def wants(self, entry: LoggedRequest, now: float) -> bool:
        """Whether this row of the window is wanted."""
        if self.models and entry.model not in self.models and entry.model.split("/")[-1] not in self.models:
            return False
        return not self.statuses or ("succeeded" if entry.succeeded(now) else "failed") in self.statuses


class UsageLog:
    """Keeps the rows in the order of their requests, and each hidden until its time has come."""

    def __init__(self) -> None:
        self.requests: list[LoggedRequest] = []
        self._coming: list[tuple[float, int, LoggedRequest]] = []
        self._shown: list[LoggedRequest] = []

    def add(self, entry: LoggedRequest) -> None:
        """Take in a row."""
        self.requests.append(entry)
        heappush(self._coming, (entry.shown_at, len(self.requests), entry))

    def page(self, wanted: LogFilter, *, offset: int, limit: int, now: float) -> tuple[list[LoggedRequest], int]:
        """A page of the rows that show by now, newest first, and how many there are over all pages."""
        self._show(now)
        low = bisect_left(self._shown, wanted.start, key=_CREATED)
        high = bisect_right(self._shown, wanted.end, key=_CREATED)
        if wanted.window_only:
            newest, oldest = max(low, high - offset), max(low, high - offset - limit)
            return self._shown[oldest:newest][::-1], max(0, high - low)
        rows = [entry for entry in self._shown[low:high] if wanted.wants(entry, now)]
        rows.reverse()
        return rows[offset : offset + limit], len(rows)

    def _show(self, now: float) -> None:
        while self._coming and self._coming[0][0] <= now:
            insort(self._shown, heappop(self._coming)[-1], key=_CREATED)
