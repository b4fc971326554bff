"""The numbers of the charts, against nights that were lived by hand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batchveo.store import Store
from batchveo.web.charts import data as charting
from batchveo.web.charts.data import BINS, MOST_MODELS, measure_durations
from tests.helpers.factories import make_spec
from tests.helpers.job_histories import DAY, EVENING, Night, charts_of

HOSTILE = "<script>alert(1)</script> \"'&\x1b[31m\u2028\n" + "龍" * 400


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        yield store


def specs(number: int, **changes: Any) -> list[Any]:
    return [make_spec(f"job {one}", **changes) for one in range(number)]


def told(store: Store, *, at: float = 1e6, **options: Any) -> Any:
    """As a page receives it."""
    return json.loads(json.dumps(charts_of(store, now=EVENING + at, **options)))


def test_an_empty_state_has_no_night(store: Store) -> None:
    """Nor has one whose run found nothing to do."""
    assert told(store) == {"now": EVENING + 1e6, "nights": [], "night": None}
    Night(store).end(5)
    assert told(store)["night"] is None


def test_one_video(store: Store) -> None:
    """Its bars, its time, its price."""
    night = Night(store, specs(1), budget=20.0)
    night.video(2, seconds=60)
    night.end(64)
    data = told(store)
    assert data["night"]["stretches"] == [[EVENING, EVENING + 64]]
    assert sum(data["flow"]["finished"]) == 1
    assert max(data["flow"]["peak"]) == 1
    assert (data["money"]["spent"][-1], data["money"]["here"], data["money"]["budget"]) == (1.5, 1.5, 20.0)
    timeline = data["timeline"]
    assert [timeline["phases"][phase] for phase in timeline["phase"]] == [
        "submitting",
        "generating",
        "downloading",
    ]
    assert (timeline["start"], timeline["length"]) == ([20, 30, 620], [10, 590, 20])


def test_by_interval(store: Store) -> None:
    """Finished, failed, turned back, and how many were under way at its end."""
    night = Night(store, specs(3))
    first = night.accepted(night.claim(0), 1)
    second = night.accepted(night.claim(1), 2)
    night.throttled(night.claim(3), 3.5)
    night.fetched(night.completed(first, 50), 52)
    night.failed(second, 70)
    third = night.accepted(night.claim(80), 81)
    night.end(100)
    data = told(store)
    assert data["step"] == 1.0
    flow = data["flow"]
    happened = {
        name: {second: number for second, number in enumerate(flow[name]) if number}
        for name in ("finished", "failed", "turned_back")
    }
    assert happened == {"finished": {52: 1}, "failed": {70: 1}, "turned_back": {3: 1}}
    assert [flow["generating"][second] for second in (0, 1, 2, 49, 50, 70, 81, 99)] == [0, 1, 2, 2, 1, 0, 1, 1]
    assert (flow["submitting"][0], flow["submitting"][1], flow["downloading"][51]) == (1, 1, 1)
    assert max(flow["peak"]) == 2
    assert third.state.value == "generating"


def test_a_peak_within_an_interval_is_seen(store: Store) -> None:
    """Though at its ends nothing is in flight."""
    night = Night(store, specs(3))
    jobs = [night.accepted(night.claim(11), 11) for _ in range(3)]
    for job in jobs:
        night.failed(job, 11.5)
    night.end(1000)
    flow = told(store)["flow"]
    assert (max(flow["generating"]), max(flow["peak"]), flow["exact_peak"]) == (0, 3, True)


def test_a_very_long_history_says_that_its_peak_is_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where looking at each move would take too long."""
    monkeypatch.setattr(charting, "EXACT_PEAK", 3)
    night = Night(store, specs(1))
    night.video(0, seconds=500)
    night.end(1000)
    flow = told(store)["flow"]
    assert (max(flow["peak"]), flow["exact_peak"]) == (1, False)


