"""Jobs that other jobs may name, and the jobs that name them."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePath
from typing import NamedTuple

from batchveo.core.hints import suggest_closest
from batchveo.core.links import ChainPlace, Link, ParentLink
from batchveo.manifest.job_ids import ID_BYTES, KeyTable, hash_word
from batchveo.manifest.links import MOST_PARENTS, UNNAMED, LinkTo, open_reference
from batchveo.manifest.problems import Fault, shown, shown_bare

_COMPARED = 10_000
"""How many names are looked through for one that was meant."""
_HINTED = 100
"""For how many links that is done."""
_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".mp4", ".mov", ".webm"))
_SHOWN = 6
"""How many jobs of a circle a message names."""


class Member(NamedTuple):
    """By what other jobs name a job: its id, and which of the jobs of that entry it is.

    ``combination`` is empty if the entry makes one job.
    """

    name: str
    combination: tuple[object, ...] = ()


class _Made(NamedTuple):
    """A job that others may name; ``seconds`` is the length of its video, 0 if nobody knows it."""

    job_id: str
    chain: str
    link: int
    seconds: float


class UnknownParent(Exception):
    """A job that a link names is not made yet, or will never be."""


class ChainRegister:
    """Finds the parents of jobs by how the manifests name them.

    Each job takes sixty bytes: there may be a million jobs with ids, and nobody knows yet which of them are parents.
    """

    def __init__(self) -> None:
        self._numbers = KeyTable()
        self._ids = bytearray()
        self._chains = bytearray()
        self._links = array("I")
        self._seconds = array("f")
        self._families: dict[str, int] = {}
        self._names: list[str] = []
        self._hinted = 0

    def add_job(self, member: Member, job_id: str, place: ChainPlace | None, request: str) -> None:
        """Let other jobs name this one, whose request is JSON."""
        if self._numbers.take_number(hash_word(member), len(self._links)) is not None:
            return  # a name that is taken is a problem already
        self._ids += bytes.fromhex(job_id)
        self._chains += bytes.fromhex(job_id if place is None else place.chain)
        self._links.append(1 if place is None else place.link)
        self._seconds.append(_find_seconds(request))
        if member.combination:
            self._families[member.name] = self._families.get(member.name, 0) + 1
        elif len(self._names) < _COMPARED and not member.name.startswith(UNNAMED):
            self._names.append(member.name)

    def place_job(
        self, request: str, links: Sequence[LinkTo], combination: tuple[object, ...]
    ) -> tuple[str, ChainPlace]:
        """The request with the ids of its parents in it, and the place of the job in its chain.

        ``combination`` is that of the job itself: of an entry that makes several jobs, the parent is the one with the
        same. Raises ``UnknownParent`` if a parent is not made yet, ``Fault`` for a link that cannot be.
        """
        found = []
        for link in links:
            made = self._find_job(link.of, combination)
            if made is None:
                raise UnknownParent(link.of)
            found.append(made)
        takes_data: dict[tuple[str, str], bool] = {}
        for number, (link, made) in enumerate(zip(links, found, strict=True)):
            _check_seconds(link, made)
            reference = Link(link.part, made.job_id).reference
            request = request.replace(f'"{open_reference(link.part, number)}"', f'"{reference}"')
            # the same frame at two places is one value, which both have to take
            key = link.part, made.job_id
            takes_data[key] = takes_data.get(key, True) and link.takes_data
        if len({made.job_id for made in found}) > MOST_PARENTS:
            message = f"names {len(found)} other jobs, at most {MOST_PARENTS} are possible"
            raise Fault(message, "a first and a last frame come from two", field=links[-1].field)
        parents = tuple(
            ParentLink(part=part, parent=parent, takes_data=data) for (part, parent), data in takes_data.items()
        )
        return request, ChainPlace(chain=found[0].chain, link=1 + max(made.link for made in found), parents=parents)

    def list_missing(self, links: Sequence[LinkTo], combination: tuple[object, ...]) -> list[LinkTo]:
        """The links whose jobs are not made yet."""
        return [link for link in links if self._find_job(link.of, combination) is None]

    def _find_job(self, name: str, combination: tuple[object, ...]) -> _Made | None:
        number = self._numbers.find_number(hash_word(Member(name, combination)))
        if number is None and combination:
            number = self._numbers.find_number(hash_word(Member(name)))
        if number is None:
            return None
        part = slice(number * ID_BYTES, (number + 1) * ID_BYTES)
        return _Made(self._ids[part].hex(), self._chains[part].hex(), self._links[number], self._seconds[number])

    def is_family(self, name: str) -> bool:
        """Whether an entry of this name made several jobs."""
        return name in self._families

    def describe_unknown(self, name: str) -> Fault:
        """Why no job was found for a name that no entry has."""
        if name in self._families:
            message = f"{shown(name)} is {self._families[name]} jobs, none of which has the same values of a matrix"
            return Fault(message, "give both the same matrix and repeat")
        links = 0
        while links < _COMPARED and self._find_job(f"{name}.{links + 1}", ()) is not None:
            links += 1
        if links:
            last = f" to {name}.{links}" if links > 1 else ""
            return Fault(f"{shown(name)} is a chain", f"name one link of it: {name}.1{last}")
        guess = None
        if self._hinted < _HINTED:
            self._hinted += 1
            guess = suggest_closest(name, [*islice(self._families, _COMPARED), *self._names])
        right = guess or f"write id: {shown_bare(name)} in the job that is meant"
        if PurePath(name).suffix.lower() in _SUFFIXES:
            right = f"a file is written with its folder, as in './last of {shown_bare(name)}'"
        return Fault(f"there is no job with the id {shown(name)}", right)


def find_circles(waiting: Mapping[str, Iterable[str]]) -> Iterator[list[str]]:
    """The circles among jobs that wait for each other: ``waiting`` has the names that each waits for."""
    done: set[str] = set()
    for start in waiting:
        path: dict[str, Iterator[str]] = {}  # from the start to where the search is, with what is to be looked at
        name: str | None = start
        while name is not None:
            if name in path:
                names = [*path]
                yield names[names.index(name) :]
            elif name in waiting and name not in done:
                path[name] = iter(waiting[name])
            name = None
            while path and name is None:
                last = next(reversed(path))
                name = next(path[last], None)
                if name is None:
                    done.add(last)
                    del path[last]


def describe_circle(names: Sequence[str], places: Sequence[object], field: str) -> Fault:
    """What to say about jobs that wait for each other, with the place of each; the first one names it in ``field``."""
    if len(names) == 1:
        return Fault(f"{shown(names[0])} is this job itself", f"{field}: null in this job takes away a default")
    steps = [f"{shown(name, 30)} ({place})" for name, place in zip(names, places, strict=True)]
    more = len(steps) - _SHOWN
    said = ", ".join(steps if more <= 0 else [*steps[:_SHOWN], f"{more:,} more"])
    return Fault(f"jobs wait for each other in a circle: {said}, and that one again for the first", "take one link out")


def _check_seconds(link: LinkTo, parent: _Made) -> None:
    """Raise ``Fault`` for a frame after the end of the parent's video, as far as that is known."""
    if parent.seconds and link.part[0].isdigit() and float(link.part) > parent.seconds:
        message = f"{link.part} s is after the end of {shown(link.of)}, whose video has {parent.seconds:g} s"
        raise Fault(message, "frame: last is its last one", field=link.field)


def _find_seconds(request: str) -> float:
    """The length of the video that a request asks for; 0 if it is not known, as for one that is extended."""
    if '"duration"' not in request or '"video_url"' in request:
        return 0.0
    seconds = json.loads(request).get("duration")
    return float(seconds) if isinstance(seconds, int | float) and seconds > 0 else 0.0
