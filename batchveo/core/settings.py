"""The settings of a run, and of the cluster that it may use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from batchveo.core.destination import (
    BESIDE,
    BucketUrl,
    Destination,
    Sidecars,
    parse_bucket,
    parse_destination,
    require_cloud,
)
from batchveo.core.errors import UsageError

USUAL_CONCURRENCY = 10
LEAST_POLL_RATE = 5.0
"""Polls a second that any run may make by default, however few generations it has in flight."""
POLL_RATE_EACH = 0.6
"""Polls a second for each generation that may be in flight: those that began together end close together."""
HIGHEST_POLL_RATE = 500.0
"""Polls a second at most by default. What a service bears is not documented: this is what 1,000 clips of half a minute
need, and what the polls that are in progress at the same time carry if an answer takes half a second."""


class Doubt(StrEnum):
    """What a run does about a submit that never appears in the usage log."""

    HOLD = "hold"
    RESUBMIT = "resubmit"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """The settings of a run. Times are seconds.

    ``output``: a folder, or the URL of a prefix in a bucket. ``sidecars``: their place, for videos in a folder.
    ``inputs``: the prefix in a bucket through which the service gets inputs of which it takes only an address.
    ``concurrency``: the most generations in flight. ``rate``: the most submits a minute.
    ``downloads``: the most downloads at once.
    ``poll_interval``: the gap between two polls of a generation; adaptive without it. ``poll_rate``: the most polls a
    second of all generations, if polling is adaptive; by default 0.6 for each in flight, at least 5 and at most 500.
    ``when_in_doubt``: what to do about a submit that is absent from the usage log after ``settle`` seconds.
    ``patience``: how long a run waits for one generation or download before it leaves it to the next run.
    ``budget``: the most US dollars that this database may spend, over all runs, with what is in flight or in doubt.
    ``assume_price``: US dollars for a job without a price. ``wait_for_credits``: wait if the account is empty, instead
    of stopping. ``tries``: how often a generation is made at most, if it fails without a charge or a gate rejects its
    clip, and its manifest does not set this. ``checks``: whether this run measures clips and judges them.
    """

    output: Destination = Path("videos")
    concurrency: int = USUAL_CONCURRENCY
    rate: float | None = None
    downloads: int = 4
    poll_interval: float | None = None
    poll_rate: float | None = None
    when_in_doubt: Doubt = Doubt.HOLD
    settle: float = 1800.0
    patience: float = 7200.0
    budget: float | None = None
    assume_price: float | None = None
    wait_for_credits: bool = False
    tries: int = 1
    sidecars: Sidecars = BESIDE
    checks: bool = True
    inputs: BucketUrl | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", parse_destination(self.output))  # a library user may pass text
        object.__setattr__(self, "sidecars", Sidecars.named(str(self.sidecars)))
        if self.inputs is not None:
            object.__setattr__(self, "inputs", parse_bucket("--inputs", self.inputs))
        if isinstance(self.output, BucketUrl) or self.inputs is not None:
            require_cloud()
        if isinstance(self.output, BucketUrl) and self.sidecars != BESIDE:
            raise UsageError("--sidecars is for folders: in a bucket a sidecar claims the name of its video")
        for name, least in _NUMBERS.items():
            value = getattr(self, name)
            if value is None:
                continue
            if not least <= value < float("inf") or (value == 0 and name in _POSITIVE):
                bound = "above 0" if name in _POSITIVE else f"of {least} or more"
                raise UsageError(f"--{name.replace('_', '-')} {value} is out of range: a number {bound} is wanted")

    @property
    def polls_per_second(self) -> float:
        """The most polls a second of all generations together, if polling is adaptive."""
        return self.poll_rate or min(max(LEAST_POLL_RATE, self.concurrency * POLL_RATE_EACH), HIGHEST_POLL_RATE)


_POSITIVE = frozenset({"rate", "poll_interval", "poll_rate"})
_NUMBERS = {
    "concurrency": 1,
    "downloads": 1,
    "rate": 0,
    "poll_interval": 0,
    "poll_rate": 0,
    "settle": 0,
    "patience": 0,
    "budget": 0,
    "assume_price": 0,
    "tries": 1,
}
"""The settings that are numbers, each with its least value."""


LOCAL = "local"
"""The address of a Ray that the run starts on this machine, and ends."""
LEAST_WORKERS = 2
_ADDRESS = re.compile(r"auto|local|(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A Ray cluster, and the number of workers of a run on it.

    ``address``: ``host:port`` of the head, or ``auto`` for the cluster of this machine; ``None`` or ``local`` starts a
    Ray on this machine for the run. ``workers``: ``None`` for one on each node, but at least two. ``silence``: seconds
    without a sign after which a worker counts as dead.
    """

    address: str | None = None
    workers: int | None = None
    silence: float = 30.0

    def __post_init__(self) -> None:
        check_address(self.address)
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"--workers {self.workers} is out of range: a number of 1 or more is wanted")
        if not 1 <= self.silence < float("inf"):
            raise UsageError(f"a silence of {self.silence} s is out of range")

    @property
    def is_local(self) -> bool:
        """Whether the run starts its Ray."""
        return self.address in (None, LOCAL)

    def workers_on(self, nodes: int) -> int:
        """The number of workers on so many nodes."""
        return max(LEAST_WORKERS, nodes) if self.workers is None else self.workers


def check_address(address: str | None) -> None:
    """Raise ``UsageError`` unless a run can use ``address``."""
    if address is None or _ADDRESS.fullmatch(address):
        return
    if address.startswith("ray://"):
        raise UsageError(
            f"--ray {address}: a run is driven from a machine of the cluster, where its state is, and not through "
            "Ray's client; start it there with --ray auto"
        )
    raise UsageError(
        f"--ray {address!r} is not the address of a cluster: write host:port, auto, or nothing for a Ray on this "
        "machine (and manifests before --ray)"
    )
