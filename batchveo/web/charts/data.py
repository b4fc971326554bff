"""The data of the charts, in one JSON object of bounded size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import inf

from batchveo.core.models import JobState
from batchveo.store import Store
from batchveo.web.charts.durations import durations
from batchveo.web.charts.nights import Night, Stretch, all_of, buckets, nights, step_of
from batchveo.web.charts.timeline import timeline

MOST_MOVES = 48_000
"""Moves whose bars are drawn; of a night with more, one job in so many is shown."""
MOST_RUNS = 400
MOST_NIGHTS = 30
MOST_STRETCHES = 40
"""Bounds of what can be chosen, and of the pieces that "all" is drawn in; older ones are left out."""
EXACT_PEAK = 300_000
"""Moves up to which the peak is looked for in each of them; beyond, only at the ends of the buckets."""
JUST_AFTER = 1e-3
"""Seconds: the move that ends a run has the time of its end."""
MICRO = 1e-6


def charts(store: Store, *, now: float, night: str | None = None, most: int = MOST_MOVES) -> dict[str, object]:
    """What the charts show of one night: ``night`` is its key, ``"all"``, or the latest where it is none of them.

    Times are seconds since the epoch, money is US dollars. ``nights`` are those that can be chosen, newest first
    (``key, start, end, runs``). Where no run has moved a job yet, ``night`` is ``None`` and nothing else is
    there. Otherwise: ``night`` (``key, start, end, runs, live, stretches``); ``step`` (seconds) and ``buckets``
    (``[start, end]`` each), and by bucket ``flow`` and ``money``; ``durations`` (see ``spread``) and ``timeline``
    (see ``bars``). With the stated bounds it is below a megabyte for a state of any size.
    """
    newest, standing = store.charts.count_standing()
    known = _with_moves(store, nights(store.charts.list_run_spans(now=now, most=MOST_RUNS)), newest)[:MOST_NIGHTS]
    chosen = _chosen(known, night)
    told: dict[str, object] = {"now": now, "nights": [_choice(one) for one in known], "night": None}
    if chosen is None:
        return told
    cut = buckets(chosen)
    edges = [store.charts.find_event_before(when, newest=newest) for when in _edges(cut)]
    flow, moves = _flow(store, edges, newest, standing)
    return {
        **told,
        "night": {**_choice(chosen), "live": chosen.live, "stretches": _pairs(chosen.stretches)},
        "step": step_of(chosen),
        "buckets": _pairs(cut),
        "flow": flow,
        "money": _money(store, chosen, cut),
        "durations": durations(store, chosen.start, chosen.end),
        "timeline": timeline(store, chosen, edges[0], edges[-1], moves=moves, most=most),
    }


def _with_moves(store: Store, found: Sequence[Night], newest: int) -> list[Night]:
    """Those in which a job moved: a run that found everything done already is no night to look at."""

    def moved(night: Night) -> bool:
        before = store.charts.find_event_before(night.start, newest=newest)
        return store.charts.find_event_before(night.end + JUST_AFTER, newest=newest) > before

    return [night for night in found if moved(night)]


def _chosen(known: Sequence[Night], key: str | None) -> Night | None:
    if not known:
        return None
    if key == "all":
        return all_of(known, most=MOST_STRETCHES)
    return next((night for night in known if night.key == key), known[0])


def _choice(night: Night) -> dict[str, object]:
    return {"key": night.key, "start": night.start, "end": night.end, "runs": night.runs}


def _pairs(stretches: Sequence[Stretch]) -> list[list[float]]:
    return [[stretch.start, stretch.end] for stretch in stretches]


def _edges(cut: Sequence[Stretch]) -> list[float]:
    """Where each bucket's records begin and end: without gaps, as people do things by hand between runs."""
    return [cut[0].start, *(bucket.end for bucket in cut[:-1]), cut[-1].end + JUST_AFTER]


def _flow(
    store: Store, edges: Sequence[int], newest: int, standing: Mapping[JobState, int]
) -> tuple[dict[str, object], int]:
    """By bucket: videos finished, jobs failed, submits turned back; jobs under way at its end; the peak in it."""
    counted = [store.charts.count_moves(after, upto) for after, upto in pairwise(edges)]
    later = store.charts.count_moves(edges[-1], newest)
    levels = {
        state: _levels(counted, standing.get(state, 0) - _net(later, state), state)
        for state in JobState
        if state.is_unsettled
    }
    moves = sum(sum(bucket.values()) for bucket in counted)
    exact = moves <= EXACT_PEAK
    flow = {
        "finished": [_into(bucket, JobState.SUCCEEDED) for bucket in counted],
        "failed": [_into(bucket, JobState.FAILED) for bucket in counted],
        "turned_back": [bucket.get(("submitting", "pending"), 0) for bucket in counted],
        "exact_peak": exact,
        "peak": _peaks(store, edges, levels[JobState.GENERATING]) if exact else _ends(levels[JobState.GENERATING]),
        **{state.value: ends[1:] for state, ends in levels.items()},
    }
    return flow, moves


def _peaks(store: Store, edges: Sequence[int], levels: Sequence[int]) -> list[int]:
    rises = [store.charts.measure_rise(after, upto) for after, upto in pairwise(edges)]
    return [level + rise for level, rise in zip(levels, rises, strict=False)]


def _ends(levels: Sequence[int]) -> list[int]:
    return [max(pair) for pair in pairwise(levels)]


def _into(moves: Mapping[tuple[str, str], int], state: JobState) -> int:
    return sum(number for (was, to), number in moves.items() if to == state.value != was)


def _net(moves: Mapping[tuple[str, str], int], state: JobState) -> int:
    """How many more jobs went into ``state`` than out of it."""
    left = sum(number for (was, to), number in moves.items() if was == state.value != to)
    return _into(moves, state) - left


def _levels(counted: Sequence[Mapping[tuple[str, str], int]], last: int, state: JobState) -> list[int]:
    """Jobs in ``state`` before the first bucket, then at the end of each, reckoned back from the last."""
    levels = [last]
    for moves in reversed(counted):
        levels.append(levels[-1] - _net(moves, state))
    return levels[::-1]


def _money(store: Store, night: Night, cut: Sequence[Stretch]) -> dict[str, object]:
    """By bucket's end: US dollars charged and committed, over the state's whole life as the budget counts them."""
    committed, spent = store.charts.read_money()
    models = store.charts.list_models()
    edges = _edges(cut)
    paid = [store.charts.sum_costs(models, since, until) for since, until in pairwise(edges)]
    later, _ = store.charts.sum_costs(models, edges[-1], inf)
    newest = store.charts.read_newest_attempt()
    begun = [store.charts.find_attempt_before(when, newest=newest) for when in edges]
    reserved = [store.charts.sum_committed(after, upto) for after, upto in pairwise(begun)]
    after_it = store.charts.sum_committed(begun[-1], newest)
    return {
        "spent": _running([micros for micros, _ in paid], spent - later),
        "committed": _running(reserved, committed - after_it),
        "here": round(sum(micros for micros, _ in paid) * MICRO, 6),
        "unpriced": sum(unpriced for _, unpriced in paid),
        "budget": night.budget,
    }


def _running(steps: Sequence[int], last: int) -> list[float]:
    """Sums that end at ``last`` (millionths) and grow by ``steps``, in US dollars."""
    sums = [last]
    for step in reversed(steps[1:]):
        sums.append(sums[-1] - step)
    return [round(total * MICRO, 6) for total in reversed(sums)]
