"""The files of one video in a folder: its part, its sidecar, itself, and the names that they may have."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from batchveo.core.destination import BESIDE, SIDECAR_SUFFIX, VIDEO_SUFFIX, Sidecars
from batchveo.core.filenames import SUFFIX_ROOM, cut_pieces, distinct_stem
from batchveo.core.models import Job
from batchveo.storage.file_system import (
    LONGEST_NAME,
    has_subfolders,
    is_taken,
    list_names,
    longest_name,
    make_subfolders,
    measure_file,
    rename_file,
    rename_to_new,
    sync_folder,
    sync_open_file,
)
from batchveo.storage.sidecar import is_sidecar_of, read_sidecar, sidecar_text

ENDINGS_ROOM = 15
"""Bytes for what follows a stem: ``.mp4``, or ``.12345678.part``."""
WRITING = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
"""How parts are opened: a link in their place is not followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFile:
    """The paths of one job's video. The part is named after the generation: no two runs ever share one.

    ``file`` is the name in the output ``folder``, with the folders between. Parts are in the output folder itself: the
    same part serves every name, and a folder is made only for a finished video. ``sidecar``: the path of its sidecar;
    ``None`` if none is written. ``sidecars``: the folder of all sidecars; ``None`` if they are beside the videos.
    ``own``: a file that has the name already is this job's, and may be replaced. ``writer`` names the process if
    another one that was given up may still be writing the same video: no two share a part.
    """

    folder: Path
    file: str
    part: Path
    sidecar: Path | None
    own: bool = False
    writer: str = ""
    sidecars: Path | None = None

    @property
    def path(self) -> Path:
        """The path of the video."""
        return self.folder / self.file

    @classmethod
    def choose(
        cls, folder: Path, job: Job, *, writer: str = "", sidecars: Sidecars = BESIDE, plain: bool = False
    ) -> VideoFile:
        """The best name that is free or this job's own; any other file is left alone.

        ``plain``: only the last name, which any file system accepts. Raises ``FileExistsError`` if every name is
        another file's.
        """
        file = next(cls.iter_choices(folder, job, writer=writer, sidecars=sidecars, plain=plain), None)
        if file is None:
            raise no_name_left(folder, job)
        return file

    @classmethod
    def iter_choices(
        cls, folder: Path, job: Job, *, writer: str = "", sidecars: Sidecars = BESIDE, plain: bool = False
    ) -> Iterator[VideoFile]:
        """All choices of ``choose``, the best first."""
        token = _token_of(job)
        stems = stems_of(job, longest=longest_name(folder))
        for stem in stems[-1:] if plain else stems:
            file = f"{stem}{VIDEO_SUFFIX}"
            path, sidecar = folder / file, sidecars.of(folder, file)
            if "/" in stem and not _may_be_written(folder, path, sidecars, sidecar):
                continue
            taken = is_taken(path)
            if taken is None:
                continue
            claimed = sidecar is not None and os.path.lexists(sidecar)
            own = claimed and sidecar is not None and _is_own(path, sidecar, job)
            if own or not (taken or claimed):
                part = f".{token}.{writer}.part" if writer else _shared_part(stem, job)
                yield cls(
                    folder=folder,
                    file=file,
                    part=folder / part,
                    sidecar=sidecar,
                    own=own,
                    writer=writer,
                    sidecars=sidecars.folder,
                )

    @staticmethod
    def trial_part(folder: Path, job: Job) -> Path:
        """The path of a part that is written as a trial only."""
        return folder / f".{_token_of(job)}.trial.part"

    @staticmethod
    def open_part(part: Path, *, keep: int = 0) -> FileIO:
        """Open the part for writing after its first ``keep`` bytes; a link in its place is not followed.

        A part from byte 0 is a new file: another process that still writes to the old one spoils nothing here.
        """
        if not keep:
            with suppress(FileExistsError):
                return _open_new(part)
            if not part.is_symlink():
                with suppress(OSError):
                    part.unlink()
        file = FileIO(os.open(part, WRITING, 0o666), "wb")
        file.truncate(keep)
        file.seek(keep)
        return file

    def publish_part(self, job: Job, *, size: int, sha256: str) -> tuple[str, ...]:
        """Make the part, which is synced, the video: write its sidecar, then give the part its name.

        The sidecar comes first, so that a video with a name is never taken for a stranger's. Returns notes on the
        disk for a person. Raises ``FileExistsError`` if another file took the name meanwhile.
        """
        notes: list[str] = []
        own = self.own
        if self.sidecar is not None:
            # another worker may have put this very video there in the meantime
            own = own or _is_own(self.path, self.sidecar, job)
            text = sidecar_text(job, self.file, size, sha256)
            notes += self._write_sidecar(self.sidecar, text, job, own=own)
        try:
            self._rename(self.part, self.path, own=own, claimed=self.sidecar is not None)
        except FileExistsError:
            if self.sidecar is not None:  # the file there is not the one that it describes
                with suppress(OSError):
                    self.sidecar.unlink()
            raise
        notes.append(sync_folder(self.path.parent))
        if self.writer:  # left by a run of one process
            with suppress(OSError):
                (self.folder / _shared_part(self.file.removesuffix(VIDEO_SUFFIX), job)).unlink()
        return tuple(dict.fromkeys(note for note in notes if note))

    def make_subfolders(self, synced: set[Path]) -> tuple[str, ...]:
        """Make the folders of the video and of its sidecar; see ``make_subfolders``. Returns notes for a person."""
        if "/" not in self.file:
            return ()
        notes = [make_subfolders(self.folder, self.path.parent, synced)]
        if self.sidecars is not None and self.sidecar is not None:
            self.sidecars.mkdir(parents=True, exist_ok=True)
            notes.append(make_subfolders(self.sidecars, self.sidecar.parent, synced))
        return tuple(notes)

    def _write_sidecar(self, sidecar: Path, text: str, job: Job, *, own: bool) -> list[str]:
        """Write the sidecar, which claims the name; returns the notes of ``sync_path``."""
        name = f".{_token_of(job)}{self.writer and f'.{self.writer}'}{SIDECAR_SUFFIX}.part"
        part = (self.sidecars or self.folder) / name
        out = self._open_sidecar_part(part)
        try:
            with out:
                write_whole(out, text.encode())
                notes = [sync_open_file(out.fileno(), part)]
            self._rename(part, sidecar, own=own)
        except OSError:
            with suppress(OSError):
                part.unlink()
            raise
        if sidecar.parent != self.path.parent:
            notes.append(sync_folder(sidecar.parent))
        return notes

    @staticmethod
    def _open_sidecar_part(part: Path) -> FileIO:
        # to try first takes fewer calls than to look first, and nearly always succeeds
        try:
            return _open_new(part)
        except FileNotFoundError:
            part.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            part.unlink()  # it may be the sidecar's second name, left by a death
        return _open_new(part)

    @staticmethod
    def _rename(part: Path, path: Path, *, own: bool, claimed: bool = False) -> None:
        if own:
            rename_file(part, path)
        else:
            rename_to_new(part, path, claimed=claimed)


