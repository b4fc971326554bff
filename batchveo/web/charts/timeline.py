"""The bars of the timeline: each job's time in each phase."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil

from batchveo.core.models import JobState
from batchveo.store import Store
from batchveo.web.charts.nights import Night

PHASES = ("submitting", "generating", "downloading", "in_doubt", "held")
"""Phases in which a job has a bar; ``downloading`` includes the wait for a free place to do it."""
MARKS = ("", "failed", "again", "trouble", "open")
"""How a bar ended: as it should, by the job's failure, back to wait for its turn, with a fetch to be repeated,
or not yet."""
NAME_ROOM = 300_000
"""Bytes for all names together, so that the whole stays small however long and foreign they are."""
LONGEST_NAME = 120

_IN_DOUBT = JobState.IN_DOUBT.value
_DOWNLOADING = JobState.DOWNLOADING.value
_ENDS = {JobState.FAILED.value: "failed", JobState.PENDING.value: "again"}


@dataclass(frozen=True, slots=True)
class Moved:
    """One move of a job."""

    at: float
    was: str
    to: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A job was in ``phase`` from ``start`` to ``end``, seconds since the epoch; ``mark`` is how that ended."""

    phase: str
    start: float
    end: float
    mark: str = ""


def bars(moves: Sequence[Moved], *, start: float, end: float) -> list[Bar]:
    """One job's bars between ``start`` and ``end``; what began before is cut there."""
    found: list[Bar] = []
    since, phase = start, moves[0].was
    for move in moves:
        if phase in PHASES:
            found.append(Bar(phase, since, max(since, move.at), _mark(move)))
        since = max(start, move.at)
        phase = "held" if move.was == move.to == _IN_DOUBT else move.to
    if phase in PHASES:
        found.append(Bar(phase, since, max(since, end), "open"))
    return found


def _mark(move: Moved) -> str:
    if move.was == _DOWNLOADING and move.to != JobState.SUCCEEDED.value:
        return "trouble"
    return _ENDS.get(move.to, "")


def timeline(store: Store, night: Night, after: int, upto: int, *, moves: int, most: int) -> dict[str, object]:
    """The bars of a night whose events are those after ``after`` up to ``upto``, ``moves`` of them.

    Where there are more than ``most``, one job in ``every`` is shown. Job by job: ``names``, ``models`` (an index
    into ``model_names``) and ``bars`` (how many it has). Bar by bar: ``phase`` and ``mark`` (indices into
    ``phases`` and ``marks``), ``start`` and ``length`` in tenths of a second, from the night's beginning.
    """
    every = max(1, ceil(moves / most))
    rows = store.charts.list_moves_of_jobs(after, upto, every=every, most=most + most // 4)
    drawn = {job: bars(of_job, start=night.start, end=night.end) for job, of_job in _by_job(rows)}
    drawn = {job: found for job, found in drawn.items() if found}
    ordered = sorted(drawn, key=lambda job: drawn[job][0].start)
    names = store.charts.list_names(ordered)
    model_names = sorted({model for _, model in names.values()})
    room = min(LONGEST_NAME, NAME_ROOM // max(1, len(ordered)))
    flat = [bar for job in ordered for bar in drawn[job]]
    return {
        "every": every,
        "names": [shortened(names[job][0], room) for job in ordered],
        "models": [model_names.index(names[job][1]) for job in ordered],
        "model_names": [shortened(name, LONGEST_NAME) for name in model_names],
        "bars": [len(drawn[job]) for job in ordered],
        "phases": PHASES,
        "marks": MARKS,
        "phase": [PHASES.index(bar.phase) for bar in flat],
        "mark": [MARKS.index(bar.mark) for bar in flat],
        "start": [round((bar.start - night.start) * 10) for bar in flat],
        "length": [round((bar.end - bar.start) * 10) for bar in flat],
    }


def _by_job(rows: Iterable[object]) -> Iterator[tuple[int, list[Moved]]]:
    for job, group in groupby(rows, key=lambda row: row["job"]):  # type: ignore[index]
        yield job, [Moved(row["at"], row["from_state"], row["to_state"]) for row in group]  # type: ignore[index]


def shortened(name: str, room: int) -> str:
    """A name that takes at most ``room`` bytes as JSON, ellipsis included; of every name a letter."""
    if _bytes(name) <= room:
        return name
    short = name[:room]
    while len(short) > 1 and _bytes(short) + 6 > room:
        short = short[: max(1, len(short) * 3 // 4)]
    return short.rstrip() + "…"


def _bytes(text: str) -> int:
    return len(json.dumps(text)) - 2
