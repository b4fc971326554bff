"""Looks up submits in the provider's usage log and ledger: what was bought, and what was charged."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from enum import StrEnum

from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import AbsentFromLog, Charged, FailedInLog, FoundInLog, LogOutcome
from batchveo.provider import ApiClient
from batchveo.provider.responses import CREDITS_PER_USD, parse_usd, read_id
from batchveo.provider.service_lists import Row, hours_since, read_charges, read_log

DAY_HOURS = 24
LEDGER_SPARE_SECONDS = 3600.0
"""Seconds that the ledger is read further back than the oldest request: clocks differ."""
NO_CHARGE = "the ledger shows no charge"
NAMES_NONE = "the usage log knows the request, but names no generation that can be asked for"


ANOTHER_KEY = "submitted with another API key; its log can only be read with that one"
KEY_NOT_KNOWN = "the usage log stays silent, and it is not known which API key it was submitted with"


class LogKey(StrEnum):
    """Whether the key whose usage log is read is the one that an attempt left with."""

    SAME = "same"
    ANOTHER = "another"
    UNKNOWN = "unknown"


def compare_keys(attempt: str | None, key: str | None) -> LogKey:
    """Compare the fingerprints of an attempt's key and of the log's; ``UNKNOWN`` if either was not kept."""
    if attempt is None or key is None:
        return LogKey.UNKNOWN
    return LogKey.SAME if attempt == key else LogKey.ANOTHER


def _assume_same_key(job: Job) -> LogKey:  # noqa: ARG001 - the shape of ``compare_keys``
    return LogKey.SAME


class _FoundRows:
    """The log rows of wanted jobs. A conclusive row outweighs all others of the same request."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._wanted = {job.client_request_id: job for job in jobs}
        # of a generation that was bought elsewhere the log knows another request
        self._by_generation = {job.generation_id: job for job in jobs if job.generation_id}
        self.rows: dict[str | None, Row] = {}

    def take_rows(self, rows: Sequence[Row]) -> bool:
        """Keep the rows of wanted jobs; returns whether each of them has a conclusive row, so that reading may end."""
        for row in rows:
            request, generation = row.get("client_request_id"), read_id(row.get("inference_id"))
            job = self._wanted.get(request) if isinstance(request, str) else None
            job = job or self._by_generation.get(generation or "")
            if job is not None and (job.client_request_id not in self.rows or _is_conclusive(job, row)):
                self.rows[job.client_request_id] = row
        return sum(_is_conclusive(self._wanted[request], row) for request, row in self.rows.items()) == len(
            self._wanted
        )


def _is_conclusive(job: Job, row: Row) -> bool:
    """Whether ``row`` settles ``job``: it names the generation of a doubt, or shows a charge or a failure."""
    if job.state is JobState.IN_DOUBT:
        return _find_generation(row) is not None
    return row.get("status") == "failed" or _read_usd(row) > 0


def _find_generation(row: Row) -> str | None:
    """The generation of ``row``, if it may have been bought: it has not failed, or was charged."""
    bought = row.get("status") != "failed" or _read_usd(row) > 0
    return read_id(row.get("inference_id")) if bought else None


def _read_usd(row: Row) -> float:
    """The charge of a row, in US dollars."""
    cost = row.get("cost")
    if not isinstance(cost, dict):
        return 0.0
    return parse_usd(cost.get("usd")) or parse_usd(cost.get("credits"), CREDITS_PER_USD) or 0.0


