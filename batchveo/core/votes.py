"""Votes: what people decided about finished clips."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class VoteKind(StrEnum):
    """One act of a person. ``better``: of the two clips that were shown, ``job`` is the better one."""

    PICK = "pick"
    REJECT = "reject"
    RATE = "rate"
    BETTER = "better"
    BOTH_BAD = "both_bad"

    @property
    def is_of_pair(self) -> bool:
        """Whether it compares two clips."""
        return self in (VoteKind.BETTER, VoteKind.BOTH_BAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One act, of ``person``, about the job numbered ``job``, and ``other`` if it compares two.

    ``rating``: 1 to 5, if it is one. ``shown``: the numbers of all jobs that the person saw beside each other, in
    their order; ``blind``: without model and seed. ``at``: seconds since the epoch; ``id``: 0 before it is recorded.
    """

    person: str
    kind: VoteKind
    job: int
    other: int | None = None
    rating: int | None = None
    shown: tuple[int, ...] = ()
    blind: bool = False
    at: float = 0.0
    id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What people say of one clip: of each person the latest pick or reject counts, and the latest rating."""

    picks: int = 0
    rejects: int = 0
    rating: float | None = None

    @property
    def is_picked(self) -> bool:
        """Whether more people picked it than rejected it."""
        return self.picks > self.rejects

    @property
    def is_rejected(self) -> bool:
        """Whether more people rejected it than picked it."""
        return self.rejects > self.picks
