"""How long the generations of a model take: log-normal, learned from those that finished."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, log, pi, sqrt
from statistics import NormalDist
from typing import NamedTuple

MEMORY = 30.0
"""Generations that count at one time; older ones fade, so that the expectation follows a slower or faster service."""
PRIOR_WEIGHT = 4.0
"""Generations that a first guess is worth: the provider's percentiles, or a spread if there are none."""
UNKNOWN_SIGMA = 0.5
SHARPEST, WIDEST = 0.1, 1.5
"""Bounds of sigma: a time is never known better than to a tenth, nor worse than to a factor of five."""
QUICKEST, SLOWEST = 1e-3, 1e8
"""Seconds that a generation can take; a time outside comes from a clock that jumped, and is ignored."""
SURPRISE = 3.0
"""Standard deviations at which a time is cut off; one further away also halves the weight of what is known."""
LIKELY = 1e-3
"""The least chance of an interval for which the expectation still decides at which of its times a generation ended."""

_NORMAL = NormalDist()
_QUANTILES = {share: _NORMAL.inv_cdf(share / 100) for share in (75, 90, 99)}


class Expectation(NamedTuple):
    """A generation takes ``median`` seconds; the logarithm of its time has the standard deviation ``sigma``."""

    median: float
    sigma: float

    @property
    def mean(self) -> float:
        """Seconds that a generation takes on average."""
        return self.median * exp(self.sigma * self.sigma / 2)


class Belief(NamedTuple):
    """Mean and variance of the logarithm of the seconds, learned from about ``weight`` generations."""

    mean: float
    variance: float
    weight: float

    @property
    def expectation(self) -> Expectation:
        """The expectation of the next one; the fewer were seen, the wider."""
        sigma = sqrt(self.variance * (1 + 1 / self.weight))
        return Expectation(median=exp(self.mean), sigma=min(max(sigma, SHARPEST), WIDEST))


class Durations:
    """The expected generation times of each model."""

    def __init__(self) -> None:
        self._beliefs: dict[str, Belief] = {}

    def find_expected(self, model: str) -> Expectation | None:
        """The expectation; ``None`` if nothing is known."""
        belief = self._beliefs.get(model)
        return belief and belief.expectation

    def set_guess(self, model: str, expected: Expectation) -> None:
        """Start from an expectation that comes from elsewhere, such as the provider's metrics."""
        mean, variance = log(expected.median), expected.sigma**2
        self._beliefs[model] = Belief(mean=mean, variance=variance, weight=PRIOR_WEIGHT)

    def learn(self, model: str, *, after: float, by: float) -> None:
        """Learn that a generation took more than ``after`` and at most ``by`` seconds: it ended between two polls."""
        belief = update_belief(self._beliefs.get(model), after=after, by=by)
        if belief is not None:
            self._beliefs[model] = belief

    def learn_all(self, model: str, seen: Sequence[float]) -> None:
        """Learn from earlier generations, whose seconds are known exactly; ``seen`` begins with the latest."""
        for seconds in reversed(seen):
            self.learn(model, after=seconds, by=seconds)


def update_belief(belief: Belief | None, *, after: float, by: float) -> Belief | None:
    """``belief`` with one more generation, which took between ``after`` and ``by`` seconds.

    Without a belief, a generation that was finished at the first poll (``after`` is 0) changes nothing.
    """
    if not (0 <= after <= by and QUICKEST <= by <= SLOWEST) or (belief is None and after == 0):
        return belief
    if belief is None:
        return Belief(mean=log((after + by) / 2), variance=UNKNOWN_SIGMA**2, weight=1.0)
    mean, variance = _mean_in_interval(belief, after, by)
    off, bound = mean - belief.mean, SURPRISE * belief.expectation.sigma
    # a surprise is an outlier or a change of speed: bounded, so that one outlier does little, and with half the
    # weight on the past, so that the next few times show quickly that the speed has changed
    weight = belief.weight / 2 if abs(off) > bound else belief.weight
    off = min(max(off, -bound), bound)
    weight = min(max(weight, 1.0) + 1, MEMORY)
    seen = variance + off * off * (weight - 1) / weight
    return Belief(
        mean=belief.mean + off / weight,
        variance=belief.variance + (seen - belief.variance) / (weight + PRIOR_WEIGHT),
        weight=weight,
    )


def _mean_in_interval(belief: Belief, after: float, by: float) -> tuple[float, float]:
    """Mean and variance of the logarithm in the interval; its middle if the expectation rules it out."""
    mean, sigma = belief.mean, belief.expectation.sigma
    low, high = (log(after) - mean) / sigma if after else -inf, (log(by) - mean) / sigma
    chance = _NORMAL.cdf(high) - _NORMAL.cdf(low)
    if chance < LIKELY:
        return log((after + by) / 2), 0.0
    shift = (_density(low) - _density(high)) / chance
    inner = 1 + (_moment(low) - _moment(high)) / chance - shift * shift
    return mean + sigma * shift, sigma * sigma * max(inner, 0.0)


def _density(z: float) -> float:
    return exp(-z * z / 2) / sqrt(2 * pi)


def _moment(z: float) -> float:
    return 0.0 if z == -inf else z * _density(z)


def fit_percentiles(p50: float, p75: float, p90: float, p99: float) -> Expectation | None:
    """The log-normal with these percentiles (seconds), or ``None`` if no distribution has them.

    Each upper percentile gives a sigma; the middle one of the three counts.
    """
    if not 0 < p50 <= p75 <= p90 <= p99 < inf:
        return None
    upper = zip((p75, p90, p99), _QUANTILES.values(), strict=True)
    sigma = sorted(log(seconds / p50) / z for seconds, z in upper)[1]
    return Expectation(median=p50, sigma=min(max(sigma, SHARPEST), WIDEST))
