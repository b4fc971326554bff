"""Films: clips of a chain, joined to one video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class FilmClip:
    """One clip of a film.

    ``part``: which part of the clip before it was made from, as ``core.links`` names them; ``None`` for no known one.
    """

    path: Path
    title: str
    part: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """What was joined.

    ``begins``: the seconds at which begins what is new in each clip; ``is_copied``: whether its picture was taken as it
    is, without being encoded anew.
    """

    seconds: float
    frames: int
    begins: tuple[float, ...]
    is_copied: bool

    def to_record(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "seconds": self.seconds,
            "frames": self.frames,
            "begins": list(self.begins),
            "is_copied": self.is_copied,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Film:
        """Raises ``ValueError`` for what is no such record."""
        try:
            return cls(
                seconds=float(record["seconds"]),
                frames=int(record["frames"]),
                begins=tuple(map(float, record["begins"])),
                is_copied=bool(record["is_copied"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(record) from error
