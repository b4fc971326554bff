"""The money that is kept for chains that have begun: what is begun with a budget is to be finished with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from batchveo.core.models import Job
from batchveo.engine.run_context import RunContext

FRESH_SECONDS = 5.0
"""Seconds after which the links that are left are read again: jobs fail, and people cancel and retry some."""


class ChainReserve:
    """Adds up what the pending links of begun chains cost, without blocked ones.

    ``price``: US dollars of a job, ``None`` if it is not known, which counts as nothing.
    """

    def __init__(self, context: RunContext, price: Callable[[Job], float | None]) -> None:
        self._context = context
        self._price = price
        self._left: dict[int, float] = {}
        self._read_at: float | None = None

    def find_kept(self, job: Job) -> float:
        """US dollars that ``job`` must leave: for all begun chains, of a link for those that began before its own."""
        now = self._context.now()
        if self._read_at is None or now >= self._read_at + FRESH_SECONDS:
            self.read_again()
        if job.link == 1:
            return sum(self._left.values())
        return sum(usd for chain, usd in self._left.items() if chain < (job.chain or 0))

    def read_again(self) -> None:
        """Read which links are left."""
        left: defaultdict[int, float] = defaultdict(float)
        for job in self._context.store.chains.list_begun(self._context.run):
            left[job.chain or 0] += self._price(job) or 0.0
        self._left, self._read_at = dict(left), self._context.now()

    def add_claim(self, job: Job) -> None:
        """Note that ``job`` was claimed: the rest of its chain is to be paid for, too."""
        if job.chain is not None:
            rest = self._context.store.chains.list_begun(self._context.run, chain=job.chain)
            self._left[job.chain] = sum(self._price(each) or 0.0 for each in rest)
