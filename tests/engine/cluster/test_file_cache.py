"""Input files at hand: fetched once, kept while there is room."""

from __future__ import annotations

import anyio
import pytest

from batchveo.engine.broker import Fenced
from batchveo.engine.input_files import FileCache, InputFile

pytestmark = pytest.mark.anyio


class Archive:
    """Counts what is asked of it; each file takes a second."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.at_once = self.peak = 0
        self.fenced = False

    async def __call__(self, sha256: str) -> InputFile:
        self.asked.append(sha256)
        self.at_once += 1
        self.peak = max(self.peak, self.at_once)
        try:
            await anyio.sleep(1.0)
        finally:
            self.at_once -= 1
        if self.fenced:
            raise Fenced
        return "image/png", sha256.encode() * 10


async def test_many_jobs_with_one_image_ask_for_it_once() -> None:
    """Together or one after the other; different ones come one at a time, so that few are in memory at once."""
    archive = Archive()
    files = FileCache(archive)
    async with anyio.create_task_group() as tasks:
        for sha256 in "aabab":
            tasks.start_soon(files, sha256)
    assert await files("b") == ("image/png", b"b" * 10)
    assert (sorted(archive.asked), archive.peak) == (["a", "b"], 1)


async def test_the_last_used_are_kept() -> None:
    """As many as there is room for, and the last one whatever its size."""
    archive = Archive()
    files = FileCache(archive, room=25)
    for sha256 in "abacab":
        await files(sha256)
    assert archive.asked == ["a", "b", "c", "b"]
    large = FileCache(archive, room=5)
    archive.asked.clear()
    for sha256 in "aabb":
        await large(sha256)
    assert archive.asked == ["a", "b"]


async def test_what_could_not_be_had_is_asked_for_again() -> None:
    """A fetch that failed or was given up leaves nothing behind."""
    archive = Archive()
    files = FileCache(archive)
    archive.fenced = True
    with pytest.raises(Fenced):
        await files("a")
    archive.fenced = False
    with anyio.move_on_after(0.5):
        await files("a")
    assert (await files("a"))[1] == b"a" * 10
    assert len(archive.asked) == 3