def test_money_grows_when_it_is_committed_and_when_it_is_charged(store: Store) -> None:
    """A failed generation gives back what was reserved for it; a price nobody told is counted."""
    night = Night(store, specs(3))
    paid = night.accepted(night.claim(10, 2.0), 11)
    refused = night.accepted(night.claim(20, 2.0), 21)
    odd = night.accepted(night.claim(30, 2.0), 31)
    night.fetched(night.completed(paid, 60, 1.8), 61)
    night.failed(refused, 70)
    night.completed(odd, 80, None)
    night.end(100)
    money = told(store)["money"]
    assert [money["spent"][second] for second in (0, 59, 60, 99)] == [0, 0, 1.8, 1.8]
    assert [money["committed"][second] for second in (0, 10, 20, 30, 99)] == [0, 1.8, 1.8, 3.8, 3.8]
    assert (money["here"], money["unpriced"], money["budget"]) == (1.8, 1, None)


def test_the_latest_night_is_shown_and_others_can_be_chosen(store: Store) -> None:
    """Money goes on from night to night, as the budget counts it; what is not there is the latest."""
    first = Night(store, specs(1))
    first.video(0)
    first.end(100)
    second = Night(store, [make_spec("another"), make_spec("third")], start=EVENING + DAY)
    second.video(0, seconds=30)
    second.video(40, seconds=30)
    second.end(100)
    Night(store, start=EVENING + 2 * DAY).end(1)
    data = told(store)
    assert [night["start"] - EVENING for night in data["nights"]] == [DAY, 0]
    assert (data["night"]["key"], sum(data["flow"]["finished"])) == ("2", 2)
    assert (data["money"]["spent"][0], data["money"]["spent"][-1], data["money"]["here"]) == (1.5, 4.5, 3.0)
    early = told(store, night="1")
    assert (early["night"]["key"], sum(early["flow"]["finished"])) == ("1", 1)
    assert (early["money"]["spent"][-1], early["money"]["committed"][-1]) == (1.5, 1.5)
    assert early["flow"]["generating"][30] == 1
    assert told(store, night="no such")["night"]["key"] == "2"


def test_all_nights_leave_out_the_time_between_them(store: Store) -> None:
    """A generation that is fetched by the next run is one bar."""
    first = Night(store, specs(1))
    job = first.accepted(first.claim(0), 1)
    first.end(100)
    second = Night(store, start=EVENING + DAY)
    second.fetched(second.completed(job, 5), 6)
    second.end(50)
    data = told(store, night="all")
    assert [[start - EVENING, end - EVENING] for start, end in data["night"]["stretches"]] == [
        [0, 100],
        [DAY, DAY + 50],
    ]
    assert data["flow"]["generating"][49] == 1
    assert sum(data["flow"]["finished"]) == 1
    assert max(data["timeline"]["length"]) == round((DAY + 5 - 1) * 10)


def test_what_a_person_settles_between_runs_counts(store: Store) -> None:
    """The doubt given up by day is gone in the evening."""
    first = Night(store, specs(2))
    doubtful = first.lost(first.claim(0), 5)
    first.end(100)
    store.manual.give_up_job(doubtful, now=EVENING + 3000)
    second = Night(store, start=EVENING + 7200)
    second.video(0, seconds=20)
    second.end(100)
    flow = told(store)["flow"]
    assert max(flow["in_doubt"]) == 1
    assert flow["in_doubt"][-1] == 0


def test_a_run_that_died_ends_with_its_last_move(store: Store) -> None:
    """Not when the next one begins, nor now."""
    Night(store, specs(2)).video(0, seconds=60)
    second = Night(store, start=EVENING + 3 * 3600)
    second.video(0, seconds=10)
    second.end(20)
    assert told(store)["night"]["stretches"] == [
        [EVENING, EVENING + 62],
        [EVENING + 3 * 3600, EVENING + 3 * 3600 + 20],
    ]


def test_a_run_that_goes_on_reaches_to_now(store: Store) -> None:
    """Its process is this one, which lives."""
    night = Night(store, specs(1))
    night.accepted(night.claim(0), 1)
    data = told(store, at=500)
    assert data["night"]["live"] is True
    assert data["night"]["end"] == EVENING + 500
    assert data["flow"]["generating"][-1] == 1
    marks = data["timeline"]["marks"]
    assert [marks[mark] for mark in data["timeline"]["mark"]] == ["", "open"]


