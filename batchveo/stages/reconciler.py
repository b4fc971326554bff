"""Looks in-doubt submits up in the service's usage log, by the client request ids they were sent with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from batchveo.api import Api
from batchveo.api.usage_log import Row, hours_since, read_log
from batchveo.models import Job
from batchveo.outcomes import AbsentFromLog, FailedInLog, FoundInLog, LogOutcome


class _Found:
    """The rows of wanted requests; a success outweighs a failure of the same request."""

    def __init__(self, wanted: set[str | None]) -> None:
        self._wanted = wanted
        self.rows: dict[str, Row] = {}

    def take(self, rows: Sequence[Row]) -> bool:
        """Keep what is wanted; tells whether nothing further in the log could tell more."""
        for row in rows:
            request = row.get("client_request_id")
            if not isinstance(request, str) or request not in self._wanted:
                continue
            if request not in self.rows or row.get("status") == "succeeded":
                self.rows[request] = row
        successes = sum(row.get("status") == "succeeded" for row in self.rows.values())
        return bool(successes == len(self._wanted))


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
        oldest = min(job.created_at if job.submitted_at is None else job.submitted_at for job in doubts)
        whole = await read_log(self._api, hours=hours_since(oldest, begun), take=found.take)
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
