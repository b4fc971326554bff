"""What a run begins with, wherever it is done."""

from __future__ import annotations

from dataclasses import dataclass, field

from batchveo.core.durations import Durations
from batchveo.core.settings import RunSettings
from batchveo.provider.price_list import PriceList
from batchveo.provider.service import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """Run number ``run`` of a state, which began at ``begun`` (seconds since the epoch).

    It holds API keys: to other processes it travels as an argument of calls or an answer, which an engine forgets,
    never to a constructor, whose arguments one keeps. ``durations`` is what the worker of this process learns on.
    """

    run: int
    begun: float
    settings: RunSettings
    service: Service = field(default_factory=Service)
    prices: PriceList = field(default_factory=lambda: PriceList({}))
    durations: Durations = field(default_factory=Durations)
