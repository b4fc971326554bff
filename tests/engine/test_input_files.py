"""Input files: how many are in requests at a time, and which a worker keeps."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import anyio
import pytest

from batchveo.core.models import INPUT_PREFIX
from batchveo.engine.broker import Fenced
from batchveo.engine.input_files import Attachments, FileCache, InputFile, InputFileReader

pytestmark = pytest.mark.anyio


async def named_bytes(sha256: str) -> tuple[str, bytes]:
    """An input file that holds its own name."""
    return "image/png", sha256.encode()


def naming(*names: str) -> dict[str, object]:
    return {"prompt": "A fox", "images": [{"image_url": INPUT_PREFIX + name} for name in names]}


async def test_input_files_become_data_uris() -> None:
    """Also inside lists and objects; everything else goes as it is."""
    request = {
        "a": INPUT_PREFIX + "12",
        "b": [INPUT_PREFIX + "34", "https://x"],
        "c": 8,
        "keyframes": {"frame0": {"type": "image", "url": INPUT_PREFIX + "12"}, "frame1": None},
        "image_list": [{"image_url": INPUT_PREFIX + "34", "weight": 0.5}, {"image_url": "https://x"}],
    }
    before = copy.deepcopy(request)
    first, second = "data:image/png;base64,MTI=", "data:image/png;base64,MzQ="
    async with Attachments(named_bytes).fill_request(request) as filled:
        assert filled == {
            "a": first,
            "b": [second, "https://x"],
            "c": 8,
            "keyframes": {"frame0": {"type": "image", "url": first}, "frame1": None},
            "image_list": [{"image_url": second, "weight": 0.5}, {"image_url": "https://x"}],
        }
    assert request == before


class Wharf:
    """Requests of a second each, filled within ``most`` bytes; it writes down which were there at a time."""

    def __init__(self, most: int, read: InputFileReader = named_bytes) -> None:
        self._attachments = Attachments(read, most=most)
        self._there: list[str] = []
        self.together: list[Sequence[str]] = []

    async def send(self, *names: str) -> None:
        async with self._attachments.fill_request(naming(*names) if names else {"prompt": "A fox"}):
            self._there.append("+".join(names))
            self.together.append(tuple(self._there))
            await anyio.sleep(1.0)
            self._there.remove("+".join(names))


async def test_no_more_files_than_there_is_room_for() -> None:
    """In the order in which they came: a large one is not passed by, and goes alone where it must."""
    wharf = Wharf(most=4)
    begun = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for name in ("aa", "bb", "larger", "c", "d"):
            tasks.start_soon(wharf.send, name)
            await anyio.lowlevel.checkpoint()
    assert wharf.together == [("aa",), ("aa", "bb"), ("larger",), ("c",), ("c", "d")]
    assert anyio.current_time() - begun == pytest.approx(3.0)


@pytest.mark.parametrize(("copies", "together"), [(1, 2), (2, 1)])
async def test_one_file_twice_in_a_request_takes_twice_the_room(copies: int, together: int) -> None:
    """It is sent twice, at any depth, though it is read once."""
    asked: list[str] = []

    async def read(sha256: str) -> InputFile:
        asked.append(sha256)
        return await named_bytes(sha256)

    wharf = Wharf(most=4, read=read)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wharf.send, *["aaa"] * copies)
        tasks.start_soon(wharf.send, "b")
    assert max(map(len, wharf.together)) == together
    assert sorted(asked) == ["aaa", "b"]


async def test_requests_without_files_do_not_wait() -> None:
    """However many are under way with files."""
    wharf = Wharf(most=4)
    async with anyio.create_task_group() as tasks:
        for name in ("aaaa", "bbbb"):
            tasks.start_soon(wharf.send, name)
            await anyio.lowlevel.checkpoint()
        tasks.start_soon(wharf.send)
    assert ("aaaa", "") in wharf.together


async def test_who_is_cancelled_leaves_the_room_to_others() -> None:
    """While it waits, and while it is sent."""
    wharf = Wharf(most=4)
    async with anyio.create_task_group() as tasks:
        scopes = [anyio.CancelScope(), anyio.CancelScope()]

        async def cancelled(scope: anyio.CancelScope, name: str) -> None:
            with scope:
                await wharf.send(name)

        tasks.start_soon(cancelled, scopes[0], "aaaa")
        await anyio.sleep(0.1)
        tasks.start_soon(cancelled, scopes[1], "bbbb")
        tasks.start_soon(wharf.send, "cccc")
        await anyio.sleep(0.1)
        for scope in reversed(scopes):
            scope.cancel()
        await anyio.sleep(0.1)
        assert wharf.together[-1][-1] == "cccc"


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
