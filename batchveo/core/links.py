"""Links: places of a request that another job's finished video fills.

A link is a text in the request, as the reference to an input file is: ``batchveo-link:last:<id of the parent>``. So the
id of a job, which is a hash of its request, follows from what its parent asks for, and from all before that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

LINK_PREFIX = "batchveo-link:"
"""The beginning of a request value that another job's video fills."""

FIRST, LAST, VIDEO, GENERATION = "first", "last", "video", "id"
"""The parts of a video that a link names besides seconds: its first and last frame, all of it, its generation id."""

_END_FIELD = re.compile(r"(?:^|_)(?:last|end|tail)(?:_|$)")
"""Parameters of the image with which a video ends."""
_SECONDS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """What a place of a request takes: a ``part`` of the video of the job with the id ``parent``.

    ``part`` is ``first``, ``last``, a number of seconds (``2.5``), ``video`` or ``id``.
    """

    part: str
    parent: str

    @property
    def reference(self) -> str:
        """The value that represents the link in the request until it is sent."""
        return f"{LINK_PREFIX}{self.part}:{self.parent}"

    @property
    def is_frame(self) -> bool:
        """Whether it is one frame of the video."""
        return self.part not in {VIDEO, GENERATION}

    @classmethod
    def parse(cls, value: str) -> Link:
        """The link of a ``reference``. Raises ``ValueError`` for any other text."""
        part, colon, parent = value.removeprefix(LINK_PREFIX).partition(":")
        if not value.startswith(LINK_PREFIX) or not colon or not is_part(part):
            raise ValueError(value)
        return cls(part, parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentLink:
    """A link of a job: the ``part`` of which job, and whether it may travel as a data URI."""

    part: str
    parent: str
    takes_data: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPlace:
    """Where a job with parents is in its chain: the id of the chain's first job, and its number from there, from 2."""

    chain: str
    link: int
    parents: tuple[ParentLink, ...]


def is_part(text: str) -> bool:
    """Whether a text names a part of a video."""
    return text in {FIRST, LAST, VIDEO, GENERATION} or _SECONDS.fullmatch(text) is not None


def find_links(value: object) -> Iterator[Link]:
    """The links anywhere in a request, in its order, each as often as it is there."""
    if isinstance(value, list | Mapping):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from find_links(item)
    elif isinstance(value, str) and value.startswith(LINK_PREFIX):
        yield Link.parse(value)


def find_beginning(request: Mapping[str, object]) -> Link | None:
    """What of another video a video begins with: the last frame, a later one than the first, or all of it."""
    links = find_links([value for name, value in request.items() if _END_FIELD.search(name) is None])
    return next((link for link in links if link.part != FIRST), None)


def find_ends(request: Mapping[str, object]) -> Iterator[Link]:
    """The videos with whose first frame a video ends."""
    links = find_links([value for name, value in request.items() if _END_FIELD.search(name) is not None])
    return (link for link in links if link.part == FIRST)


def fill_links(value: object, fill: Callable[[Link], object]) -> object:
    """The value with each link in it replaced by what ``fill`` returns."""
    if isinstance(value, list):
        return [fill_links(item, fill) for item in value]
    if isinstance(value, Mapping):
        return {name: fill_links(item, fill) for name, item in value.items()}
    if isinstance(value, str) and value.startswith(LINK_PREFIX):
        return fill(Link.parse(value))
    return value
