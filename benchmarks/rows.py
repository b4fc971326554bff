"""One line of the results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a figure must reach: at most (``<=``) or at least (``>=``) ``value``."""

    sense: Literal["<=", ">="]
    value: float

    def reached_by(self, figure: float) -> bool:
        """Whether ``figure`` is good enough."""
        return figure <= self.value if self.sense == "<=" else figure >= self.value


def at_most(value: float) -> Target:
    """A target that a figure must not exceed."""
    return Target(sense="<=", value=value)


def at_least(value: float) -> Target:
    """A target that a figure must not fall below."""
    return Target(sense=">=", value=value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure in its ``unit``; without a ``target`` it stands there for comparison. ``details`` are words."""

    name: str
    figure: float
    unit: str
    target: Target | None = None
    details: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; ``None`` where there is none."""
        return None if self.target is None else self.target.reached_by(self.figure)
