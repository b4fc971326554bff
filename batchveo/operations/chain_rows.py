"""The place of a job in its chain, and what it waits for: as JSON that scripts rely on, and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from batchveo.core.formatting import shorten_middle, state_words
from batchveo.core.gates import Verdict
from batchveo.core.models import Job, JobState
from batchveo.store import Store
from batchveo.store.chain_queries import ChainHead
from batchveo.store.waiting_jobs import BlockedCount, OpenParent

ENDINGS = {
    "failed": ("failed", "failed"),
    "cancelled": ("was cancelled", "were cancelled"),
    "rejected": ("was rejected", "were rejected"),
}
"""What became of a job that blocks others, after its name; what became of several."""
_KEPT = 1000
"""Chains, and jobs that block others, which are kept: the jobs of one chain are listed together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What a pending job waits for: the videos of ``parents``.

    ``cause``: the job that none makes any more, without which it cannot be made; ``None`` if it only waits.

    Not an ``AwaitedJob``, which names one parent and is found for a few jobs by their links above: in words all parents
    count, and a list of a million jobs reads what is blocked once.
    """

    parents: Sequence[OpenParent]
    cause: Job | None = None

    @property
    def state(self) -> str:
        """In one word."""
        return "waiting" if self.cause is None else "blocked"

    @property
    def sentence(self) -> str:
        """The state and why."""
        return f"{self.state}: {self.reason}"

    @property
    def reason(self) -> str:
        """Why, in a few words."""
        if self.cause is not None:
            state = "rejected" if self.cause.state is JobState.SUCCEEDED else self.cause.state.value
            return f"{shorten_middle(self.cause.name)} {ENDINGS[state][0]}"
        return " and ".join(f"{shorten_middle(parent.name)} {_describe_parent(parent)}" for parent in self.parents)


def describe_blocked(each: BlockedCount) -> str:
    """Jobs that are blocked for one kind of reason, and the reason."""
    jobs = "1 job is blocked" if each.jobs == 1 else f"{each.jobs:,} jobs are blocked"
    return f"{jobs}: {describe_causes(each)}"


def describe_causes(each: BlockedCount) -> str:
    """What became of the jobs that block others."""
    others, (one, several) = each.parents - 1, ENDINGS[each.state]
    more = f" and {others:,} other{'s' if others > 1 else ''}" if others else ""
    return f"{shorten_middle(each.example, 40)}{more} {several if others else one}"


def _describe_parent(parent: OpenParent) -> str:
    if parent.state is not JobState.SUCCEEDED:
        return f"is {state_words(parent.state)}"
    return "is not judged yet" if parent.is_judged and parent.verdict != Verdict.ACCEPTED else "is finished"


class ChainRows:
    """Finds what is to be said of jobs of chains. What blocks them is read once, for the first job that waits."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._blocked: Mapping[int, int] | None = None
        self.has_links = store.chains.has_links()
        self._read_place = lru_cache(_KEPT)(store.chains.read_head)
        self._read_job = lru_cache(_KEPT)(store.queries.read_job)

    def find_place(self, job: Job) -> ChainHead | None:
        """The chain of a job; ``None`` if it is in none."""
        return None if job.chain is None else self._read_place(job.chain)

    def find_wait(self, job: Job) -> Wait | None:
        """What a job waits for; ``None`` if it does not."""
        if job.state is not JobState.PENDING or not job.waits:
            return None
        if self._blocked is None:
            self._blocked = self._store.waiting.find_blocked()
        cause = self._blocked.get(job.seq)
        return Wait(
            parents=self._store.waiting.list_open_parents(job),
            cause=None if cause is None else self._read_job(cause),
        )

    def describe_state(self, job: Job) -> str:
        """The state of a job in words; for a pending one that waits, how it does."""
        wait = self.find_wait(job)
        return "held in doubt" if job.held else wait.state if wait else state_words(job.state)

    def make_row(self, job: Job) -> dict[str, object]:
        """The part of a row of ``jobs --json`` that is about its chain. Fields are added over time, never removed."""
        place, wait = self.find_place(job), self.find_wait(job)
        return {
            "chain": None if place is None else place.id,
            "link": None if place is None else job.link,
            "parents": self._store.chains.list_parent_ids(job) if job.link > 1 else [],
            "blocked_by": None if wait is None or wait.cause is None else wait.cause.id,
        }
