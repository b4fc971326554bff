"""How long a run takes: estimated before it begins, and while it runs.

A free slot takes the next job at once. So the starts follow the ends of the generations in all slots, or the rate of
submits if that is slower; the run ends with the longest of the last generations. Three uncertainties widen the range:
the last generations, the sum of many random times, and a service that is slower or faster as a whole than expected.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, hypot, inf, log, sqrt
from statistics import NormalDist
from typing import NamedTuple

from batchveo.core.durations import PRIOR_WEIGHT, Expectation

COVERED = 0.8
"""The share of runs whose length is between low and high."""
COMMON = 1 / (PRIOR_WEIGHT + 1)
"""The share of the variance that all generations of a run have in common: the variance of a median that is known from
only ``PRIOR_WEIGHT`` generations. If more were seen, it accounts for runs that differ from each other."""
LEAST_SEEN = 3
"""Finished videos from which on the speed of the run itself counts."""
OWN_DOUBT = 0.1
"""Standard deviation (of the logarithm) of the run's own speed, however many videos show it: speeds change."""
SHARPEST = 0.02
"""Least standard deviation (of the logarithm) of the expected time."""

_NORMAL = NormalDist()
_Z = _NORMAL.inv_cdf((1 + COVERED) / 2)
_EARLY, _POINTS = 6.0, 120
"""The range in which ends per slot are tabulated, in mean generation times, and the points of that table."""
_FINEST = 8
"""The last jobs that are looked at one by one; of those before them, always larger groups."""
_HALVINGS = 40
"""Steps of the bisection: it ends exact to a fraction of a microsecond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Seconds from now to the end of the last generation; between low and high in about eight of ten runs."""

    low: float
    likely: float
    high: float


class Starts(NamedTuple):
    """``jobs`` generations begin at about ``at`` seconds, of which ``paced`` follow from the rate of submits."""

    at: float
    paced: float
    jobs: int


def forecast_run(
    left: Mapping[str, int],
    expected: Mapping[str, Expectation],
    *,
    places: int,
    per_minute: float | None = None,
    in_row: int = 1,
) -> Forecast | None:
    """How long ``left`` jobs of each model take, with at most ``places`` generations in flight.

    ``per_minute``: the most submits a minute. The jobs of the models are mixed evenly; generations in flight count as
    begun now. ``in_row``: the most jobs of one chain, each of which begins when the one before ends. ``None`` if
    nothing is known of a model that has jobs left.
    """
    wanted = {model: jobs for model, jobs in left.items() if jobs > 0}
    if not wanted:
        return Forecast(low=0.0, likely=0.0, high=0.0)
    if not wanted.keys() <= expected.keys():
        return None
    jobs, places = sum(wanted.values()), max(places, 1)
    mix = Mix([(count / jobs, expected[model]) for model, count in wanted.items()])
    starts = list(_iter_starts(mix, jobs, places, 60 / per_minute if per_minute else 0.0))
    early, likely, late = (_find_end(mix, starts, share) for share in ((1 - COVERED) / 2, 0.5, (1 + COVERED) / 2))
    last = starts[0]
    # if the rate of submits decides when the last job starts, the times of those before it make no difference
    summed = _Z * sqrt(mix.variance * max(jobs - places, 0)) / places if last.paced < last.at else 0.0
    # a slow service stretches the time that generations take, but not the time that the rate of submits takes
    stretched = likely - last.paced
    below = hypot(likely - early, summed, stretched * (1 - exp(-_Z * mix.common)))
    above = hypot(late - likely, summed, stretched * (exp(_Z * mix.common) - 1))
    at_once = Forecast(low=max(likely - below, 0.0), likely=likely, high=likely + above)
    return _take_longer(at_once, _forecast_row(mix, in_row)) if in_row > 1 else at_once


def _forecast_row(mix: Mix, generations: int) -> Forecast:
    """How long so many generations take one after another; their sum counts as normal."""
    likely, summed = generations * mix.mean, _Z * sqrt(generations * mix.variance)
    below = hypot(summed, likely * (1 - exp(-_Z * mix.common)))
    above = hypot(summed, likely * (exp(_Z * mix.common) - 1))
    return Forecast(low=max(likely - below, 0.0), likely=likely, high=likely + above)


def _take_longer(one: Forecast, other: Forecast) -> Forecast:
    return Forecast(low=max(one.low, other.low), likely=max(one.likely, other.likely), high=max(one.high, other.high))


