"""The dataset card: ``README.md`` with front matter that tells Hugging Face ``datasets`` how to load the folder."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from batchveo.core.fields import FIELDS
from batchveo.core.formatting import format_usd
from batchveo.core.gates import Verdict
from batchveo.core.version import __version__
from batchveo.dataset.columns import CHECKED, MEASURED, SCORE_PREFIX, ColumnTypes, Kind
from batchveo.dataset.settings import Format
from batchveo.dataset.splits import Splitting
from batchveo.dataset.statistics import Tally
from batchveo.dataset.tables import WrittenMetadata

CARD = "README.md"

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_WIDTH = 160
_LARGE = 1_000
_MARKS = {ord(mark): f"&#{ord(mark)};" for mark in "&<>\\`*_{}[]()#!|~$"}
_STANDARD = {"val": "validation", "valid": "validation", "dev": "validation", "eval": "test", "testing": "test"}
"""The names of Hugging Face for these splits, if it finds them as folders."""

Feature = Mapping[str, object]
"""A column as the card's YAML names it: ``name`` and ``dtype``, or ``name`` and ``struct``."""

_DTYPES = {Kind.TEXT: "string", Kind.INTEGER: "int64", Kind.NUMBER: "float64", Kind.FLAG: "bool"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderConfig:
    """How a loader reads the folder.

    ``patterns`` are the paths of a split's files, with ``{split}`` for its name. ``drop_labels`` stops the loader
    from making a column of the folders' names.
    """

    patterns: Sequence[str]
    features: Sequence[Feature]
    drop_labels: bool = False

    def list_patterns(self, split: str) -> list[str]:
        """The patterns of one split."""
        return [pattern.format(split=split) for pattern in self.patterns]


def choose_loader(
    formats: Sequence[str], types: ColumnTypes, metadata: WrittenMetadata | None, *, has_folders: bool = False
) -> LoaderConfig:
    """How to load a folder of these formats, with captions if a loader can find them.

    ``metadata`` is the metadata beside the videos, if any. A plain folder has videos only. ``has_folders``: videos are
    in folders within their splits.
    """
    videos = "{split}/**/*.mp4" if has_folders else "{split}/*.mp4"
    if metadata is not None:
        patterns = (videos, f"{{split}}/metadata.{metadata.kind.value}")
        return LoaderConfig(patterns=patterns, features=_list_features(types, metadata.columns, video=True))
    if Format.WEBDATASET in formats:
        row: Feature = {"name": "json", "struct": _list_features(types, list(types.kinds))}
        texts = [_feature(name, "string") for name in ("txt", "__key__", "__url__")]
        return LoaderConfig(patterns=("{split}-*.tar",), features=[row, _feature("mp4", "video"), *texts])
    return LoaderConfig(patterns=(videos,), features=[_feature("video", "video")], drop_labels=True)


def _list_features(types: ColumnTypes, names: Sequence[str], *, video: bool = False) -> list[Feature]:
    """The columns of a table; a VideoFolder turns ``file_name`` into ``video``."""
    return [
        _feature("video", "video") if video and name == "file_name" else _feature(name, _DTYPES[types.kinds[name]])
        for name in names
    ]


def _feature(name: str, dtype: str) -> Feature:
    return {"name": name, "dtype": dtype}


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The content of the card; ``left_out`` counts jobs by the reason why they are not in the dataset.

    ``pairs``: how many pairs the table ``pairs_file`` lists.
    """

    tally: Tally
    loader: LoaderConfig
    services: Sequence[str]
    splitting: Splitting
    pairs: int = 0
    pairs_file: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)

    def build_text(self) -> str:
        """The whole card."""
        sections = {
            "Splits": _make_splits_table(self.tally) + f"\n{_describe_splitting(self.splitting)}\n",
            "Videos": _make_pictures_table(self.tally),
            "For example": _make_examples_table(self.tally),
            "Measures": _make_measures_table(self.tally),
            "Verdicts and votes": _make_verdicts_table(self.tally),
            "Pairs": self._describe_pairs(),
            "What is not in it": self._list_missing(),
            "Columns": _describe_columns(),
            "Licence": _LICENCE,
        }
        parts = [self._build_front_matter(), "# Generated videos\n", self._summarize()]
        return "\n".join([*parts, *(f"## {title}\n\n{text}" for title, text in sections.items() if text)])

    def _build_front_matter(self) -> str:
        tally = self.tally
        made_from = {"text": True, "image": tally.from_images, "video": tally.from_videos}
        tasks = [f"{source}-to-video" for source, is_there in made_from.items() if is_there]
        size = next((name for most, name in _SIZES if tally.clips < most), "n>1M")
        lines = ["pretty_name: Generated videos", "task_categories:", *(f"- {task}" for task in tasks)]
        lines += ["size_categories:", f"- {size}", "tags:", "- video", "- synthetic", "- batchveo"]
        return "\n".join(["---", *lines, _to_yaml({"configs": [self._list_files()], **self._list_columns()}) + "---\n"])

    def _list_files(self) -> dict[str, object]:
        """The files of each split."""
        parts = self.tally.parts
        files = [{"split": self._name_split(split), "path": self.loader.list_patterns(split)} for split in parts]
        labels = {"drop_labels": True} if self.loader.drop_labels else {}
        return {"config_name": "default", "data_files": files, **labels}

    def _list_columns(self) -> dict[str, object]:
        """The columns with their types, which a loader would otherwise guess from the first rows of one split."""
        features = [dict(feature) for feature in self.loader.features]
        return {"dataset_info": {"config_name": "default", "features": features}}

    def _name_split(self, split: str) -> str:
        """The usual name of the split, unless two would have it: that does not load."""
        usual = _STANDARD.get(split, split)
        same = [other for other in self.tally.parts if _STANDARD.get(other, other) == usual]
        return usual if len(same) == 1 else split

    def _summarize(self) -> str:
        tally = self.tally
        days = sorted(tally.days) or ["at an unknown time"]
        when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
        length = f", {_format_length(tally.seconds)}" if tally.seconds else ""
        unknown = f", and {tally.unpriced} clips are of unknown price" if tally.unpriced else ""
        text = (
            f"Generated {when} (UTC) through {', '.join(map(_escape_cell, self.services)) or 'an unknown service'}, "
            f"collected by batchveo {__version__}: {tally.clips} clips{length}, {tally.bytes / 1e6:,.1f} MB. "
            f"Making them cost {format_usd(tally.usd)}{unknown}.\n"
        )
        if tally.rewritable:
            text += (
                f"\nThe service was allowed to rewrite the prompts of {tally.rewritable} clips (`auto_fix`, "
                "`enhance_prompt` or `enable_prompt_expansion`): there `text` is what was asked, and may not be what "
                "the model was given.\n"
            )
        return text

    def _describe_pairs(self) -> str:
        if not self.pairs:
            return ""
        return (
            f"`{self.pairs_file}` has {self.pairs} pairs of clips of one prompt of which people preferred one: "
            "`prompt`, `chosen` and `rejected` (files of this folder), `votes_for` and `votes_against`.\n"
        )

    def _list_missing(self) -> str:
        lines = [f"- {count} {_escape_cell(reason)}\n" for reason, count in self.left_out.items() if count]
        return "".join(lines) or "Nothing: every job is in it.\n"


_LICENCE = (
    "No licence was chosen. Whoever publishes this dataset chooses one and names it here and as `license:` at the "
    "top; the terms of the service and of its models apply to the videos.\n"
)


def _to_yaml(content: Mapping[str, object]) -> str:
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return text


def _make_splits_table(tally: Tally) -> str:
    splits = tally.parts
    models = sorted({model for model, _ in tally.models})
    rows = [[_escape_cell(model), *(str(tally.models[model, split]) for split in splits)] for model in models]
    rows.append(["all", *(str(tally.splits[split]) for split in splits)])
    return _make_table(["model", *splits], rows)


def _describe_splitting(splitting: Splitting) -> str:
    if splitting.how == "none":
        return "The clips were not split."
    if splitting.how == "auto":
        return "Each clip is in the split that its manifest named, or in `train`."
    group = {"prompt": "clips of one prompt", "job": "every clip by itself"}.get(splitting.by)
    return f"Shares {splitting.how}, drawn by a hash that keeps together: {group or _escape_cell(splitting.by)}."


def _make_pictures_table(tally: Tally) -> str:
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
    return _make_table(["picture", "frames a second", "length asked for", "sound", "clips"], rows)


def _make_examples_table(tally: Tally) -> str:
    rows = [[_escape_cell(str(row["file_name"])), _escape_cell(str(row["text"] or ""))] for row in tally.examples]
    return _make_table(["file", "text"], rows)


def _make_measures_table(tally: Tally) -> str:
    """How the measures and scores are distributed; empty if no clip has any."""
    ordered = [name for name in CHECKED if name in tally.numbers]
    ordered += sorted(name for name in tally.numbers if name.startswith(SCORE_PREFIX))
    rows = []
    for name in ordered:
        values = tally.numbers[name]
        numbers = (min(values), statistics.median(values), statistics.fmean(values), max(values))
        unit = FIELDS[name].unit if name in FIELDS else ""
        unknown = str(tally.clips - len(values))
        rows.append([f"`{name}`", unit, *map(_format_number, numbers), unknown])
    head = ["measure", "unit", "lowest", "median", "mean", "highest", "clips without it"]
    return _make_table(head, rows) if rows else ""


def _format_number(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= _LARGE else f"{number:.4g}"


def _make_verdicts_table(tally: Tally) -> str:
    """What gates and people say of the clips; empty if they say nothing."""
    rows = [[words, str(count)] for words, count in _list_findings(tally) if count]
    return _make_table(["what gates and people say", "clips"], rows) if rows else ""


def _list_findings(tally: Tally) -> Iterator[tuple[str, int]]:
    yield "accepted by their gates", tally.verdicts[Verdict.ACCEPTED]
    yield "rejected by their gates", tally.verdicts[Verdict.REJECTED]
    yield "not decided by their gates", tally.verdicts[Verdict.OPEN]
    yield "picked by people", tally.picked
    yield "rejected by people", tally.rejected
    yield "rated by people", tally.rated


def _format_length(seconds: float) -> str:
    for unit, size in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def _describe_columns() -> str:
    return (
        "`text` is the prompt, `negative_prompt` what was to be kept out. `request` is the whole request as JSON "
        "with what the service fills in by itself; `defaulted` names those parameters. Measured in the files: "
        f"{', '.join(f'`{name}`' for name in MEASURED)}. Measured in the decoded pictures and sound, if the clip was "
        f"checked: {', '.join(f'`{name}`' for name in CHECKED)}. Columns that begin with `{SCORE_PREFIX}` are what "
        "other tools gave. `verdict` is what gates say of the clip; `picks`, `rejects` and `rating` are what people "
        "say.\n\n"
        "Captions are as they were written. A spreadsheet takes one that begins with `=` for a formula: import "
        "the columns of a CSV as text.\n"
    )


def _make_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _escape_cell(text: str) -> str:
    """Any text as plain text in a Markdown table."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return (line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…").translate(_MARKS)
