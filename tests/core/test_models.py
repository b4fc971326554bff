"""The states of a job, and the sets of them."""

from __future__ import annotations

import pytest

from batchveo.core.models import JobState, find_prompt
from batchveo.core.state_machine import MOVES

S = JobState
SETS = {
    "is_terminal": {S.SUCCEEDED, S.FAILED, S.CANCELLED},
    "is_complete": {S.SUCCEEDED, S.CANCELLED},
    "is_unsettled": {S.SUBMITTING, S.IN_DOUBT, S.GENERATING, S.DOWNLOADING},
    "is_in_flight": {S.SUBMITTING, S.GENERATING, S.DOWNLOADING},
    "is_accepted": {S.GENERATING, S.DOWNLOADING},
    "awaits_generation": {S.PENDING, S.SUBMITTING, S.IN_DOUBT, S.GENERATING},
}


@pytest.mark.parametrize("name", SETS)
def test_sets_of_states(name: str) -> None:
    """Each property holds for exactly these states."""
    assert {state for state in S if getattr(state, name)} == SETS[name]


def test_a_job_that_costs_money_cannot_be_withdrawn() -> None:
    """From an unsettled state no move leads to cancelled: what may be charged is followed to its end."""
    assert all(S.CANCELLED not in MOVES[state] for state in S if state.is_unsettled)


def test_the_prompt_of_several_shots() -> None:
    """It is the caption of a clip whose model takes no single prompt."""
    assert find_prompt({"prompt": "A cat", "multi_prompt": [{"prompt": "A dog"}]}) == "A cat"
    shots = [{"prompt": "A cat wakes", "duration": 3}, {"duration": 2}, {"prompt": "It leaves"}]
    assert find_prompt({"multi_prompt": shots, "image_urls": ["https://a.example/1.png"]}) == "A cat wakes\nIt leaves"
    assert find_prompt({"model": "m"}) == ""
