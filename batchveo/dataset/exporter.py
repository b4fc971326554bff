"""An export: from the jobs that succeeded to a folder that explains itself."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from batchveo.core.errors import DiskTrouble, UsageError
from batchveo.core.models import Job, JobState
from batchveo.dataset.clips import Clips
from batchveo.dataset.croissant import CROISSANT, Croissant
from batchveo.dataset.dataset_card import CARD, Card
from batchveo.dataset.dataset_files import DatasetFiles
from batchveo.dataset.description_files import write_description
from batchveo.dataset.index import RECORD, Record
from batchveo.dataset.loader_config import Loading, loading
from batchveo.dataset.place_file import How
from batchveo.dataset.settings import Exported, ExportSettings, Files, Format, Metadata
from batchveo.dataset.splits import TRAIN
from batchveo.dataset.statistics import Tally
from batchveo.dataset.tables import arrow_modules
from batchveo.dataset.videofolder import Described
from batchveo.dataset.webdataset import Shards
from batchveo.storage.file_system import sync_path
from batchveo.storage.object_errors import StoreRefused, StoreUnavailable
from batchveo.storage.probe import can_probe
from batchveo.storage.stored_video import BucketVideo, video_at
from batchveo.store import Store

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
        store.runs.acquire_lock()
    _check_choice(store, settings, new=not (into / RECORD).exists())
    try:
        with Record(into, settings.splitting) as record:
            record.use([form.value for form in settings.formats])
            record.use_captions(settings.captions)
            return _Export(store, into, settings, record).run(seen)
    except (StoreUnavailable, StoreRefused) as error:
        text = f"{error.filename} cannot be read: {error.strerror}; the same command goes on"
        raise DiskTrouble(text) from None
    except OSError as error:
        raise DiskTrouble(f"the dataset in {into} cannot be written: {error}; the same command goes on") from None


def _check_choice(store: Store, settings: ExportSettings, *, new: bool) -> None:
    """Raise ``UsageError`` for a split that is none, or a new dataset of nothing, before anything is written."""
    if new and not any(map(settings.wants, store.queries.iter_succeeded())):
        made = store.counts()[JobState.SUCCEEDED]
        why = f"none of {made:,} videos is chosen by the filters" if made else "no video has succeeded yet"
        raise UsageError(f"there is nothing to export: {why}; nothing was written")
    if settings.files is Files.MOVE and any(map(_is_in_bucket, filter(settings.wants, store.queries.iter_succeeded()))):
        raise UsageError("videos in a bucket are not moved: use --files copy, and delete them there yourself")
    if settings.splitting.how == "auto":
        for job in filter(settings.wants, store.queries.iter_succeeded()):
            settings.splitting.part_of(job)


def _is_in_bucket(job: Job) -> bool:
    return isinstance(video_at(job), BucketVideo)


def _preview(store: Store, folder: Path, settings: ExportSettings) -> Exported:
    splits: Counter[str] = Counter()
    added = size = left_out = 0
    with Record(folder, settings.splitting, writing=False) as record:
        for job in store.queries.iter_succeeded():
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
        most = {"most_bytes": settings.shard_bytes, "most_clips": settings.shard_clips}
        self._shards = Shards(folder, record, **most) if Format.WEBDATASET in self._formats else None
        self._clips = Clips(
            store,
            folder,
            settings,
            record,
            shards=self._shards,
            places_files=bool(set(self._formats) - {Format.WEBDATASET}),
        )
        self._left_out = 0
        self._notes: list[str] = []

    def run(self, seen: Callable[[int], None]) -> Exported:
        """Bring the clips, then write what describes them: whoever finds metadata finds all it names."""
        with closing(self._clips):
            self._take_all(seen)
        there = [i for i, entry in self._record.entries.items() if self._clips.is_there(entry)]
        files = DatasetFiles(self._folder, self._record, there)
        self._sync(files.tally.parts)
        described = files.write(self._settings.metadata)
        self._notes += files.notes
        self._describe(files, described)
        self._record.sync()
        return self._result(files.tally)

    def _take_all(self, seen: Callable[[int], None]) -> None:
        for number, job in enumerate(self._store.queries.iter_succeeded(), 1):
            seen(number)
            if self._settings.wants(job):
                self._clips.take(job, now=time.time())
            else:
                self._left_out += 1
        if self._shards is not None:
            self._shards.finish()

    def _sync(self, splits: list[str]) -> None:
        for folder in (self._folder, *(self._folder / split for split in splits)):
            if folder.is_dir():
                sync_path(folder)

    def _describe(self, files: DatasetFiles, described: Described | None) -> None:
        """Write the descriptions of all that, for people and for catalogues."""
        croissant = Croissant(
            folder=self._folder, record=self._record, tally=files.tally, types=files.types, described=described
        )
        how = loading(self._formats, files.types, described)
        for name, text in ((CROISSANT, croissant.text()), (CARD, self._card(files.tally, how).text())):
            note = write_description(self._folder, self._record, name, text)
            self._notes += [note] if note else []

    def _card(self, tally: Tally, how: Loading) -> Card:
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
            loading=how,
            services=sorted(filter(None, self._store.runs.list_services())),
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
