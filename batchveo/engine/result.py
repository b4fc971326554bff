"""How a run ended."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field

from batchveo.core.destination import Destination
from batchveo.core.errors import StoppedEarly
from batchveo.store import Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run ended. ``counts`` are those of the jobs it took on; ``exit_status`` is the command's.

    ``put_aside``: how many unfinished jobs it left to the next run, by the service's words about them.
    ``output``: where the videos went.
    """

    run: int
    counts: Counts
    exit_status: int
    stopped: StoppedEarly | None = None
    interrupted: signal.Signals | None = None
    late: int = 0
    put_aside: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    output: Destination | None = None
