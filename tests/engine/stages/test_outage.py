"""A service that no poll reaches."""

from __future__ import annotations

from batchveo.core.outcomes import PollError, StillGenerating
from batchveo.engine.stages.failures import POLLS_SAID, Outage

AWAY = PollError(reason="cannot reach https://x (Connection refused)", unreachable=True)


def test_it_is_said_once_for_all_generations_and_once_at_its_end() -> None:
    """However many there are."""
    outage = Outage()
    said = [outage.follow_outcome(AWAY) for _ in range(40)]
    assert [text for text in said if text] == ["cannot reach https://x (Connection refused): polls go on trying"]
    assert said[POLLS_SAID - 1] is not None
    assert outage.follow_outcome(StillGenerating(word="queued")) == "polls reach the service again, after 40 in vain"
    assert outage.follow_outcome(StillGenerating(word="queued")) is None


def test_a_hiccup_is_not_worth_a_word() -> None:
    """Neither its beginning nor its end."""
    outage = Outage()
    for _ in range(3):
        assert outage.follow_outcome(AWAY) is None
        assert outage.follow_outcome(PollError(reason="HTTP 503")) is None
