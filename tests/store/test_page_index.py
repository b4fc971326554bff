"""Answers to the page, and the refreshing of its copy."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from batchveo.core.models import JobState
from batchveo.store import Store, page_copy
from batchveo.store.job_search import Filter
from batchveo.store.page_copy import PageCopy
from batchveo.store.page_index import PageIndex
from tests.helpers.factories import make_spec
from tests.store.page_jobs import fill
from tests.store.steps import begun


def test_the_values_of_each_filter_are_counted_among_what_the_others_match(store: Store, index: PageIndex) -> None:
    fill(store)
    begun(store, make_spec("job of another", model="google/veo2", meta={"split": "train"}), scratch=False)
    found = index.find_jobs(Filter.of("job", states=(JobState.CANCELLED,), model="google/veo3"), most=2)
    assert (found.seqs, found.total, found.compared) == ([1, 11], 3, None)
    assert found.counts == {
        "state": {"cancelled": 3, "pending": 27},
        "model": {"google/veo3": 3},
        "manifest": {"m.yaml": 3},
        "split": {},
        "waits": {},
    }
    assert index.find_jobs(Filter(states=(JobState.PENDING,)), most=0).counts["split"] == {"train": 1}


def test_a_failure_leaves_no_damaged_copy(store: Store, index: PageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next use begins anew."""
    fill(store)
    monkeypatch.setattr(page_copy, "COPY_TEXTS", "SELECT no_such_column WHERE ")
    with pytest.raises(sqlite3.OperationalError):
        index.list_choices()
    monkeypatch.undo()
    assert index.list_choices()["models"] == [("google/veo3", 30)]


def test_the_index_is_made_in_the_background(store: Store, index: PageIndex) -> None:
    """A database that cannot be read is reported by the answer that needs it."""
    fill(store)
    index.refresh_soon()
    assert index.find_jobs(Filter.of("nr07"), most=1).total == 1
    with PageIndex(Path(store.path.parent / "none.db")) as missing:
        missing.refresh_soon()
        with pytest.raises(FileNotFoundError):
            missing.list_choices()


def test_a_full_disk_is_not_filled_again_and_again(
    store: Store, index: PageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page asks every few seconds; after a search that succeeds the index is kept up to date again."""
    fill(store)
    tries = 0
    take_over = PageCopy.take_over

    def refuse(copy: PageCopy) -> None:
        nonlocal tries
        tries += 1
        raise sqlite3.OperationalError("database or disk is full")

    def refresh() -> None:
        index.refresh_soon()
        if index._thread is not None:
            index._thread.join()

    monkeypatch.setattr(PageCopy, "take_over", refuse)
    for _ in range(3):
        refresh()
    assert tries == 1
    with pytest.raises(sqlite3.OperationalError, match="full"):
        index.find_jobs(Filter(states=(JobState.PENDING,)), most=1)
    assert tries == 2
    monkeypatch.setattr(PageCopy, "take_over", take_over)
    assert index.find_jobs(Filter(states=(JobState.PENDING,)), most=1).total == 27
    thread = index._thread
    refresh()
    assert index._thread is not thread
