"""The files of a video on disk: its ``.part``, itself, and the sidecar that explains it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import stat
import sys
import time
from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from batchveo.core.destination import BESIDE, Sidecars
from batchveo.core.filenames import SUFFIX_ROOM, distinct_stem
from batchveo.core.models import Job
from batchveo.core.version import __version__
from batchveo.storage.disk_errors import NAME_ERRORS, NO_FOLDER_SYNC, NO_SYNC

SUFFIX = ".mp4"
WINDOWS = os.name == "nt"
RENAME_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between the tries to rename a file that somebody else has open."""
LONGEST_NAME, SHORTEST_NAME = 255, 64
ENDINGS_ROOM = 15
"""Bytes for what stands behind a stem: ``.mp4``, or ``.12345678.part``."""
LARGEST_SIDECAR = 64 * 1024 * 1024
"""Bytes; what is larger was not written by us, data URIs being kept in the state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFile:
    """Where the video of one job goes. The part is named after the generation: no two runs ever share one.

    ``sidecar``: where its sidecar goes; ``None`` if none is written. ``own``: what stands under the name already
    is this job's, and may be replaced.
    """

    path: Path
    part: Path
    sidecar: Path | None
    own: bool = False
    writer: str = ""

    @classmethod
    def plan(cls, folder: Path, job: Job, *, writer: str = "", sidecars: Sidecars = BESIDE) -> VideoFile:
        """Choose the place; a file there that is not this job's own is left alone and another name taken.

        ``writer`` names the process, where one that was given up may still be writing the same video: no two
        share a part. Raises ``FileExistsError`` if every name is another's.
        """
        file = next(cls.places(folder, job, writer=writer, sidecars=sidecars), None)
        if file is None:
            raise no_name_left(folder, job)
        return file

    @classmethod
    def places(
        cls, folder: Path, job: Job, *, writer: str = "", sidecars: Sidecars = BESIDE, plain: bool = False
    ) -> Iterator[VideoFile]:
        """The places that the video may have, the best first: of names that the disk takes and nobody has.

        ``plain``: the last of its names alone, which any file system takes.
        """
        folder.mkdir(parents=True, exist_ok=True)
        token = _token(job)
        stems = stems_of(job, longest=longest_name(folder))
        for stem in stems[-1:] if plain else stems:
            path = folder / f"{stem}{SUFFIX}"
            sidecar = sidecars.of(path)
            if not is_possible(path):
                continue
            own = sidecar is not None and _belongs_to(path, sidecar, job)
            if own or not (os.path.lexists(path) or (sidecar is not None and os.path.lexists(sidecar))):
                part = f".{token}.{writer}.part" if writer else _lone_part(stem, job)
                yield cls(path=path, part=folder / part, sidecar=sidecar, own=own, writer=writer)

    @staticmethod
    def trial(folder: Path, job: Job) -> Path:
        """A part to be written for a trial only."""
        return folder / f".{_token(job)}.trial.part"

    @staticmethod
    def open_part(part: Path, *, keep: int = 0) -> BinaryIO:
        """The part to write to, after its first ``keep`` bytes; a link in its place is not followed.

        Whoever begins it takes a new file: another process that still writes to the old one spoils nothing here.
        """
        if not keep and not part.is_symlink():
            with contextlib.suppress(OSError):
                part.unlink()
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(part, flags, 0o666), "wb")
        file.truncate(keep)
        file.seek(keep)
        return file

    def finish(self, job: Job, *, size: int, sha256: str) -> tuple[str, ...]:
        """Make the part the video: on disk for good, its sidecar beside it, then under its name.

        The sidecar comes first: a video that stands under its name can always be told from a stranger's. Returns
        what a person should know of the disk. Raises ``FileExistsError`` if somebody took the name meanwhile.
        """
        notes = [sync(self.part)]
        own = self.own
        if self.sidecar is not None:
            # another worker may have put this very video there in the meantime
            own = own or _belongs_to(self.path, self.sidecar, job)
            text = sidecar_text(job, self.path.name, size, sha256)
            notes += self._write_sidecar(self.sidecar, text, job, own=own)
        try:
            self._put(self.part, self.path, own=own, claimed=self.sidecar is not None)
        except FileExistsError:
            self._withdraw_sidecar()
            raise
        notes.append(sync(self.path.parent))
        if self.writer:  # what a run of one process left of it
            with contextlib.suppress(OSError):
                self.path.with_name(_lone_part(self.path.name.removesuffix(SUFFIX), job)).unlink()
        return tuple(dict.fromkeys(note for note in notes if note))

    def _write_sidecar(self, sidecar: Path, text: str, job: Job, *, own: bool) -> list[str]:
        """Put the sidecar, which claims the name; returns what ``sync`` does."""
        sidecar.parent.mkdir(parents=True, exist_ok=True)
        part = sidecar.with_name(f".{_token(job)}{self.writer and f'.{self.writer}'}.json.part")
        with contextlib.suppress(FileNotFoundError):
            part.unlink()  # it may be the sidecar's second name, left by a death
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(part, flags, 0o666), "w", encoding="utf-8", newline="\n") as out:
            out.write(text)
        notes = [sync(part)]
        try:
            self._put(part, sidecar, own=own)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()
            raise
        if sidecar.parent != self.path.parent:
            notes.append(sync(sidecar.parent))
        return notes

    def _withdraw_sidecar(self) -> None:
        """Take the claim of a name back that the video could not have: the file there is not what it explains."""
        if self.sidecar is not None:
            with contextlib.suppress(OSError):
                self.sidecar.unlink()

    @staticmethod
    def _put(part: Path, path: Path, *, own: bool, claimed: bool = False) -> None:
        if own:
            rename(part, path)
        else:
            rename_new(part, path, claimed=claimed)


def no_name_left(folder: Path, job: Job) -> FileExistsError:
    """Every name that the video may have is another file's."""
    return FileExistsError(errno.EEXIST, "every name for this video is another file's", str(folder / job.stem))


