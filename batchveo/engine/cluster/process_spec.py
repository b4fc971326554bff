"""What the processes of a run are told when they begin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from batchveo.engine.spec import RunSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """For the coordinator: a run over ``state``, to be done by ``workers`` workers, who are told ``brief`` each.

    ``hold``: how long (seconds) a call that waits for something is kept.
    """

    state: Path
    spec: RunSpec
    brief: RunSpec
    workers: int
    hold: float
