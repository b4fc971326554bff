"""Win rates: known answers, and a simulation of people with known tastes."""

from __future__ import annotations

import random

import pytest

from batchveo.core.preferences import Duel, estimate_win_rates, find_rates, fit_strengths, list_preferred
from batchveo.core.votes import Vote, VoteKind
from tests.helpers.samples import sample_cases

K = VoteKind


def vote(kind: VoteKind, job: int, person: str = "ann", **changes: object) -> Vote:
    return Vote(person=person, kind=kind, job=job, **changes)  # type: ignore[arg-type]


def test_two_options_win_as_often_as_they_were_preferred() -> None:
    """Without the prior the rate is the plain share; with it a share that is a little nearer to a half."""
    wins = {("a", "b"): 8.0, ("b", "a"): 2.0}
    assert find_rates(fit_strengths(wins, prior=0.0)) == pytest.approx({"a": 0.8, "b": 0.2}, abs=1e-4)
    shrunk = find_rates(fit_strengths(wins))
    assert 0.78 < shrunk["a"] < 0.8
    assert shrunk["a"] + shrunk["b"] == pytest.approx(1.0)


def test_three_options_have_the_strengths_that_made_the_wins() -> None:
    """Wins in exact proportion to the strengths 1 : 2 : 4."""
    true = {"a": 1.0, "b": 2.0, "c": 4.0}
    wins = {(x, y): 300 * true[x] / (true[x] + true[y]) for x in true for y in true if x != y}
    found = fit_strengths(wins, prior=0.0)
    assert found["b"] / found["a"] == pytest.approx(2.0, rel=1e-3)
    assert found["c"] / found["a"] == pytest.approx(4.0, rel=1e-3)
    assert find_rates(found)["c"] == pytest.approx((4 / 5 + 4 / 6) / 2, abs=1e-3)


def test_who_never_lost_has_a_finite_strength_and_who_never_met_is_ordered() -> None:
    strengths = fit_strengths({("a", "b"): 5.0, ("c", "d"): 1.0})
    assert 1.0 < strengths["c"] < strengths["a"] < 1000.0
    assert strengths["b"] < strengths["d"] < 1.0


@pytest.mark.parametrize("panels", sample_cases([20, 100], size=1))
def test_intervals_hold_the_truth_nearly_always_though_votes_on_a_prompt_hang_together(panels: int) -> None:
    """Of the simulated panels about 95 % hold it; if each vote counted alone, far fewer would."""
    chance, truth, held, narrow = random.Random(4), 0.7, 0, 0
    for _ in range(panels):
        duels, alone = [], []
        for prompt in range(40):
            taste = chance.random() < truth  # all ten people see what this prompt came out as
            for voter in range(10):
                pair = ("a", "b") if taste != (chance.random() < 0.05) else ("b", "a")
                duels.append(Duel(str(prompt), *pair))
                alone.append(Duel(f"{prompt} {voter}", *pair))
        expected = truth * 0.95 + (1 - truth) * 0.05
        rate = estimate_win_rates(duels, resamples=40)["a"]
        single = estimate_win_rates(alone, resamples=40)["a"]
        held += rate.low <= expected <= rate.high  # type: ignore[operator]
        narrow += single.low <= expected <= single.high  # type: ignore[operator]
    assert held >= 0.85 * panels
    assert narrow < 0.75 * panels


def test_the_answer_is_the_same_for_the_same_duels_in_any_order() -> None:
    duels = [Duel(str(n % 7), *(("a", "b") if n % 3 else ("b", "c"))) for n in range(40)]
    turned = list(reversed(duels))
    assert estimate_win_rates(duels) == estimate_win_rates(turned)


def test_few_duels_are_called_few_and_one_prompt_has_no_interval() -> None:
    one = estimate_win_rates([Duel("p", "a", "b")])
    assert (one["a"].low, one["a"].duels, one["a"].is_enough) == (None, 1, False)
    many = estimate_win_rates([Duel(str(n % 5), "a", "b") for n in range(10)])
    assert many["a"].is_enough
    assert estimate_win_rates([]) == {}


def test_a_person_prefers_what_was_called_better_and_what_was_picked_beside_others() -> None:
    """The later comparison of the same two counts; ties and clips that were also picked are left out."""
    votes = [
        vote(K.BETTER, 1, other=2),
        vote(K.BETTER, 2, other=1),
        vote(K.BETTER, 1, "bob", other=2),
        vote(K.BOTH_BAD, 3, other=4),
        vote(K.PICK, 5, shown=(5, 6, 7)),
        vote(K.PICK, 7, shown=(5, 6, 7)),
        vote(K.REJECT, 6, shown=(5, 6, 7)),
        vote(K.RATE, 6, rating=5, shown=(5, 6, 7)),
    ]
    assert list_preferred(votes) == [(1, 2), (2, 1), (5, 6), (7, 6)]


def test_a_pick_that_was_changed_prefers_nothing() -> None:
    """And both bad, said later, takes a comparison back."""
    assert list_preferred([vote(K.PICK, 1, shown=(1, 2)), vote(K.REJECT, 1, shown=(1, 2))]) == []
    assert list_preferred([vote(K.BETTER, 1, other=2), vote(K.BOTH_BAD, 1, other=2)]) == []