def _lone_part(stem: str, job: Job) -> str:
    """The part where one process alone writes videos."""
    return f"{stem}.{_token(job)[:8]}.part"


def sweep(folder: Path, writers: str) -> None:
    """Remove the parts that writers whose names begin with ``writers`` left, none of whom writes any more."""
    left = re.compile(rf"\.[0-9a-f]{{20}}\.{re.escape(writers)}[^.]*(?:\.json)?\.part")
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if left.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    os.unlink(entry)  # noqa: PTH108 - of a million files few are ours


def sidecar_path(video: Path) -> Path:
    """Where the sidecar of ``video`` stands."""
    return video.with_name(video.name.removesuffix(SUFFIX) + ".json")


def taken_stems(folder: Path) -> set[str]:
    """The names, without their endings, that a new video in ``folder`` cannot have."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except OSError:
        return set()
    return {name.removesuffix(end) for name in names for end in (SUFFIX, ".json") if name.endswith(end)}


def stems_of(job: Job, *, longest: int = LONGEST_NAME) -> tuple[str, ...]:
    """The names, without their endings, that the video of ``job`` may have, the best first.

    ``longest``: bytes that a file system allows for a name, endings included. The last of them is safe anywhere.
    """
    token, stem = _token(job), job.stem
    if len(stem.encode(errors="surrogatepass")) > longest - SUFFIX_ROOM:
        whole = hashlib.sha256(stem.encode(errors="surrogatepass")).hexdigest()
        stem = distinct_stem(stem, whole, limit=longest - SUFFIX_ROOM)
    room = longest - ENDINGS_ROOM
    return stem, distinct_stem(stem, job.id, limit=room), distinct_stem(stem, token, limit=room), f"video-{token}"


def longest_name(folder: Path) -> int:
    """Bytes that the file system of ``folder`` allows for a name: 143 on eCryptfs, 255 on most."""
    try:
        return min(LONGEST_NAME, max(os.pathconf(folder, "PC_NAME_MAX"), SHORTEST_NAME))
    except (AttributeError, OSError, ValueError):  # Windows has no such call, and some mounts no answer
        return LONGEST_NAME


def is_possible(path: Path) -> bool:
    """Whether the file system has nothing against the name."""
    try:
        path.lstat()
    except OSError as error:
        return error.errno not in NAME_ERRORS
    return True


def sidecar_text(job: Job, file: str, size: int, sha256: str) -> str:
    """``sidecar_of`` as the JSON that is written."""
    return json.dumps(sidecar_of(job, file, size, sha256), ensure_ascii=False, indent=2) + "\n"


def read_sidecar(text: str | bytes) -> dict[str, object] | None:
    """What a sidecar says; ``None`` where it is none."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def is_sidecar_of(job: Job, sidecar: dict[str, object]) -> bool:
    """Whether it explains the video of this very generation.

    The same job of another state file is a stranger: its video was paid for too.
    """
    return sidecar.get("job_id") == job.id and sidecar.get("generation_id") == job.generation_id


def sidecar_of(job: Job, file: str, size: int, sha256: str) -> dict[str, object]:
    """All that made a video, so that a folder explains itself without the database. Times are ISO 8601, UTC."""
    seconds = None
    if job.completed_at is not None and job.submitted_at is not None:
        seconds = round(job.completed_at - job.submitted_at, 3)
    return {
        "file": file,
        "name": job.name,
        "model": job.model,
        "prompt": job.prompt,
        "seed": job.request.get("seed"),
        "request": dict(job.request),
        "meta": dict(job.meta),
        "index": job.index,
        "job_id": job.id,
        "generation_id": job.generation_id,
        "client_request_id": job.client_request_id,
        "key": job.api_key_label,
        "service": job.service,
        "submitted_at": _iso(job.submitted_at),
        "completed_at": _iso(job.completed_at),
        "generation_seconds": seconds,
        "cost_usd": job.cost_usd,
        "bytes": size,
        "sha256": sha256,
        "made_by": f"batchveo {__version__}",
    }


