"""A file system without file locks is not another run."""

from __future__ import annotations

import errno
import fcntl
import sqlite3
from pathlib import Path

import pytest

from batchveo.core.errors import StateLocked, StateUnusable
from batchveo.store import Store, database, file_locks


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
@pytest.mark.parametrize("lock", ["flock", "lockf"])
def test_a_run_says_that_locks_are_missing(
    number: int, lock: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what to do; nobody looks for another process that is not there."""

    def refuse(*_: object) -> None:
        raise OSError(number, "no locks here")

    with Store(tmp_path / "b.db") as store:
        monkeypatch.setattr(fcntl, lock, refuse)
        with pytest.raises(StateUnusable, match=r"without file locks \(no locks here\).*--state") as caught:
            store.runs.acquire_lock()
    assert "another" not in str(caught.value)
    assert str(tmp_path / "b.db") in str(caught.value)


@pytest.mark.parametrize("words", ["database is locked", "disk I/O error"])
def test_sqlites_words_are_not_believed_there(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a missing lock for one that is held, or for a bad disk."""
    error = sqlite3.OperationalError(words)
    assert not isinstance(database.explain_unusable(tmp_path / "b.db", error), StateUnusable)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    found = database.explain_unusable(tmp_path / "b.db", error)
    assert isinstance(found, StateUnusable)
    assert "No locks available" in str(found)


def test_a_lock_that_is_held_is_still_that(tmp_path: Path) -> None:
    """Here there are locks; nothing of the trial is left behind."""
    with Store(tmp_path / "b.db") as one, Store(tmp_path / "b.db") as two:
        one.runs.acquire_lock()
        before = sorted(tmp_path.iterdir())
        with pytest.raises(StateLocked, match="another run holds"):
            two.runs.acquire_lock()
        assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_cannot_be_tried_is_not_accused(tmp_path: Path) -> None:
    """Nobody knows."""
    assert file_locks.find_cause(tmp_path / "gone") is None
