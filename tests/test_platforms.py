"""What differs on Windows and macOS, played through here."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from batchveo.core.models import Job, JobState
from batchveo.engine.signals import stop_signals
from batchveo.storage import file_system, video_file
from batchveo.storage.base import at_once
from batchveo.storage.local import FolderStorage, FolderTarget
from batchveo.storage.sidecar import read_sidecar
from batchveo.storage.video_file import VideoFile
from batchveo.store import Store, runs
from tests.helpers.factories import make_job


def test_asking_for_a_process_never_signals_it_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """There ``os.kill(pid, 0)`` is Ctrl-C: ``status`` would end the run that it asks about."""
    killed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(pid))
    monkeypatch.setattr(runs, "_has_handle", lambda pid: True)
    assert runs._is_alive(1)
    assert killed == [1]
    monkeypatch.setattr(sys, "platform", "win32")
    assert runs._is_alive(2)
    assert killed == [1]


class Kernel:
    """The three calls of Windows that tell whether a process lives."""

    def __init__(self, *, handle: int, status: int) -> None:
        self.closed = 0
        self.handle = handle
        self.status = status

        def open_process(access: int, inherit: bool, pid: int) -> int:
            return self.handle

        self.OpenProcess: Any = open_process

    def GetExitCodeProcess(self, handle: object, status: Any) -> int:  # noqa: N802 - Windows' name
        status._obj.value = self.status
        return 1

    def CloseHandle(self, handle: object) -> int:  # noqa: N802 - Windows' name
        self.closed += 1
        return 1


@pytest.mark.parametrize(
    ("handle", "status", "error", "alive"),
    [(7, 259, 0, True), (7, 0, 0, False), (0, 0, 87, False), (0, 0, 5, True)],
)
def test_windows_tells_by_a_handle(
    handle: int, status: int, error: int, alive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Still active, ended, never there, not ours to look at."""
    import ctypes

    kernel = Kernel(handle=handle, status=status)
    monkeypatch.setattr(ctypes, "WinDLL", lambda name, use_last_error: kernel, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: error, raising=False)
    assert runs._has_handle(4711) is alive
    assert kernel.closed == (1 if handle else 0)


def test_a_file_that_is_open_elsewhere_is_renamed_a_moment_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows a virus scanner holds new files; a file that stays held is the disk's refusal, as ever."""
    part, path = tmp_path / "a.part", tmp_path / "a.mp4"
    part.write_bytes(b"video")
    busy = iter([True, True, False])
    replace = Path.replace

    def held(self: Path, target: Path) -> Path:
        if next(busy, True):
            raise PermissionError(13, "in use")
        return replace(self, target)

    slept: list[float] = []
    monkeypatch.setattr(file_system, "WINDOWS", True)
    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setattr(Path, "replace", held)
    file_system.rename_file(part, path)
    assert path.read_bytes() == b"video"
    assert len(slept) == 2
    with pytest.raises(PermissionError):
        file_system.rename_file(path, part)
    monkeypatch.setattr(file_system, "WINDOWS", False)
    slept.clear()
    with pytest.raises(PermissionError):
        file_system.rename_file(path, part)
    assert slept == []


