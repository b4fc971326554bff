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
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from batchveo.models import Job
from batchveo.paths import distinct_stem
from batchveo.version import __version__

SUFFIX = ".mp4"
WINDOWS = os.name == "nt"
RENAME_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between the tries to rename a file that somebody else has open."""
LARGEST_SIDECAR = 64 * 1024 * 1024
"""Bytes; what is larger was not written by us, data URIs being kept in the state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFile:
    """Where the video of one job goes. The part is named after the generation: no two runs ever share one."""

    path: Path
    part: Path
    writer: str = ""

    @classmethod
    def plan(cls, folder: Path, job: Job, *, writer: str = "") -> VideoFile:
        """Choose the place; a file there that is not this job's own is left alone and another name taken.

        ``writer`` names the process, where one that was given up may still be writing the same video: no two
        share a part.
        """
        folder.mkdir(parents=True, exist_ok=True)
        token = _token(job)
        for stem in stems_of(job):
            path = folder / f"{stem}{SUFFIX}"
            taken = os.path.lexists(path) or os.path.lexists(sidecar_path(path))
            if not taken or _belongs_to(path, job):
                part = f".{token}.{writer}.part" if writer else _lone_part(stem, job)
                return cls(path=path, part=folder / part, writer=writer)
        raise FileExistsError(errno.EEXIST, "every name for this video is another file's", str(path))

    @staticmethod
    def open_part(part: Path, *, keep: int = 0) -> BinaryIO:
        """The part to write to, after its first ``keep`` bytes; a link in its place is not followed.

        Whoever begins it takes a new file: another process that still writes to the old one spoils nothing here.
        """
        if not keep and not part.is_symlink():
            with contextlib.suppress(OSError):
                part.unlink()
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(part, flags, 0o644), "wb")
        file.truncate(keep)
        file.seek(keep)
        return file

    def finish(self, job: Job, *, size: int, sha256: str) -> None:
        """Make the part the video: on disk for good, its sidecar beside it, then renamed.

        The sidecar comes first: a video that stands under its name can always be told from a stranger's.
        """
        sync(self.part)
        sidecar = sidecar_path(self.path)
        text = sidecar_text(job, self.path.name, size, sha256)
        part = self.part.with_name(f".{_token(job)}{self.writer and f'.{self.writer}'}.json.part")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(part, flags, 0o600), "w", encoding="utf-8", newline="\n") as out:
            out.write(text)
            out.flush()
            _flush(out.fileno())
        rename(part, sidecar)
        rename(self.part, self.path)
        sync(self.path.parent)
        if self.writer:  # what a run of one process left of it
            with contextlib.suppress(OSError):
                self.path.with_name(_lone_part(self.path.name.removesuffix(SUFFIX), job)).unlink()


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


def stems_of(job: Job) -> tuple[str, ...]:
    """The names, without their endings, that the video of ``job`` may have, the best first."""
    return job.stem, distinct_stem(job.stem, job.id), distinct_stem(job.stem, _token(job))


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
        "key": job.key,
        "service": job.service,
        "submitted_at": _iso(job.submitted_at),
        "completed_at": _iso(job.completed_at),
        "generation_seconds": seconds,
        "cost_usd": job.cost_usd,
        "bytes": size,
        "sha256": sha256,
        "made_by": f"batchveo {__version__}",
    }


def sidecar_beside(video: Path) -> dict[str, object] | None:
    """What the sidecar of ``video`` says; ``None`` where there is none that can be read."""
    return _sidecar(video)


def sidecar_stems(folder: Path) -> set[str]:
    """The names, without their ending, of all JSON files in ``folder``; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name.removesuffix(".json") for entry in entries if entry.name.endswith(".json")}
    except OSError:
        return set()


def is_ours(path: Path, job: Job) -> tuple[int, str] | None:
    """Size and hash of the file at ``path`` where it is this job's own video, whole; ``None`` otherwise."""
    sidecar = _sidecar(path)
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


def sync(path: Path) -> None:
    """Wait until the disk has what was written to a file, or to a folder's list of names."""
    if WINDOWS and path.is_dir():  # Windows cannot sync folders
        return
    # Windows syncs only what is open for writing
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0) if WINDOWS else os.O_RDONLY)
    try:
        _flush(descriptor)
    finally:
        os.close(descriptor)


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


def _belongs_to(path: Path, job: Job) -> bool:
    sidecar = _sidecar(path)
    return sidecar is not None and not path.is_symlink() and is_sidecar_of(job, sidecar)


def _token(job: Job) -> str:
    """What names the files of one generation on their way."""
    return hashlib.sha256(f"{job.id} {job.generation_id}".encode()).hexdigest()[:20]


def _sidecar(path: Path) -> dict[str, object] | None:
    sidecar = sidecar_path(path)
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
