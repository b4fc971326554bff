"""The events of a run."""

from __future__ import annotations

import inspect
from dataclasses import is_dataclass
from typing import get_args

import pytest

from batchveo.core import events
from batchveo.core.events import Event, ThrottleChanged, ThrottleReason


def test_every_event_is_known_to_reporters() -> None:
    """Itself, or as a kind of another one."""
    classes = [kind for _, kind in inspect.getmembers(events, inspect.isclass) if is_dataclass(kind)]
    own = [kind for kind in classes if kind.__module__ == events.__name__]
    assert own
    assert all(issubclass(kind, get_args(Event)) for kind in own)


def test_every_reason_has_a_sentence() -> None:
    """A different one for each."""
    assert len({reason.sentence for reason in ThrottleReason}) == len(ThrottleReason)


@pytest.mark.parametrize(("was", "limit", "full"), [(9, 10, True), (10, 10, False), (8, 9, False), (10, 7, False)])
def test_the_limit_is_full_again_once(was: int, limit: int, full: bool) -> None:
    """At the step that reaches the user's own."""
    changed = ThrottleChanged(brake=ThrottleReason.NOTHING, limit=limit, was=was, ceiling=10)
    assert changed.full_again is full