def test_windows_syncs_what_it_may_write_and_no_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its fsync refuses a file that is open for reading only."""
    opened: list[int] = []
    really = os.open

    def spy(path: Any, flags: int, *rest: Any) -> int:
        opened.append(flags & os.O_ACCMODE)
        return really(path, flags, *rest)

    (tmp_path / "a").write_bytes(b"x")
    monkeypatch.setattr(os, "open", spy)
    monkeypatch.setattr(file_system, "WINDOWS", True)
    file_system.sync_path(tmp_path / "a")
    file_system.sync_path(tmp_path)
    assert opened == [os.O_RDWR]
    monkeypatch.setattr(file_system, "WINDOWS", False)
    file_system.sync_path(tmp_path)
    assert opened == [os.O_RDWR, os.O_RDONLY]


def test_macos_syncs_through_the_disks_own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F_FULLFSYNC where the file system knows it, else fsync; the state by SQLite's own means."""
    import fcntl

    asked: list[int] = []
    synced: list[int] = []
    refuse = False

    def full(descriptor: int, what: int) -> int:
        if refuse:
            raise OSError(45, "not supported")
        asked.append(what)
        return 0

    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", full)
    monkeypatch.setattr(os, "fsync", synced.append)
    monkeypatch.setattr(sys, "platform", "darwin")
    file_system._sync_descriptor(3)
    assert (asked, synced) == ([51], [])
    refuse = True
    file_system._sync_descriptor(3)
    assert synced == [3]
    monkeypatch.undo()
    with Store(tmp_path / "b.db") as store:
        assert store.connection.db.execute("PRAGMA fullfsync").fetchone()[0] == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_ctrl_c_on_windows_is_a_first_signal(anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its event loop has no signal handlers; Python's own tell the run, and are put back."""
    monkeypatch.setattr(sys, "platform", "win32")
    before = signal.getsignal(signal.SIGINT)
    with stop_signals() as signals, anyio.fail_after(60):
        assert signals is not None
        signal.raise_signal(signal.SIGINT)
        assert await anext(signals) is signal.SIGINT
        signal.raise_signal(signal.SIGINT)
        assert await anext(signals) is signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is before


def test_names_that_differ_in_case_only_are_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the file systems of macOS and Windows they would be one: the second gets a suffix, and none is lost."""
    jobs = [
        make_job(JobState.DOWNLOADING, stem=stem, id=20 * n)
        for n, stem in zip("abc", ("Fox", "fox", "FOX"), strict=True)
    ]
    exact, folded = tmp_path / "exact", tmp_path / "folded"
    assert [_put(exact, job) for job in jobs] == ["Fox.mp4", "fox.mp4", "FOX.mp4"]
    _tell_no_case_apart(monkeypatch, folded)
    first, second, third = (_put(folded, job) for job in jobs)
    assert first == "Fox.mp4"
    assert second.startswith("fox~")
    assert third.startswith("FOX~")
    assert len(list(folded.glob("*.mp4"))) == len(list(folded.glob("*.json"))) == 3


def test_two_at_once_whose_names_are_one_file_take_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both planned the name while it was free; the second to finish takes another."""
    _tell_no_case_apart(monkeypatch, tmp_path)
    jobs = [make_job(JobState.DOWNLOADING, stem=stem, id=20 * stem[1]) for stem in ("Fox", "fOX")]
    storage = FolderStorage(tmp_path, at_once)
    targets = [FolderTarget(next(storage.iter_choices(job)), job, storage) for job in jobs]
    assert {target.file.path.name.lower() for target in targets} == {"fox.mp4"}
    names = []
    for target in targets:
        writer = target.open_writer(0, hashlib.sha256())
        target.file.part.write_bytes(b"video")
        names.append(writer._publish(5, hashlib.sha256(b"video").hexdigest()).file)
    assert names[0] == "Fox.mp4"
    assert names[1].startswith("fOX~")


def _put(folder: Path, job: Job) -> str:
    folder.mkdir(exist_ok=True)
    file = VideoFile.choose(folder, job)
    file.part.write_bytes(b"video")
    file.publish_part(job, size=5, sha256=hashlib.sha256(b"video").hexdigest())
    return file.path.name


def _tell_no_case_apart(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let what looks for a name, and what gives one, meet a name in another case, as macOS and Windows do."""
    lexists, link, lstat = os.path.lexists, os.link, Path.lstat

    def there(path: Path) -> Path:
        if path.parent != folder or not folder.is_dir():
            return path
        return next((known for known in folder.iterdir() if known.name.lower() == path.name.lower()), path)

    def no_twin(part: Path, path: Path) -> None:
        link(part, there(path))

    monkeypatch.setattr(os.path, "lexists", lambda path: lexists(there(Path(path))))
    monkeypatch.setattr(os, "link", no_twin)
    monkeypatch.setattr(Path, "lstat", lambda path: lstat(there(path)))
    monkeypatch.setattr(video_file, "read_sidecar", lambda sidecar: read_sidecar(sidecar and there(sidecar)))
