"""How a run ended: a record that imports no part of the run, since every display needs it."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from batchveo.core.destination import Destination
from batchveo.core.errors import StoppedEarly
from batchveo.store import Counts
from batchveo.store.waiting_jobs import BlockedCount


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How run number ``run`` ended.

    ``counts``: of the jobs that the run took on. ``exit_status``: of the command. ``late``: jobs left to the next run.
    ``rejected``: clips of the run that fail their gates, and have no other take that does not. ``put_aside``: how many
    unfinished jobs were skipped, by the service's reason. ``output``: the destination. ``idle``: nothing happened
    to any job. ``blocked``: jobs that wait for videos of others which nobody makes any more.
    """

    run: int
    counts: Counts
    exit_status: int
    stopped: StoppedEarly | None = None
    interrupted: signal.Signals | None = None
    late: int = 0
    rejected: int = 0
    put_aside: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    output: Destination | None = None
    idle: bool = False
    blocked: Sequence[BlockedCount] = ()
