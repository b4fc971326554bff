"""Jobs that other jobs may name, and those that wait until the job that they name is made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from batchveo.core.hints import suggest_closest
from batchveo.core.links import ChainPlace, Link, ParentLink
from batchveo.manifest.links import MOST_PARENTS, LinkTo, open_reference
from batchveo.manifest.problems import Fault, shown


class Member(NamedTuple):
    """By what other jobs name a job: its id, and which of the jobs of that entry it is.

    ``combination`` is empty if the entry makes one job.
    """

    name: str
    combination: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class _Made:
    job_id: str
    chain: str
    link: int


class UnknownParent(Exception):
    """The job that a link names is not made yet, or will never be."""


class ChainRegister:
    """Finds the parents of jobs by how the manifests name them."""

    def __init__(self) -> None:
        self._made: dict[Member, _Made] = {}
        self._families: dict[str, int] = {}

    def add_job(self, member: Member, job_id: str, place: ChainPlace | None) -> None:
        """Let other jobs name this one."""
        chain, link = (job_id, 1) if place is None else (place.chain, place.link)
        self._made[member] = _Made(job_id, chain, link)
        self._families[member.name] = self._families.get(member.name, 0) + 1

    def place_job(
        self, request: str, links: Sequence[LinkTo], combination: tuple[object, ...]
    ) -> tuple[str, ChainPlace]:
        """The request with the ids of its parents in it, and the place of the job in its chain.

        ``combination`` is that of the job itself: of an entry that makes several jobs, the parent is the one with the
        same. Raises ``UnknownParent`` if a parent is not made yet, ``Fault`` if there are too many.
        """
        parents = []
        first: _Made | None = None
        depth = 0
        for number, link in enumerate(links):
            made = self._find_parent(link.of, combination)
            first = first or made
            depth = max(depth, made.link)
            reference = Link(link.part, made.job_id).reference
            request = request.replace(f'"{open_reference(link.part, number)}"', f'"{reference}"')
            parents.append(ParentLink(part=link.part, parent=made.job_id, takes_data=link.takes_data))
        if len({parent.parent for parent in parents}) > MOST_PARENTS:
            raise Fault(f"names {len(parents)} other jobs, at most {MOST_PARENTS} are possible")
        if first is None:
            raise ValueError(request)
        return request, ChainPlace(chain=first.chain, link=depth + 1, parents=tuple(parents))

    def has_job(self, name: str, child: Member | None) -> bool:
        """Whether a link of ``child`` by this name leads to a job."""
        combination = child.combination if child else ()
        return Member(name, combination) in self._made or Member(name) in self._made

    def _find_parent(self, name: str, combination: tuple[object, ...]) -> _Made:
        made = self._made.get(Member(name, combination)) or self._made.get(Member(name))
        if made is None:
            raise UnknownParent(name)
        return made

    def describe_unknown(self, name: str, waiting: Collection[str]) -> Fault:
        """Why no job was found for a name; ``waiting`` are the names of jobs that wait themselves."""
        if name in self._families:
            message = f"{shown(name)} is {self._families[name]} jobs, none of which has the same values of a matrix"
            return Fault(message, "give both the same matrix and repeat, or name one job")
        if name in waiting:
            return Fault(f"{shown(name)} waits for this job itself, or for one that does", "a chain has a beginning")
        guess = suggest_closest(name, self._families) or "a job is named by its id: write id: shot-1 in it"
        return Fault(f"there is no job with the id {shown(name)}", guess)
