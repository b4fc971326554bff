"""When to poll a generation next: most often at the ages at which it most likely finishes, within a shared rate.

Between two polls a finished generation waits unseen, for half the gap on average. The mean wait is least, for a
given number of polls, if their density at each age is proportional to the square root of the hazard there,
which is the chance to finish now if it has not finished before. So ``L``, the integral of that root over the age,
grows by one and the same step from each poll to the next, and the step follows from the rate.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate, pairwise
from math import erfc, exp, log, pi, sqrt
from typing import NamedTuple

from batchveo.core.durations import Durations, Expectation
from batchveo.core.models import Job
from batchveo.core.rate_limit import AdaptiveRate
from batchveo.core.settings import LEAST_POLL_RATE, RunSettings

STRAYS = 0.01
"""The share of generations that follow no expectation: a wrong one is noticed, and a stuck one polled seldom."""
MOST_POLLS = 40.0
"""Polls of one generation at most, whatever the rate allows: its end is seen within a hundredth of its time."""
USUAL_POLLS = 16.0
"""Polls of one generation on average, if the user names no rate: its end is seen within a fiftieth of its time."""
USUAL_GAP_UNKNOWN = 2.5
"""Seconds between polls on average, if the user names no rate and the duration of a model is not known."""
SHORTEST_GAP, LONGEST_GAP = 0.2, 30.0
LONGEST_EARLY_GAP = 120.0
"""Seconds, before the typical time."""
UNKNOWN_SHARE, UNKNOWN_LONGEST_GAP = 0.1, 15.0
"""If the duration of a model is not known, a gap is this share of the age."""

_EARLIEST, _LATEST, _POINTS = 0.05, 20.0, 240
_AGES = tuple(_EARLIEST * (_LATEST / _EARLIEST) ** (n / (_POINTS - 1)) for n in range(_POINTS))


class Share(NamedTuple):
    """What each generation may use of the rate that all share.

    ``fair_gap``: seconds between its polls, were all polled in turn. ``step``: the growth of ``L`` between its
    polls, in root seconds.
    """

    fair_gap: float
    step: float

    def divide(self, part: float) -> Share:
        """The share if only ``part`` of the rate may be used."""
        return Share(fair_gap=self.fair_gap / part, step=self.step / part)


class Curve(NamedTuple):
    """``L`` over the age, both for a median of one second."""

    ages: tuple[float, ...]
    grown: tuple[float, ...]
    life: float
    """What ``L`` grows in a generation's life, on average."""
    speed: float
    """What ``L`` grows a second, on average over all lives."""

    def find_grown(self, age: float) -> float:
        """``L`` at an age."""
        return _interpolate(age, self.ages, self.grown)

    def find_age(self, grown: float) -> float:
        """The age at which ``L`` has grown to this."""
        return _interpolate(grown, self.grown, self.ages)


class PollSchedule:
    """Knows what is in flight, and since when each generation was last seen unfinished.

    A generation counts from ``add_accepted`` or its first poll until ``remove_job``. Times are seconds since the epoch.
    """

    def __init__(self, settings: RunSettings, durations: Durations, *, share: float = 1.0) -> None:
        self._fixed = settings.poll_interval
        self._most = share * settings.polls_per_second
        self._least = share * LEAST_POLL_RATE if settings.poll_rate is None else self._most
        """Polls a second: no more than ``_most``, and up to ``_least`` even if that is more than each needs."""
        self._durations = durations
        self._seen: dict[int, float] = {}
        """The age at which each generation was last seen unfinished."""
        self._in_flight: Counter[str] = Counter()
        self.allowed = AdaptiveRate()
        """The part of the rate that 429s leave."""
        self._share: Share | None = None
        """Of those in flight, and of what is known of them; ``None`` since either has changed."""

    def add_accepted(self, job: Job, now: float) -> float:
        """When to poll a generation that was accepted this moment."""
        self._see_unfinished(job, 0.0)
        return now + self._find_gap(job, 0.0, now)

    def plan_after_answer(self, job: Job, now: float) -> float:
        """When to poll again, after an answer that it is unfinished."""
        age = _find_age(job, now)
        self._see_unfinished(job, age)
        return now + self._find_gap(job, age, now)

    def plan_after_error(self, job: Job, now: float) -> float:
        """When to poll again, after no answer."""
        self._see_unfinished(job, self._seen.get(job.seq, 0.0))
        return now + self._find_gap(job, _find_age(job, now), now)

    def learn_duration(self, job: Job, now: float) -> None:
        """Learn from a generation that a poll found finished."""
        self._durations.learn(job.model, after=self._seen.get(job.seq, 0.0), by=_find_age(job, now))
        self._share = None

    def remove_job(self, job: Job) -> None:
        """No more polls of this one."""
        if self._seen.pop(job.seq, None) is not None:
            self._in_flight[job.model] -= 1
            self._share = None

    def _see_unfinished(self, job: Job, age: float) -> None:
        if job.seq not in self._seen:
            self._in_flight[job.model] += 1
            self._share = None
        self._seen[job.seq] = age

    def _find_gap(self, job: Job, age: float, now: float) -> float:
        if self._fixed is not None:
            return self._fixed
        if self._share is None:
            kinds = [(self._durations.find_expected(model), count) for model, count in self._in_flight.items()]
            self._share = share_rate(kinds, min(max(self._least, find_usual_rate(kinds)), self._most))
        share = self._share.divide(self.allowed.find_share(now))
        return find_gap(age, self._durations.find_expected(job.model), share)


