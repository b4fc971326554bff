"""How soon a finished generation is noticed, and how many polls that takes. In virtual time, so exact."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from benchmarks.processes import program, run
from benchmarks.rows import Row, at_most

FIXED_GAP = 10.0
IN_FLIGHT = 10
MOST_SHARE_OF_DELAY = 0.6
MOST_DELAY = 1.5
FRUGAL_RATE = 1.15
"""Polls a second for ten in flight that come to no more polls a job than a fixed gap of 10 s makes."""
CROWD = 1000
CROWD_RATE = 20.0
"""Polls a second for a thousand in flight: about two for each generation."""
ROUNDS_TO_STARVE = 2.0
"""A generation that waits longer than so many rounds over all that are in flight is starved."""

Nights = Sequence[dict[str, Any]]


def measure(*, quick: bool) -> list[Row]:
    """With as many polls as a fixed gap; with four a second; with a thousand in flight."""
    jobs, seeds = (60, range(1)) if quick else (200, range(5))
    fixed = [_lived(seed, jobs, "--poll-interval", str(FIXED_GAP)) for seed in seeds]
    same = [_lived(seed, jobs, "--poll-rate", str(FRUGAL_RATE)) for seed in seeds]
    dense = [_lived(seed, jobs, "--poll-rate", "4") for seed in seeds]
    jobs, many = (120, 40) if quick else (3000, CROWD)
    rate = CROWD_RATE * many / CROWD
    crowd = _lived(0, jobs, "--poll-rate", str(rate), in_flight=many)
    return [*_few(fixed, same), _dense(dense), *_crowd(crowd, many, rate)]


def _lived(seed: int, jobs: int, *polling: str, in_flight: int = IN_FLIGHT) -> dict[str, Any]:
    size = ["--jobs", str(jobs), "--in-flight", str(in_flight), "--seed", str(seed)]
    schedule: dict[str, Any] = json.loads(run(program("virtual", *size, *polling)).out)
    return schedule


def _few(fixed: Nights, same: Nights) -> list[Row]:
    delay = _mean(same, "mean_delay") / _mean(fixed, "mean_delay")
    polls = _mean(same, "polls") / _mean(fixed, "polls")
    return [
        Row(
            name="polling: delay against a fixed 10 s gap",
            figure=delay,
            unit="x fixed",
            target=at_most(MOST_SHARE_OF_DELAY),
            details=f"--poll-rate {FRUGAL_RATE:g}, {IN_FLIGHT} in flight: {_words(same)}; fixed: {_words(fixed)}",
        ),
        Row(name="polling: polls against a fixed 10 s gap", figure=polls, unit="x fixed", target=at_most(1.0)),
    ]


def _dense(dense: Nights) -> Row:
    return Row(
        name="polling: mean delay at 4 polls/s",
        figure=_mean(dense, "mean_delay"),
        unit="s",
        target=at_most(MOST_DELAY),
        details=f"{IN_FLIGHT} in flight: {_words(dense)}",
    )


def _crowd(crowd: dict[str, Any], many: int, rate: float) -> list[Row]:
    return [
        Row(
            name=f"polling: busiest rate, {many} in flight",
            figure=crowd["busiest"],
            unit="polls/s",
            target=at_most(rate + 0.1),  # a stretch of ten seconds has a poll at either end
            details=f"--poll-rate {rate:g}, over any 10 s: {_words([crowd])}",
        ),
        Row(
            name=f"polling: longest delay, {many} in flight",
            figure=crowd["longest_delay"],
            unit="s",
            target=at_most(ROUNDS_TO_STARVE * many / rate),
            details=f"nobody starves: at most {ROUNDS_TO_STARVE:g} rounds over all in flight",
        ),
    ]


def _mean(nights: Nights, what: str) -> float:
    return fmean(night[what] for night in nights)


def _words(nights: Nights) -> str:
    polls = sum(night["polls"] for night in nights) / sum(night["jobs"] for night in nights)
    return (
        f"{polls:.1f} polls a job, mean delay {_mean(nights, 'mean_delay'):.2f} s,"
        f" longest {max(night['longest_delay'] for night in nights):.0f} s"
    )
