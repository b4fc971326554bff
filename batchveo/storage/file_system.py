"""Calls that behave alike on every file system: sync, rename, measure; and what its errors mean for other files."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from batchveo.core.errors import find_reason
from batchveo.core.filenames import MOST_PIECES
from batchveo.core.outcomes import Scope

WINDOWS = os.name == "nt"
RENAME_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between the tries to rename a file that another process has open."""
LONGEST_NAME, SHORTEST_NAME = 255, 64

CONCERNS: Mapping[int, Scope] = MappingProxyType(
    {
        errno.ENOSPC: Scope.DISK,
        errno.EDQUOT: Scope.DISK,
        errno.EROFS: Scope.DISK,
        errno.EIO: Scope.DISK,
        errno.ENODEV: Scope.DISK,
        errno.ENXIO: Scope.DISK,
        errno.ENOTCONN: Scope.DISK,
        errno.EMFILE: Scope.DISK,  # of this process, so no other file would fare better
        errno.ENFILE: Scope.DISK,
        errno.ENAMETOOLONG: Scope.JOB,
        errno.EILSEQ: Scope.JOB,
        errno.EINVAL: Scope.JOB,
        errno.EEXIST: Scope.JOB,
        errno.EISDIR: Scope.JOB,
        errno.ELOOP: Scope.JOB,
        errno.EFBIG: Scope.JOB,
        errno.ETXTBSY: Scope.JOB,
    }
)
"""Errors whose number decides; for the others, permissions say, another file in the same folder decides."""

NAME_ERRORS = frozenset(
    {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ELOOP, errno.ENOTDIR, errno.EXDEV}
)
"""Errors for a name that cannot be used; under another name the video can be written."""

NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""Errors of a file system that cannot sync a file (SMB, FUSE, some network mounts)."""
NO_FOLDER_SYNC = NO_SYNC | {errno.EBADF, errno.EACCES, errno.EPERM, errno.EISDIR}
"""Errors of one that cannot sync a folder: some do not even open it."""


def scope_of(error: OSError, write_another: Callable[[], object]) -> Scope:
    """Whether ``error``, met while a file was written, would meet the next file too.

    ``write_another`` writes a file of another name in the same folders; raises ``OSError`` if that fails as well.
    """
    known = CONCERNS.get(error.errno or 0)
    if known is not None:
        return known
    try:
        write_another()
    except OSError:
        return Scope.DISK
    return Scope.JOB


def longest_name(folder: Path) -> int:
    """Bytes that the file system of ``folder`` allows for a name: 143 on eCryptfs, 255 on most."""
    try:
        return min(LONGEST_NAME, max(os.pathconf(folder, "PC_NAME_MAX"), SHORTEST_NAME))
    except (AttributeError, OSError, ValueError):  # Windows has no such call, and some mounts no answer
        return LONGEST_NAME


def is_taken(path: Path) -> bool | None:
    """Whether a file has the name; ``None`` if the file system refuses such a name."""
    try:
        path.lstat()
    except OSError as error:
        return None if error.errno in NAME_ERRORS else False
    return True


def list_names(folder: Path) -> list[str]:
    """The names of the files in a folder and in the folders of ``safe_path`` in it: ``a/b/name``.

    Links and hidden folders are not followed; what cannot be read has no names.
    """
    names: list[str] = []
    waiting = [("", 1)]
    while waiting:
        above, depth = waiting.pop()
        with suppress(OSError), os.scandir(folder / above) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if depth < MOST_PIECES and not entry.name.startswith("."):
                        waiting.append((f"{above}{entry.name}/", depth + 1))
                else:
                    names.append(above + entry.name)
    return names


def has_subfolders(folder: Path, inner: Path) -> bool:
    """Whether ``inner`` is in ``folder``, and each folder between is one or can be made; a link or a file cannot."""
    if not inner.is_relative_to(folder):
        return False
    path = folder
    for name in inner.relative_to(folder).parts:
        path /= name
        try:
            if name == ".." or not stat.S_ISDIR(path.lstat().st_mode):
                return False
        except FileNotFoundError:
            return ".." not in inner.parts
    return True


def make_subfolders(folder: Path, inner: Path, synced: set[Path]) -> str:
    """Make the folders between ``folder``, which exists, and ``inner``; sync the list of names that each is in.

    ``synced`` has those that are on the disk, and gets the others. Returns the note of ``sync_path``. Raises
    ``FileExistsError`` if a file, or a link, which may lead elsewhere, is in the place of one of them.
    """
    note, path = "", folder
    for name in inner.relative_to(folder).parts:
        path /= name
        try:
            path.mkdir()
        except FileExistsError:
            if not stat.S_ISDIR(path.lstat().st_mode):
                raise
            if path in synced:
                continue
        # also one that exists: the run that made it may have died before it was on the disk
        note = sync_folder(path.parent) or note
        synced.add(path)
    return note


def nearest_folder(folder: Path) -> Path:
    """``folder``, or the first of its parents that exists."""
    return next((path for path in (folder, *folder.parents) if path.exists()), folder)


def measure_file(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a file; raises ``OSError`` if it cannot be read."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return file.tell(), digest.hexdigest()


def sync_path(path: Path) -> str:
    """Wait until the content of a file, or a folder's list of names, is on the disk.

    Returns a note for a person if the file system cannot do that; else an empty text.
    """
    if path.is_dir():
        return sync_folder(path)
    # Windows syncs only what is open for writing
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0) if WINDOWS else os.O_RDONLY)
    try:
        return sync_open_file(descriptor, path)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> str:
    """``sync_path`` for a folder."""
    if WINDOWS:  # Windows cannot sync folders
        return ""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            refusal = _try_sync(descriptor, NO_FOLDER_SYNC)
        finally:
            os.close(descriptor)
    except OSError as error:  # some file systems do not even open a folder
        if error.errno not in NO_FOLDER_SYNC:
            raise
        refusal = find_reason(error)
    return _describe_refusal(f"the folder {folder}", refusal)


def sync_open_file(descriptor: int, path: Path) -> str:
    """``sync_path`` for the file at ``path``, which is open for writing as ``descriptor``."""
    return _describe_refusal(f"files in {path.parent}", _try_sync(descriptor, NO_SYNC))


def _describe_refusal(what: str, refusal: str) -> str:
    return refusal and f"{what} cannot be synced ({refusal}): a power cut may lose the newest videos"


def _try_sync(descriptor: int, tolerated: Container[int]) -> str:
    """Sync; returns the words of an error that only means that the file system has no sync."""
    try:
        _sync_descriptor(descriptor)
    except OSError as error:
        if error.errno not in tolerated:
            raise
        return find_reason(error)
    return ""


def _sync_descriptor(descriptor: int) -> None:
    """``fsync``; on macOS, which leaves the bytes in the cache of the disk, the stronger ``F_FULLFSYNC``."""
    if sys.platform == "darwin":
        import fcntl

        with suppress(OSError):  # network folders do not know it
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """A part to write to, which replaces ``path`` at the end: as a whole, on disk, or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)  # left by a death, or a link to a file of somebody else
    try:
        yield part
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_path(part)
    rename_file(part, path)
    sync_path(path.parent)


def rename_file(part: Path, path: Path) -> None:
    """Give ``part`` its name. On Windows a virus scanner or a player may hold either file for a moment."""
    for wait in RENAME_WAITS if WINDOWS else ():
        try:
            part.replace(path)
        except PermissionError:
            time.sleep(wait)
        else:
            return
    part.replace(path)


def rename_to_new(part: Path, path: Path, *, claimed: bool = False) -> None:
    """Give ``part`` a name that is free; raises ``FileExistsError`` if another file has it.

    A link never replaces a file; a rename does. ``claimed``: the name is reserved by other means (a sidecar), for
    file systems without links.
    """
    try:
        os.link(part, path)
    except FileExistsError:
        if not _is_same_file(part, path):  # a network folder may report its own success as a failure
            raise
    except OSError:  # no links here (FAT, SMB, some FUSE); the rename meets any other error too
        _rename_without_links(part, path, claimed=claimed)
        return
    part.unlink()


def _rename_without_links(part: Path, path: Path, *, claimed: bool) -> None:
    """The same by other means: an empty file takes the name first, unless the name is reserved already."""
    if WINDOWS:
        part.rename(path)  # which replaces nothing there
        return
    if claimed:
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "somebody took the name", str(path))
        rename_file(part, path)
        return
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        rename_file(part, path)
    except OSError:
        path.unlink()
        raise


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(one.lstat(), other.lstat())
    except OSError:
        return False
