"""Runs nights by seed; also as a program: ``python -m tests.simulation.night SEEDS [FIRST] [OPTIONS]``.

Options: ``--random`` leaves out the directed nights, ``--people`` lets people act in all others, ``--all`` lists all
situations that none has visited.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
import traceback
from functools import partial
from itertools import product
from pathlib import Path
from unittest import mock

import trio
from trio.testing import MockClock

from tests.simulation.coverage_table import draw_table
from tests.simulation.directed_nights import visit_group
from tests.simulation.invariants import hold_always, hold_in_the_end
from tests.simulation.observer import Observer
from tests.simulation.situations import GROUPS, POSSIBLE, WORKERS, Situation, select_group
from tests.simulation.world import Plan, add_people, live, make_observer, plan_of

FAST = Path("/dev/shm")
MOST_LISTED = 40
"""Situations never visited that are listed without ``--all``."""


def live_through(seed: int) -> Observer:
    """Live the night of ``seed``; raises ``AssertionError`` if an invariant breaks."""
    return live_plan(plan_of(seed))


def live_plan(plan: Plan) -> Observer:
    """Live the night of ``plan``; returns what has seen it."""
    observer = make_observer(plan)
    folder = Path(tempfile.mkdtemp(prefix="night-", dir=FAST if FAST.is_dir() else None))

    async def whole() -> None:
        night = await live(plan, folder, observer, after_run=lambda night: hold_always(plan, night))
        hold_in_the_end(plan, night)
        night.end_looks()

    random.seed(plan.seed)
    try:
        with (
            mock.patch.object(trio._core._run, "_r", random.Random(plan.seed)),
            mock.patch.object(trio._core._run, "_ALLOW_DETERMINISTIC_SCHEDULING", True),
        ):
            trio.run(whole, clock=MockClock(autojump_threshold=0))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return observer


def main(arguments: list[str]) -> int:
    """Live through many nights; say how it went, and which situations they visited.

    Without ``--random`` the directed nights come first, which visit all situations.
    """
    numbers = [int(each) for each in arguments if each.isdigit()]
    count, first = (*numbers, *(1000, 0)[len(numbers) :])[:2]
    begun, visited, broken = time.perf_counter(), set[Situation](), list[str]()
    if "--random" not in arguments:
        for part in product(GROUPS, WORKERS):
            visited |= select_group(*part) - visit_group(*part, partial(_survive, broken)).left
    options = " ".join(each for each in ("--random", "--people") if each == "--random" or each in arguments)
    for seed in range(first, first + count):
        plan = add_people(plan_of(seed)) if "--people" in arguments else plan_of(seed)
        visited |= _survive(broken, plan, f"replay: python -m tests.simulation.night 1 {seed} {options}").visited
    seconds = time.perf_counter() - begun
    print("\n".join(draw_table(visited, listed=len(POSSIBLE) if "--all" in arguments else MOST_LISTED)))
    print(f"{count} random nights, {seconds:.0f} s in all, {len(broken)} broken")
    print("\n".join(broken))
    return 1 if broken else 0


def _survive(broken: list[str], plan: Plan, replay: str = "a directed night") -> Observer:
    """Live through a night; a broken one is added to ``broken``, and has visited nothing."""
    try:
        return live_plan(plan)
    except Exception:
        print(f"--- {plan}")
        traceback.print_exc(limit=-3, file=sys.stdout)
        broken.append(replay)
        return make_observer(plan)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
