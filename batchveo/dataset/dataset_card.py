"""The dataset card: ``README.md`` with front matter that Hugging Face reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from batchveo.core.formatting import format_usd
from batchveo.core.version import __version__
from batchveo.dataset.columns import MEASURED
from batchveo.dataset.loader_config import Loading
from batchveo.dataset.splits import Splitting
from batchveo.dataset.statistics import Tally

CARD = "README.md"

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_WIDTH = 160
_MARKS = {ord(mark): f"&#{ord(mark)};" for mark in "&<>\\`*_{}[]()#!|~$"}
_STANDARD = {"val": "validation", "valid": "validation", "dev": "validation", "eval": "test", "testing": "test"}
"""What Hugging Face calls these splits when it finds them as folders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a card tells besides the sums: shapes, services, the way of splitting, what was left out and why."""

    tally: Tally
    loading: Loading
    services: Sequence[str]
    splitting: Splitting
    left_out: Mapping[str, int] = field(default_factory=dict)

    def text(self) -> str:
        """The whole card."""
        sections = {
            "Splits": _splits_table(self.tally) + f"\n{_splitting(self.splitting)}\n",
            "Videos": _pictures_table(self.tally),
            "For example": _examples_table(self.tally),
            "What is not in it": self._missing(),
            "Columns": _columns(),
            "Licence": _LICENCE,
        }
        parts = [self._front_matter(), "# Generated videos\n", self._summary()]
        return "\n".join([*parts, *(f"## {title}\n\n{section}" for title, section in sections.items())])

    def _front_matter(self) -> str:
        tally = self.tally
        tasks = ["text-to-video", *(["image-to-video"] if tally.from_images else [])]
        size = next((name for most, name in _SIZES if tally.clips < most), "n>1M")
        lines = ["pretty_name: Generated videos", "task_categories:", *(f"- {task}" for task in tasks)]
        lines += ["size_categories:", f"- {size}", "tags:", "- video", "- synthetic", "- batchveo"]
        return "\n".join(["---", *lines, _yaml({"configs": [self._config()], **self._info()}) + "---\n"])

    def _config(self) -> dict[str, object]:
        """The files of each split."""
        parts = self.tally.parts
        files = [{"split": self._called(split), "path": self.loading.data_files(split)} for split in parts]
        labels = {"drop_labels": True} if self.loading.drop_labels else {}
        return {"config_name": "default", "data_files": files, **labels}

    def _info(self) -> dict[str, object]:
        """The columns with their types: what a loader would else guess from the first rows of one split."""
        features = [dict(feature) for feature in self.loading.features]
        return {"dataset_info": {"config_name": "default", "features": features}}

    def _called(self, split: str) -> str:
        """The split's usual name, unless two would be called so: that does not load."""
        usual = _STANDARD.get(split, split)
        same = [other for other in self.tally.parts if _STANDARD.get(other, other) == usual]
        return usual if len(same) == 1 else split

    def _summary(self) -> str:
        tally = self.tally
        days = sorted(tally.days) or ["at an unknown time"]
        when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
        length = f", {_length(tally.seconds)}" if tally.seconds else ""
        unknown = f", and {tally.unpriced} clips are of unknown price" if tally.unpriced else ""
        text = (
            f"Generated {when} (UTC) through {', '.join(map(_cell, self.services)) or 'an unknown service'}, "
            f"collected by batchveo {__version__}: {tally.clips} clips{length}, {tally.bytes / 1e6:,.1f} MB. "
            f"Making them cost {format_usd(tally.usd)}{unknown}.\n"
        )
        if tally.rewritable:
            text += (
                f"\nThe service was allowed to rewrite the prompts of {tally.rewritable} clips (`auto_fix` or "
                "`enhance_prompt`): there `text` is what was asked, and may not be what the model was given.\n"
            )
        return text

    def _missing(self) -> str:
        lines = [f"- {count} {_cell(reason)}\n" for reason, count in self.left_out.items() if count]
        return "".join(lines) or "Nothing: every job is in it.\n"


_LICENCE = (
    "No licence was chosen. Whoever publishes this dataset chooses one and names it here and as `license:` at the "
    "top; the terms of the service and of its models apply to the videos.\n"
)


def _yaml(content: Mapping[str, object]) -> str:
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return text


def _splits_table(tally: Tally) -> str:
    splits = tally.parts
    models = sorted({model for model, _ in tally.models})
    rows = [[_cell(model), *(str(tally.models[model, split]) for split in splits)] for model in models]
    rows.append(["all", *(str(tally.splits[split]) for split in splits)])
    return _table(["model", *splits], rows)


def _splitting(splitting: Splitting) -> str:
    if splitting.how == "none":
        return "The clips were not split."
    if splitting.how == "auto":
        return "Each clip stands in the split that its manifest named, or in `train`."
    group = {"prompt": "clips of one prompt", "job": "every clip by itself"}.get(splitting.by)
    return f"Shares {splitting.how}, drawn by a hash that keeps together: {group or _cell(splitting.by)}."


def _pictures_table(tally: Tally) -> str:
    rows = [
        [
            "not measured" if width is None else f"{width} × {height}",
            "not measured" if fps is None else f"{fps:g}",
            "" if asked is None else f"{asked} s",
            {True: "yes", False: "no", None: "not measured"}[sound],  # type: ignore[index]
            str(clips),
        ]
        for (width, height, fps, asked, sound), clips in tally.pictures.most_common()
    ]
    return _table(["picture", "frames a second", "length asked for", "sound", "clips"], rows)


def _examples_table(tally: Tally) -> str:
    rows = [[_cell(str(row["file_name"])), _cell(str(row["text"] or ""))] for row in tally.examples]
    return _table(["file", "text"], rows)


def _length(seconds: float) -> str:
    for unit, size in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def _columns() -> str:
    return (
        "`text` is the prompt, `negative_prompt` what was to be kept out. `request` is the whole request as JSON "
        "with what the service fills in by itself; `defaulted` names those parameters. Measured in the files: "
        f"{', '.join(f'`{name}`' for name in MEASURED)}.\n\n"
        "Captions are as they were written. A spreadsheet takes one that begins with `=` for a formula: import "
        "the columns of a CSV as text.\n"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    """Text as text in a Markdown table, whatever is in it."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return (line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…").translate(_MARKS)
