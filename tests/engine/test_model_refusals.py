"""When refusals are about a model, and when it is tried again."""

from __future__ import annotations

from itertools import count

from batchveo.engine.model_refusals import LOOK_AGAIN_CAP_SECONDS, LOOK_AGAIN_SECONDS, PROBES, Refusals

M = "google/veo3"
NUMBERS = count()


def refused(refusals: Refusals, times: int, *, now: float = 0.0) -> None:
    for _ in range(times):
        refusals.add_refusal(M, "no", job=next(NUMBERS), now=now)


def test_nothing_leaves_while_a_refusal_is_looked_into() -> None:
    """And what is not about the model changes nothing."""
    refusals = Refusals()
    refusals.pause_model(M)
    assert refusals.list_models() == (M,)
    refusals.resume_model(M)
    assert refusals.list_models() == ()


def test_three_in_a_row_are_the_model() -> None:
    """One accepted in between shows that it is not."""
    refusals = Refusals()
    refused(refusals, 2)
    assert not refusals.end_refusal(M, job=next(NUMBERS), now=0.0)
    refused(refusals, 2)
    assert not refusals.is_refused(M)
    refused(refusals, 1)
    assert refusals.is_refused(M)
    assert refusals.list_models() == (M,)
    assert refusals.find_reason(M) == "no"


def test_a_word_about_the_model_is_enough() -> None:
    """404 is documented for a withdrawn one."""
    refusals = Refusals()
    assert refusals.add_refusal(M, "gone", job=1, now=0.0, whole=True).whole


def test_a_refused_model_is_tried_again_seldom() -> None:
    """One job of it; refused at once again, accepted for good."""
    refusals = Refusals()
    refused(refusals, 3)
    assert refusals.list_due(LOOK_AGAIN_SECONDS - 1) == []
    wait = LOOK_AGAIN_CAP_SECONDS
    assert refusals.list_due(wait) == [M]
    refusals.begin_trial(M)
    assert refusals.list_models() == ()
    assert refusals.list_due(1e9) == []
    refused(refusals, 1, now=wait)
    assert refusals.is_refused(M)
    assert refusals.list_due(wait + LOOK_AGAIN_CAP_SECONDS) == [M]
    refusals.begin_trial(M)
    assert refusals.end_refusal(M, job=next(NUMBERS), now=0.0)
    assert refusals.list_models() == ()


def test_a_job_that_was_refused_before_shows_nothing_new() -> None:
    """Others of its model were accepted since: it alone is meant, however often."""
    refusals = Refusals()
    for job in (1, 2, 3):
        refusals.add_refusal(M, "moderated", job=job, now=0.0)
    assert refusals.end_refusal(M, job=4, now=0.0)
    assert refusals.list_refused_jobs(M) == [1, 2, 3]
    for job in (1, 2, 3):
        refusals.add_refusal(M, "moderated", job=job, now=0.0)
    assert not refusals.is_refused(M)


def test_before_a_model_is_given_up_others_of_it_are_tried() -> None:
    """So often, and not where the service says so itself."""
    refusals = Refusals()
    refused(refusals, 2)
    assert not refusals.take_probe(M)
    refused(refusals, 1)
    for _ in range(PROBES):
        assert refusals.take_probe(M)
        assert not refusals.is_refused(M)
        refused(refusals, 1)
    assert not refusals.take_probe(M)
    assert refusals.is_refused(M)
    refusals.add_refusal("gone", "gone", job=1, now=0.0, whole=True)
    assert not refusals.take_probe("gone")
