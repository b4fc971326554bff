"""How a file comes into the folder: beside its place first, then by one rename."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from batchveo.dataset.settings import Files
from batchveo.storage.file_system import rename_file, sync_path

_CHUNK = 1 << 30
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}


class How(StrEnum):
    """What became of one file."""

    LINKED = "linked"
    SYMLINKED = "symlinked"
    COPIED = "copied"
    MOVED = "moved"


def arrive(source: Path, target: Path, files: Files) -> How:
    """Bring the file at ``source`` to ``target``, taking the place of what is there.

    A move is a link or a copy here: the caller takes the old name away once the state knows the new one.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    how = _bring(source.resolve(strict=True), part, files)
    rename_file(part, target)
    part.unlink(missing_ok=True)  # two names of one file: renaming one to the other does nothing
    return how


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A part to write to, which becomes ``path`` at the end: as a whole, on disk, or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)  # what a death left, or a link that somebody laid there
    try:
        yield part
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_path(part)
    rename_file(part, path)
    sync_path(path.parent)


def _bring(source: Path, part: Path, files: Files) -> How:
    if files is not Files.COPY:
        try:
            os.link(source, part)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
        else:
            return How.LINKED
    if files is Files.LINK:
        try:
            part.symlink_to(source)
        except OSError:  # Windows asks for a privilege, some file systems know none
            pass
        else:
            return How.SYMLINKED
    _copy(source, part)
    return How.COPIED


def _copy(source: Path, part: Path) -> None:
    """The kernel copies where it can, which costs nothing where the file system shares blocks."""
    with source.open("rb") as old, part.open("xb") as new:
        try:
            while os.copy_file_range(old.fileno(), new.fileno(), _CHUNK):
                pass
        except (AttributeError, OSError):
            old.seek(0)
            new.truncate(0)
            new.seek(0)
            shutil.copyfileobj(old, new, 1 << 20)
    sync_path(part)
