"""The outcomes of a step."""

from __future__ import annotations

import inspect
from dataclasses import is_dataclass
from typing import get_args

from batchveo.core import outcomes
from batchveo.core.outcomes import Blocked, FetchOutcome, LogOutcome, Outcome, PollOutcome, SubmitOutcome


def test_every_outcome_belongs_to_a_step() -> None:
    """To exactly one, except for what blocks all requests."""
    classes = {kind for _, kind in inspect.getmembers(outcomes, inspect.isclass) if is_dataclass(kind)}
    assert set(get_args(Outcome)) == classes
    steps = [get_args(step) for step in (SubmitOutcome, PollOutcome, FetchOutcome, LogOutcome)]
    counted = {kind: sum(kind in step for step in steps) for kind in classes}
    assert counted.pop(Blocked) == 3
    assert set(counted.values()) == {1}