def write_whole(file: FileIO, content: bytes) -> None:
    """Write all of ``content``: the system may take a part of it at a time, as before it finds the disk full."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def no_name_left(folder: Path, job: Job) -> FileExistsError:
    """The error that every name of the video is another file's."""
    return FileExistsError(errno.EEXIST, "every name for this video is another file's", str(folder / job.stem))


def find_own_video(file: VideoFile, job: Job) -> tuple[int, str] | None:
    """Size and hash of the file if it is this job's own video, whole; else ``None``."""
    sidecar = read_sidecar(file.sidecar)
    if sidecar is None or sidecar.get("generation_id") != job.generation_id or file.path.is_symlink():
        return None
    try:
        size, digest = measure_file(file.path)
    except FileNotFoundError:
        return None
    return (size, digest) if digest == sidecar.get("sha256") else None


def remove_parts(folder: Path, writers: str) -> None:
    """Remove the parts of writers whose names begin with ``writers``; none of them may still write."""
    left = re.compile(rf"\.[0-9a-f]{{20}}\.{re.escape(writers)}[^.]*(?:\.json)?\.part")
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if left.fullmatch(entry.name):
                with suppress(OSError):
                    os.unlink(entry)  # noqa: PTH108 - of a million files few are ours


def taken_stems(folder: Path) -> set[str]:
    """The names, without their endings, that a new video in ``folder`` cannot have."""
    names = list_names(folder)
    return {name.removesuffix(end) for name in names for end in (VIDEO_SUFFIX, SIDECAR_SUFFIX) if name.endswith(end)}


def stems_of(job: Job, *, longest: int = LONGEST_NAME) -> tuple[str, ...]:
    """The names, without their endings, that the video of ``job`` may have, the best first.

    ``longest``: bytes that a file system allows for a name, endings included. Any file system accepts the last.
    """
    token, stem = _token_of(job), cut_pieces(job.stem, longest - SUFFIX_ROOM)
    room = longest - ENDINGS_ROOM
    return stem, distinct_stem(stem, job.id, limit=room), distinct_stem(stem, token, limit=room), f"video-{token}"


def _open_new(part: Path) -> FileIO:
    """Make a new file; raises ``FileExistsError`` for any other in its place."""
    return FileIO(os.open(part, WRITING | os.O_EXCL, 0o666), "wb")


def _may_be_written(folder: Path, video: Path, sidecars: Sidecars, sidecar: Path | None) -> bool:
    """Whether the folders of a video and its sidecar are in ``folder``, and in that of all sidecars."""
    if not has_subfolders(folder, video.parent):
        return False
    return sidecars.folder is None or sidecar is None or has_subfolders(sidecars.folder, sidecar.parent)


def _is_own(path: Path, sidecar: Path, job: Job) -> bool:
    content = read_sidecar(sidecar)
    return content is not None and not path.is_symlink() and is_sidecar_of(job, content)


def _shared_part(stem: str, job: Job) -> str:
    """The name of a part if one process alone writes videos."""
    return f"{stem.rpartition('/')[2]}.{_token_of(job)[:8]}.part"


def _token_of(job: Job) -> str:
    """Names the files of one generation until it is finished."""
    return hashlib.sha256(f"{job.id} {job.generation_id}".encode()).hexdigest()[:20]
