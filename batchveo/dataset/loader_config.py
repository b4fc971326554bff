"""How Hugging Face's ``datasets`` reads a dataset's folder: the files of a split, the columns of a clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batchveo.dataset.column_types import ColumnTypes
from batchveo.dataset.columns import COLUMNS, Kind
from batchveo.dataset.settings import Format
from batchveo.dataset.videofolder import Described

Feature = Mapping[str, object]
"""A column as the card's YAML names it: ``name`` and ``dtype``, or ``name`` and ``struct``."""

_DTYPES = {Kind.TEXT: "string", Kind.INTEGER: "int64", Kind.NUMBER: "float64", Kind.FLAG: "bool"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """What a card says to the loader.

    ``patterns`` lead from the folder's top to the files of a split, with ``{split}`` in place of its name.
    ``drop_labels`` keeps the loader from making a column of the folders' names.
    """

    patterns: Sequence[str]
    features: Sequence[Feature]
    drop_labels: bool = False

    def data_files(self, split: str) -> list[str]:
        """The patterns of one split."""
        return [pattern.format(split=split) for pattern in self.patterns]


def loading(formats: Sequence[str], types: ColumnTypes, described: Described | None) -> Loading:
    """How to load a folder of these formats, with captions wherever a loader can find them.

    ``described`` is the metadata beside the videos, where there are some. A plain folder has videos only.
    """
    if described is not None:
        patterns = ("{split}/*.mp4", f"{{split}}/metadata.{described.kind.value}")
        return Loading(patterns=patterns, features=_columns(types, described.columns, video=True))
    if Format.WEBDATASET in formats:
        row: Feature = {"name": "json", "struct": _columns(types, list(COLUMNS))}
        texts = [_feature(name, "string") for name in ("txt", "__key__", "__url__")]
        return Loading(patterns=("{split}-*.tar",), features=[row, _feature("mp4", "video"), *texts])
    return Loading(patterns=("{split}/*.mp4",), features=[_feature("video", "video")], drop_labels=True)


def _columns(types: ColumnTypes, names: Sequence[str], *, video: bool = False) -> list[Feature]:
    """The columns of a table; a VideoFolder makes ``video`` of ``file_name``."""
    return [
        _feature("video", "video") if video and name == "file_name" else _feature(name, _DTYPES[types.kinds[name]])
        for name in names
    ]


def _feature(name: str, dtype: str) -> Feature:
    return {"name": name, "dtype": dtype}
