"""How long the generations that are left will take together: from what each takes, with an honest spread.

A place that is free takes the next job at once, so the starts follow the renewals of all places, or the rate of
submits where that is slower; the night ends with the longest of the last ones. Three doubts widen the answer: the
tail of the last ones, the sum of many draws, and a night that is slower or faster as a whole than was believed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, hypot, inf, log, sqrt
from statistics import NormalDist
from typing import NamedTuple

from batchveo.core.durations import PRIOR_WEIGHT, Expectation

NIGHTS = 0.8
"""The share of nights whose length lies between low and high."""
COMMON = 1 / (PRIOR_WEIGHT + 1)
"""The share of a variance that all generations of a night have in common: that of a median known from as few as
``PRIOR_WEIGHT`` generations. Where more were seen, it stands for nights that differ from each other."""

_NORMAL = NormalDist()
_Z = _NORMAL.inv_cdf((1 + NIGHTS) / 2)
_EARLY, _POINTS = 6.0, 120
_FINEST = 8
_HALVINGS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Seconds from now to the last generation's end; between low and high in about eight of ten nights."""

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
) -> Forecast | None:
    """How long a night with ``left`` jobs of each model lasts, with at most ``places`` generations in flight.

    ``per_minute``: submits a minute, at most. The models' jobs come mixed; those in flight count as begun now.
    ``None`` where nothing is known of a model that has jobs left.
    """
    wanted = {model: jobs for model, jobs in left.items() if jobs > 0}
    if not wanted:
        return Forecast(low=0.0, likely=0.0, high=0.0)
    if not wanted.keys() <= expected.keys():
        return None
    jobs, places = sum(wanted.values()), max(places, 1)
    mix = Mix([(count / jobs, expected[model]) for model, count in wanted.items()])
    starts = list(_starts(mix, jobs, places, 60 / per_minute if per_minute else 0.0))
    early, likely, late = (_end(mix, starts, share) for share in ((1 - NIGHTS) / 2, 0.5, (1 + NIGHTS) / 2))
    last = starts[0]
    summed = _Z * sqrt(mix.variance * max(jobs - places, 0)) / places if last.paced < last.at else 0.0
    bent = likely - last.paced
    below = hypot(likely - early, summed, bent * (1 - exp(-_Z * mix.common)))
    above = hypot(late - likely, summed, bent * (exp(_Z * mix.common) - 1))
    return Forecast(low=max(likely - below, 0.0), likely=likely, high=likely + above)


class Mix:
    """The time of one generation, be it of any of several models, in a night as fast as was believed."""

    def __init__(self, shares: Sequence[tuple[float, Expectation]]) -> None:
        self.common = sqrt(COMMON) * sum(share * expected.sigma for share, expected in shares)
        self._parts = [(share, log(e.median), e.sigma * sqrt(1 - COMMON)) for share, e in shares]
        self.mean = sum(share * exp(mu + sigma**2 / 2) for share, mu, sigma in self._parts)
        square = sum(share * exp(2 * mu + 2 * sigma**2) for share, mu, sigma in self._parts)
        self.variance = square - self.mean**2
        self._ages = [self.mean * _EARLY * n / _POINTS for n in range(_POINTS + 1)]
        self._renewed = [self._renewals(age) for age in self._ages]

    def ended(self, age: float) -> float:
        """The chance that a generation has ended by this age."""
        if age <= 0:
            return 0.0
        return sum(share * _NORMAL.cdf((log(age) - mu) / sigma) for share, mu, sigma in self._parts)

    def start(self, turn: float) -> float:
        """When a place has ended ``turn`` generations, on average, and begins the next."""
        beyond = turn - self._renewed[-1]
        if beyond >= 0:
            return self._ages[-1] + self.mean * beyond
        n = bisect_right(self._renewed, turn)
        low, high = self._renewed[n - 1], self._renewed[n]
        left, right = self._ages[n - 1], self._ages[n]
        return left + (right - left) * (turn - low) / (high - low)

    def _renewals(self, age: float) -> float:
        """How many generations a place has ended by then: the chances that one, two, three in a row fit in."""
        total, row, fits = 0.0, 1, self.ended(age)
        while fits > 1e-3:
            total, row = total + fits, row + 1
            fits = self._in_a_row(row, age)
        return total + fits

    def _in_a_row(self, row: int, age: float) -> float:
        """The chance that so many in a row fit in; their sum is taken as log-normal."""
        spread = log(1 + self.variance / (row * self.mean**2))
        return _NORMAL.cdf((log(age / (row * self.mean)) + spread / 2) / sqrt(spread))


def _starts(mix: Mix, jobs: int, places: int, beat: float) -> Iterator[Starts]:
    """When the jobs begin, the last first; the longer before the end, the more of them together."""
    after = 0
    while after < jobs:
        together = min(1 + after // _FINEST, jobs - after)
        number = jobs - 1 - after - (together - 1) / 2
        paced = number * beat
        free = mix.start((number - places + 0.5) / places) + places * beat / 2 if number >= places else 0.0
        yield Starts(at=max(paced, free), paced=paced if paced >= free else places * beat / 2, jobs=together)
        after += together


def _end(mix: Mix, starts: Sequence[Starts], share: float) -> float:
    """When all have ended, in this share of the nights."""
    low, high = starts[0].at, starts[0].at + mix.mean
    while _unlikely(mix, starts, high) < log(share):
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _unlikely(mix, starts, middle) < log(share) else (low, middle)
    return high


def _unlikely(mix: Mix, starts: Sequence[Starts], now: float) -> float:
    """The logarithm of the chance that all have ended by now."""
    total = 0.0
    for start in starts:
        ended = mix.ended(now - start.at)
        if ended <= 0:
            return -inf
        total += start.jobs * log(ended)
    return total


Z80 = 1.2816
"""Standard deviations on either side that hold eight nights of ten."""
LEAST_SEEN = 3
"""Finished videos from which on a run's own speed says anything."""
OWN_DOUBT = 0.1
"""Standard deviation (of the logarithm) that a speed keeps, however many videos show it: nights change."""
SHARPEST = 0.02


def estimate_remaining(believed: Forecast | None, *, left: int, made: int, seconds: float) -> Forecast | None:
    """Seconds until ``left`` jobs are done, given that ``made`` were in the last ``seconds``.

    Both sources are taken as log-normal and mixed by how sure they are; where they disagree, the range says so.
    ``None`` where neither knows anything.
    """
    if left <= 0:
        return None
    shown = _shown(left, made, seconds)
    told = _told(believed)
    if shown is None or told is None:
        known = shown or told
        return None if known is None else _forecast(*known)
    (mean1, sigma1), (mean2, sigma2) = shown, told
    weight = sigma2**2 / (sigma1**2 + sigma2**2)
    mean = weight * mean1 + (1 - weight) * mean2
    within = weight * sigma1**2 + (1 - weight) * sigma2**2
    between = weight * (1 - weight) * (mean1 - mean2) ** 2
    return _forecast(mean, sqrt(within + between))


def _shown(left: int, made: int, seconds: float) -> tuple[float, float] | None:
    if made < LEAST_SEEN or seconds <= 0:
        return None
    return log(left * seconds / made), sqrt(1 / made + OWN_DOUBT**2)


def _told(believed: Forecast | None) -> tuple[float, float] | None:
    if believed is None or believed.low <= 0:
        return None
    return log(believed.likely), max(log(believed.high / believed.low) / (2 * Z80), SHARPEST)


def _forecast(mean: float, sigma: float) -> Forecast:
    return Forecast(low=exp(mean - Z80 * sigma), likely=exp(mean), high=exp(mean + Z80 * sigma))
