"""Clips on their way from the state into the folder, one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from batchveo.core.models import Job
from batchveo.core.sidecar_location import VIDEO_SUFFIX
from batchveo.dataset.columns import MEASURED, Row, measured_by, row_of
from batchveo.dataset.fetch import Fetching, settle
from batchveo.dataset.index import Entry, Record
from batchveo.dataset.place_file import How, arrive
from batchveo.dataset.settings import ExportSettings, Files, Trouble
from batchveo.dataset.webdataset import Clip, Shards
from batchveo.storage.file_system import measure_file, sync_path
from batchveo.storage.probe import UnreadableVideo, can_probe, probe_video
from batchveo.storage.stored_video import BucketVideo, video_at
from batchveo.store import MoveLost, Store


class _Unfit(Exception):
    """A video cannot be exported; ``str()`` says why."""


class Clips:
    """Takes jobs that succeeded. ``added`` counts new clips, ``elsewhere`` those whose split is another by now."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        settings: ExportSettings,
        record: Record,
        *,
        shards: Shards | None,
        places_files: bool,
    ) -> None:
        self.added = 0
        self.elsewhere = 0
        self.placed: Counter[How] = Counter()
        self.troubles: list[Trouble] = []
        self._store = store
        self._folder = folder
        self._settings = settings
        self._record = record
        self._shards = shards
        self._places_files = places_files
        self._fetching = Fetching(folder)

    def close(self) -> None:
        """Take away what was fetched for the way only."""
        self._fetching.close()

    def take(self, job: Job, *, now: float) -> None:
        """Export one job, as far as that is not done; what is wrong with it goes to ``troubles``."""
        entry = self._record.entries.get(job.id)
        try:
            if entry is not None and entry.sha256 != job.sha256:
                raise _Unfit("it was fetched anew since it was exported; export into a new folder")  # noqa: TRY301
            known = self._record.row(entry) if entry else None
            self._bring(job, entry, known, now)
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            missing = isinstance(error, FileNotFoundError)
            self._trouble(job, "missing" if missing else f"cannot be read: {error.strerror}")
        except (_Unfit, UnreadableVideo) as error:
            self._trouble(job, str(error))

    def is_there(self, entry: Entry) -> bool:
        """Whether the clip's file stands in the folder, where the formats want one."""
        if not self._places_files:
            return True
        try:
            return (self._folder / entry.file_name).stat().st_size == entry.bytes
        except OSError:
            return False

    def _trouble(self, job: Job, problem: str) -> None:
        self.troubles.append(Trouble(job=job, path=video_at(job), problem=problem))

    def _bring(self, job: Job, entry: Entry | None, known: Row | None, now: float) -> None:
        video = video_at(job)
        source = self._fetching.path(video, job)
        fetched = isinstance(video, BucketVideo)
        wants_file = self._places_files and not (entry and self._is_good(entry, source))
        wants_shard = self._shards is not None and job.id not in self._record.shard_of
        if wants_file or wants_shard or (fetched and self._wants_probe(entry, known)):
            self._fetching.bring(video, source)
            _check(source, job)
        row = self._row(job, source, entry, known)
        target = self._folder / str(row["file_name"])
        if entry is None and wants_file:
            _refuse_stranger(target, job)
        moving = self._settings.files is Files.MOVE
        origin = str(source) if moving and source != target else entry.origin if entry else None
        if row != known or (entry and origin != entry.origin):
            self._record.add(row, origin=origin)
        if wants_file and fetched:
            settle(source, target)
            self.placed[How.COPIED] += 1
        elif wants_file:
            self._place(source, target, job)
        if moving:
            self._finish_move(job, target, origin, now)
        if wants_shard and self._shards is not None:
            path = target if self._places_files else source
            self._shards.take(str(row["split"]), Clip(job.id, path, job.bytes or 0, row, path == source and fetched))
        elif fetched:
            source.unlink(missing_ok=True)
        self.added += entry is None

    def _wants_probe(self, entry: Entry | None, known: Row | None) -> bool:
        """Whether its headers have not been read yet, and no file in the folder has them."""
        there = self._places_files and entry is not None
        return can_probe() and not there and (known or {}).get(MEASURED[0]) is None

    def _is_good(self, entry: Entry, source: Path) -> bool:
        """Whether the clip is in the folder as recorded: by its size, or to the last byte where that is asked.

        So it is of what a move would leave as the only copy.
        """
        path = self._folder / entry.file_name
        if not self.is_there(entry):
            return False
        only_one = self._settings.files is Files.MOVE and source != path
        if only_one and path.is_symlink():
            return False
        return not (only_one or self._settings.verify) or measure_file(path)[1] == entry.sha256

    def _row(self, job: Job, source: Path, entry: Entry | None, known: Row | None) -> Row:
        split = self._settings.splitting.part_of(job)
        if entry is not None and entry.split != split:
            self.elsewhere += 1
            split = entry.split
        measured: Mapping[str, object] = known or {}
        if can_probe() and measured.get(MEASURED[0]) is None:
            there = self._folder / entry.file_name if entry and not source.exists() else source
            measured = measured_by(probe_video(there))
        name = entry.file_name if entry else f"{split}/{job.stem}{VIDEO_SUFFIX}"
        return row_of(job, split=split, file_name=name, measured=measured)

    def _place(self, source: Path, target: Path, job: Job) -> None:
        if target.exists() and source.samefile(target) and not target.is_symlink():
            return
        how = arrive(source, target, self._settings.files)
        if how is How.COPIED and measure_file(target)[1] != job.sha256:
            raise _Unfit(f"the copy at {target} is not like it: is the disk sound?")
        if self._settings.files is not Files.MOVE:
            self.placed[how] += 1

    def _finish_move(self, job: Job, target: Path, origin: str | None, now: float) -> None:
        """Let the state know the new place, then take the old name away: at each moment one of both is whole."""
        source = self._fetching.path(video_at(job), job)
        if source != target:
            for folder in (target.parent, self._folder, self._folder.parent):
                sync_path(folder)
            try:
                self._store.transitions.record_place(job, target, now=now)
            except MoveLost as error:
                raise _Unfit(str(error)) from None
            self.placed[How.MOVED] += 1
        old = Path(origin) if source == target and origin is not None else source
        if old != target and _is_copy(old, target, job):
            old.unlink()


def _refuse_stranger(target: Path, job: Job) -> None:
    """Raise ``_Unfit`` where another file has the place: only what is the same to the last byte is taken over."""
    if target.is_symlink() or (target.exists() and measure_file(target) != (job.bytes, job.sha256)):
        raise _Unfit(f"another file stands at {target}; it was left alone")


def _check(source: Path, job: Job) -> None:
    """Raise ``_Unfit`` unless the video is as the state recorded it."""
    size, digest = measure_file(source)
    if size != job.bytes:
        raise _Unfit(f"{size} bytes, recorded were {job.bytes}")
    if digest != job.sha256:
        raise _Unfit("its content has changed since it was recorded")


def _is_copy(old: Path, target: Path, job: Job) -> bool:
    """Whether taking ``old`` away loses nothing: the target has the same bytes, and they are those paid for."""
    if not old.exists() or not target.exists():
        return False
    if target.is_symlink() or (target.parent.samefile(old.parent) and target.name == old.name):
        return False
    return old.samefile(target) or measure_file(target)[1] == measure_file(old)[1] == job.sha256