def estimate_remaining(believed: Forecast | None, *, left: int, made: int, seconds: float) -> Forecast | None:
    """Seconds until ``left`` jobs are done; ``believed`` is the forecast, ``made`` jobs took the last ``seconds``.

    Both sources count as log-normal, weighted by their certainty; the more they disagree, the wider the range.
    ``None`` if neither is known.
    """
    if left <= 0:
        return None
    sources = [source for source in (_from_speed(left, made, seconds), _from_forecast(believed)) if source]
    if not sources:
        return None
    if len(sources) == 1:
        return _make_forecast(*sources[0])
    (mean1, sigma1), (mean2, sigma2) = sources
    weight = sigma2**2 / (sigma1**2 + sigma2**2)
    mean = weight * mean1 + (1 - weight) * mean2
    # the variance of a mixture, not of a weighted mean: two sources that disagree must not look certain together
    within = weight * sigma1**2 + (1 - weight) * sigma2**2
    between = weight * (1 - weight) * (mean1 - mean2) ** 2
    return _make_forecast(mean, sqrt(within + between))


def _from_speed(left: int, made: int, seconds: float) -> tuple[float, float] | None:
    """Mean and standard deviation of the logarithm of the time left, by the speed of the run itself."""
    if made < LEAST_SEEN or seconds <= 0:
        return None
    return log(left * seconds / made), sqrt(1 / made + OWN_DOUBT**2)


def _from_forecast(believed: Forecast | None) -> tuple[float, float] | None:
    """The same by a forecast, whose range is read back as that of a log-normal time."""
    if believed is None or believed.low <= 0:
        return None
    return log(believed.likely), max(log(believed.high / believed.low) / (2 * _Z), SHARPEST)


def _make_forecast(mean: float, sigma: float) -> Forecast:
    return Forecast(low=exp(mean - _Z * sigma), likely=exp(mean), high=exp(mean + _Z * sigma))


class Mix:
    """The time of one generation of a random one of the models, if the service is as fast as expected."""

    def __init__(self, shares: Sequence[tuple[float, Expectation]]) -> None:
        self.common = sqrt(COMMON) * sum(share * expected.sigma for share, expected in shares)
        self._parts = [(share, log(e.median), e.sigma * sqrt(1 - COMMON)) for share, e in shares]
        self.mean = sum(share * exp(mu + sigma**2 / 2) for share, mu, sigma in self._parts)
        square = sum(share * exp(2 * mu + 2 * sigma**2) for share, mu, sigma in self._parts)
        self.variance = square - self.mean**2
        self._ages = [self.mean * _EARLY * n / _POINTS for n in range(_POINTS + 1)]
        self._renewed = [self._count_renewals(age) for age in self._ages]

    def chance_ended(self, age: float) -> float:
        """The chance that a generation has ended by this age."""
        if age <= 0:
            return 0.0
        return sum(share * _NORMAL.cdf((log(age) - mu) / sigma) for share, mu, sigma in self._parts)

    def find_start(self, turn: float) -> float:
        """When a slot has ended ``turn`` generations, on average, and begins the next."""
        beyond = turn - self._renewed[-1]
        if beyond >= 0:  # after many generations a slot ends one every mean time, on average
            return self._ages[-1] + self.mean * beyond
        n = bisect_right(self._renewed, turn)
        low, high = self._renewed[n - 1], self._renewed[n]
        left, right = self._ages[n - 1], self._ages[n]
        return left + (right - left) * (turn - low) / (high - low)

    def _count_renewals(self, age: float) -> float:
        """How many generations a slot has ended by then: the chances that one, two, three in a row fit in."""
        total, row, fits = 0.0, 1, self.chance_ended(age)
        while fits > 1e-3:
            total, row = total + fits, row + 1
            fits = self._chance_in_a_row(row, age)
        return total + fits

    def _chance_in_a_row(self, row: int, age: float) -> float:
        """The chance that so many in a row fit in; their sum counts as log-normal."""
        spread = log(1 + self.variance / (row * self.mean**2))
        return _NORMAL.cdf((log(age / (row * self.mean)) + spread / 2) / sqrt(spread))


def _iter_starts(mix: Mix, jobs: int, places: int, gap: float) -> Iterator[Starts]:
    """When the jobs begin, the last first; ``gap`` is the seconds between two submits."""
    after = 0
    while after < jobs:
        # only the last jobs decide when the run ends: the earlier ones are taken together, more and more at once
        together = min(1 + after // _FINEST, jobs - after)
        number = jobs - 1 - after - (together - 1) / 2
        paced = number * gap
        free = mix.find_start((number - places + 0.5) / places) + places * gap / 2 if number >= places else 0.0
        yield Starts(at=max(paced, free), paced=paced if paced >= free else places * gap / 2, jobs=together)
        after += together


def _find_end(mix: Mix, starts: Sequence[Starts], share: float) -> float:
    """When all generations have ended, in this share of the runs; found by bisection."""
    low, high = starts[0].at, starts[0].at + mix.mean
    while _log_chance(mix, starts, high) < log(share):
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _log_chance(mix, starts, middle) < log(share) else (low, middle)
    return high


def _log_chance(mix: Mix, starts: Sequence[Starts], now: float) -> float:
    """The logarithm of the chance that all have ended by now: a product of thousands of chances is too small."""
    total = 0.0
    for start in starts:
        ended = mix.chance_ended(now - start.at)
        if ended <= 0:
            return -inf
        total += start.jobs * log(ended)
    return total
