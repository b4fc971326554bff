"""What a run can be told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from batchveo.errors import UsageError


class Doubt(StrEnum):
    """What becomes of a submit that the usage log stays silent about."""

    HOLD = "hold"
    RESUBMIT = "resubmit"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How a run goes about it. Times are seconds.

    ``concurrency``: generations in flight, at most. ``rate``: submits a minute, at most. ``downloads``: videos
    fetched at once. ``poll_interval``: fixed gap between polls of a generation; adaptive without it.
    ``poll_rate``: polls a second over all generations, at most, while polling adapts. ``settle``: how late the
    usage log may be before its silence counts. ``patience``: how long a run waits for one generation or one
    download before it leaves it, unharmed, to the next run.
    """

    output: Path = Path("videos")
    concurrency: int = 10
    rate: float | None = None
    downloads: int = 4
    poll_interval: float | None = None
    poll_rate: float = 10.0
    when_in_doubt: Doubt = Doubt.HOLD
    settle: float = 1800.0
    patience: float = 3600.0

    def __post_init__(self) -> None:
        for name in ("concurrency", "downloads", "rate", "poll_interval", "poll_rate", "settle", "patience"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise UsageError(f"--{name.replace('_', '-')} {value} is out of range")
        for name in ("concurrency", "downloads", "rate", "poll_interval", "poll_rate"):
            if getattr(self, name) is not None and getattr(self, name) <= 0:
                raise UsageError(f"--{name.replace('_', '-')} must be more than 0")
