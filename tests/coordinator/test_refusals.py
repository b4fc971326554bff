"""When refusals are about a model, and when it is tried again."""

from __future__ import annotations

from batchveo.coordinator.refusals import LOOK_AGAIN_CAP_SECONDS, LOOK_AGAIN_SECONDS, Refusals

M = "google/veo3"


def refused(refusals: Refusals, times: int, *, now: float = 0.0) -> None:
    for _ in range(times):
        refusals.add(M, "no", now=now)


def test_nothing_leaves_while_a_refusal_is_looked_into() -> None:
    """And what is not about the model changes nothing."""
    refusals = Refusals()
    refusals.ask(M)
    assert refusals.models() == (M,)
    refusals.drop(M)
    assert refusals.models() == ()


def test_three_in_a_row_are_the_model() -> None:
    """One accepted in between shows that it is not."""
    refusals = Refusals()
    refused(refusals, 2)
    assert not refusals.end(M)
    refused(refusals, 2)
    assert not refusals.refuses(M)
    refused(refusals, 1)
    assert refusals.refuses(M)
    assert refusals.models() == (M,)
    assert refusals.words_about(M) == "no"


def test_a_word_about_the_model_is_enough() -> None:
    """404 is documented for a withdrawn one."""
    refusals = Refusals()
    assert refusals.add(M, "gone", now=0.0, whole=True).whole


def test_a_refused_model_is_tried_again_seldom() -> None:
    """One job of it; refused at once again, accepted for good."""
    refusals = Refusals()
    refused(refusals, 3)
    assert refusals.due(LOOK_AGAIN_SECONDS - 1) == []
    wait = LOOK_AGAIN_CAP_SECONDS
    assert refusals.due(wait) == [M]
    refusals.try_one(M)
    assert refusals.models() == ()
    assert refusals.due(1e9) == []
    refused(refusals, 1, now=wait)
    assert refusals.refuses(M)
    assert refusals.due(wait + LOOK_AGAIN_CAP_SECONDS) == [M]
    refusals.try_one(M)
    assert refusals.end(M)
    assert refusals.models() == ()
