"""The clips of an export: each video checked, placed in the folder or a shard, and noted in the index."""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from batchveo.core.destination import VIDEO_SUFFIX, Destination, parse_destination
from batchveo.core.errors import find_reason
from batchveo.core.models import Job
from batchveo.dataset.chain_groups import ChainGroups
from batchveo.dataset.choice import ChosenClip
from batchveo.dataset.columns import CHAIN_COLUMNS, Row, build_row, measured_columns, measures_as_headers
from batchveo.dataset.index import ExportIndex
from batchveo.dataset.settings import ExportSettings, Files, Trouble
from batchveo.dataset.webdataset import ShardClip, ShardWriter
from batchveo.storage.file_system import has_subfolders, measure_file, rename_file, sync_path
from batchveo.storage.probe import MediaInfo, RepeatedProbe, UnreadableVideo, can_probe
from batchveo.storage.stored_video import BucketVideo, StoredVideo, video_at

DOWNLOADS = ".fetching"
"""The folder in the dataset for a video that is copied from a bucket; removed at the end."""
LOOK_AHEAD = 32
"""New clips that are read before their turn."""
WORTH_A_THREAD = 1 << 18
"""Bytes of a clip that is read by another thread; to hand over a smaller one takes longer than to read it."""
READERS = min(4, os.cpu_count() or 1)
_CHUNK = 1 << 30
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}


class How(StrEnum):
    """How a file was placed."""

    LINKED = "linked"
    SYMLINKED = "symlinked"
    COPIED = "copied"


class _Unfit(Exception):
    """A video cannot be exported; ``str()`` is the reason."""


class _Read(NamedTuple):
    """What reading a video found: its size in bytes, its SHA-256, and its headers or why they cannot be read.

    ``identity``: which file it was, as ``_identify`` names it.
    """

    identity: tuple[int, ...]
    size: int
    digest: str
    info: MediaInfo | UnreadableVideo | None


