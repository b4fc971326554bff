"""Three hundred nights with several faults at once, each decided by its seed; twenty of them in ``make test``.

``test_situations.py`` visits each situation; these nights mix them, and in a quarter of them people act.

Replay one with ``python -m tests.simulation.night 1 SEED``.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.helpers.samples import sample_cases
from tests.simulation.night import live_plan, live_through
from tests.simulation.world import plan_of

pytestmark = pytest.mark.slow
NIGHTS = 300
AT_ONCE = 20


@pytest.mark.parametrize("first", sample_cases(range(0, NIGHTS, AT_ONCE), size=1))
def test_nights(first: int) -> None:
    """Every invariant holds after every run of each."""
    for seed in range(first, first + AT_ONCE):
        try:
            live_through(seed)
        except Exception as error:
            error.add_note(f"seed {seed}: {plan_of(seed)}")
            raise


@pytest.mark.parametrize("seed", sample_cases(range(NIGHTS, NIGHTS + 8), size=2))
def test_nights_with_videos_in_folders(seed: int) -> None:
    """The template is another one in the last runs, and the database may be lost after them."""
    live_plan(replace(plan_of(seed), in_folders=True))


def test_a_seed_decides_everything() -> None:
    """The same seed plans the same night, another one another."""
    assert plan_of(7) == plan_of(7)
    assert len({str(plan_of(seed)) for seed in range(50)}) == 50
