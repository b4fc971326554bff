"""A figure with its goal, and how figures are printed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was measured.

    ``value`` is ``None`` if it could not be had, and ``found`` is the reason then; else it lists what was counted.
    ``how`` says what counts.
    """

    key: str
    name: str
    value: int | float | None
    unit: str = ""
    goal: str = ""
    how: str
    found: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The value as the table has it, for example ``66.1 %``."""
        if self.value is None:
            return "not measured"
        number = f"{self.value:,.1f}" if isinstance(self.value, float) else f"{self.value:,}"
        return f"{number}{self.unit}"


def percent(part: int, whole: int) -> float:
    """A share in percent; 0 of nothing."""
    return 100 * part / whole if whole else 0.0


def to_markdown(figures: Iterable[Figure]) -> str:
    """A table of measure, value and goal."""
    rows = [("measure", "now", "goal"), ("---", "---", "---")]
    rows += [(figure.name, figure.text, figure.goal) for figure in figures]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def to_explanation(figures: Iterable[Figure]) -> str:
    """A Markdown list of what each figure counts."""
    return "\n".join(f"- **{figure.name}**: {figure.how}" for figure in figures)


def to_json(figures: Iterable[Figure]) -> str:
    """A JSON object of all fields by key."""
    return json.dumps({figure.key: asdict(figure) for figure in figures}, indent=2, ensure_ascii=False)
