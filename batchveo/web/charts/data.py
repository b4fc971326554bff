"""The data of the charts, in one JSON object of bounded size: flow, money, generation times and timeline."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import exp, inf, log
from statistics import quantiles

from batchveo.core.models import JobState
from batchveo.store import Store
from batchveo.store.display_queries import Costs
from batchveo.store.page_index import PageIndex
from batchveo.web.charts.nights import Night, Stretch, choose_step, cut_buckets, group_nights, join_nights
from batchveo.web.charts.timeline import LONGEST_NAME, make_timeline, shorten_name

MOST_MOVES = 24_000
"""Moves up to which all bars are drawn; of a night with more, jobs with half as many: more than a screen has lines."""
MOST_RUNS = 400
MOST_NIGHTS = 30
MOST_STRETCHES = 40
"""Bounds of the nights to choose from and of the pieces of "all"; older ones are left out."""
EXACT_PEAK = 300_000
"""Moves up to which the exact peak is computed; beyond, the peak is the higher end of each interval."""
JUST_AFTER = 1e-3
"""Seconds after the end of a run that still belong to it: the last move has the time of the end."""
MICRO = 1e-6
MOST_SECONDS = 20_000
"""Generation times that are read for all models together: the latest ones."""
MOST_MODELS = 12
"""Models that are shown, those with the most videos first."""
BINS = 36
NARROWEST = 1.02
"""The smallest ratio between the ends of a bin."""
FAR = 3.0
"""The axis ends at this multiple of ``p90``: a video fetched a day later would squeeze all others."""


def make_charts(
    store: Store, index: PageIndex, *, now: float, night: str | None = None, most: int = MOST_MOVES
) -> dict[str, object]:
    """The charts of one night: ``night`` is its key or ``"all"``; any other value chooses the latest.

    Times are seconds since the epoch, money is US dollars. ``nights`` are the nights to choose from, newest first
    (``key, start, end, runs``). If no run has moved a job yet, ``night`` is ``None`` and the rest is missing.
    Otherwise: ``night`` (``key, start, end, runs, live, stretches``); ``step`` (seconds) and ``buckets`` (``[start,
    end]`` of each interval); ``flow`` and ``money`` by interval; ``durations`` (see ``measure_durations``) and
    ``timeline`` (see ``make_timeline``). The bounds keep it below a megabyte for a database of any size.
    """
    newest, standing = store.charts.count_states()
    spans = store.charts.list_run_spans(now=now, most=MOST_RUNS)
    known = [night for night in group_nights(spans) if _has_moves(store, night, newest)][:MOST_NIGHTS]
    chosen = _choose_night(known, night)
    data: dict[str, object] = {"now": now, "nights": [_make_choice(one) for one in known], "night": None}
    if chosen is None:
        return data
    cut = cut_buckets(chosen)
    times = _list_edges(cut)
    edges = [store.charts.find_event_before(when, newest=newest) for when in times]
    flow, moves = _make_flow(store, index, edges, newest, standing)
    models = store.charts.list_models()
    costs = [{model: store.charts.sum_costs(model, *ends) for model in models} for ends in pairwise(times)]
    videos = {model: sum(interval[model].videos for interval in costs) for model in models}
    return {
        **data,
        "night": {**_make_choice(chosen), "live": chosen.live, "stretches": _list_ends(chosen.stretches)},
        "step": choose_step(chosen),
        "buckets": _list_ends(cut),
        "flow": flow,
        "money": _make_money(store, chosen, times, costs),
        "durations": measure_durations(store, chosen.start, chosen.end, videos),
        "timeline": make_timeline(store, chosen, edges[0], edges[-1], moves=moves, most=most),
    }


def _has_moves(store: Store, night: Night, newest: int) -> bool:
    # a run that found everything done has moved no job, and nothing to show
    before, end = (store.charts.find_event_before(at, newest=newest) for at in (night.start, night.end + JUST_AFTER))
    return end > before


def _choose_night(known: Sequence[Night], key: str | None) -> Night | None:
    if not known:
        return None
    if key == "all":
        return join_nights(known, most=MOST_STRETCHES)
    return next((night for night in known if night.key == key), known[0])


def _make_choice(night: Night) -> dict[str, object]:
    return {"key": night.key, "start": night.start, "end": night.end, "runs": night.runs}


def _list_ends(stretches: Sequence[Stretch]) -> list[list[float]]:
    return [[stretch.start, stretch.end] for stretch in stretches]


def _list_edges(cut: Sequence[Stretch]) -> list[float]:
    """The ends of the intervals without gaps, since people move jobs by hand between runs too."""
    return [cut[0].start, *(bucket.end for bucket in cut[:-1]), cut[-1].end + JUST_AFTER]


def _make_flow(
    store: Store, index: PageIndex, edges: Sequence[int], newest: int, standing: Mapping[JobState, int]
) -> tuple[dict[str, object], int]:
    """For each interval: videos finished, jobs failed, submits rejected, jobs in progress at its end and their peak."""
    # the database has only the numbers of now: the moves since then lead back to those of the night
    *counted, later = index.count_moves([*edges, newest])
    levels = {
        state: _trace_levels(counted, standing.get(state, 0) - _count_net(later, state), state)
        for state in JobState
        if state.is_unsettled
    }
    moves = sum(sum(bucket.values()) for bucket in counted)
    exact, generating = moves <= EXACT_PEAK, levels[JobState.GENERATING]
    flow = {
        "finished": [_count_into(bucket, JobState.SUCCEEDED) for bucket in counted],
        "failed": [_count_into(bucket, JobState.FAILED) for bucket in counted],
        "turned_back": [bucket.get(("submitting", "pending"), 0) for bucket in counted],
        "exact_peak": exact,
        "peak": _measure_peaks(store, edges, generating) if exact else _bound_peaks(generating),
        **{state.value: ends[1:] for state, ends in levels.items()},
    }
    return flow, moves


def _measure_peaks(store: Store, edges: Sequence[int], levels: Sequence[int]) -> list[int]:
    rises = [store.charts.measure_rise(after, upto) for after, upto in pairwise(edges)]
    return [level + rise for level, rise in zip(levels, rises, strict=False)]


def _bound_peaks(levels: Sequence[int]) -> list[int]:
    return [max(pair) for pair in pairwise(levels)]


def _count_into(moves: Mapping[tuple[str, str], int], state: JobState) -> int:
    return sum(number for (was, to), number in moves.items() if to == state.value != was)


def _count_net(moves: Mapping[tuple[str, str], int], state: JobState) -> int:
    """Jobs that entered ``state`` less those that left it."""
    left = sum(number for (was, to), number in moves.items() if was == state.value != to)
    return _count_into(moves, state) - left


def _trace_levels(counted: Sequence[Mapping[tuple[str, str], int]], last: int, state: JobState) -> list[int]:
    """Jobs in ``state`` before the first interval and at the end of each, computed back from the ``last`` number."""
    levels = [last]
    for moves in reversed(counted):  # what entered in an interval was not there before it
        levels.append(levels[-1] - _count_net(moves, state))
    return levels[::-1]


def _make_money(
    store: Store, night: Night, edges: Sequence[float], costs: Sequence[Mapping[str, Costs]]
) -> dict[str, object]:
    """US dollars charged and committed at the end of each interval, over all runs, as the budget counts them.

    ``costs`` are those of each interval by model.
    """
    committed, spent = store.charts.read_money()
    paid = [sum(of_model.micros for of_model in interval.values()) for interval in costs]
    later = sum(store.charts.sum_costs(model, edges[-1], inf).micros for model in costs[0])
    newest = store.charts.read_newest_attempt()
    begun = [store.charts.find_attempt_before(when, newest=newest) for when in edges]
    reserved = [store.charts.sum_committed(after, upto) for after, upto in pairwise(begun)]
    after_it = store.charts.sum_committed(begun[-1], newest)
    return {
        "spent": _accumulate(paid, spent - later),
        "committed": _accumulate(reserved, committed - after_it),
        "here": round(sum(paid) * MICRO, 6),
        "unpriced": sum(of_model.unpriced for interval in costs for of_model in interval.values()),
        "budget": night.budget,
    }


def _accumulate(steps: Sequence[int], last: int) -> list[float]:
    """Running sums of ``steps`` (millionths of a US dollar) that end at ``last``, in US dollars."""
    sums = [last]
    for step in reversed(steps[1:]):
        sums.append(sums[-1] - step)
    return [round(total * MICRO, 6) for total in reversed(sums)]


def measure_durations(store: Store, start: float, end: float, videos: Mapping[str, int]) -> dict[str, object]:
    """Seconds from submit to completion of the videos that completed between ``start`` and ``end``.

    ``videos`` are their numbers by model. In the result are ``edges``: the ends of the bins, evenly spaced on a
    logarithmic axis; ``models``: for each model ``model``, ``videos``, ``measured`` (the number of times that were
    read), ``median``, ``p10``, ``p90``, ``least``, ``most``, ``beyond`` (the number beyond the last edge) and ``bins``
    (the number in each); ``others``: the number of models that are left out.
    """
    made = sorted((model for model in videos if videos[model]), key=lambda model: (-videos[model], model))
    shown = made[:MOST_MODELS]
    share = MOST_SECONDS // max(1, len(shown))
    times = {model: _read_times(store, model, start, end, share) for model in shown}
    edges = [round(edge, 6) for edge in _find_edges([found for found in times.values() if found])]
    rows = [_make_duration_row(model, videos[model], times[model], edges) for model in shown if times[model]]
    return {"edges": edges, "models": rows, "others": len(made) - len(rows)}


def _read_times(store: Store, model: str, start: float, end: float, most: int) -> list[float]:
    found = store.queries.list_generation_seconds(model, since=start, until=end, most=most)
    return sorted(seconds for seconds in found if seconds > 0)  # a clock that was set back measures nothing


def _find_edges(times: Sequence[Sequence[float]]) -> list[float]:
    """The ends of the bins for the sorted times of all models."""
    if not times:
        return []
    reach = max(min(found[-1], _cut_tenths(found)[8] * FAR) for found in times)
    low, high = log(min(found[0] for found in times) * 0.99), log(reach * 1.01)
    width = max((high - low) / BINS, log(NARROWEST))
    return [exp(low + width * number) for number in range(BINS + 1)]


def _make_duration_row(model: str, videos: int, times: Sequence[float], edges: Sequence[float]) -> dict[str, object]:
    """The figures of a model from its sorted ``times``."""
    bins = [0] * BINS
    for seconds in times:
        if seconds < edges[-1]:
            bins[bisect_right(edges, seconds) - 1] += 1
    tenths = _cut_tenths(times)
    figures = {"p10": tenths[0], "median": tenths[4], "p90": tenths[8], "least": times[0], "most": times[-1]}
    rounded = {name: round(value, 2) for name, value in figures.items()}
    counted = {"videos": videos, "measured": len(times), "beyond": len(times) - sum(bins)}
    return {"model": shorten_name(model, LONGEST_NAME), **counted, **rounded, "bins": bins}


def _cut_tenths(times: Sequence[float]) -> list[float]:
    """The nine values that cut sorted ``times`` into ten parts."""
    return quantiles(times, n=10, method="inclusive") if len(times) > 1 else [times[0]] * 9