class LogLookup:
    """Settles doubts by the usage log, and whether generations without a video were charged.

    ``settle``: seconds after which the absence of a request from the log counts. A log shows the requests of its own
    key only; ``compare_key`` compares that with the key of a job. A row always counts; absence is a reason to submit
    again only in the log of the job's own key.
    """

    def __init__(
        self,
        api: ApiClient,
        *,
        settle: float,
        resubmit: bool,
        now: Callable[[], float],
        compare_key: Callable[[Job], LogKey] = _assume_same_key,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._wall = wall
        self._api = api
        self._settle = settle
        self._resubmit = resubmit
        self._now = now
        self._compare_key = compare_key

    async def sweep_log(self, jobs: Sequence[Job]) -> list[tuple[Job, LogOutcome]]:
        """Read the log once for all ``jobs``; raises ``ProviderError`` or ``KeyRejected``."""
        begun = self._now()
        found = _FoundRows(jobs)
        whole = await read_log(self._api, hours=self._count_hours(jobs, begun), take=found.take_rows)
        return [
            (job, self._judge_row(job, found.rows.get(job.client_request_id), begun=begun, whole=whole)) for job in jobs
        ]

    async def look_up_charges(self, jobs: Sequence[Job]) -> list[tuple[Job, LogOutcome]]:
        """Read from the ledger whether generations without a video were charged, some time after their end.

        Raises ``ProviderError`` or ``KeyRejected`` if it cannot be read to its end.
        """
        since = min(_find_sending_time(job) for job in jobs) - LEDGER_SPARE_SECONDS
        charged = await read_charges(self._api, since=since)
        return [(job, self._judge_charge(job, charged.get(job.generation_id or "", 0.0))) for job in jobs]

    def _judge_charge(self, job: Job, usd: float) -> LogOutcome:
        if usd > 0:
            return Charged(usd=usd)
        if self._compare_key(job) is not LogKey.SAME:  # the ledger may be another account's
            return AbsentFromLog(settled=False, reason=ANOTHER_KEY)
        if job.state is JobState.FAILED:
            return FailedInLog(reason=NO_CHARGE)
        return AbsentFromLog(settled=True, reason=NO_CHARGE)

    def _count_hours(self, doubts: Sequence[Job], now: float) -> int:
        """Hours of the log to read: back to the oldest doubt, and at least a day if absence is about to count.

        This machine may have slept, or its clock been set, between the request and now.
        """
        oldest = min(map(_find_sending_time, doubts))
        hours = hours_since(oldest, max(now, self._wall()))
        counts = any(now >= (job.doubted_at or now) + self._settle for job in doubts)
        return max(hours, DAY_HOURS) if counts else hours

    def _judge_row(self, job: Job, row: Row | None, *, begun: float, whole: bool) -> LogOutcome:
        if job.state is not JobState.IN_DOUBT:
            return _judge_logged_charge(row)
        generation = _find_generation(row) if row else None
        if generation is not None:
            return FoundInLog(generation_id=generation)
        if row and row.get("status") == "failed" and not _read_usd(row):
            return FailedInLog(reason="the usage log says that the request failed; nothing was bought")
        since = job.doubted_at if job.doubted_at is not None else begun
        settled = (whole or row is not None) and begun >= since + self._settle
        if row is not None:  # not absent: something was requested, and may have been bought
            return AbsentFromLog(settled=settled, reason=NAMES_NONE)
        return self._judge_silence(job, settled=settled, whole=whole)

    def _judge_silence(self, job: Job, *, settled: bool, whole: bool) -> AbsentFromLog:
        """What the absence from the log means, which depends on whose log it is."""
        match self._compare_key(job):
            case LogKey.SAME:
                return AbsentFromLog(settled=settled, resubmit=settled and self._resubmit)
            case LogKey.ANOTHER:  # this log never shows the request
                return AbsentFromLog(settled=whole, reason=ANOTHER_KEY)
            case LogKey.UNKNOWN:
                return AbsentFromLog(settled=settled, reason=KEY_NOT_KNOWN)


def _find_sending_time(job: Job) -> float:
    return job.created_at if job.submitted_at is None else job.submitted_at


def _judge_logged_charge(row: Row | None) -> LogOutcome:
    """What the log shows about a generation without a video; if it shows nothing, the ledger is read later."""
    if row is not None and (usd := _read_usd(row)) > 0:
        return Charged(usd=usd)
    if row is not None and row.get("status") == "failed":
        return FailedInLog(reason="the usage log shows that it was not charged")
    return AbsentFromLog(settled=False)
