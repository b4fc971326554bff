"""Every situation of a run is visited: each fault in each state of a job, each death, each kind of worker."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from batchveo.sandbox import FAULTS as OF_THE_SANDBOX
from batchveo.sandbox.settings import VIDEO
from tests.simulation.directed_nights import direct_night, visit_group
from tests.simulation.night import live_plan
from tests.simulation.situations import (
    BY_CHANCE,
    FAULTS,
    GROUPS,
    HEAVY,
    LOCAL,
    POSSIBLE,
    WORKERS,
    select_group,
)

PARTS = [(group, worker) for group in GROUPS for worker in WORKERS if select_group(group, worker)]
OTHERS = {*WORKERS} - {LOCAL}
"""The workers of a cluster, alive or given up: their nights take three quarters of the time."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("group", "worker"),
    [pytest.param(*part, marks=pytest.mark.exhaustive if part[1] in OTHERS else ()) for part in PARTS],
)
def test_every_situation(group: str, worker: str) -> None:
    """All invariants hold after each run of nights that visit all of them."""
    visit = visit_group(group, worker, live_plan)
    assert not visit.surprises, "called impossible:\n" + "\n".join(sorted(map(str, visit.surprises)))
    assert not visit.left, "never visited:\n" + "\n".join(sorted(map(str, visit.left)))


def test_the_parts_have_each_situation_once() -> None:
    """So the test above visits all of them."""
    parts = [select_group(group, worker) for group, worker in PARTS]
    assert frozenset().union(*parts) == POSSIBLE - BY_CHANCE
    assert not any(one & other for one, other in combinations(parts, 2))


def test_the_docs_say_how_many_there_are() -> None:
    """And how many of them only a moment decides."""
    page = (Path(__file__).parents[2] / "docs/explanation/evidence.md").read_text(encoding="utf-8")
    assert len(BY_CHANCE) == 2
    assert f"all but two of {len(POSSIBLE):,} situations" in page


def test_every_fault_of_the_sandbox_is_among_them() -> None:
    """But those of videos that are whole all the same, into which no run looks, and those that take minutes."""
    assert set(OF_THE_SANDBOX) - set(FAULTS) == {*VIDEO, *HEAVY}


def test_a_seed_decides_a_directed_night() -> None:
    """The same seed plans the same night, another one another."""
    left = select_group("polls", "remote")
    assert direct_night("polls", "remote", 7, left) == direct_night("polls", "remote", 7, left)
    assert len({str(direct_night("polls", "remote", seed, left)) for seed in range(20)}) == 20
