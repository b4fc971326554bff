"""Looks in-doubt submits up in the service's usage log, by the client request ids they were sent with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from enum import StrEnum

from batchveo.api import Api
from batchveo.api.answers import read_id
from batchveo.api.usage_log import Row, hours_since, read_log
from batchveo.models import Job
from batchveo.outcomes import AbsentFromLog, FailedInLog, FoundInLog, LogOutcome

A_DAY = 24
"""Hours."""
NAMES_NONE = "the usage log knows the request, but names no generation that can be asked for"


ANOTHER_KEY = "submitted with another API key; its log can only be read with that one"
KEY_NOT_KNOWN = "the usage log stays silent, and it is not known which API key it was submitted with"


class LogKey(StrEnum):
    """Whether the key whose usage log is read is the one that an attempt left with."""

    SAME = "same"
    ANOTHER = "another"
    UNKNOWN = "unknown"


def left_with(attempt: str | None, key: str | None) -> LogKey:
    """The verdict on two fingerprints; a database from before they were kept has none of its attempts."""
    if attempt is None or key is None:
        return LogKey.UNKNOWN
    return LogKey.SAME if attempt == key else LogKey.ANOTHER


def _same(job: Job) -> LogKey:  # noqa: ARG001 - the shape of ``left_with``
    return LogKey.SAME


class _Found:
    """The rows of wanted requests. One that names a generation outweighs all others of the same request."""

    def __init__(self, wanted: set[str | None]) -> None:
        self._wanted = wanted
        self.rows: dict[str, Row] = {}

    def take(self, rows: Sequence[Row]) -> bool:
        """Keep what is wanted; tells whether nothing further in the log could tell more."""
        for row in rows:
            request = row.get("client_request_id")
            if not isinstance(request, str) or request not in self._wanted:
                continue
            if request not in self.rows or _generation(row):
                self.rows[request] = row
        return sum(_generation(row) is not None for row in self.rows.values()) == len(self._wanted)


def _generation(row: Row) -> str | None:
    """The generation that a row tells of: whatever has not failed may have been bought."""
    return read_id(row.get("inference_id")) if row.get("status") != "failed" else None


class Reconciler:
    """Settles doubts from the log. ``settle``: seconds after which the log's silence about a request counts.

    A log shows what its own key asked for, and nothing else: ``left_with`` tells whether that is the key of a job.
    A row counts whoever shows it; silence is no reason to submit again unless it is that key's.
    """

    def __init__(
        self,
        api: Api,
        *,
        settle: float,
        resubmit: bool,
        now: Callable[[], float],
        left_with: Callable[[Job], LogKey] = _same,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._wall = wall
        self._api = api
        self._settle = settle
        self._resubmit = resubmit
        self._now = now
        self._left_with = left_with

    async def sweep(self, doubts: Sequence[Job]) -> list[tuple[Job, LogOutcome]]:
        """Read the log once for all ``doubts``; raises ``ServiceTrouble`` or ``KeyRejected`` where it cannot."""
        begun = self._now()
        found = _Found({job.client_request_id for job in doubts})
        whole = await read_log(self._api, hours=self._hours(doubts, begun), take=found.take)
        return [(job, self._outcome(job, found, begun=begun, whole=whole)) for job in doubts]

    def _hours(self, doubts: Sequence[Job], now: float) -> int:
        """How far back to read: to the oldest doubt, and a day at least where silence is about to count.

        This machine may have slept, or its clock been set, between the request and now.
        """
        oldest = min(job.created_at if job.submitted_at is None else job.submitted_at for job in doubts)
        hours = hours_since(oldest, max(now, self._wall()))
        counts = any(now >= (job.doubted_at or now) + self._settle for job in doubts)
        return max(hours, A_DAY) if counts else hours

    def _outcome(self, job: Job, found: _Found, *, begun: float, whole: bool) -> LogOutcome:
        row = found.rows.get(job.client_request_id or "")
        generation = _generation(row) if row else None
        if generation is not None:
            return FoundInLog(generation_id=generation)
        if row and row.get("status") == "failed":
            return FailedInLog(reason="the usage log says that the request failed; nothing was bought")
        since = job.doubted_at if job.doubted_at is not None else begun
        settled = (whole or row is not None) and begun >= since + self._settle
        if row is not None:  # no silence: something was asked for, and may have been bought
            return AbsentFromLog(settled=settled, reason=NAMES_NONE)
        return self._silence(job, settled=settled, whole=whole)

    def _silence(self, job: Job, *, settled: bool, whole: bool) -> AbsentFromLog:
        """What the silence of the log is worth, which depends on whose log it is."""
        match self._left_with(job):
            case LogKey.SAME:
                return AbsentFromLog(settled=settled, resubmit=settled and self._resubmit)
            case LogKey.ANOTHER:  # no time makes this log tell of it
                return AbsentFromLog(settled=whole, reason=ANOTHER_KEY)
            case LogKey.UNKNOWN:
                return AbsentFromLog(settled=settled, reason=KEY_NOT_KNOWN)
