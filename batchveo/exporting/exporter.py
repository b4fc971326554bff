"""An export: from the jobs that succeeded to a folder that explains itself."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path

from batchveo.errors import DiskTrouble, UsageError
from batchveo.exporting.arriving import How
from batchveo.exporting.captions import write_captions
from batchveo.exporting.card import CARD, Card
from batchveo.exporting.clips import Clips
from batchveo.exporting.column_types import TypeSurvey
from batchveo.exporting.columns import Row
from batchveo.exporting.croissant import CROISSANT, Croissant
from batchveo.exporting.descriptions import write_description
from batchveo.exporting.loading import loading
from batchveo.exporting.record import RECORD, Record
from batchveo.exporting.settings import Exported, ExportSettings, Files, Format, Metadata
from batchveo.exporting.shards import Shards
from batchveo.exporting.splits import TRAIN
from batchveo.exporting.tables import arrow_modules, has_arrow, write_csv, write_jsonl, write_parquet
from batchveo.exporting.tally import Tally
from batchveo.exporting.videofolder import Described, write_metadata
from batchveo.files import sync
from batchveo.kept import BucketVideo
from batchveo.media import can_probe
from batchveo.models import Job, JobState
from batchveo.objects import Faint, Refused
from batchveo.store import Store
from batchveo.verifying import video_at

_TABLES = {form: f"clips.{form.value}" for form in (Format.JSONL, Format.CSV, Format.PARQUET)}
_TEXT_TABLES = {Format.JSONL: write_jsonl, Format.CSV: write_csv}
_FAREWELL = {
    JobState.FAILED: "jobs failed",
    JobState.CANCELLED: "jobs were cancelled before they were submitted",
}


def _not_told(jobs: int) -> None:
    pass


def export(
    store: Store,
    folder: str | os.PathLike[str],
    settings: ExportSettings | None = None,
    *,
    seen: Callable[[int], None] = _not_told,
) -> Exported:
    """Make a dataset in ``folder`` from what succeeded, or add to it what is new.

    A death at any moment costs nothing but the rest of the work: the same call finishes it. A move wants a store
    that is open for writing, and takes its run lock. ``seen`` is told how many jobs were looked at.

    Raises ``UsageError`` for a folder that holds other things, ``StateLocked`` where a move meets a run,
    ``DiskTrouble`` where the folder cannot be written.
    """
    settings = settings or ExportSettings()
    into = Path(folder).absolute()
    if settings.dry_run:
        return _preview(store, into, settings)
    if Format.PARQUET in settings.formats or settings.metadata is Metadata.PARQUET:
        arrow_modules()  # better now than after an hour of copying
    if settings.files is Files.MOVE:
        store.lock()
    _check_choice(store, settings, new=not (into / RECORD).exists())
    try:
        with Record(into, settings.splitting) as record:
            record.use([form.value for form in settings.formats])
            record.use_captions(settings.captions)
            return _Export(store, into, settings, record).run(seen)
    except (Faint, Refused) as error:
        text = f"{error.filename} cannot be read: {error.strerror}; the same command goes on"
        raise DiskTrouble(text) from None
    except OSError as error:
        raise DiskTrouble(f"the dataset in {into} cannot be written: {error}; the same command goes on") from None


def _check_choice(store: Store, settings: ExportSettings, *, new: bool) -> None:
    """Raise ``UsageError`` for a split that is none, or a new dataset of nothing, before anything is written."""
    if new and not any(map(settings.wants, store.succeeded())):
        made = store.counts()[JobState.SUCCEEDED]
        why = f"none of {made:,} videos is chosen by the filters" if made else "no video has succeeded yet"
        raise UsageError(f"there is nothing to export: {why}; nothing was written")
    if settings.files is Files.MOVE and any(map(_is_in_bucket, filter(settings.wants, store.succeeded()))):
        raise UsageError("videos in a bucket are not moved: use --files copy, and delete them there yourself")
    if settings.splitting.how == "auto":
        for job in filter(settings.wants, store.succeeded()):
            settings.splitting.part_of(job)


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


def _is_in_bucket(job: Job) -> bool:
    return isinstance(video_at(job), BucketVideo)


def _preview(store: Store, folder: Path, settings: ExportSettings) -> Exported:
    splits: Counter[str] = Counter()
    added = size = left_out = 0
    with Record(folder, settings.splitting, writing=False) as record:
        for job in store.succeeded():
            if not settings.wants(job):
                left_out += 1
                continue
            known = record.entries.get(job.id)
            splits[known.split if known else settings.splitting.part_of(job)] += 1
            added += known is None
            size += job.bytes or 0
    return Exported(
        folder=folder,
        clips=splits.total(),
        added=added,
        bytes=size,
        splits=dict(splits),
        left_out=left_out,
        dry_run=True,
    )


class _Export:
    """One export under way."""

    def __init__(self, store: Store, folder: Path, settings: ExportSettings, record: Record) -> None:
        self._store = store
        self._folder = folder
        self._settings = settings
        self._record = record
        self._formats = [Format(name) for name in record.formats]
        self._places_files = bool(set(self._formats) - {Format.WEBDATASET})
        most = {"most_bytes": settings.shard_bytes, "most_clips": settings.shard_clips}
        self._shards = Shards(folder, record, **most) if Format.WEBDATASET in self._formats else None
        self._clips = Clips(
            store,
            folder,
            settings,
            record,
            shards=self._shards,
            places_files=self._places_files,
        )
        self._types = TypeSurvey().types()
        self._there: list[str] = []
        self._left_out = 0
        self._notes: list[str] = []

    def run(self, seen: Callable[[int], None]) -> Exported:
        """Bring the clips, then write what describes them: whoever finds metadata finds all it names."""
        with closing(self._clips):
            self._take_all(seen)
        self._there = [i for i, entry in self._record.entries.items() if self._clips.is_there(entry)]
        tally, survey = Tally(), TypeSurvey()
        for row in self._raw_rows():
            tally.add(row)
            survey.add(row)
        self._types = survey.types()
        self._sync(tally.parts)
        self._describe(tally, survey.leaders())
        self._record.sync()
        return self._result(tally)

    def _take_all(self, seen: Callable[[int], None]) -> None:
        for number, job in enumerate(self._store.succeeded(), 1):
            seen(number)
            if self._settings.wants(job):
                self._clips.take(job, now=time.time())
            else:
                self._left_out += 1
        if self._shards is not None:
            self._shards.finish()

    def _raw_rows(self, split: str | None = None, *, only: Container[str] | None = None) -> Iterator[Row]:
        """The rows of all clips that are there, or of one split's, or of ``only`` those ids among them."""
        for job_id in self._there:
            entry = self._record.entries[job_id]
            if split in (None, entry.split) and (only is None or job_id in only):
                yield self._record.row(entry)

    def _rows(self, split: str | None = None, *, only: Container[str] | None = None) -> Iterator[Row]:
        """The same rows with every value in the type of its column."""
        return map(self._types.fit, self._raw_rows(split, only=only))

    def _sync(self, splits: list[str]) -> None:
        for folder in (self._folder, *(self._folder / split for split in splits)):
            if folder.is_dir():
                sync(folder)

    def _describe(self, tally: Tally, leaders: Container[str]) -> None:
        """Write what stands beside the videos, the tables, then the descriptions of all that."""
        described = self._write_metadata(tally.parts)
        if self._places_files and self._record.captions is not None:
            edited = write_captions(self._folder, self._raw_rows())
            self._notes += [f"{edited} captions were edited and are left alone"] if edited else []
        self._write_tables(leaders)
        croissant = Croissant(
            folder=self._folder, record=self._record, tally=tally, types=self._types, described=described
        )
        for name, text in ((CROISSANT, croissant.text()), (CARD, self._card(tally, described).text())):
            note = write_description(self._folder, self._record, name, text)
            self._notes += [note] if note else []

    def _write_metadata(self, splits: list[str]) -> Described | None:
        """Describe the videos beside them, unless they stand in plain folders or in shards alone."""
        kind = _metadata_kind(self._formats, self._settings.metadata)
        if kind is None:
            return None
        described = write_metadata(self._folder, self._rows, splits, kind, self._types)
        if described.lost:
            text = (
                f"metadata.jsonl has no {', '.join(described.lost)}: a split without such a value would not load"
            )
            self._notes.append(f"{text}; --metadata parquet has every column")
        return described

    def _write_tables(self, leaders: Container[str]) -> None:
        """Write the tables of all clips; ``leaders`` come first, so that a loader sees what a column holds."""
        for form, name in _TABLES.items():
            if form in self._formats:
                others = (row for row in self._rows() if row["job_id"] not in leaders)
                rows = chain(self._rows(only=leaders), others)
                if form is Format.PARQUET:
                    write_parquet(self._folder / name, rows, self._types)
                else:
                    _TEXT_TABLES[form](self._folder / name, rows)

    def _card(self, tally: Tally, described: Described | None) -> Card:
        counts = self._store.counts()
        left_out = {words: counts[state] for state, words in _FAREWELL.items()}
        ended = (JobState.SUCCEEDED, *_FAREWELL)
        left_out["jobs are not finished"] = counts.total - sum(counts[state] for state in ended)
        left_out["videos were not chosen"] = self._left_out
        for trouble in self._clips.troubles:
            reason = f"videos were left out: {trouble.problem}"
            left_out[reason] = left_out.get(reason, 0) + 1
        return Card(
            tally=tally,
            loading=loading(self._formats, self._types, described),
            services=sorted(filter(None, self._store.services())),
            splitting=self._settings.splitting,
            left_out=left_out,
        )

    def _result(self, tally: Tally) -> Exported:
        return Exported(
            folder=self._folder,
            clips=tally.clips,
            added=self._clips.added,
            bytes=tally.bytes,
            splits={split: tally.splits[split] for split in tally.parts},
            placed={how.value: n for how, n in self._clips.placed.items()},
            shards=self._shards.new if self._shards else (),
            left_out=self._left_out,
            troubles=self._clips.troubles,
            notes=[*self._notes, *self._more_notes(tally)],
        )

    def _more_notes(self, tally: Tally) -> Iterator[str]:
        if not can_probe():
            yield "PyAV is not installed, so sizes, rates and codecs are empty: pip install 'batchveo[media]'"
        if self._clips.elsewhere:
            yield f"{self._clips.elsewhere} clips would now go to another split; they stay where they are"
        if self._clips.placed[How.SYMLINKED]:
            yield "the folder is on another file system: symbolic links, which break where the videos are moved"
        if tally.formulas and Format.CSV in self._formats:
            yield f"{tally.formulas} captions look like formulas to a spreadsheet: import clips.csv as text"
        if set(tally.splits) == {TRAIN} and self._settings.splitting.shares() not in (None, (1.0,)):
            yield f"everything fell into {TRAIN}: by {self._settings.splitting.by}, there are few groups"