class ClipExporter:
    """Exports succeeded jobs; close it at the end.

    ``added`` counts new clips, ``elsewhere`` those whose split would be another now.
    """

    def __init__(
        self,
        folder: Path,
        settings: ExportSettings,
        index: ExportIndex,
        *,
        shards: ShardWriter | None,
        places_files: bool,
        score_columns: Mapping[str, str],
        chains: ChainGroups,
    ) -> None:
        self.added = 0
        self.elsewhere = 0
        self.placed: Counter[How] = Counter()
        self.troubles: list[Trouble] = []
        self._folder = folder
        self._settings = settings
        self._index = index
        self._shards = shards
        self._places_files = places_files
        self._score_columns = score_columns
        self._chains = chains
        self._downloads = folder / DOWNLOADS
        self._places: dict[str, Destination] = {}
        self._probe = RepeatedProbe()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="export")
        self._read_ahead: dict[str, Future[_Read]] = {}
        self._remove_downloads()  # left by a death

    def close(self) -> None:
        """Remove the copies of videos in buckets, and end the threads."""
        self._readers.shutdown(cancel_futures=True)
        self._remove_downloads()

    def _remove_downloads(self) -> None:
        shutil.rmtree(self._downloads, ignore_errors=True)

    def read_ahead(self, clips: Iterable[ChosenClip]) -> Iterator[ChosenClip]:
        """The same clips, while threads read the new ones among the next: their hashes and headers."""
        waiting: deque[ChosenClip] = deque()
        for clip in clips:
            job = clip.job
            if (
                job.id not in self._index.clips
                and (job.bytes or 0) >= WORTH_A_THREAD
                and not isinstance(video := self._find_video(job), BucketVideo)
            ):
                self._read_ahead[job.id] = self._readers.submit(self._read_video, video.absolute())
            waiting.append(clip)
            if len(waiting) > LOOK_AHEAD:
                yield waiting.popleft()
        yield from waiting

    def export_clip(self, chosen: ChosenClip) -> None:
        """Export the clip of one job, if that is not done; a problem is added to ``troubles``."""
        job = chosen.job
        ahead = self._read_ahead.pop(job.id, None)
        try:
            clip = self._index.clips.get(job.id)
            known = self._index.read_row(clip) if clip else None
            if known is not None and known["sha256"] != job.sha256:
                raise _Unfit("it was fetched anew since it was exported; export into a new folder")  # noqa: TRY301
            self._export_video(chosen, known, None if ahead is None else ahead.result())
        except FileNotFoundError:
            self._add_trouble(job, "missing")
        except (PermissionError, IsADirectoryError) as error:
            self._add_trouble(job, f"cannot be read: {find_reason(error)}")
        except (_Unfit, UnreadableVideo) as error:
            self._add_trouble(job, str(error))

    def has_file(self, row: Row) -> bool:
        """Whether the file of a clip in the index is in the folder, if the formats need one."""
        if not self._places_files:
            return True
        try:
            # a text, not a path: twice for each clip
            return bool(os.stat(f"{self._folder}/{row['file_name']}").st_size == row["bytes"])  # noqa: PTH116
        except OSError:
            return False

    def _find_video(self, job: Job) -> StoredVideo:
        folder = job.folder or ""
        if folder not in self._places:
            self._places[folder] = parse_destination(folder)
        return video_at(job, self._places[folder])

    def _add_trouble(self, job: Job, problem: str) -> None:
        self.troubles.append(Trouble(job=job, path=self._find_video(job), problem=problem))

    def _export_video(self, chosen: ChosenClip, known: Row | None, read: _Read | None) -> None:
        job = chosen.job
        needs_file = self._places_files and not (known and self._is_intact(known))
        needs_shard = self._shards is not None and job.id not in self._index.shard_of
        if known and not (needs_file or needs_shard) and (_is_probed(known) or not can_probe()):
            self._note_row(self._build_row(chosen, known, known), known)  # nothing else of it can be new
            return
        video = self._find_video(job)
        source = self._local_path(video, job)
        in_bucket = isinstance(video, BucketVideo)
        if read is not None and read.identity != _identify(source):  # replaced since a thread has read it
            read = self._read_video(source)
        if needs_file or needs_shard or (in_bucket and self._needs_probe(known)):
            self._download(video, source)
            _check_source(job, measure_file(source) if read is None else (read.size, read.digest))
        row = self._build_row(chosen, known, self._find_headers(source, known, read))
        target = self._folder / str(row["file_name"])
        if needs_file and not has_subfolders(self._folder, target.parent):
            raise _Unfit(f"a link or a file is in the place of a folder: {target.parent}")
        if known is None and needs_file:  # a file of a clip in the index is the export's own
            _refuse_stranger(target, job)
        self._note_row(row, known)  # before the file: after a death the export knows it as its own
        if needs_file:
            self._place_video(source, target, job, in_bucket=in_bucket)
        if needs_shard and self._shards is not None:
            path = target if self._places_files else source
            temporary = in_bucket and path == source
            further = (*(CHAIN_COLUMNS if self._chains.exist else ()), *self._score_columns.values())
            whole = {**row, **{name: row.get(name) for name in further}}
            self._shards.add_clip(str(row["split"]), ShardClip.of(job, path, whole, temporary=temporary))
        elif in_bucket:
            source.unlink(missing_ok=True)
        self.added += known is None

    def _note_row(self, row: Row, known: Row | None) -> None:
        if row != known:
            self._index.add_clip(row)

    def _local_path(self, video: StoredVideo, job: Job) -> Path:
        """The video's file, or the file that ``_download`` makes of it."""
        return self._downloads / f"{job.id}{VIDEO_SUFFIX}" if isinstance(video, BucketVideo) else video.absolute()

    def _download(self, video: StoredVideo, path: Path) -> None:
        """Copy the video of a bucket; raises ``OSError``."""
        if isinstance(video, BucketVideo):
            self._downloads.mkdir(exist_ok=True)
            path.unlink(missing_ok=True)
            video.copy_to(path, video.read_head())

    def _needs_probe(self, known: Row | None) -> bool:
        """Whether its headers have not been read yet, and no file in the folder has them."""
        in_folder = self._places_files and known is not None
        return can_probe() and not in_folder and not _is_probed(known or {})

    def _is_intact(self, known: Row) -> bool:
        """Whether the clip is in the folder as recorded: by its size, or with ``verify`` by its hash."""
        if not self.has_file(known):
            return False
        return not self._settings.verify or measure_file(self._folder / str(known["file_name"]))[1] == known["sha256"]

    def _find_headers(self, source: Path, known: Row | None, read: _Read | None) -> Row:
        """The columns of the headers, as they are known or as they are read now."""
        if not can_probe() or _is_probed(known or {}):
            return known or {}
        readable = self._folder / str(known["file_name"]) if known and not source.exists() else source
        info = self._probe.read_headers(readable) if read is None or read.info is None else read.info
        if isinstance(info, UnreadableVideo):
            raise info
        return measured_columns(info)

    def _build_row(self, chosen: ChosenClip, known: Row | None, measured: Row) -> Row:
        job, facts = chosen
        split = self._chains.find_split(job)
        if known is not None and known["split"] != split:  # a clip that loaders have seen keeps its split
            self.elsewhere += 1
            split = str(known["split"])
        if facts.measures is not None:  # also without PyAV, and of what headers do not have to say
            headers = {name: value for name, value in measured.items() if value is not None}
            measured = {**measures_as_headers(facts.measures), **headers}
        name = str(known["file_name"]) if known else f"{split}/{job.stem}{VIDEO_SUFFIX}"
        return build_row(
            job,
            split=split,
            file_name=name,
            measured=measured,
            facts=facts,
            score_columns=self._score_columns,
        )

    def _read_video(self, path: Path) -> _Read:
        """Raises ``OSError``."""
        identity = _identify(path)
        size, digest = measure_file(path)
        try:
            return _Read(identity, size, digest, self._probe.read_headers(path) if can_probe() else None)
        except UnreadableVideo as error:  # a video that has changed is reported as that
            return _Read(identity, size, digest, error)

    def _place_video(self, source: Path, target: Path, job: Job, *, in_bucket: bool) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if in_bucket:
            sync_path(source)
            rename_file(source, target)
            self.placed[How.COPIED] += 1
            return
        if target.exists() and source.samefile(target) and not target.is_symlink():
            return
        how = place_file(source, target, self._settings.files)
        # A link has the bytes that were checked; a copy may differ on a bad disk.
        if how is How.COPIED and measure_file(target)[1] != job.sha256:
            raise _Unfit(f"the copy at {target} is not like it: is the disk sound?")
        self.placed[how] += 1


