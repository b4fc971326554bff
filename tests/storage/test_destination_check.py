"""What the file system of a folder can do."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.operations.doctor import check_setup
from batchveo.storage.destination_check import FolderLimits
from batchveo.storage.file_system import nearest_folder


def refuse_folders(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Of every folder; files are synced."""
    fsync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)


def found_by_doctor(folder: Path) -> tuple[bool, str]:
    """What `doctor` says of an output folder."""
    checks = check_setup(state=folder / "b.db", output=folder, base_url=None, api_key_file=None, sandbox=True)
    (check,) = (check for check in checks if check.what == "output folder")
    return check.ok, check.found


def test_a_usual_folder_needs_no_words(tmp_path: Path) -> None:
    """Nor one that is not made yet."""
    assert FolderLimits.read(tmp_path).notes == []
    assert nearest_folder(tmp_path / "not" / "yet") == tmp_path
    assert "synced" not in found_by_doctor(tmp_path / "not" / "yet")[1]
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF, errno.EACCES])
def test_doctor_says_that_a_folder_cannot_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """It is no fault: videos are had all the same."""
    refuse_folders(monkeypatch, code)
    ok, found = found_by_doctor(tmp_path)
    assert ok
    assert f"the folder {tmp_path} cannot be synced ({os.strerror(code)})" in found


def test_doctor_says_how_long_names_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """143 bytes on eCryptfs."""
    monkeypatch.setattr(os, "pathconf", lambda folder, name: 143)
    ok, found = found_by_doctor(tmp_path)
    assert ok
    assert "names end at 143 bytes" in found


def test_doctor_says_that_a_disk_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is a fault."""
    refuse_folders(monkeypatch, errno.EIO)
    ok, found = found_by_doctor(tmp_path)
    assert not ok
    assert os.strerror(errno.EIO) in found


def test_sidecars_that_cannot_be_written_stop_a_run_before_it_buys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As videos that cannot be written do."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.yaml").write_text("jobs: [{model: veo2, prompt: a cat}]")
    (tmp_path / "taken").write_text("a file")
    assert status_of(["run", "m.yaml", "--sandbox", "--yes", "--plain", "--sidecars", "taken"]) == 3
    assert f"sidecars cannot be written to {tmp_path / 'taken'}" in capsys.readouterr().err
