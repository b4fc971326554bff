"""What is known of generation times."""

from __future__ import annotations

import random
from collections.abc import Iterator
from math import exp, isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.durations import SHARPEST, WIDEST, Belief, Durations, Expectation, fit_percentiles, update_belief


def takes(median: float, sigma: float = 0.3, seed: int = 0) -> Iterator[float]:
    """Endless log-normal seconds."""
    rng = random.Random(seed)
    while True:
        yield median * exp(sigma * rng.gauss(0, 1))


def taught(durations: Durations, median: float, number: int, *, gap: float = 2.0) -> Expectation:
    """What is expected after ``number`` generations were seen through polls ``gap`` seconds apart."""
    for _, seconds in zip(range(number), takes(median), strict=False):
        durations.learn("m", after=seconds // gap * gap, by=(seconds // gap + 1) * gap)
    expected = durations.find_expected("m")
    assert expected is not None
    return expected


def test_nothing_is_expected_of_a_model_never_seen() -> None:
    assert Durations().find_expected("m") is None


def test_the_first_is_taken_as_typical_with_a_wide_spread() -> None:
    """One generation says little of the next."""
    durations = Durations()
    durations.learn("m", after=80, by=100)
    expected = durations.find_expected("m")
    assert expected is not None
    assert expected.median == pytest.approx(90)
    assert expected.sigma > 0.5


def test_a_night_teaches_median_and_spread() -> None:
    expected = taught(Durations(), 90, 200)
    assert expected.median == pytest.approx(90, rel=0.15)
    assert expected.sigma == pytest.approx(0.3, rel=0.3)


@pytest.mark.parametrize("guess", [0.3, 30, 270, 36000])
def test_a_wrong_guess_is_unlearned(guess: float) -> None:
    """Whatever the provider's percentiles measure, it is what finishes here that counts."""
    durations = Durations()
    durations.set_guess("m", Expectation(median=guess, sigma=0.3))
    assert taught(durations, 90, 60).median == pytest.approx(90, rel=0.25)


def test_a_service_three_times_slower_is_followed() -> None:
    durations = Durations()
    taught(durations, 90, 100)
    assert taught(durations, 270, 40).median == pytest.approx(270, rel=0.3)


def test_one_stray_changes_little() -> None:
    durations = Durations()
    before = taught(durations, 90, 100)
    durations.learn("m", after=3590, by=3600)
    after = durations.find_expected("m")
    assert after is not None
    assert after.median < 1.2 * before.median


def test_wide_gaps_between_polls_do_not_bias_what_is_learned() -> None:
    """A notice up to a minute after the end tells an interval, and not a time."""
    durations = Durations()
    durations.set_guess("m", Expectation(median=90, sigma=0.3))
    assert taught(durations, 90, 100, gap=60).median == pytest.approx(90, rel=0.15)


def test_a_first_poll_that_finds_it_finished_teaches_the_ignorant_nothing() -> None:
    """It may have been finished for hours."""
    durations = Durations()
    durations.learn("m", after=0, by=5000)
    assert durations.find_expected("m") is None
    durations.set_guess("m", Expectation(median=90, sigma=0.3))
    for _ in range(50):
        durations.learn("m", after=0, by=5000)
    expected = durations.find_expected("m")
    assert expected is not None
    assert expected.median == pytest.approx(90, rel=0.05)


def test_models_are_learned_apart() -> None:
    durations = Durations()
    durations.learn("slow", after=200, by=210)
    assert durations.find_expected("fast") is None


@given(
    st.none() | st.builds(Belief, mean=st.floats(-3, 12), variance=st.floats(0, 4), weight=st.floats(1, 30)),
    st.floats(),
    st.floats(),
)
def test_any_notice_leaves_a_usable_expectation(belief: Belief | None, after: float, by: float) -> None:
    """Clocks that jump and numbers out of a foreign state included."""
    after_it = update_belief(belief, after=after, by=by)
    if after_it is not None:
        assert isfinite(after_it.mean)
        assert SHARPEST <= after_it.expectation.sigma <= WIDEST
        assert after_it.expectation.median > 0


def test_percentiles_of_a_log_normal_are_recognised() -> None:
    """Those of a median of 90 s and a sigma of 0.3."""
    expected = fit_percentiles(90.0, 110.2, 132.2, 180.9)
    assert expected is not None
    assert expected.median == 90.0
    assert expected.sigma == pytest.approx(0.3, rel=0.01)


@pytest.mark.parametrize(
    "percentiles",
    [(0, 1, 2, 3), (-1, 1, 2, 3), (3, 2, 1, 0.5), (1, 2, 3, float("inf")), (float("nan"), 1, 2, 3)],
)
def test_what_cannot_be_percentiles_is_none(percentiles: tuple[float, float, float, float]) -> None:
    assert fit_percentiles(*percentiles) is None


def test_earlier_generations_are_recalled_oldest_first() -> None:
    """The latest count most: a service that has become slower is believed to be slower."""
    slower, quicker = Durations(), Durations()
    slower.learn_all("m", [200.0] * 5 + [50.0] * 5)
    quicker.learn_all("m", [50.0] * 5 + [200.0] * 5)
    after, before = slower.find_expected("m"), quicker.find_expected("m")
    assert after is not None
    assert before is not None
    assert after.median > before.median
