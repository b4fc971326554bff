"""Calls to the file system; and whom each of its errors concerns, row by row."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from batchveo.core.outcomes import Scope
from batchveo.storage.file_system import (
    CONCERNS,
    has_subfolders,
    list_names,
    make_subfolders,
    measure_file,
    scope_of,
)

DISK = ["ENOSPC", "EDQUOT", "EROFS", "EIO", "ENODEV", "ENXIO", "ENOTCONN", "EMFILE", "ENFILE"]
JOB = ["ENAMETOOLONG", "EILSEQ", "EINVAL", "EEXIST", "EISDIR", "ELOOP", "EFBIG", "ETXTBSY"]


def not_asked() -> None:
    raise AssertionError("the number decides")


@pytest.mark.parametrize("name", DISK)
def test_the_disks_trouble(name: str) -> None:
    """The next file would meet it too."""
    assert scope_of(OSError(getattr(errno, name), name), not_asked) is Scope.DISK


@pytest.mark.parametrize("name", JOB)
def test_one_files_trouble(name: str) -> None:
    """It is put aside, and the others are written."""
    assert scope_of(OSError(getattr(errno, name), name), not_asked) is Scope.JOB


def test_every_row_is_tested() -> None:
    """None is forgotten."""
    assert {getattr(errno, name) for name in (*DISK, *JOB)} == set(CONCERNS)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EBUSY, errno.ENOENT, errno.ESTALE, None])
def test_what_says_neither_is_found_out(code: int | None) -> None:
    """By another file in the same folder."""
    error = OSError() if code is None else OSError(code, "no")
    assert scope_of(error, lambda: None) is Scope.JOB

    def refuse() -> None:
        raise PermissionError(errno.EACCES, "no")

    assert scope_of(error, refuse) is Scope.DISK


def test_measure(tmp_path: Path) -> None:
    """Size and hash in one read."""
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert measure_file(path) == (3, hashlib.sha256(b"abc").hexdigest())


def test_names_of_folders_in_a_folder(tmp_path: Path) -> None:
    """Also in those; not what is hidden, nor what a link leads to."""
    for name in ("out/a.mp4", "out/b/c.json", "out/b/d/e.mp4", "out/.git/f.json", "else/g.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "out/link").symlink_to(tmp_path / "else")
    assert sorted(list_names(tmp_path / "out")) == ["a.mp4", "b/c.json", "b/d/e.mp4", "link"]
    assert list_names(tmp_path / "absent") == []


def test_folders_are_made_and_synced_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that another run has left, whose name may not be on the disk."""
    seen: list[str] = []
    fsync = os.fsync

    def spy(descriptor: int) -> None:
        paths = (tmp_path, *tmp_path.rglob("*"))
        status = os.fstat(descriptor)
        seen.extend(path.name for path in paths if os.path.samestat(path.stat(), status))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    (tmp_path / "a").mkdir()
    synced: set[Path] = set()
    make_subfolders(tmp_path, tmp_path / "a/b/c", synced)
    assert seen == [tmp_path.name, "a", "b"]
    make_subfolders(tmp_path, tmp_path / "a/b/c", synced)
    assert len(seen) == 3
    (tmp_path / "a/b/c").rmdir()
    make_subfolders(tmp_path, tmp_path / "a/b/c", synced)
    assert seen[3:] == ["b"]
    assert (tmp_path / "a/b/c").is_dir()


@pytest.mark.parametrize("kind", ["file", "link", "dangling"])
def test_what_is_in_the_place_of_a_folder(tmp_path: Path, kind: str) -> None:
    """Nothing is made where a link leads."""
    (tmp_path / "else").mkdir()
    (tmp_path / "out/a").mkdir(parents=True)
    inner = tmp_path / "out/a/b"
    if kind == "file":
        inner.touch()
    else:
        inner.symlink_to(tmp_path / ("else" if kind == "link" else "absent"))
    assert has_subfolders(tmp_path / "out", tmp_path / "out/a/new/c")
    assert not has_subfolders(tmp_path / "out", inner / "c")
    with pytest.raises(FileExistsError):
        make_subfolders(tmp_path / "out", inner / "c", set())
    assert list((tmp_path / "else").iterdir()) == []
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("inner", ["..", "a/../..", "new/../..", "/etc"])
def test_a_folder_elsewhere_is_not_within(tmp_path: Path, inner: str) -> None:
    """A database of somebody else may name any."""
    (tmp_path / "out/a").mkdir(parents=True)
    assert not has_subfolders(tmp_path / "out", tmp_path / "out" / inner)
