"""What every part of a run works with."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from batchveo.core.clock import Clock
from batchveo.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Run number ``run`` over an open, locked ``store``; ``jitter`` gives a random number in [0, 1)."""

    store: Store
    clock: Clock
    run: int
    jitter: Callable[[], float] = random.random

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.clock.now()
