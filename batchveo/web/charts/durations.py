"""How long the generations of each model took."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import exp, log
from statistics import quantiles

from batchveo.store import Store
from batchveo.web.charts.timeline import LONGEST_NAME, shortened

MOST_SECONDS = 20_000
"""Generation times that are read, for all models together: the latest."""
MOST_MODELS = 12
"""Models that are shown: those with the most videos."""
BINS = 36
NARROWEST = 1.02
"""The least ratio between a bin's ends."""
FAR = 3.0
"""How many times its ``p90`` a model's axis reaches: a video fetched a day later would squeeze all others."""


def durations(store: Store, start: float, end: float) -> dict[str, object]:
    """From submit to completion, in seconds, of the videos that completed between ``start`` and ``end``.

    ``edges``: of the bins, evenly spaced in their logarithm, the same for all. ``models``: for each, those with
    the most videos first, ``model``, ``videos``, ``measured`` (how many of them were read: the latest),
    ``median``, ``p10``, ``p90``, ``least``, ``most``, ``beyond`` (how many took longer than the last edge), and
    ``bins`` (how many of the others fell into each). ``others``: how many models are left out.
    """
    videos = {model: store.charts.count_completed(model, start, end) for model in store.charts.list_models()}
    made = sorted((model for model in videos if videos[model]), key=lambda model: (-videos[model], model))
    shown = made[:MOST_MODELS]
    share = MOST_SECONDS // max(1, len(shown))
    times = {model: _times(store, model, start, end, share) for model in shown}
    edges = _edges([found for found in times.values() if found])
    rows = [_row(model, videos[model], times[model], edges) for model in shown if times[model]]
    return {"edges": [round(edge, 3) for edge in edges], "models": rows, "others": len(made) - len(rows)}


def _times(store: Store, model: str, start: float, end: float, most: int) -> list[float]:
    found = store.queries.list_generation_seconds(model, since=start, until=end, most=most)
    return sorted(seconds for seconds in found if seconds > 0)  # a clock that was set back measures nothing


def _edges(times: Sequence[Sequence[float]]) -> list[float]:
    """Of the times of each model, sorted."""
    if not times:
        return []
    reach = max(min(found[-1], _tenths(found)[8] * FAR) for found in times)
    low, high = log(min(found[0] for found in times) * 0.99), log(reach * 1.01)
    width = max((high - low) / BINS, log(NARROWEST))
    return [exp(low + width * number) for number in range(BINS + 1)]


def _row(model: str, videos: int, times: Sequence[float], edges: Sequence[float]) -> dict[str, object]:
    """Of sorted ``times``."""
    bins = [0] * BINS
    for seconds in times:
        if seconds < edges[-1]:
            bins[bisect_right(edges, seconds) - 1] += 1
    tenths = _tenths(times)
    told = {"p10": tenths[0], "median": tenths[4], "p90": tenths[8], "least": times[0], "most": times[-1]}
    rounded = {name: round(value, 2) for name, value in told.items()}
    counted = {"videos": videos, "measured": len(times), "beyond": len(times) - sum(bins)}
    return {"model": shortened(model, LONGEST_NAME), **counted, **rounded, "bins": bins}


def _tenths(times: Sequence[float]) -> list[float]:
    """The nine values that cut sorted ``times`` into ten parts."""
    return quantiles(times, n=10, method="inclusive") if len(times) > 1 else [times[0]] * 9
