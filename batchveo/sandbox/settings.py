"""What a sandbox can be told about the service it plays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from batchveo.sandbox.faults import FAULTS

IdStyle = Literal["by-path", "short", "long"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the look-alike behaves. Times are seconds, money is US dollars, chances lie between 0 and 1.

    ``key``: the only API key accepted; ``None`` accepts any.
    ``per_key``: each key is an account of its own, with these limits and this balance; else all share one.
    ``generation_median``, ``generation_sigma``: how long a generation takes, log-normal.
    ``queued_share``: the part of that time it reports ``queued``.
    ``concurrency``: generations in flight from which on a submit gets 429.
    ``rate_per_minute``: submits in any 60 seconds from which on a submit gets 429.
    ``retry_after``: whether a 429 carries ``Retry-After``.
    ``balance``: what the account holds; a submit above what is left unreserved gets 403.
    ``log_lag``: how long a request takes to show in the usage log.
    ``log_calls_per_minute``: usage log calls in any 60 seconds from which on one gets 429.
    ``url_ttl``: how long a video's URL works; ``None`` for ever.
    ``video_bytes``: the size videos are padded to; ``None`` leaves them at 5 to 40 kilobytes.
    ``latency``: how long every answer takes.
    ``late_by``: how late ``late-answer`` is, and how long ``slow-body`` takes over all.
    ``unknown_for``: how long ``poll-404`` lasts after a submit.
    ``faults``: the chance of each fault, by its name in ``FAULTS``.
    ``seed``: decides all chance.
    ``id_style``: short ids, long ones (``UUID:model``), or long ones on the legacy path only.
    """

    key: str | None = field(default=None, repr=False)
    per_key: bool = False
    generation_median: float = 3.0
    generation_sigma: float = 0.3
    queued_share: float = 0.2
    concurrency: int | None = None
    rate_per_minute: int | None = None
    retry_after: bool = True
    balance: float = 1000.0
    log_lag: float = 1.0
    log_calls_per_minute: int = 200
    url_ttl: float | None = None
    video_bytes: int | None = None
    latency: float = 0.0
    late_by: float = 90.0
    unknown_for: float = 2.0
    faults: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    id_style: IdStyle = "by-path"

    def __post_init__(self) -> None:
        for name, chance in self.faults.items():
            if name not in FAULTS:
                raise ValueError(f"no such fault: {name!r}; known are {', '.join(FAULTS)}")
            if not 0 <= chance <= 1:
                raise ValueError(f"the chance of {name} is between 0 and 1, not {chance}")
