"""The films that chains make: for each end of a chain, the clips that lead to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from batchveo.core.links import VIDEO, find_beginning, find_ends
from batchveo.core.models import Job, JobState
from batchveo.store import Store
from batchveo.store.links import LinkRecord

LEAST_SHOTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A link of a chain in a film.

    ``job``: its first take; ``clip``: the take whose video is shown, ``None`` while there is none. ``part``: what of
    the clip before it was made from, as ``core.links`` names it.
    """

    job: Job
    part: str | None
    clip: Job | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmPlan:
    """The shots of a film in their order.

    ``stem`` names it: that of the last job of the chain. ``is_whole``: whether the shots are all that lead there.
    """

    stem: str
    shots: tuple[Shot, ...]
    is_whole: bool = True

    @property
    def missing(self) -> Sequence[Shot]:
        """The shots that have no clip yet."""
        return [shot for shot in self.shots if shot.clip is None]

    def cut_to_begun(self) -> FilmPlan:
        """The shots up to the first that has no clip."""
        count = next((n for n, shot in enumerate(self.shots) if shot.clip is None), len(self.shots))
        return replace(self, shots=self.shots[:count], is_whole=count == len(self.shots))

    def is_within(self, jobs: Collection[str]) -> bool:
        """Whether all its clips are of jobs with these ids."""
        return all(shot.clip is not None and shot.clip.id in jobs for shot in self.shots)


def list_films(store: Store, of: Job | None = None) -> list[FilmPlan]:
    """The films of all chains, or those that show the job ``of``: one for each end of a chain, in manifest order.

    The film leads to the end by what each clip begins with: the last frame of the clip before, a later one than its
    first, or all of it. A clip that was made to end with the first frame of another comes before that one. Of several
    ways to an end, that through ``of`` is taken, else the first.
    """
    links = store.links.list_all_links()
    wanted = None if of is None else of.family
    order = _Order(store, links if wanted is None else _choose_component(links, wanted))
    paths = [order.find_way(end, wanted) for end in order.list_ends()]
    return [order.make_plan(path) for path in paths if len(path) >= LEAST_SHOTS and (wanted is None or wanted in path)]


def _choose_component(links: Iterable[LinkRecord], seq: int) -> list[LinkRecord]:
    """The links of all jobs that hang together with one."""
    by_job: dict[int, list[LinkRecord]] = {}
    for link in links:
        by_job.setdefault(link.child, []).append(link)
        by_job.setdefault(link.parent, []).append(link)
    found, left = {seq}, [seq]
    while left:
        for link in by_job.get(left.pop(), ()):
            left += {link.child, link.parent} - found
            found |= {link.child, link.parent}
    return [link for number in sorted(found) for link in by_job.get(number, ()) if link.child == number]


class _Order:
    """Which clip of a chain comes before which."""

    def __init__(self, store: Store, links: Sequence[LinkRecord]) -> None:
        self._store = store
        self._read_job = cache(store.queries.read_job)
        self._earlier: dict[int, list[int]] = {}
        self._later: set[int] = set()
        self._between: dict[tuple[int, int], LinkRecord] = {}
        self._links = {(link.child, link.parent, link.part): link for link in links}
        self._jobs = {link.parent for link in links}
        of_child: dict[int, list[LinkRecord]] = {}
        for link in links:
            of_child.setdefault(link.child, []).append(link)
        for number, own in of_child.items():
            child = self._read_job(number)
            if child.take_of is None:  # other takes have the same links
                self._jobs.add(number)
                self._place_child(child, own)

    def _place_child(self, child: Job, links: Sequence[LinkRecord]) -> None:
        records = {(link.part, self._read_job(link.parent).id): link for link in links}
        beginning = find_beginning(child.request)
        if beginning is not None:
            link = records[beginning.part, beginning.parent]
            self._join(link.parent, child.seq, link)
        for end in find_ends(child.request):
            link = records[end.part, end.parent]
            if link.parent not in self.find_way(child.seq, None):  # else a loop, which has no end
                self._join(child.seq, link.parent, link)

    def _join(self, before: int, after: int, link: LinkRecord) -> None:
        self._earlier.setdefault(after, []).append(before)
        self._later.add(before)
        self._between[before, after] = link

    def list_ends(self) -> Iterator[int]:
        """The jobs after which nothing comes."""
        return (number for number in sorted(self._jobs) if number not in self._later)

    def find_way(self, end: int, wanted: int | None) -> list[int]:
        """The jobs that lead to an end, from the first on."""
        way = [end]
        while earlier := [number for number in self._earlier.get(way[-1], ()) if number not in way]:
            way.append(wanted if wanted in earlier else earlier[0])
        return way[::-1]

    def make_plan(self, way: Sequence[int]) -> FilmPlan:
        """The film of these jobs. From the end back, each clip is the take that the one after it was made from."""
        shots: list[Shot] = []
        clip: Job | None = None
        for before, number, after in zip([*way[-2::-1], None], way[::-1], [None, *way[:0:-1]], strict=True):
            entering = None if before is None else self._between[before, number]
            leaving = None if after is None else self._between[number, after]
            if leaving is not None and leaving.parent == number:
                child = leaving.child if clip is None else clip.seq
                clip = self._find_clip(number, self._links.get((child, number, leaving.part), leaving))
            else:
                clip = self._find_clip(number, entering if entering and entering.parent == number else None)
            part = None if entering is None else entering.part
            shots.append(Shot(job=self._read_job(number), part=part, clip=clip))
        return FilmPlan(stem=shots[0].job.stem, shots=tuple(shots[::-1]))

    def _find_clip(self, number: int, link: LinkRecord | None) -> Job | None:
        """The take that filled ``link``, if it is still good; else the one that would fill it."""
        if link is not None and link.taken_from is not None:
            taken = self._read_job(link.taken_from)
            is_rejected = self._store.votes.read_standing(taken.seq).is_rejected
            if taken.state is JobState.SUCCEEDED and taken.sha256 == link.sha256 and not is_rejected:
                return taken
        whole = LinkRecord(child=number, parent=number, part=VIDEO, takes_data=False)
        return self._store.links.find_source(link or whole)
