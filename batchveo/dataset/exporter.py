"""An export: from the succeeded jobs to a folder that explains itself."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import anyio

from batchveo.core.errors import DiskTrouble, UsageError, find_reason
from batchveo.core.models import JobState
from batchveo.dataset.choice import ClipChooser, Reason
from batchveo.dataset.clips import ClipExporter, How
from batchveo.dataset.columns import name_score_columns
from batchveo.dataset.croissant import CROISSANT, Croissant
from batchveo.dataset.dataset_card import CARD, Card, choose_loader
from batchveo.dataset.dataset_files import DatasetFiles, write_description
from batchveo.dataset.film_plans import list_films
from batchveo.dataset.films import FOLDER, make_films
from batchveo.dataset.index import INDEX_FILE, ExportIndex
from batchveo.dataset.pairs import Pair, find_pairs, find_voted, pairs_file, write_pairs
from batchveo.dataset.settings import Exported, ExportSettings, Format, Metadata, Trouble
from batchveo.dataset.splits import TRAIN
from batchveo.dataset.statistics import Tally
from batchveo.dataset.tables import WrittenMetadata, import_arrow
from batchveo.dataset.webdataset import ShardWriter
from batchveo.media.worker import check_extra
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
    if settings.films:
        check_extra()
    chooser = _make_chooser(store, settings)
    _check_choice(store, settings, chooser, new=not (into / INDEX_FILE).exists())
    try:
        with ExportIndex(into, settings.splitting) as index:
            index.use_formats([form.value for form in settings.formats])
            index.use_captions(settings.captions)
            if settings.pairs:
                index.use_pairs()
            return _Export(store, into, settings, index, chooser).run(seen)
    except (StoreUnavailable, StoreRefused) as error:
        raise DiskTrouble(f"{error.filename} cannot be read: {find_reason(error)}; {_RESUME}") from None
    except OSError as error:
        raise DiskTrouble(f"the dataset in {into} cannot be written: {error}; {_RESUME}") from None


def _make_chooser(store: Store, settings: ExportSettings) -> ClipChooser:
    paired: set[int] | None = None
    if settings.pairs:
        pairs = _list_pairs(store, settings)
        paired = {job.seq for pair in pairs for job in (pair.chosen, pair.rejected)}
    return ClipChooser(store, settings, paired)


def _list_pairs(store: Store, settings: ExportSettings) -> list[Pair]:
    """The pairs whose clips are both chosen by the filters."""
    voted = find_voted(store)
    pages = store.queries.iter_succeeded_pages(settings.condition) if voted else ()
    jobs = {job.seq: job for page in pages for job in page if job.seq in voted and settings.wants(job)}
    return find_pairs(store, jobs)


def _check_choice(store: Store, settings: ExportSettings, chooser: ClipChooser, *, new: bool) -> None:
    """Raise ``UsageError`` for a bad split name or a new dataset without clips, before anything is written."""
    if new and next(chooser.iter_jobs(()), None) is None:
        made = store.counts()[JobState.SUCCEEDED]
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in chooser.left_out.items() if count)
        if chooser.left_out[Reason.NOT_CHOSEN] == made:
            reasons = f"none of {made:,} videos is chosen by the filters"
        why = reasons if made else "no video has succeeded yet"
        raise UsageError(f"there is nothing to export: {why}; nothing was written")
    if settings.splitting.how == "auto":  # the only way that can fail for one job
        for job in chooser.iter_jobs(()):
            if chooser.chains.find_split(job) == FOLDER and settings.films:
                raise UsageError(f"meta.split of {job.name!r} is {FOLDER}, the folder of the films: leave out --films")


def _count_clips(store: Store, folder: Path, settings: ExportSettings) -> Exported:
    """The result of a dry run."""
    splits: Counter[str] = Counter()
    added = size = 0
    chooser = _make_chooser(store, settings)
    with ExportIndex(folder, settings.splitting, writing=False) as index:
        for job in chooser.iter_jobs(index.clips):
            clip = index.clips.get(job.id)
            splits[clip.split if clip else chooser.chains.find_split(job)] += 1
            added += clip is None
            size += job.bytes or 0
    return Exported(
        folder=folder,
        clips=splits.total(),
        added=added,
        bytes=size,
        splits=dict(splits),
        left_out=chooser.left_out.total(),
        left_out_because=_count_reasons(chooser.left_out),
        kept=_count_reasons(chooser.kept),
        dry_run=True,
    )


def _count_reasons(counts: Counter[Reason]) -> dict[str, int]:
    return {reason.value: counts[reason] for reason in Reason if counts[reason]}


class _Export:
    """One export."""

    def __init__(
        self, store: Store, folder: Path, settings: ExportSettings, index: ExportIndex, chooser: ClipChooser
    ) -> None:
        self._store = store
        self._folder = folder
        self._settings = settings
        self._index = index
        self._formats = [Format(name) for name in index.formats]
        most = {"most_bytes": settings.shard_bytes, "most_clips": settings.shard_clips}
        self._shards = ShardWriter(folder, index, **most) if Format.WEBDATASET in self._formats else None
        self._chooser = chooser
        self._pairs: int | None = None
        self._films: int | None = None
        self._clips = ClipExporter(
            folder,
            settings,
            index,
            shards=self._shards,
            places_files=index.lists_pairs or bool(set(self._formats) - {Format.WEBDATASET}),
            score_columns=name_score_columns(store.facts.list_score_names()),
            chains=chooser.chains,
        )
        self._notes: list[str] = []

    def run(self, seen: Callable[[int], None]) -> Exported:
        """Export the clips, then write the files that describe them, which so name no missing clip."""
        with closing(self._clips):
            self._export_clips(seen)
        # Clips of earlier exports whose files are gone are in the index, but not in the dataset.
        files = DatasetFiles(self._folder, self._index, self._clips.has_file)
        self._sync_folders(files.tally.folders)
        metadata = files.write_files(self._settings.metadata)
        if self._index.lists_pairs:
            pairs = _list_pairs(self._store, ExportSettings())  # of earlier exports too, whatever their filters
            self._pairs = write_pairs(self._folder, pairs, files.find_row, self._settings.metadata)
        self._notes += files.notes
        self._write_descriptions(files, metadata)
        self._index.sync_file()
        if self._settings.films:
            self._make_films()
        return self._build_result(files.tally)

    def _export_clips(self, seen: Callable[[int], None]) -> None:
        chosen = self._chooser.iter_clips(self._index.clips)
        number = 0
        for number, clip in enumerate(self._clips.read_ahead(chosen), 1):
            seen(number + self._chooser.left_out.total())
            self._clips.export_clip(clip)
        seen(number + self._chooser.left_out.total())  # also what was left out after the last clip
        if self._shards is not None:
            self._shards.write_rest()

    def _make_films(self) -> None:
        plans = [plan for plan in list_films(self._store) if plan.is_within(self._index.clips)]
        made = anyio.run(make_films, self._folder / FOLDER, plans, lambda *_: None) if plans else []
        self._films = sum(film.problem is None for film in made)
        for film in made:
            if film.problem is not None:
                self._clips.troubles.append(Trouble(job=film.plan.shots[-1].job, path=film.path, problem=film.problem))

    def _sync_folders(self, names: Iterable[str]) -> None:
        within = {folder for name in names for folder in (Path(name), *Path(name).parents)}
        for folder in (self._folder / each for each in within | {Path()}):
            if folder.is_dir():
                sync_path(folder)

    def _write_descriptions(self, files: DatasetFiles, metadata: WrittenMetadata | None) -> None:
        """Write the descriptions for people and for catalogues."""
        croissant = Croissant(
            folder=self._folder,
            index=self._index,
            tally=files.tally,
            types=files.types,
            metadata=metadata,
            pairs=self._settings.metadata if self._pairs else None,
        )
        card = Card(
            tally=files.tally,
            loader=choose_loader(self._formats, files.types, metadata, has_folders=files.tally.has_folders),
            services=sorted(filter(None, self._store.runs.list_services())),
            splitting=self._settings.splitting,
            pairs=self._pairs or 0,
            pairs_file=pairs_file(self._folder, self._settings.metadata).name,
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
        gates = ", ".join(f"{gate} ({count})" for gate, count in self._chooser.count_gates().items())
        for why, count in self._chooser.left_out.items():
            by = f": {gates}" if why is Reason.GATES and gates else ""
            left_out[f"videos were {why}{by}"] = count
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
            left_out=self._chooser.left_out.total(),
            left_out_because=_count_reasons(self._chooser.left_out),
            kept=_count_reasons(self._chooser.kept),
            pairs=self._pairs,
            films=self._films,
            troubles=self._clips.troubles,
            notes=[*self._notes, *self._list_notes(tally)],
        )

    def _list_notes(self, tally: Tally) -> Iterator[str]:
        if kept := self._chooser.kept:
            reasons = ", ".join(f"{count} {reason}" for reason, count in _count_reasons(kept).items())
            yield f"clips of earlier exports stay in the dataset, with their new verdicts and votes: {reasons}"
        if self._chooser.undecided:
            yield f"{self._chooser.undecided} clips have gates that are not decided yet"
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