def read_file(sidecar: Path | None) -> dict[str, object] | None:
    """What the file of a sidecar says; ``None`` if there is none that can be read."""
    return None if sidecar is None else _read(sidecar)


def sidecar_stems(folder: Path) -> set[str]:
    """The names, without their ending, of all JSON files in ``folder``; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name.removesuffix(".json") for entry in entries if entry.name.endswith(".json")}
    except OSError:
        return set()


def is_ours(path: Path, job: Job, *, sidecars: Sidecars = BESIDE) -> tuple[int, str] | None:
    """Size and hash of the file at ``path`` where it is this job's own video, whole; ``None`` otherwise."""
    beside = sidecars.of(path)
    sidecar = None if beside is None else _read(beside)
    if sidecar is None or sidecar.get("generation_id") != job.generation_id or path.is_symlink():
        return None
    try:
        size, digest = measure(path)
    except FileNotFoundError:
        return None
    return (size, digest) if digest == sidecar.get("sha256") else None


def measure(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a file; ``OSError`` where it cannot be read."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return file.tell(), digest.hexdigest()


def sync(path: Path) -> str:
    """Wait until the disk has what was written to a file, or to a folder's list of names.

    Returns what a person should know if the file system knows no such thing; else an empty text.
    """
    folder = path.is_dir()
    if WINDOWS and folder:  # Windows cannot sync folders
        return ""
    try:
        # Windows syncs only what is open for writing
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0) if WINDOWS else os.O_RDONLY)
        try:
            refusal = _sync_open(descriptor, NO_FOLDER_SYNC if folder else NO_SYNC)
        finally:
            os.close(descriptor)
    except OSError as error:  # some file systems do not even open a folder
        if not folder or error.errno not in NO_FOLDER_SYNC:
            raise
        refusal = error.strerror or ""
    if not refusal:
        return ""
    what = f"the folder {path}" if folder else f"files in {path.parent}"
    return f"{what} cannot be synced ({refusal}): a power cut may lose the newest videos"


def _sync_open(descriptor: int, unknown: Container[int]) -> str:
    """``fsync``; returns the words of an error that only says that the file system knows no such thing."""
    try:
        _flush(descriptor)
    except OSError as error:
        if error.errno not in unknown:
            raise
        return error.strerror or str(error)
    return ""


def rename(part: Path, path: Path) -> None:
    """Give ``part`` its name. On Windows a virus scanner or a player may hold either file for a moment."""
    for wait in RENAME_WAITS if WINDOWS else ():
        try:
            part.replace(path)
        except PermissionError:
            time.sleep(wait)
        else:
            return
    part.replace(path)


def rename_new(part: Path, path: Path, *, claimed: bool = False) -> None:
    """Give ``part`` a name that nobody has; raises ``FileExistsError`` if somebody took it first.

    A link never replaces a file; a rename does. ``claimed``: the name is reserved by other means (a sidecar), for
    file systems that know no links.
    """
    try:
        os.link(part, path)
    except FileExistsError:
        if not is_same_file(part, path):  # a network folder may report its own success as a failure
            raise
    except OSError:  # no links here (FAT, SMB, some FUSE); what is really wrong, the rename meets too
        _rename_without_links(part, path, claimed=claimed)
        return
    part.unlink()


def _rename_without_links(part: Path, path: Path, *, claimed: bool) -> None:
    """The same by other means: an empty file takes the name first, unless that is reserved already."""
    if WINDOWS:
        part.rename(path)  # which replaces nothing there
        return
    if claimed:
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "somebody took the name", str(path))
        rename(part, path)
        return
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        rename(part, path)
    except OSError:
        path.unlink()
        raise


def is_same_file(one: Path, other: Path) -> bool:
    """Whether both are names of one file."""
    try:
        return os.path.samestat(one.lstat(), other.lstat())
    except OSError:
        return False


def _belongs_to(path: Path, sidecar: Path, job: Job) -> bool:
    says = _read(sidecar)
    return says is not None and not path.is_symlink() and is_sidecar_of(job, says)


def _token(job: Job) -> str:
    """What names the files of one generation on their way."""
    return hashlib.sha256(f"{job.id} {job.generation_id}".encode()).hexdigest()[:20]


def _read(sidecar: Path) -> dict[str, object] | None:
    try:
        status = sidecar.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_SIDECAR:
            return None
        return read_sidecar(sidecar.read_bytes())
    except OSError:
        return None


def _flush(descriptor: int) -> None:
    """``fsync``; on macOS, where that leaves the bytes in the disk's own cache, what goes further."""
    if sys.platform == "darwin":
        import fcntl

        with contextlib.suppress(OSError):  # network folders do not know it
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def _iso(when: float | None) -> str | None:
    return None if when is None else datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds")
