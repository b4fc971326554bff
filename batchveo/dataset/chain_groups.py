"""Clips that are made from each other's videos: the place of each in its chain, and what belongs into one split."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from batchveo.core.errors import UsageError
from batchveo.core.models import Job
from batchveo.dataset.splits import Splitting
from batchveo.store import Store


class ChainGroups:
    """The chains of a database. ``exist``: whether it has any."""

    def __init__(self, store: Store, splitting: Splitting) -> None:
        self._splitting = splitting
        self._read_job = cache(store.queries.read_job)
        self._links = store.links.list_all_links()
        self._first: dict[int, int] = {}
        self._parents: dict[int, list[int]] = {}
        self.exist = bool(self._links)
        for link in self._links:
            self._unite(link.child, link.parent)
            if link.taken_from is not None:
                self._parents.setdefault(link.child, []).append(link.taken_from)

    def find_chain(self, job: Job) -> str | None:
        """The id of the first job of its chain."""
        return None if job.chain is None else self._read_job(job.chain).id

    def list_parents(self, job: Job) -> Sequence[str]:
        """The ids of the jobs of whose videos it was made."""
        return [self._read_job(number).id for number in dict.fromkeys(self._parents.get(job.seq, ()))]

    def find_split(self, job: Job) -> str:
        """The split of a job: that of the first job that it hangs together with.

        A clip shows a frame of another one, so the two in different splits would show a model what it is tested with.
        Raises ``UsageError`` for a bad name, or if the manifest gives the two different ones.
        """
        first = self._find_first(job.family)
        if first == job.family:
            return self._splitting.part_of(job)
        head = self._read_job(first)
        split = self._splitting.part_of(head)
        if self._splitting.how == "auto" and (own := self._splitting.part_of(job)) != split:
            raise UsageError(
                f"meta.split puts {job.name!r} into {own} and {head.name!r} into {split}, but one is made from the "
                "other's video: the clips of a chain belong into one split; fix the manifest, or give --split none"
            )
        return split

    def _unite(self, one: int, other: int) -> None:
        first, second = sorted((self._find_first(one), self._find_first(other)))
        if first != second:
            self._first[second] = first

    def _find_first(self, number: int) -> int:
        """The smallest number of those that hang together."""
        first = number
        while (before := self._first.get(first, first)) != first:
            first = before
        while number != first:  # the next search is short
            number, self._first[number] = self._first[number], first
        return first
