"""What the processes of a run are told when they begin.

These records hold API keys. They travel as arguments of calls and as answers, which an engine forgets; never to a
constructor, whose arguments it keeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from batchveo.durations import Durations
from batchveo.pricing import PriceList
from batchveo.services import Service
from batchveo.settings import RunSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """For a worker: which service, how to go about it, how long generations take."""

    service: Service
    settings: RunSettings
    durations: Durations


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """For the coordinator: run number ``run`` over ``state``, which began at ``begun`` (seconds, UTC).

    ``hold``: how long (seconds) a call that waits for something is kept.
    """

    state: Path
    run: int
    begun: float
    settings: RunSettings
    service: Service
    prices: PriceList
    workers: int
    hold: float
    brief: Brief
