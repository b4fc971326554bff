"""The metadata of a Hugging Face VideoFolder: a file beside the videos of each split."""

from __future__ import annotations

from collections.abc import Container, Iterator
from itertools import chain
from pathlib import Path
from typing import Protocol

from batchveo.exporting.columns import COLUMNS, Kind, Row
from batchveo.exporting.settings import Metadata
from batchveo.exporting.tables import write_jsonl, write_parquet


class Rows(Protocol):
    """Reads the rows anew: of all clips, of one split, of ``only`` some ids among them."""

    def __call__(self, split: str | None = None, *, only: Container[str] | None = None) -> Iterator[Row]:
        """The rows, in the order in which they came."""


def write_metadata(folder: Path, rows: Rows, splits: list[str], kind: Metadata) -> list[str]:
    """Write ``metadata.jsonl`` or ``.parquet`` into every split's folder.

    Returns the columns that were left out although some clips have a value: JSON has no types, and the loader
    refuses splits that look different, so a column of numbers needs a value in each of them. Parquet has them all.
    """
    survey = _Survey(splits)
    if kind is Metadata.JSONL:
        survey.read(rows())
    for split in splits:
        name = f"metadata.{kind.value}"
        if kind is Metadata.PARQUET:
            write_parquet(folder / split / name, _inside(rows(split), split))
        else:
            write_jsonl(folder / split / name, survey.telling(rows, split))
        for other in Metadata:  # the loader takes one kind only
            if other is not kind:
                (folder / split / f"metadata.{other.value}").unlink(missing_ok=True)
    return survey.lost if kind is Metadata.JSONL else []


def _inside(rows: Iterator[Row], split: str) -> Iterator[Row]:
    """The rows with names as they are inside of the split's folder."""
    for row in rows:
        yield {**row, "file_name": str(row["file_name"]).removeprefix(f"{split}/")}


class _Survey:
    """Which columns that are no text have a value in every split, and which clips show one first."""

    def __init__(self, splits: list[str]) -> None:
        self._firsts: dict[str, dict[str, object]] = {split: {} for split in splits}
        self._columns = [name for name, kind in COLUMNS.items() if kind is not Kind.TEXT]

    def read(self, rows: Iterator[Row]) -> None:
        for row in rows:
            firsts = self._firsts[str(row["split"])]
            if len(firsts) < len(self._columns):
                for name in self._columns:
                    if row[name] is not None:
                        firsts.setdefault(name, row["job_id"])

    @property
    def left_out(self) -> list[str]:
        return [name for name in self._columns if any(name not in firsts for firsts in self._firsts.values())]

    @property
    def lost(self) -> list[str]:
        return [name for name in self.left_out if any(name in firsts for firsts in self._firsts.values())]

    def telling(self, rows: Rows, split: str) -> Iterator[Row]:
        """The rows of a split without null texts, those first that show the types of all columns."""
        first = {str(job_id) for job_id in self._firsts[split].values()}
        left_out = set(self.left_out)
        others = (row for row in rows(split) if row["job_id"] not in first)
        for row in _inside(chain(rows(split, only=first), others), split):
            yield {name: _plain(name, value) for name, value in row.items() if name not in left_out}


def _plain(name: str, value: object) -> object:
    return "" if value is None and COLUMNS[name] is Kind.TEXT else value