def _find_age(job: Job, now: float) -> float:
    return 0.0 if job.submitted_at is None else max(0.0, now - job.submitted_at)


def find_usual_rate(in_flight: Iterable[tuple[Expectation | None, int]]) -> float:
    """Polls a second that so many generations of each kind need: the shorter they take, the more."""
    return sum(
        count * (1 / USUAL_GAP_UNKNOWN if expected is None else USUAL_POLLS / expected.mean)
        for expected, count in in_flight
    )


def share_rate(in_flight: Iterable[tuple[Expectation | None, int]], rate: float) -> Share:
    """How ``rate`` polls a second are shared by so many generations of each kind."""
    number = known = 0
    demand = 0.0
    for expected, count in in_flight:
        number += count
        if expected is not None:
            known += count
            demand += count * find_curve(expected.sigma).speed / sqrt(expected.median)
    return Share(fair_gap=number / rate, step=demand * number / (known * rate) if known else 0.0)


def find_gap(age: float, expected: Expectation | None, of: Share) -> float:
    """Seconds until the next poll of a generation that is ``age`` seconds old."""
    if expected is None:
        return max(min(age * UNKNOWN_SHARE, UNKNOWN_LONGEST_GAP), of.fair_gap, SHORTEST_GAP)
    median, plan = expected.median, find_curve(expected.sigma)
    # ``L`` is in root seconds, the curve counts ages in medians
    step = max(of.step / sqrt(median), plan.life / MOST_POLLS)
    planned = median * plan.find_age(plan.find_grown(age / median) + step) - age
    # before the median a long gap costs little, since few generations end there
    longest = LONGEST_EARLY_GAP if age < median else LONGEST_GAP
    return min(max(planned, SHORTEST_GAP), max(longest, of.fair_gap))


def find_curve(sigma: float) -> Curve:
    """The curve of a log-normal with this sigma (to a hundredth), strays included."""
    return _make_curve(round(100 * sigma))


@lru_cache(maxsize=256)
def _make_curve(hundredths: int) -> Curve:
    sigma = hundredths / 100
    ages = (0.0, *_AGES)
    finishing = (0.0, *(_density(age, sigma) for age in _AGES))
    unfinished = (1.0, *(_survival(age, sigma) for age in _AGES))
    roots = [sqrt(_find_hazard(*at)) for at in zip(ages, finishing, unfinished, strict=True)]
    lasting = [root * still for root, still in zip(roots, unfinished, strict=True)]
    life = sum(_list_areas(ages, lasting))
    grown = tuple(accumulate(_list_areas(ages, roots), initial=0.0))
    return Curve(ages=ages, grown=grown, life=life, speed=life / exp(sigma * sigma / 2))


def _find_hazard(age: float, finishing: float, unfinished: float) -> float:
    """The hazard of log-normal generations mixed with strays, whose times follow 1 / (1 + age)."""
    stray = STRAYS / (1 + age)
    rest = 1 - STRAYS
    return (rest * finishing + stray / (1 + age)) / (rest * unfinished + stray)


def _density(age: float, sigma: float) -> float:
    return exp(-((log(age) / sigma) ** 2) / 2) / (age * sigma * sqrt(2 * pi))


def _survival(age: float, sigma: float) -> float:
    return erfc(log(age) / (sigma * sqrt(2))) / 2


def _list_areas(ages: Iterable[float], heights: Iterable[float]) -> Iterable[float]:
    """The area under each piece of a line, by trapezes."""
    return (
        (right - left) * (low + high) / 2
        for (left, right), (low, high) in zip(pairwise(ages), pairwise(heights), strict=True)
    )


def _interpolate(at: float, xs: tuple[float, ...], ys: tuple[float, ...]) -> float:
    """The line through the points, its last piece drawn on."""
    n = min(bisect_right(xs, at), len(xs) - 1)
    left, low = xs[n - 1], ys[n - 1]
    return low + (at - left) * (ys[n] - low) / (xs[n] - left)
