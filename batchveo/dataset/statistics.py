"""Sums over the rows of a dataset."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from batchveo.dataset.columns import Row
from batchveo.dataset.splits import PARTS
from batchveo.dataset.tables import is_formula
from batchveo.provider.catalog import list_parameters
from batchveo.provider.parameters import Media

EXAMPLES = 3
_FROM_IMAGES = list_parameters(Media.IMAGE)


@dataclass(slots=True)
class Tally:
    """Sums over the rows of a dataset. Money is US dollars, ``seconds`` the length of all clips together.

    ``models`` counts by model and split, ``pictures`` by width, height, frames a second, requested duration and
    sound. ``formulas`` counts captions that a spreadsheet would take for a formula, ``rewritable`` the clips whose
    prompt the service was allowed to rewrite.
    """

    clips: int = 0
    bytes: int = 0
    usd: float = 0.0
    unpriced: int = 0
    seconds: float = 0.0
    formulas: int = 0
    from_images: int = 0
    rewritable: int = 0
    days: set[str] = field(default_factory=set)
    splits: Counter[str] = field(default_factory=Counter)
    models: Counter[tuple[str, str]] = field(default_factory=Counter)
    pictures: Counter[tuple[object, ...]] = field(default_factory=Counter)
    examples: list[Row] = field(default_factory=list)

    @property
    def parts(self) -> list[str]:
        """The names of the splits, the usual ones first."""
        return sorted(self.splits, key=lambda name: (PARTS.index(name) if name in PARTS else len(PARTS), name))

    def add_row(self, row: Row) -> None:
        """Count one clip."""
        split = str(row["split"])
        self.clips += 1
        self.bytes += int(_as_number(row["bytes"]))
        self.usd += _as_number(row["cost_usd"])
        self.unpriced += row["cost_usd"] is None
        self.seconds += _as_number(row["seconds"])
        self.formulas += is_formula(row["text"]) or is_formula(row["negative_prompt"])
        self.from_images += any(row[name] for name in _FROM_IMAGES)
        self.rewritable += bool(row["auto_fix"] or row["enhance_prompt"])
        if row["finished_at"] is not None:
            self.days.add(str(row["finished_at"])[:10])
        self.splits[split] += 1
        self.models[str(row["model"]), split] += 1
        self.pictures[tuple(row[name] for name in ("width", "height", "fps", "duration", "has_sound"))] += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(row)


def _as_number(value: object) -> float:
    return value if isinstance(value, int | float) else 0.0
