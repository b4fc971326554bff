"""The files beside the clips of a dataset: metadata, captions, tables, and descriptions that a person may edit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from batchveo.core.destination import VIDEO_SUFFIX
from batchveo.dataset.columns import Row, TypeSurvey
from batchveo.dataset.index import ExportIndex
from batchveo.dataset.settings import Format, Metadata
from batchveo.dataset.statistics import Tally
from batchveo.dataset.tables import (
    JsonSurvey,
    WrittenMetadata,
    find_metadata,
    has_arrow,
    write_csv,
    write_jsonl,
    write_metadata,
    write_parquet,
)
from batchveo.storage.file_system import rename_file, replace_file

CAPTION_SUFFIX = ".txt"
_TYPED_TABLES = {Format.PARQUET: write_parquet, Format.CSV: write_csv}
_TABLES = {form: f"clips.{form.value}" for form in (Format.JSONL, Format.CSV, Format.PARQUET)}


class DatasetFiles:
    """Writes the files beside the clips from the index: of those whose row ``is_present`` finds in the folder.

    ``tally`` and ``types`` are of all of them, ``notes`` are for a person.
    """

    def __init__(self, folder: Path, index: ExportIndex, is_present: Callable[[Row], bool]) -> None:
        self.tally = Tally()
        self.notes: list[str] = []
        self._folder = folder
        self._index = index
        self._formats = [Format(name) for name in index.formats]
        self._present: list[str] = []
        self._is_present = is_present
        further = sorted(index.further_columns)
        self._json_survey = JsonSurvey(further)
        survey = TypeSurvey(further)
        # once for all: to read the rows is the slow part of an export again
        for job_id, clip in index.clips.items():
            if not is_present(row := index.read_row(clip)):
                continue
            self._present.append(job_id)
            self.tally.add_row(row)
            survey.add_row(row)
            self._json_survey.add_row(row)
        self.types = survey.find_types()
        self._leaders = survey.find_leaders()

    def write_files(self, asked: Metadata) -> WrittenMetadata | None:
        """Write all of them; returns the metadata beside the videos, if any."""
        metadata = self._write_metadata(asked, self.tally.parts)
        if self._index.captions is not None and set(self._formats) != {Format.WEBDATASET}:
            edited = write_captions(self._folder, self._iter_raw_rows())
            self.notes += [f"{edited} captions were edited and are left alone"] if edited else []
        self._write_tables()
        return metadata

    def find_row(self, job_id: str) -> Row | None:
        """The row of a job's clip, if the clip is in the folder."""
        clip = self._index.clips.get(job_id)
        if clip is None or not self._is_present(row := self._index.read_row(clip)):
            return None
        return self.types.fit_row(row)

    def iter_rows(self, split: str | None = None, *, only: Container[str] | None = None) -> Iterator[Row]:
        """The rows of all clips, or of one split, or of ``only`` some ids; each value in the type of its column."""
        return map(self.types.fit_row, self._iter_raw_rows(split, only=only))

    def _iter_raw_rows(self, split: str | None = None, *, only: Container[str] | None = None) -> Iterator[Row]:
        for job_id in self._present:
            clip = self._index.clips[job_id]
            if split in (None, clip.split) and (only is None or job_id in only):
                yield self._index.read_row(clip)

    def _write_metadata(self, asked: Metadata, splits: list[str]) -> WrittenMetadata | None:
        """Describe the videos beside them, unless they are in plain folders or only in shards."""
        kind = _choose_metadata(self._formats, asked)
        if kind is None or self._has_other_metadata(splits):
            return None
        self._index.use_metadata()  # before the file: after a death the next export knows it as its own
        metadata = write_metadata(self._folder, self.iter_rows, splits, kind, self.types, self._json_survey)
        if metadata.lost:
            text = f"metadata.jsonl has no {', '.join(metadata.lost)}: a split without such a value would not load"
            self.notes.append(f"{text}; --metadata parquet has every column")
        return metadata

    def _has_other_metadata(self, splits: list[str]) -> bool:
        """Whether somebody else described the videos of a dataset that had no metadata of ours before."""
        if self._index.describes or Format.VIDEOFOLDER in self._formats:
            return False
        others = [path for split in splits for path in find_metadata(self._folder / split)]
        if others:
            name = others[0].relative_to(self._folder)
            self.notes.append(f"{name} is not of this export and is left alone; the card does not name it")
        return bool(others)

    def _write_tables(self) -> None:
        """Write the tables of all clips; the rows that show a loader the type of a column come first."""
        for form, name in _TABLES.items():
            if form in self._formats:
                others = (row for row in self.iter_rows() if row["job_id"] not in self._leaders)
                rows = chain(self.iter_rows(only=self._leaders), others)
                if form is Format.JSONL:
                    write_jsonl(self._folder / name, rows)
                else:
                    _TYPED_TABLES[form](self._folder / name, rows, self.types)


def _choose_metadata(formats: Sequence[Format], asked: Metadata) -> Metadata | None:
    """The format of the metadata beside the videos; ``None`` for no metadata.

    A VideoFolder has the one that is asked for. Beside a table alone it is the one that has every column, if that
    can be written. A plain folder has nothing but videos.
    """
    if Format.VIDEOFOLDER in formats:
        return asked
    if Format.FOLDER in formats or not set(formats) & set(_TABLES):
        return None
    return Metadata.PARQUET if has_arrow() else asked


def write_captions(folder: Path, rows: Iterable[Row]) -> int:
    """Write ``NAME.txt`` beside each ``NAME.mp4``: UTF-8, the caption without surrounding blanks.

    Returns the number of files with another text: somebody has edited them, and they are left alone.
    """
    return sum(not _write_caption(folder, row) for row in rows)


def _write_caption(folder: Path, row: Row) -> bool:
    """Whether the file holds the caption now."""
    path = folder / f"{str(row['file_name']).removesuffix(VIDEO_SUFFIX)}{CAPTION_SUFFIX}"
    content = str(row["text"] or "").strip().encode("utf-8", "replace")
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        found = b""
    if found or (path.is_file() and not content):
        return found == content
    # Without fsync: a power cut can only leave an empty file, which the next export writes again.
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    part.write_bytes(content)
    rename_file(part, path)
    return True


def name_new_description(name: str) -> str:
    """The file beside an edited description: ``README.new.md``."""
    path = Path(name)
    return f"{path.stem}.new{path.suffix}"


def write_description(folder: Path, index: ExportIndex, name: str, text: str) -> str | None:
    """Write a description; if somebody has edited it, write ``NAME.new.SUFFIX`` beside it.

    Returns a note about that.
    """
    path = folder / name
    content = text.encode("utf-8", "replace")
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() not in index.cards:
        new = folder / name_new_description(name)
        _write_bytes(new, content)
        return f"{name} was edited and is left alone; {new.name} has what it would say now"
    # In the index before the file: after a death between the two it is not taken for an edited one.
    index.add_card(hashlib.sha256(content).hexdigest())
    _write_bytes(path, content)
    return None


def _write_bytes(path: Path, content: bytes) -> None:
    with replace_file(path) as part:
        part.write_bytes(content)
