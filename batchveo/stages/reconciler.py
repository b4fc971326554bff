"""Looks in-doubt submits up in the service's usage log, by the client request ids they were sent with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from batchveo.api import Api, ServiceTrouble
from batchveo.models import Job
from batchveo.outcomes import AbsentFromLog, FailedInLog, FoundInLog, LogOutcome

PAGE = 100
"""Rows a page: the most the service gives."""
MOST_PAGES = 150
"""Pages a sweep: the service answers 200 calls a minute."""
LONGEST_WINDOW_HOURS = 92 * 24
"""The log's longest window."""

Row = Mapping[str, Any]


class _Found:
    """The rows of wanted requests; a success outweighs a failure of the same request."""

    def __init__(self, wanted: set[str | None]) -> None:
        self._wanted = wanted
        self.rows: dict[str, Row] = {}

    def take(self, rows: Sequence[Row]) -> None:
        for row in rows:
            request = row.get("client_request_id")
            if not isinstance(request, str) or request not in self._wanted:
                continue
            if request not in self.rows or row.get("status") == "succeeded":
                self.rows[request] = row

    @property
    def is_complete(self) -> bool:
        """Whether nothing further in the log could tell more."""
        successes = sum(row.get("status") == "succeeded" for row in self.rows.values())
        return successes == len(self._wanted)


class Reconciler:
    """Settles doubts from the log. ``settle``: seconds after which the log's silence about a request counts."""

    def __init__(self, api: Api, *, settle: float, resubmit: bool, now: Callable[[], float]) -> None:
        self._api = api
        self._settle = settle
        self._resubmit = resubmit
        self._now = now

    async def sweep(self, doubts: Sequence[Job]) -> list[tuple[Job, LogOutcome]]:
        """Read the log once for all ``doubts``; raises ``ServiceTrouble`` or ``KeyRejected`` where it cannot."""
        begun = self._now()
        found = _Found({job.client_request_id for job in doubts})
        whole = await self._read(doubts, found)
        return [(job, self._outcome(job, found, begun=begun, whole=whole)) for job in doubts]

    def _outcome(self, job: Job, found: _Found, *, begun: float, whole: bool) -> LogOutcome:
        row = found.rows.get(job.client_request_id or "")
        generation = row.get("inference_id") if row else None
        if row and row.get("status") == "succeeded" and isinstance(generation, str) and generation:
            return FoundInLog(generation_id=generation)
        if row and row.get("status") == "failed":
            return FailedInLog(reason="the usage log says that the request failed; nothing was bought")
        since = job.doubted_at if job.doubted_at is not None else begun
        settled = whole and begun >= since + self._settle
        return AbsentFromLog(settled=settled, resubmit=settled and self._resubmit)

    async def _read(self, doubts: Sequence[Job], found: _Found) -> bool:
        """Read the log, newest first; tells whether its end was reached.

        Rows that arrive at the head meanwhile push others down, so one may come twice, but none is missed.
        """
        params = self._window(doubts)
        offset = 0
        for _ in range(MOST_PAGES):
            page = [*params, ("limit", str(PAGE)), ("offset", str(offset))]
            rows, more = _page(await self._api.ask("/v2/logs", page))
            found.take(rows)
            if found.is_complete:
                return False
            if not more or not rows:
                return True
            offset += len(rows)
        return False

    def _window(self, doubts: Sequence[Job]) -> list[tuple[str, str]]:
        """A relative window, so that the service's clock counts, with an hour more than ours would need."""
        oldest = min(job.submitted_at if job.submitted_at is not None else job.created_at for job in doubts)
        hours = math.ceil(max(0.0, self._now() - oldest) / 3600.0) + 1
        return [("period", f"{min(hours, LONGEST_WINDOW_HOURS)}h")]


def _page(body: object) -> tuple[list[Row], bool]:
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise ServiceTrouble("GET /v2/logs: the answer has no rows")
    pagination = body.get("pagination") if isinstance(body, dict) else None
    more = isinstance(pagination, dict) and pagination.get("has_more") is True
    return [row for row in rows if isinstance(row, dict)], more
