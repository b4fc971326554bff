"""When a run will be done: what is believed of the models, held against what the run has shown."""

from __future__ import annotations

from math import exp, log, sqrt

from batchveo.core.forecast import Forecast

Z80 = 1.2816
"""Standard deviations on either side that hold eight nights of ten."""
LEAST_SEEN = 3
"""Finished videos from which on a run's own speed says anything."""
OWN_DOUBT = 0.1
"""Standard deviation (of the logarithm) that a speed keeps, however many videos show it: nights change."""
SHARPEST = 0.02


def eta(believed: Forecast | None, *, left: int, made: int, seconds: float) -> Forecast | None:
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
