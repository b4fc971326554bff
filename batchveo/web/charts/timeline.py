"""The timeline: a bar for each phase of each job."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from math import ceil
from typing import NamedTuple

from batchveo.core.models import JobState
from batchveo.store import Store
from batchveo.web.charts.nights import Night

PHASES = ("submitting", "generating", "downloading", "in_doubt", "held")
"""Phases with a bar; ``downloading`` includes the wait for a free download slot."""
MARKS = ("", "failed", "again", "trouble", "open")
"""How a bar ended: as expected, by failure, by a return to pending, by a failed download, or not yet."""
NAME_ROOM = 300_000
"""Bytes for all names together, so that the data stays small with names of any length and script."""
LONGEST_NAME = 120

_IN_DOUBT = JobState.IN_DOUBT.value
_DOWNLOADING = JobState.DOWNLOADING.value
_ENDS = {JobState.FAILED.value: "failed", JobState.PENDING.value: "again"}


class Transition(NamedTuple):
    """One move of a job."""

    at: float
    was: str
    to: str


class Bar(NamedTuple):
    """A job was in ``phase`` from ``start`` to ``end`` (seconds since the epoch); ``mark`` is how the bar ended."""

    phase: str
    start: float
    end: float
    mark: str = ""


def make_bars(moves: Sequence[Transition], *, start: float, end: float) -> list[Bar]:
    """The bars of one job between ``start`` and ``end``; a bar that began before ``start`` is cut."""
    found: list[Bar] = []
    since, phase = start, moves[0].was
    for move in moves:
        if phase in PHASES:
            found.append(Bar(phase, since, max(since, move.at), _find_mark(move)))
        since = max(start, move.at)
        phase = "held" if move.was == move.to == _IN_DOUBT else move.to
    if phase in PHASES:
        found.append(Bar(phase, since, max(since, end), "open"))
    return found


def _find_mark(move: Transition) -> str:
    if move.was == _DOWNLOADING and move.to != JobState.SUCCEEDED.value:
        return "trouble"
    return _ENDS.get(move.to, "")


def make_timeline(store: Store, night: Night, after: int, upto: int, *, moves: int, most: int) -> dict[str, object]:
    """The bars of a night whose ``moves`` events have numbers above ``after`` up to ``upto``.

    With more events than ``most``, one job in ``every`` is shown, with half as many events. For each job: ``ids``,
    ``names``, ``models`` (an index into ``model_names``) and ``bars`` (its number of bars). For each bar: ``phase`` and
    ``mark`` (indices into ``phases`` and ``marks``), ``start`` and ``length`` in tenths of a second, from the beginning
    of the night.
    """
    every = 1 if moves <= most else ceil(2 * moves / most)
    rows = store.charts.list_moves_of_jobs(after, upto, every=every, most=most + most // 4)
    drawn = {job: make_bars(of_job, start=night.start, end=night.end) for job, of_job in _group_by_job(rows)}
    drawn = {job: found for job, found in drawn.items() if found}
    ordered = sorted(drawn, key=lambda job: drawn[job][0].start)
    jobs = store.charts.list_named_jobs(ordered)
    model_names = sorted({job.model for job in jobs.values()})
    room = min(LONGEST_NAME, NAME_ROOM // max(1, len(ordered)))
    flat = [bar for job in ordered for bar in drawn[job]]
    return {
        "every": every,
        "ids": [jobs[job].id for job in ordered],
        "names": [shorten_name(jobs[job].name, room) for job in ordered],
        "models": [model_names.index(jobs[job].model) for job in ordered],
        "model_names": [shorten_name(name, LONGEST_NAME) for name in model_names],
        "bars": [len(drawn[job]) for job in ordered],
        "phases": PHASES,
        "marks": MARKS,
        "phase": [PHASES.index(bar.phase) for bar in flat],
        "mark": [MARKS.index(bar.mark) for bar in flat],
        "start": [round((bar.start - night.start) * 10) for bar in flat],
        "length": [round((bar.end - bar.start) * 10) for bar in flat],
    }


def _group_by_job(rows: Iterable[object]) -> Iterator[tuple[int, list[Transition]]]:
    for job, group in groupby(rows, key=lambda row: row["job"]):  # type: ignore[index]
        yield job, [Transition(row["at"], row["from_state"], row["to_state"]) for row in group]  # type: ignore[index]


def shorten_name(name: str, room: int) -> str:
    """Cut ``name`` to at most ``room`` bytes of JSON, with the ellipsis, but to no less than a letter."""
    if _measure_json(name) <= room:
        return name
    short = name[:room]
    while len(short) > 1 and _measure_json(short) + 6 > room:
        short = short[: max(1, len(short) * 3 // 4)]
    return short.rstrip() + "…"


def _measure_json(text: str) -> int:
    return len(json.dumps(text)) - 2
