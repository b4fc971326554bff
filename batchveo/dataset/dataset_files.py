"""What stands beside the clips of a dataset: metadata, loose captions, tables."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from itertools import chain
from pathlib import Path

from batchveo.dataset.captions import write_captions
from batchveo.dataset.column_types import TypeSurvey
from batchveo.dataset.columns import Row
from batchveo.dataset.index import Record
from batchveo.dataset.settings import Format, Metadata
from batchveo.dataset.statistics import Tally
from batchveo.dataset.tables import has_arrow, write_csv, write_jsonl, write_parquet
from batchveo.dataset.videofolder import Described, metadata_in, write_metadata

_TABLES = {form: f"clips.{form.value}" for form in (Format.JSONL, Format.CSV, Format.PARQUET)}
_TEXT_TABLES = {Format.JSONL: write_jsonl, Format.CSV: write_csv}


class DatasetFiles:
    """Writes from the record what is said of the clips in the folder; ``there`` has their ids.

    ``tally`` and ``types`` are of all of them, ``notes`` what a person should be told.
    """

    def __init__(self, folder: Path, record: Record, there: Sequence[str]) -> None:
        self.tally = Tally()
        self.notes: list[str] = []
        self._folder = folder
        self._record = record
        self._formats = [Format(name) for name in record.formats]
        self._there = there
        survey = TypeSurvey()
        for row in self.raw_rows():
            self.tally.add(row)
            survey.add(row)
        self.types = survey.types()
        self._leaders = survey.leaders()

    def write(self, asked: Metadata) -> Described | None:
        """Write all of it; returns what the metadata beside the videos hold, where there are some."""
        described = self._write_metadata(asked, self.tally.parts)
        if self._record.captions is not None and set(self._formats) != {Format.WEBDATASET}:
            edited = write_captions(self._folder, self.raw_rows())
            self.notes += [f"{edited} captions were edited and are left alone"] if edited else []
        self._write_tables()
        return described

    def raw_rows(self, split: str | None = None, *, only: Container[str] | None = None) -> Iterator[Row]:
        """The rows of all clips that are there, or of one split's, or of ``only`` those ids among them."""
        for job_id in self._there:
            entry = self._record.entries[job_id]
            if split in (None, entry.split) and (only is None or job_id in only):
                yield self._record.row(entry)

    def rows(self, split: str | None = None, *, only: Container[str] | None = None) -> Iterator[Row]:
        """The same rows with every value in the type of its column."""
        return map(self.types.fit, self.raw_rows(split, only=only))

    def _write_metadata(self, asked: Metadata, splits: list[str]) -> Described | None:
        """Describe the videos beside them, unless they stand in plain folders or in shards alone."""
        kind = _metadata_kind(self._formats, asked)
        if kind is None or self._meets_other_metadata(splits):
            return None
        self._record.use_metadata()
        described = write_metadata(self._folder, self.rows, splits, kind, self.types)
        if described.lost:
            text = f"metadata.jsonl has no {', '.join(described.lost)}: a split without such a value would not load"
            self.notes.append(f"{text}; --metadata parquet has every column")
        return described

    def _meets_other_metadata(self, splits: list[str]) -> bool:
        """Whether somebody else described the videos of a dataset that wanted no metadata from us before."""
        if self._record.describes or Format.VIDEOFOLDER in self._formats:
            return False
        others = [path for split in splits for path in metadata_in(self._folder / split)]
        if others:
            name = others[0].relative_to(self._folder)
            self.notes.append(f"{name} is not of this export and is left alone; the card does not name it")
        return bool(others)

    def _write_tables(self) -> None:
        """Write the tables of all clips; those first that show a loader what a column holds."""
        for form, name in _TABLES.items():
            if form in self._formats:
                others = (row for row in self.rows() if row["job_id"] not in self._leaders)
                rows = chain(self.rows(only=self._leaders), others)
                if form is Format.PARQUET:
                    write_parquet(self._folder / name, rows, self.types)
                else:
                    _TEXT_TABLES[form](self._folder / name, rows)


def _metadata_kind(formats: Sequence[Format], asked: Metadata) -> Metadata | None:
    """How the videos are described beside them; ``None``: not at all.

    A VideoFolder goes by what was asked. Beside a table alone, where nothing was, it is the kind that has every
    column if that can be written. A plain folder has nothing but videos.
    """
    if Format.VIDEOFOLDER in formats:
        return asked
    if Format.FOLDER in formats or not set(formats) & set(_TABLES):
        return None
    return Metadata.PARQUET if has_arrow() else asked
