"""Failed polls: which answer is a last word, how soon the next poll is, and when the service is out of reach."""

from __future__ import annotations

import pytest

from batchveo.core.models import JobState
from batchveo.core.notices import OutageBegan, OutageEnded
from batchveo.core.outcomes import PollError, StillGenerating
from batchveo.engine.stages.failures import SELDOM_CAP_SECONDS, UNREACHED_TO_WARN, FailureStreaks, Outage
from tests.helpers.factories import make_job

JOB = make_job(JobState.GENERATING)
OTHER = make_job(JobState.GENERATING, seq=2, id="other")
FINAL = PollError(reason="HTTP 403: moderated", final=True)
PASSING = PollError(reason="HTTP 500")


def until_last_word(streaks: FailureStreaks, trouble: PollError, *, others_answer: bool, most: float = 7200.0) -> float:
    """Seconds of polls with this answer until it is a last word; infinity if it never is."""
    now = 0.0
    while now < most:
        if others_answer:
            streaks.end_streak(OTHER, now)
        streak = streaks.add_failure(JOB, trouble, now)
        if streaks.is_last_word(JOB, trouble, streak, now):
            return now
        now += streaks.find_gap(streak)
    return float("inf")


@pytest.mark.parametrize("others_answer", [False, True])
@pytest.mark.parametrize("jitter", [0.0, 0.99])
def test_a_final_answer_is_a_last_word_within_a_minute(jitter: float, others_answer: bool) -> None:
    """It is about this generation alone."""
    assert 30 <= until_last_word(FailureStreaks(lambda: jitter), FINAL, others_answer=others_answer) < 60


def test_a_trouble_of_the_service_is_one_only_if_others_are_answered() -> None:
    """While all polls fail, none of them says anything of its generation; one slot finds out."""
    streaks = FailureStreaks(lambda: 0.5)
    assert until_last_word(streaks, PASSING, others_answer=False) >= 600
    streak = streaks.add_failure(OTHER, PASSING, 0.0)
    streak.same = 100
    assert not streaks.is_last_word(OTHER, PASSING, streak, 700.0)
    assert streaks.is_last_word(OTHER, PASSING, streak, 1300.0)
    assert 600 <= until_last_word(FailureStreaks(lambda: 0.5), PASSING, others_answer=True) < 900


def test_a_429_is_never_a_last_word() -> None:
    """It is about the pace."""
    slow = PollError(reason="HTTP 429", throttled=True)
    assert until_last_word(FailureStreaks(lambda: 0.5), slow, others_answer=True) == float("inf")


def test_other_words_begin_anew() -> None:
    """Only the same answer again and again is the last."""
    streaks = FailureStreaks(lambda: 0.0)
    for number in range(20):
        trouble = PollError(reason=f"HTTP 403: {number}", final=True)
        assert not streaks.is_last_word(JOB, trouble, streaks.add_failure(JOB, trouble, number * 20.0), number * 20.0)


def test_what_an_earlier_run_has_put_aside_is_known_at_once() -> None:
    """With all that the log has added to the words."""
    job = make_job(JobState.GENERATING, error="HTTP 403: moderated; the service charged $1.00")
    streaks = FailureStreaks(lambda: 0.0)
    assert streaks.is_last_word(job, FINAL, streaks.add_failure(job, FINAL, 0.0), 0.0)


def test_what_is_put_aside_is_asked_for_seldom() -> None:
    """After a minute at first, however many polls came before, every ten minutes in the end; an answer ends that."""
    streaks = FailureStreaks(lambda: 0.0)
    for number in range(20):
        streak = streaks.add_failure(JOB, FINAL, number * 2.0)
    streaks.put_aside(streak)
    gaps = [streaks.find_gap(streak)]
    gaps += [streaks.find_gap(streaks.add_failure(JOB, FINAL, 100.0 + number)) for number in range(12)]
    assert gaps[:4] == [60.0, 120.0, 240.0, 480.0]
    assert gaps[-1] == SELDOM_CAP_SECONDS
    assert streaks.end_streak(JOB, 2000.0)
    assert not streaks.end_streak(JOB, 2000.0)


AWAY = PollError(reason="cannot reach https://x (Connection refused)", unreachable=True)


def test_it_is_said_once_for_all_generations_and_once_at_its_end() -> None:
    """However many there are."""
    outage = Outage()
    said = [outage.follow_outcome(AWAY) for _ in range(40)]
    assert [notice for notice in said if notice] == [OutageBegan(reason=AWAY.reason)]
    assert said[UNREACHED_TO_WARN - 1] is not None
    assert outage.follow_outcome(StillGenerating(word="queued")) == OutageEnded(polls=40)
    assert outage.follow_outcome(StillGenerating(word="queued")) is None


def test_a_hiccup_is_not_worth_a_word() -> None:
    """Neither its beginning nor its end."""
    outage = Outage()
    for _ in range(3):
        assert outage.follow_outcome(AWAY) is None
        assert outage.follow_outcome(PollError(reason="HTTP 503")) is None
