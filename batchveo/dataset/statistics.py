"""Sums over the rows of a dataset."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from dataclasses import dataclass, field

from batchveo.core.formatting import is_formula
from batchveo.dataset.columns import CHAIN_COLUMNS, CHECKED, COLUMNS, Row
from batchveo.dataset.splits import PARTS
from batchveo.provider.catalog import MODELS
from batchveo.provider.catalog.parameters import Media

EXAMPLES = 3
_REWRITES = ("auto_fix", "enhance_prompt", "enable_prompt_expansion")
"""The parameters of the models by which the service may rewrite a prompt."""


@dataclass(slots=True)
class Tally:
    """Sums over the rows of a dataset. Money is US dollars, ``seconds`` the length of all clips together.

    ``models`` counts by model and split, ``pictures`` by width, height, frames a second, requested duration and
    sound. ``from_images`` and ``from_videos`` count the clips that were made from such files, ``formulas`` the captions
    that a spreadsheet would take for a formula, ``rewritable`` the clips whose prompt the service was allowed to
    rewrite. ``verdicts`` counts by what gates say of a clip, empty for those without gates; ``picked``, ``rejected``
    and ``rated`` the clips by what people say. ``numbers`` has the values of each measure and score that is a number,
    ``folders`` the folders that clips are in.
    """

    clips: int = 0
    bytes: int = 0
    usd: float = 0.0
    unpriced: int = 0
    seconds: float = 0.0
    formulas: int = 0
    from_images: int = 0
    from_videos: int = 0
    rewritable: int = 0
    days: set[str] = field(default_factory=set)
    splits: Counter[str] = field(default_factory=Counter)
    models: Counter[tuple[str, str]] = field(default_factory=Counter)
    pictures: Counter[tuple[object, ...]] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    picked: int = 0
    rejected: int = 0
    rated: int = 0
    numbers: dict[str, array[float]] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    examples: list[Row] = field(default_factory=list)

    @property
    def parts(self) -> list[str]:
        """The names of the splits, the usual ones first."""
        return sorted(self.splits, key=lambda name: (PARTS.index(name) if name in PARTS else len(PARTS), name))

    @property
    def has_folders(self) -> bool:
        """Whether clips are in folders within their splits."""
        return not self.folders <= self.splits.keys()

    def add_row(self, row: Row) -> None:
        """Count one clip."""
        split = str(row["split"])
        self.clips += 1
        self.bytes += int(_as_number(row["bytes"]))
        self.usd += _as_number(row["cost_usd"])
        self.unpriced += row["cost_usd"] is None
        self.seconds += _as_number(row["seconds"])
        self.formulas += is_formula(row["text"]) or is_formula(row["negative_prompt"])
        # not from the columns: most models have parameters that have no column, and images deep inside of some
        model, request = str(row["model"]), json.loads(str(row["request"]))
        self.from_images += any(MODELS.find_addresses(model, request, Media.IMAGE))
        self.from_videos += any(MODELS.find_addresses(model, request, Media.VIDEO))
        self.rewritable += any(request.get(name) for name in _REWRITES)
        if row["finished_at"] is not None:
            self.days.add(str(row["finished_at"])[:10])
        self.splits[split] += 1
        self.folders.add(str(row["file_name"]).rpartition("/")[0])
        self.models[model, split] += 1
        self.pictures[tuple(row[name] for name in ("width", "height", "fps", "duration", "has_sound"))] += 1
        self._add_findings(row)
        if len(self.examples) < EXAMPLES:
            self.examples.append(row)

    def _add_findings(self, row: Row) -> None:
        """Count what checks and people found."""
        self.verdicts[str(row["verdict"] or "")] += 1
        picks, rejects = _as_number(row["picks"]), _as_number(row["rejects"])
        self.picked += picks > rejects
        self.rejected += rejects > picks
        self.rated += row["rating"] is not None
        further = row.keys() - COLUMNS.keys() - CHAIN_COLUMNS.keys() if len(row) > len(COLUMNS) else ()
        for name in (*CHECKED, *further):
            if isinstance(value := row[name], int | float):
                self.numbers.setdefault(name, array("d")).append(value)


def _as_number(value: object) -> float:
    return value if isinstance(value, int | float) else 0.0
