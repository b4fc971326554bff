"""Group commit: one fsync for many, and nobody hears of success who has none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from batchveo.core.models import Job, JobState
from batchveo.engine.recorder import GroupCommit
from batchveo.store import Store
from tests.helpers.factories import make_spec

pytestmark = pytest.mark.anyio


class Spy(Store):
    """A store that counts its flushes, and fails them where a test says so."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.flushes = 0
        self.broken = False
        self._flush = self.connection.flush
        self.connection.flush = self._count_flush  # type: ignore[method-assign]

    def _count_flush(self) -> None:
        self.flushes += 1
        if self.broken:  # a commit that SQLite refuses
            self.connection.db.execute("PRAGMA defer_foreign_keys = ON")
            self.connection.db.execute("UPDATE jobs SET run = 99")
        self._flush()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Spy]:
    with Spy(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs([make_spec(f"job {n}") for n in range(30)], run=run, now=1.0)
        store.flushes = 0
        yield store


def claim(store: Store) -> Job:
    job = store.transitions.claim_job(run=1, now=5.0)
    assert job is not None
    return job


def claimed_on_disk(store: Store) -> int:
    with Store(store.path, writing=False) as other:
        return other.counts()[JobState.SUBMITTING]


@contextmanager
def lossy(store: Store) -> Iterator[None]:
    """Sharing whose end tells of a loss."""
    with pytest.raises(sqlite3.IntegrityError), store.connection.sharing():
        yield


async def test_many_writers_of_a_moment_share_one_flush(store: Spy) -> None:
    """Each returns only when its own write is on disk."""
    groups = GroupCommit(store)

    async def work() -> None:
        claim(store)
        await groups.wait_durable()
        assert claimed_on_disk(store) == 20

    with store.connection.sharing():
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(work)
        assert store.flushes == 1


async def test_nothing_written_is_durable_without_a_flush(store: Spy) -> None:
    """Most requests follow from what has been on disk for long."""
    with store.connection.sharing():
        await GroupCommit(store).wait_durable()
        assert store.flushes == 0


async def test_a_later_moment_has_a_group_of_its_own(store: Spy) -> None:
    """Nobody waits for those who come after."""
    groups = GroupCommit(store)
    with store.connection.sharing():
        for count in (1, 2):
            claim(store)
            await groups.wait_durable()
            assert (store.flushes, claimed_on_disk(store)) == (count, count)
            assert not store.connection.unflushed


async def test_who_wrote_nothing_waits_for_the_group_too(store: Spy) -> None:
    """What it saw may be in it: a job that another worker has just moved."""
    groups = GroupCommit(store)

    async def follow() -> None:
        await groups.wait_durable()
        assert claimed_on_disk(store) == 1

    with store.connection.sharing():
        async with anyio.create_task_group() as tasks:
            claim(store)
            tasks.start_soon(groups.wait_durable)
            tasks.start_soon(follow)


async def test_followers_get_the_leaders_error(store: Spy) -> None:
    """Nothing of the group is there, so nobody of the group goes on."""
    groups = GroupCommit(store)
    failed: list[str] = []

    async def work() -> None:
        claim(store)
        try:
            await groups.wait_durable()
        except sqlite3.IntegrityError as error:
            failed.append(str(error))

    store.broken = True
    with lossy(store):
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(work)
        store.broken = False
    assert failed == ["FOREIGN KEY constraint failed"] * 5
    assert claimed_on_disk(store) == 0


async def test_a_writer_that_asks_after_the_failure_hears_of_it(store: Spy) -> None:
    """A claim is written by the loop and awaited by its worker, which may start when the group is already lost."""
    groups = GroupCommit(store)
    with lossy(store):
        claim(store)
        store.broken = True
        with pytest.raises(sqlite3.IntegrityError):
            await groups.wait_durable()
        store.broken = False
        with pytest.raises(sqlite3.IntegrityError):
            await groups.wait_durable()


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_a_cancelled_writer_is_durable_all_the_same(store: Spy, backend: str) -> None:
    """Leader or follower: the answer that it records is paid for."""

    async def main() -> None:
        groups = GroupCommit(store)
        returned = 0

        async def work() -> None:
            nonlocal returned
            claim(store)
            await groups.wait_durable()
            returned += 1

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(work)
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        assert (returned, claimed_on_disk(store)) == (3, 3)

    with store.connection.sharing():
        anyio.run(main, backend=backend)
        assert not store.connection.unflushed


async def test_a_leader_that_dies_leaves_nobody_waiting(store: Spy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Followers wait behind a shield: a group that never ended would hold up the exit for ever."""
    groups = GroupCommit(store)
    checkpoint = anyio.lowlevel.checkpoint
    turns = count()

    async def dying() -> None:
        await checkpoint()
        if next(turns) == 1:
            raise KeyboardInterrupt

    async def work() -> None:
        with pytest.raises(KeyboardInterrupt):
            await groups.wait_durable()

    monkeypatch.setattr(anyio.lowlevel, "checkpoint", dying)
    with store.connection.sharing(), anyio.fail_after(60):
        claim(store)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            tasks.start_soon(work)
        claim(store)
        await groups.wait_durable()
    assert claimed_on_disk(store) == 2
