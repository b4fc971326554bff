"""How long generations took."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batchveo.store import Store
from batchveo.web.charts.durations import BINS, MOST_MODELS, durations
from tests.helpers.factories import make_spec
from tests.helpers.job_histories import EVENING, Night


def told(path: Path, times: list[tuple[str, float]]) -> Any:
    specs = [make_spec(f"job {number}", model=model) for number, (model, _) in enumerate(times)]
    with Store(path / "b.db") as store:
        night = Night(store, specs)
        for _, seconds in times:
            night.video(0, seconds=seconds)
        return durations(store, EVENING, EVENING + 1e6)


def test_without_videos_there_is_nothing(tmp_path: Path) -> None:
    """Not even an axis."""
    assert told(tmp_path, []) == {"edges": [], "models": [], "others": 0}


def test_one_video_is_its_own_median(tmp_path: Path) -> None:
    """And falls into one interval."""
    (row,) = told(tmp_path, [("m", 60.0)])["models"]
    assert (row["median"], row["p10"], row["p90"], row["videos"], sum(row["bins"])) == (60, 60, 60, 1, 1)


def test_the_quantiles_are_those_of_the_times(tmp_path: Path) -> None:
    """Of each model for itself, the one with the most videos first."""
    times = [("slow", 100.0 + n) for n in range(11)] + [("quick", 10.0 + n) for n in range(21)]
    quick, slow = told(tmp_path, times)["models"]
    assert (quick["model"], quick["p10"], quick["median"], quick["p90"]) == ("quick", 12, 20, 28)
    assert (slow["model"], slow["least"], slow["median"], slow["most"], slow["videos"]) == (
        "slow",
        100,
        105,
        110,
        11,
    )
    assert (sum(quick["bins"]), sum(slow["bins"])) == (21, 11)


def test_a_video_of_the_next_day_does_not_squeeze_the_others(tmp_path: Path) -> None:
    """It lies beyond the axis, and is counted there."""
    data = told(tmp_path, [("m", 50.0 + n) for n in range(20)] + [("m", 90_000.0)])
    (row,) = data["models"]
    assert (row["beyond"], sum(row["bins"]), row["most"]) == (1, 20, 90_000)
    assert data["edges"][-1] < 300


def test_every_time_lies_between_the_edges_of_its_bin(tmp_path: Path) -> None:
    """The bins are narrow where all took the same time."""
    data = told(tmp_path, [("m", 60.0)] * 3 + [("n", 61.0)])
    assert len(data["edges"]) == BINS + 1
    for row, seconds in zip(data["models"], (60.0, 61.0), strict=True):
        (filled,) = [number for number, count in enumerate(row["bins"]) if count]
        assert data["edges"][filled] <= seconds <= data["edges"][filled + 1] * 1.001


def test_the_models_are_bounded(tmp_path: Path) -> None:
    """How many are left out is said; a name of any length is cut."""
    data = told(tmp_path, [("x" * 300 + str(number), 60.0) for number in range(MOST_MODELS + 3)])
    assert (len(data["models"]), data["others"]) == (MOST_MODELS, 3)
    assert all(len(row["model"]) <= 120 for row in data["models"])


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_a_clock_set_back_measures_nothing(tmp_path: Path, seconds: float) -> None:
    """Such a time has no logarithm either."""
    with Store(tmp_path / "b.db") as store:
        night = Night(store, [make_spec("a")])
        job = night.accepted(night.claim(10), 10)
        night.completed(job, 10 + seconds)
        assert durations(store, EVENING, EVENING + 100)["models"] == []
