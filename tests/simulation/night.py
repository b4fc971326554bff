"""Runs nights by seed; also as a program: ``python -m tests.simulation.night SEEDS [FIRST]``."""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from unittest import mock

import trio
from trio.testing import MockClock

from tests.simulation.invariants import hold_always, hold_in_the_end
from tests.simulation.world import live, plan_of

FAST = Path("/dev/shm")


def live_through(seed: int) -> None:
    """Live the night of ``seed``; raises ``AssertionError`` where an invariant breaks."""
    plan = plan_of(seed)
    folder = Path(tempfile.mkdtemp(prefix="night-", dir=FAST if FAST.is_dir() else None))

    async def whole() -> None:
        night = await live(plan, folder, after_run=lambda night: hold_always(plan, night))
        hold_in_the_end(plan, night)

    random.seed(seed)
    try:
        with (
            mock.patch.object(trio._core._run, "_r", random.Random(seed)),
            mock.patch.object(trio._core._run, "_ALLOW_DETERMINISTIC_SCHEDULING", True),
        ):
            trio.run(whole, clock=MockClock(autojump_threshold=0))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Live through many nights and say how it went."""
    count = int(arguments[0]) if arguments else 1000
    first = int(arguments[1]) if len(arguments) > 1 else 0
    begun = time.perf_counter()
    broken = [seed for seed in range(first, first + count) if not _survived(seed)]
    seconds = time.perf_counter() - begun
    print(f"{count} nights in {seconds:.0f} s, {count / seconds:.1f} nights/s, {len(broken)} broken")
    for seed in broken:
        print(f"replay: python -m tests.simulation.night 1 {seed}")
    return 1 if broken else 0


def _survived(seed: int) -> bool:
    try:
        live_through(seed)
    except Exception:
        print(f"--- seed {seed}: {plan_of(seed)}")
        traceback.print_exc(limit=-3, file=sys.stdout)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
