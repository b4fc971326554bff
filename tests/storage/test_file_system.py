"""Calls to the file system; and whom each of its errors concerns, row by row."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import pytest

from batchveo.core.outcomes import Scope
from batchveo.storage.file_system import CONCERNS, measure_file, scope_of

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
