"""Which cluster a run is spread over."""

from __future__ import annotations

import re
from dataclasses import dataclass

from batchveo.core.errors import UsageError

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
