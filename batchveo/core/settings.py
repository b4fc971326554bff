"""What a run can be told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from batchveo.core.destination import BESIDE, BucketUrl, Destination, Sidecars, parse_destination, require_cloud
from batchveo.core.errors import UsageError

USUAL_CONCURRENCY = 10
LEAST_POLL_RATE = 4.0
USUAL_POLL_INTERVAL = 10.0
"""Seconds between two polls of a generation in the service's own examples."""


class Doubt(StrEnum):
    """What becomes of a submit that the usage log stays silent about."""

    HOLD = "hold"
    RESUBMIT = "resubmit"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How a run goes about it. Times are seconds.

    ``output``: a folder, or the URL of a prefix in a bucket. ``concurrency``: generations in flight, at most.
    ``rate``: submits a minute, at most. ``downloads``: videos fetched at once.
    ``poll_interval``: fixed gap between polls of a generation; adaptive without it.
    ``poll_rate``: polls a second over all generations, at most, while polling adapts; without it, what a poll of
    each every ten seconds would take, but at least 4. ``settle``: how late the usage log may be before its
    silence counts. ``patience``: how long a run waits for one generation or one download before it leaves it,
    unharmed, to the next run. ``budget``: US dollars that the state may spend over its whole life; what is in
    flight or in doubt counts as spent. ``assume_price``: US dollars for a job that the price list cannot quote.
    ``wait_for_credits``: an empty account is waited for, not an end. ``tries``: how often a generation is made in
    all if it ends in an error and was not charged, for jobs whose manifest does not say. ``sidecars``: where those
    of videos in a folder go.
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", parse_destination(self.output))  # text will do, as for a state
        object.__setattr__(self, "sidecars", Sidecars.named(str(self.sidecars)))
        if isinstance(self.output, BucketUrl):
            require_cloud()
            if self.sidecars != BESIDE:
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
        """The polls of all generations together, at most, while polling adapts."""
        return self.poll_rate or max(LEAST_POLL_RATE, self.concurrency / USUAL_POLL_INTERVAL)


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
"""The numbers among the settings, each with the least it may be."""


LOCAL = "local"
"""The address of a Ray that is started for the run, on this machine, and ended with it."""
LEAST_WORKERS = 2
_ADDRESS = re.compile(r"auto|local|(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A Ray cluster, and how many workers a run has on it.

    ``address``: ``host:port`` of the head, ``auto`` for the one that this machine belongs to; without one, or with
    ``local``, a Ray is started on this machine for as long as the run lasts. ``workers``: without a number one for
    each node, but at least two. ``silence``: seconds after which a worker that is not heard counts as dead.
    """

    address: str | None = None
    workers: int | None = None
    silence: float = 30.0

    def __post_init__(self) -> None:
        check_address(self.address)
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"--workers {self.workers} is out of range")
        if not 1 <= self.silence < float("inf"):
            raise UsageError(f"a silence of {self.silence} s is out of range")

    @property
    def is_local(self) -> bool:
        """Whether its Ray is started for the run."""
        return self.address in (None, LOCAL)

    def workers_on(self, nodes: int) -> int:
        """How many workers there are on so many nodes."""
        return max(LEAST_WORKERS, nodes) if self.workers is None else self.workers


def check_address(address: str | None) -> None:
    """Raise ``UsageError`` unless ``address`` is one that a run can be driven from."""
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
