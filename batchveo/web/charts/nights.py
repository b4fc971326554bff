"""Nights: groups of runs with only short breaks between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from batchveo.store.display_queries import RunSpan

SHORT_BREAK = 600.0
"""Seconds between two runs below which they are drawn in one piece."""
LONG_BREAK = 4 * 3600.0
"""Seconds between two runs from which on they belong to different nights."""
BUCKETS = 100
"""The approximate number of intervals of a night."""
STEPS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Round lengths of an interval, in seconds; longer ones are whole days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time with runs in progress, in seconds since the epoch; ``end`` is after ``start``."""

    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """Runs that belong together. ``budget`` (US dollars) is that of the last of them."""

    key: str
    stretches: tuple[Stretch, ...]
    runs: int
    budget: float | None
    live: bool

    @property
    def start(self) -> float:
        """The start of the first run."""
        return self.stretches[0].start

    @property
    def end(self) -> float:
        """The end of the last run, or now."""
        return self.stretches[-1].end

    @property
    def seconds(self) -> float:
        """The length without breaks."""
        return sum(stretch.end - stretch.start for stretch in self.stretches)


def group_nights(spans: Iterable[RunSpan]) -> list[Night]:
    """The nights of these runs (in any order), newest first."""
    groups: list[list[RunSpan]] = []
    ended = 0.0
    for span in sorted(spans, key=lambda span: (span.start, span.id)):
        if groups and span.start - ended < LONG_BREAK:
            groups[-1].append(span)
        else:
            groups.append([span])
        ended = max(ended, span.end)
    return [_make_night(group) for group in reversed(groups)]


def _make_night(spans: Sequence[RunSpan]) -> Night:
    return Night(
        key=str(spans[0].id),
        stretches=_join_stretches(spans),
        runs=len(spans),
        budget=spans[-1].budget,
        live=any(span.live for span in spans),
    )


def _join_stretches(spans: Sequence[RunSpan]) -> tuple[Stretch, ...]:
    stretches: list[Stretch] = []
    for span in spans:
        end = max(span.end, span.start + 1.0)  # a run that found nothing to do must have a width too
        if stretches and span.start - stretches[-1].end < SHORT_BREAK:
            stretches[-1] = Stretch(start=stretches[-1].start, end=max(stretches[-1].end, end))
        else:
            stretches.append(Stretch(start=span.start, end=end))
    return tuple(stretches)


def join_nights(found: Sequence[Night], *, most: int) -> Night:
    """Join nights (newest first) to one of the latest ``most`` stretches."""
    stretches = [stretch for night in reversed(found) for stretch in night.stretches]
    return Night(
        key="all",
        stretches=tuple(stretches[-most:]),
        runs=sum(night.runs for night in found),
        budget=found[0].budget,
        live=found[0].live,
    )


def choose_step(night: Night) -> float:
    """The length of an interval, in seconds, for about ``BUCKETS`` intervals of a night."""
    least = night.seconds / BUCKETS
    return float(next((step for step in STEPS if step >= least), ceil(least / 86400) * 86400))


def cut_buckets(night: Night) -> list[Stretch]:
    """Cut a night into intervals, each within one of its stretches; the last one of a stretch may be shorter."""
    step = choose_step(night)
    cut: list[Stretch] = []
    for stretch in night.stretches:
        pieces = max(1, ceil((stretch.end - stretch.start) / step - 1e-6))
        edges = [stretch.start + step * piece for piece in range(pieces)] + [stretch.end]
        cut += [Stretch(start=start, end=end) for start, end in pairwise(edges)]
    return cut