def place_file(source: Path, target: Path, files: Files) -> How:
    """Link or copy the file at ``source`` to ``target``, in place of what is there."""
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    how = _make_part(source, part, files)
    rename_file(part, target)
    part.unlink(missing_ok=True)  # two names of one file: renaming one to the other does nothing
    return how


def _make_part(source: Path, part: Path, files: Files) -> How:
    if files is Files.LINK:
        try:
            os.link(source.resolve(strict=True) if source.is_symlink() else source, part)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
        else:
            return How.LINKED
        try:
            part.symlink_to(source.resolve(strict=True))  # a link to a link breaks if the one between goes
        except OSError:  # Windows requires a privilege, some file systems have no symbolic links
            pass
        else:
            return How.SYMLINKED
    _copy_file(source, part)
    return How.COPIED


def _copy_file(source: Path, part: Path) -> None:
    """Copy in the kernel if it can, which costs nothing on a file system that shares blocks."""
    with source.open("rb") as old, part.open("xb") as new:
        try:
            while os.copy_file_range(old.fileno(), new.fileno(), _CHUNK):
                pass
        except (AttributeError, OSError):  # not on this system, or not between these file systems
            old.seek(0)
            new.truncate(0)
            new.seek(0)
            shutil.copyfileobj(old, new, 1 << 20)
    sync_path(part)


def _refuse_stranger(target: Path, job: Job) -> None:
    """Raise ``_Unfit`` if another file has the name; only a file with the same bytes is taken over."""
    if target.is_symlink() or (target.exists() and measure_file(target) != (job.bytes, job.sha256)):
        raise _Unfit(f"another file is at {target}; it was left alone")


def _is_probed(measured: Mapping[str, object]) -> bool:
    """Whether the columns are of the file's headers: checks, which may have filled others, know no frame rate."""
    return measured.get("frame_rate") is not None or measured.get("pixel_format") is not None


def _identify(path: Path) -> tuple[int, ...]:
    """What is another number if the file is another one, or was written to. Raises ``OSError``."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _check_source(job: Job, found: tuple[int, str]) -> None:
    """Raise ``_Unfit`` unless the video has the size and SHA-256 that the database recorded."""
    size, digest = found
    if size != job.bytes:
        raise _Unfit(f"{size} bytes, recorded were {job.bytes}")
    if digest != job.sha256:
        raise _Unfit("its content has changed since it was recorded")
