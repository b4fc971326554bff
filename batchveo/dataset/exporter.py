"""An export: from the succeeded jobs to a folder that explains itself."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from batchveo.core.errors import DiskTrouble, UsageError
from batchveo.core.models import Job, JobState
from batchveo.dataset.clips import ClipExporter, How
from batchveo.dataset.croissant import CROISSANT, Croissant
from batchveo.dataset.dataset_card import CARD, Card, choose_loader
from batchveo.dataset.dataset_files import DatasetFiles, write_description
from batchveo.dataset.index import INDEX_FILE, ExportIndex
from batchveo.dataset.settings import Exported, ExportSettings, Format, Metadata
from batchveo.dataset.splits import TRAIN
from batchveo.dataset.statistics import Tally
from batchveo.dataset.tables import WrittenMetadata, import_arrow
from batchveo.dataset.webdataset import ShardWriter
from batchveo.storage.file_system import sync_path
from batchveo.storage.object_errors import StoreRefused, StoreUnavailable
from batchveo.storage.probe import can_probe
from batchveo.store import Store

_ENDED_WITHOUT_VIDEO = {
    JobState.FAILED: "jobs failed",
    JobState.CANCELLED: "jobs were cancelled before they were submitted",
}
_RESUME = "run the same command to resume"


def _ignore_progress(jobs: int) -> None:
    pass


def export(
    store: Store,
    folder: str | os.PathLike[str],
    settings: ExportSettings | None = None,
    *,
    seen: Callable[[int], None] = _ignore_progress,
) -> Exported:
    """Make a dataset in ``folder`` from the succeeded jobs, or add new ones to it.

    After a death at any moment the same call finishes the work. ``seen`` is called with the number of jobs
    processed so far.

    Raises ``UsageError`` for a folder that holds other things, ``DiskTrouble`` if the folder cannot be written.
    """
    settings = settings or ExportSettings()
    into = Path(folder).absolute()
    if settings.dry_run:
        return _count_clips(store, into, settings)
    if Format.PARQUET in settings.formats or settings.metadata is Metadata.PARQUET:
        import_arrow()  # better now than after an hour of copying
    _check_choice(store, settings, new=not (into / INDEX_FILE).exists())
    try:
        with ExportIndex(into, settings.splitting) as index:
            index.use_formats([form.value for form in settings.formats])
            index.use_captions(settings.captions)
            return _Export(store, into, settings, index).run(seen)
    except (StoreUnavailable, StoreRefused) as error:
        raise DiskTrouble(f"{error.filename} cannot be read: {error.strerror}; {_RESUME}") from None
    except OSError as error:
        raise DiskTrouble(f"the dataset in {into} cannot be written: {error}; {_RESUME}") from None


def _check_choice(store: Store, settings: ExportSettings, *, new: bool) -> None:
    """Raise ``UsageError`` for a bad split name or a new dataset without clips, before anything is written."""
    chosen = filter(settings.wants, store.queries.iter_succeeded())
    if new and next(chosen, None) is None:
        made = store.counts()[JobState.SUCCEEDED]
        why = f"none of {made:,} videos is chosen by the filters" if made else "no video has succeeded yet"
        raise UsageError(f"there is nothing to export: {why}; nothing was written")
    if settings.splitting.how == "auto":  # the only way that can fail for one job
        for job in filter(settings.wants, store.queries.iter_succeeded()):
            settings.splitting.part_of(job)


def _count_clips(store: Store, folder: Path, settings: ExportSettings) -> Exported:
    """The result of a dry run."""
    splits: Counter[str] = Counter()
    added = size = left_out = 0
    with ExportIndex(folder, settings.splitting, writing=False) as index:
        for job in store.queries.iter_succeeded():
            if not settings.wants(job):
                left_out += 1
                continue
            clip = index.clips.get(job.id)
            splits[clip.split if clip else settings.splitting.part_of(job)] += 1
            added += clip is None
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
    """One export."""

    def __init__(self, store: Store, folder: Path, settings: ExportSettings, index: ExportIndex) -> None:
        self._store = store
        self._folder = folder
        self._settings = settings
        self._index = index
        self._formats = [Format(name) for name in index.formats]
        most = {"most_bytes": settings.shard_bytes, "most_clips": settings.shard_clips}
        self._shards = ShardWriter(folder, index, **most) if Format.WEBDATASET in self._formats else None
        places_files = bool(set(self._formats) - {Format.WEBDATASET})
        self._clips = ClipExporter(folder, settings, index, shards=self._shards, places_files=places_files)
        self._left_out = 0
        self._notes: list[str] = []

    def run(self, seen: Callable[[int], None]) -> Exported:
        """Export the clips, then write the files that describe them, which so name no missing clip."""
        with closing(self._clips):
            self._export_clips(seen)
        # Clips of earlier exports whose files are gone are in the index, but not in the dataset.
        files = DatasetFiles(self._folder, self._index, self._clips.has_file)
        self._sync_folders(files.tally.parts)
        metadata = files.write_files(self._settings.metadata)
        self._notes += files.notes
        self._write_descriptions(files, metadata)
        self._index.sync_file()
        return self._build_result(files.tally)

    def _export_clips(self, seen: Callable[[int], None]) -> None:
        for number, job in enumerate(self._clips.read_ahead(self._iter_wanted()), 1):
            seen(number + self._left_out)
            self._clips.export_job(job)
        if self._shards is not None:
            self._shards.write_rest()

    def _iter_wanted(self) -> Iterator[Job]:
        for job in self._store.queries.iter_succeeded():
            if self._settings.wants(job):
                yield job
            else:
                self._left_out += 1

    def _sync_folders(self, splits: list[str]) -> None:
        for folder in (self._folder, *(self._folder / split for split in splits)):
            if folder.is_dir():
                sync_path(folder)

    def _write_descriptions(self, files: DatasetFiles, metadata: WrittenMetadata | None) -> None:
        """Write the descriptions for people and for catalogues."""
        croissant = Croissant(
            folder=self._folder, index=self._index, tally=files.tally, types=files.types, metadata=metadata
        )
        card = Card(
            tally=files.tally,
            loader=choose_loader(self._formats, files.types, metadata),
            services=sorted(filter(None, self._store.runs.list_services())),
            splitting=self._settings.splitting,
            left_out=self._count_left_out(),
        )
        for name, text in ((CROISSANT, croissant.build_text()), (CARD, card.build_text())):
            note = write_description(self._folder, self._index, name, text)
            self._notes += [note] if note else []

    def _count_left_out(self) -> dict[str, int]:
        """The number of jobs for each reason why they are not in the dataset."""
        counts = self._store.counts()
        left_out = {words: counts[state] for state, words in _ENDED_WITHOUT_VIDEO.items()}
        ended = (JobState.SUCCEEDED, *_ENDED_WITHOUT_VIDEO)
        left_out["jobs are not finished"] = counts.total - sum(counts[state] for state in ended)
        left_out["videos were not chosen"] = self._left_out
        for trouble in self._clips.troubles:
            reason = f"videos were left out: {trouble.problem}"
            left_out[reason] = left_out.get(reason, 0) + 1
        return left_out

    def _build_result(self, tally: Tally) -> Exported:
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
            notes=[*self._notes, *self._list_notes(tally)],
        )

    def _list_notes(self, tally: Tally) -> Iterator[str]:
        if not can_probe():
            yield "PyAV is not installed, so sizes, rates and codecs are empty: pip install 'batchveo[media]'"
        if self._clips.elsewhere:
            yield f"{self._clips.elsewhere} clips would now go to another split; they stay where they are"
        if self._clips.placed[How.SYMLINKED]:
            yield "the folder is on another file system: symbolic links, which break if the videos are moved"
        if tally.formulas and Format.CSV in self._formats:
            yield f"{tally.formulas} captions look like formulas to a spreadsheet: import clips.csv as text"
        if set(tally.splits) == {TRAIN} and self._settings.splitting.shares() not in (None, (1.0,)):
            yield f"everything fell into {TRAIN}: by {self._settings.splitting.by}, there are few groups"
