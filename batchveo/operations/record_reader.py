"""Reads the provider's usage log and ledger window by window, and keeps what it has read."""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import anyio

from batchveo.core.clock import Clock
from batchveo.core.rate_limit import compute_backoff
from batchveo.engine.lifecycle import single_error
from batchveo.provider import ApiClient
from batchveo.provider.client import PassingFault
from batchveo.provider.service import label_errors
from batchveo.provider.service_lists import (
    FIRST,
    LONGEST_HOURS,
    Page,
    Params,
    Row,
    ledger_span,
    log_span,
    read_charge,
    read_ledger_page,
    read_log_page,
    read_moment,
    read_success,
)
from batchveo.store.provider_records import SETTLED_SECONDS, TOO_RECENT_SECONDS, Listing, ProviderRecords

ONE_HOUR = 3600.0
"""How far the clocks of this machine and of the service may differ."""
WINDOW_PAGES = 20
"""Pages in a window: what is read again after an interruption. The service's limit allows so many in eight seconds."""
MOST_PAGES = 10_000
"""Pages in a window that cannot be cut, since its rows are in no order, or of one moment."""
EDGE_SECONDS = 1.0
"""More than a window's time is asked for at both ends, since the service may round its moments."""
LONGEST_SECONDS = LONGEST_HOURS * ONE_HOUR - 2 * EDGE_SECONDS
TRIES = 6
"""Tries of a page, if the fault may pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What was read by this audit: ``rows`` of one list, back to the moment ``reached``.

    ``left``: the rows that this list still has before that moment, if the service says so. ``is_kept``: whether the
    next audit finds them.
    """

    listing: Listing
    rows: int
    reached: float
    left: int | None
    is_kept: bool


Watch = Callable[[Progress], object]


class _Window(NamedTuple):
    """``rows`` as they are kept, and how many rows were ``seen``."""

    start: float
    rows: Sequence[tuple[str, object]]
    seen: int
    left: int | None


@dataclass(frozen=True, slots=True)
class _List:
    """How one list is read: its pages, the span that its parameters name, and what is kept of a row."""

    listing: Listing
    read_page: Callable[[ApiClient, Params, str], Awaitable[Page]]
    name_span: Callable[[float, float], Params]
    read_row: Callable[[Row], tuple[str, object] | None]


_LISTS = (
    _List(Listing.LOG, read_log_page, log_span, read_success),
    _List(Listing.LEDGER, read_ledger_page, ledger_span, read_charge),
)


async def read_records(
    records: ProviderRecords, apis: Mapping[str, ApiClient], *, secret: bytes, since: float, clock: Clock, watch: Watch
) -> bool:
    """Read the logs and ledgers of all keys from ``since`` on, but for the windows that ``records`` has.

    Returns whether all were read to their ends. ``secret`` is that of the keys' fingerprints. Raises
    ``ProviderError``, ``KeyRejected`` or ``DiskTrouble``.
    """
    readers: list[_Reader] = []
    for label, api in apis.items():
        with label_errors(label), single_error():
            # the service limits the calls of the log, and the ledger is read meanwhile
            async with anyio.create_task_group() as group:
                for listed in _LISTS:
                    reader = _Reader(records, api, listed, key=name_key(api, secret), clock=clock, watch=watch)
                    readers.append(reader)
                    group.start_soon(reader.read_since, since)
    return all(reader.is_whole for reader in readers)


class _Reader:
    """Reads one list with one key. ``is_whole``: the list kept what it promised."""

    def __init__(
        self, records: ProviderRecords, api: ApiClient, listed: _List, *, key: str, clock: Clock, watch: Watch
    ) -> None:
        self.is_whole = True
        self._records = records
        self._api = api
        self._list = listed
        self._key = key
        self._clock = clock
        self._watch = watch
        self._rows = 0
        self._is_reached = False

    async def read_since(self, since: float) -> None:
        """Read all time from ``since`` on that no window covers."""
        now = self._clock.now()
        # windows end where they begin to be kept for longer; the last hour comes last: rows of it may still arrive
        start = since
        for end in (now - SETTLED_SECONDS, now - TOO_RECENT_SECONDS):
            await self._read_gaps(start, end)
            start = max(since, end)
        await self._read_gaps(start, self._clock.now() + ONE_HOUR)

    async def _read_gaps(self, start: float, end: float) -> None:
        for gap_start, gap_end in self._records.list_gaps(self._key, self._list.listing, start, end):
            until = gap_end
            while until > gap_start:
                read_at = self._clock.now()
                window = await self._read_window(max(gap_start, until - LONGEST_SECONDS), until)
                if window is None:
                    self.is_whole = False
                    return
                span = window.start, until
                self._records.add_window(self._key, self._list.listing, span, window.rows, read_at=read_at)
                until = window.start
                self._rows += window.seen
                progress = Progress(
                    listing=self._list.listing,
                    rows=self._rows,
                    reached=until,
                    left=window.left,
                    is_kept=self._records.is_kept,
                )
                self._watch(progress)

    async def _read_window(self, start: float, end: float) -> _Window | None:
        """The newest rows from ``start`` up to ``end``, some pages; ``None`` if more are promised and none come.

        The window begins after the oldest moment that was read, for more rows of that moment may follow. If rows come
        in another order than the newest first, it is read to its end.
        """
        span = self._list.name_span(start - EDGE_SECONDS, end + EDGE_SECONDS)
        rows: list[tuple[float, tuple[str, object] | None]] = []
        position, read = FIRST, {FIRST}
        oldest, is_sorted, moments = math.nextafter(end, -math.inf), True, set[float]()
        while True:
            page = await self._read_page(span, position)
            for row in page.rows:
                # a row without a readable moment belongs to the one before it
                moment = read_moment(row)
                if moment is not None:
                    # one that is pushed to the next page comes twice, which is no disorder
                    is_sorted &= not moments or moment <= oldest or moment in moments
                    moments.add(moment)
                    oldest = moment
                if start <= oldest < end:
                    rows.append((oldest, self._list.read_row(row)))
            if page.following is None:
                return _make_window(start, rows, left=None)
            cut = max(start, math.nextafter(oldest, math.inf))
            is_broken = page.following in read or len(read) >= MOST_PAGES
            if is_sorted and cut < end and (is_broken or len(read) >= WINDOW_PAGES):
                return _make_window(cut, rows, left=page.left)
            if is_broken:
                return None
            position = page.following
            read.add(position)

    async def _read_page(self, span: Params, position: str) -> Page:
        """A page; a passing fault is waited out, unless the service was never reached."""
        attempt = 1
        while True:
            try:
                page = await self._list.read_page(self._api, span, position)
            except PassingFault as fault:
                self._is_reached = self._is_reached or fault.status is not None
                if attempt == TRIES or not self._is_reached:
                    raise
                backoff = compute_backoff(attempt, random.random())  # noqa: S311 - it spreads calls, and hides nothing
                await anyio.sleep(max(fault.retry_after or 0.0, backoff))
                attempt += 1
            else:
                self._is_reached = True
                return page


def _make_window(start: float, rows: Sequence[tuple[float, tuple[str, object] | None]], *, left: int | None) -> _Window:
    """The window of those rows that are not older than ``start``; a row of which nothing is kept is ``None``."""
    found = [row for moment, row in rows if moment >= start]
    return _Window(start, [row for row in found if row is not None], len(found), left)


def name_key(api: ApiClient, secret: bytes) -> str:
    """The name of a key's records: no other service has the same ones, such as a sandbox that takes any key."""
    return f"{api.fingerprint(secret)} {api.base_url}"
