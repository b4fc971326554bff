"""The metadata of a Hugging Face VideoFolder: a file beside the videos of each split."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

from batchveo.dataset.column_types import ColumnTypes
from batchveo.dataset.columns import COLUMNS, Kind, Row
from batchveo.dataset.settings import Metadata
from batchveo.dataset.tables import write_jsonl, write_parquet

_NAMES = ("metadata.jsonl", "metadata.parquet", "metadata.csv")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[ T][\d:]*Z?)?")
"""What the loader takes for a point of time, if no other text stands in the column."""


class Rows(Protocol):
    """Reads the rows anew: of all clips, of one split, of ``only`` some ids among them."""

    def __call__(self, split: str | None = None, *, only: Container[str] | None = None) -> Iterator[Row]:
        """The rows, in the order in which they came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What the metadata hold: their ``columns``, and those that are ``lost`` although some clips have a value."""

    kind: Metadata
    columns: Sequence[str]
    lost: Sequence[str] = ()


def write_metadata(folder: Path, rows: Rows, splits: list[str], kind: Metadata, types: ColumnTypes) -> Described:
    """Write ``metadata.jsonl`` or ``.parquet`` into every split's folder.

    JSON has no types, and the loader refuses splits that look different: a column of numbers needs a value in each
    of them, a column of text one that is no date. Others are left out. Parquet has them all.
    """
    survey = _Survey(splits, types)
    if kind is Metadata.JSONL:
        survey.read(rows())
    for split in splits:
        path = folder / split / f"metadata.{kind.value}"
        if kind is Metadata.PARQUET:
            write_parquet(path, _inside(rows(split), split), types)
        else:
            write_jsonl(path, survey.telling(rows, split))
        remove_metadata(folder / split, but=kind)
    if kind is Metadata.PARQUET:
        return Described(kind=kind, columns=tuple(COLUMNS))
    columns = [name for name in COLUMNS if name not in survey.left_out]
    return Described(kind=kind, columns=columns, lost=survey.lost)


def metadata_in(folder: Path) -> list[Path]:
    """What a loader would take for metadata in a split's folder."""
    return [path for name in _NAMES if (path := folder / name).exists()]


def remove_metadata(folder: Path, *, but: Metadata) -> None:
    """Remove the other kind of metadata from a split's folder: the loader takes one kind only."""
    for other in Metadata:
        if other is not but:
            (folder / f"metadata.{other.value}").unlink(missing_ok=True)


def _inside(rows: Iterator[Row], split: str) -> Iterator[Row]:
    """The rows with names as they are inside of the split's folder."""
    for row in rows:
        yield {**row, "file_name": str(row["file_name"]).removeprefix(f"{split}/")}


class _Survey:
    """Which columns show their type in every split, and which clips show it first."""

    def __init__(self, splits: list[str], types: ColumnTypes) -> None:
        self._kinds = types.kinds
        self._firsts: dict[str, dict[str, object]] = {split: {} for split in splits}
        self._unseen: dict[str, set[str]] = {split: set(COLUMNS) for split in splits}

    def read(self, rows: Iterator[Row]) -> None:
        for row in rows:
            unseen = self._unseen[str(row["split"])]
            shown = {name for name in unseen if self._shows(name, row[name])}
            self._firsts[str(row["split"])].update(dict.fromkeys(shown, row["job_id"]))
            unseen -= shown

    def _shows(self, name: str, value: object) -> bool:
        if self._kinds[name] is not Kind.TEXT:
            return value is not None
        return value is None or not _DATE.fullmatch(str(value))

    @property
    def left_out(self) -> list[str]:
        return [name for name in COLUMNS if any(name in unseen for unseen in self._unseen.values())]

    @property
    def lost(self) -> list[str]:
        """Those left out that have a value: a number in another split, or nothing but dates in this one."""
        return [name for name in self.left_out if self._kinds[name] is Kind.TEXT or self._is_anywhere(name)]

    def _is_anywhere(self, name: str) -> bool:
        return any(name in firsts for firsts in self._firsts.values())

    def telling(self, rows: Rows, split: str) -> Iterator[Row]:
        """The rows of a split without null texts, those first that show the types of all columns."""
        first = {str(job_id) for job_id in self._firsts[split].values()}
        left_out = set(self.left_out)
        others = (row for row in rows(split) if row["job_id"] not in first)
        for row in _inside(chain(rows(split, only=first), others), split):
            yield {name: self._plain(name, value) for name, value in row.items() if name not in left_out}

    def _plain(self, name: str, value: object) -> object:
        return "" if value is None and self._kinds[name] is Kind.TEXT else value