def test_of_many_jobs_some_are_drawn_and_all_are_counted(store: Store) -> None:
    """One in so many, and it is said in how many."""
    night = Night(store, specs(60))
    for number in range(60):
        night.video(number * 100)
    night.end(6100)
    assert told(store, most=240)["timeline"]["every"] == 1
    data = told(store, most=100)
    assert data["timeline"]["every"] == 5
    assert len(data["timeline"]["names"]) == 12
    assert sum(data["flow"]["finished"]) == 60
    assert sum(data["timeline"]["bars"]) == len(data["timeline"]["phase"]) == len(data["timeline"]["length"])


def test_names_come_as_they_are_and_bounded(store: Store) -> None:
    """What a page does with them is text."""
    night = Night(store, [make_spec(HOSTILE, stem="x")])
    night.video(0)
    night.end(100)
    (name,) = told(store)["timeline"]["names"]
    assert name.startswith("<script>alert(1)</script>")
    assert len(json.dumps(name)) <= 122


def test_looking_needs_no_right_to_write(store: Store) -> None:
    """A page may be open while a run goes on."""
    night = Night(store, specs(1))
    night.video(0)
    night.end(100)
    with Store(store.path, writing=False) as reading:
        assert told(reading) == told(store)


def spread_of(path: Path, times: list[tuple[str, float]]) -> Any:
    specs = [make_spec(f"job {number}", model=model) for number, (model, _) in enumerate(times)]
    with Store(path / "b.db") as store:
        night = Night(store, specs)
        for _, seconds in times:
            night.video(0, seconds=seconds)
        return measure_durations(store, EVENING, EVENING + 1e6, Counter(model for model, _ in times))


def test_without_videos_there_is_nothing(tmp_path: Path) -> None:
    """Not even an axis."""
    assert spread_of(tmp_path, []) == {"edges": [], "models": [], "others": 0}


def test_one_video_is_its_own_median(tmp_path: Path) -> None:
    """And falls into one interval."""
    (row,) = spread_of(tmp_path, [("m", 60.0)])["models"]
    assert (row["median"], row["p10"], row["p90"], row["videos"], sum(row["bins"])) == (60, 60, 60, 1, 1)


def test_the_quantiles_are_those_of_the_times(tmp_path: Path) -> None:
    """Of each model for itself, the one with the most videos first."""
    times = [("slow", 100.0 + n) for n in range(11)] + [("quick", 10.0 + n) for n in range(21)]
    quick, slow = spread_of(tmp_path, times)["models"]
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
    data = spread_of(tmp_path, [("m", 50.0 + n) for n in range(20)] + [("m", 90_000.0)])
    (row,) = data["models"]
    assert (row["beyond"], sum(row["bins"]), row["most"]) == (1, 20, 90_000)
    assert data["edges"][-1] < 300


def test_every_time_lies_between_the_edges_of_its_bin(tmp_path: Path) -> None:
    """The bins are narrow where all took the same time."""
    data = spread_of(tmp_path, [("m", 60.0)] * 3 + [("n", 61.0)])
    assert len(data["edges"]) == BINS + 1
    for row, seconds in zip(data["models"], (60.0, 61.0), strict=True):
        (filled,) = [number for number, count in enumerate(row["bins"]) if count]
        assert data["edges"][filled] <= seconds <= data["edges"][filled + 1] * 1.001


def test_the_models_are_bounded(tmp_path: Path) -> None:
    """How many are left out is said; a name of any length is cut."""
    data = spread_of(tmp_path, [("x" * 300 + str(number), 60.0) for number in range(MOST_MODELS + 3)])
    assert (len(data["models"]), data["others"]) == (MOST_MODELS, 3)
    assert all(len(row["model"]) <= 120 for row in data["models"])


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_a_clock_set_back_measures_nothing(tmp_path: Path, seconds: float) -> None:
    """Such a time has no logarithm either."""
    with Store(tmp_path / "b.db") as store:
        night = Night(store, [make_spec("a")])
        job = night.accepted(night.claim(10), 10)
        night.completed(job, 10 + seconds)
        assert measure_durations(store, EVENING, EVENING + 100, {job.model: 1})["models"] == []
