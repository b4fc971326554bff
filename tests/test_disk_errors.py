"""Whom an error of the file system concerns, row by row."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from batchveo.disk_errors import CONCERNS, scope_of
from batchveo.outcomes import Scope

DISK = ["ENOSPC", "EDQUOT", "EROFS", "EIO", "ENODEV", "ENXIO", "ESTALE", "ENOTCONN", "EMFILE", "ENFILE"]
JOB = ["ENAMETOOLONG", "EILSEQ", "EINVAL", "EEXIST", "EISDIR", "ELOOP", "EFBIG", "ETXTBSY"]


@pytest.mark.parametrize("name", DISK)
def test_the_disks_trouble(tmp_path: Path, name: str) -> None:
    """The next file would meet it too."""
    assert scope_of(OSError(getattr(errno, name), name), tmp_path) is Scope.DISK


@pytest.mark.parametrize("name", JOB)
def test_one_files_trouble(tmp_path: Path, name: str) -> None:
    """It is put aside, and the others are written."""
    assert scope_of(OSError(getattr(errno, name), name), tmp_path) is Scope.JOB


def test_every_row_is_tested() -> None:
    """None is forgotten."""
    assert {getattr(errno, name) for name in (*DISK, *JOB)} == set(CONCERNS)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EBUSY, errno.ENOENT])
def test_what_says_neither_is_found_out(tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By another file in the same folder."""
    assert scope_of(OSError(code, "no"), tmp_path) is Scope.JOB

    def refuse(*args: object, **more: object) -> int:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(os, "open", refuse)
    assert scope_of(OSError(code, "no"), tmp_path) is Scope.DISK


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EEXIST, errno.ENOENT])
def test_a_folder_that_is_none_is_the_disks_trouble(tmp_path: Path, code: int) -> None:
    """Whatever the number says."""
    (tmp_path / "file").write_text("")
    assert scope_of(OSError(code, "no"), tmp_path / "file") is Scope.DISK
    assert scope_of(OSError(code, "no"), tmp_path / "gone") is Scope.DISK
