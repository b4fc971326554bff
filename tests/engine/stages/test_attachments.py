"""The files in requests, and how many may be under way."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest

from batchveo.core.models import INPUT_PREFIX
from batchveo.engine.input_files import Attachments

pytestmark = pytest.mark.anyio


async def named_bytes(sha256: str) -> tuple[str, bytes]:
    """An input file that holds its own name."""
    return "image/png", sha256.encode()


def naming(*names: str) -> dict[str, object]:
    return {"prompt": "A fox", "images": [INPUT_PREFIX + name for name in names]}


async def test_input_files_become_data_uris() -> None:
    """Also inside lists; everything else goes as it is."""
    request = {"a": INPUT_PREFIX + "12", "b": [INPUT_PREFIX + "34", "https://x"], "c": 8}
    async with Attachments(named_bytes).fill_request(request) as filled:
        assert filled == {
            "a": "data:image/png;base64,MTI=",
            "b": ["data:image/png;base64,MzQ=", "https://x"],
            "c": 8,
        }


class Wharf:
    """Requests of a second each, filled within ``most`` bytes; it writes down which were there at a time."""

    def __init__(self, most: int) -> None:
        self._attachments = Attachments(named_bytes, most=most)
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


async def test_one_file_twice_in_a_request_counts_once() -> None:
    """It is read once too."""
    wharf = Wharf(most=4)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wharf.send, "aaa", "aaa")
        tasks.start_soon(wharf.send, "b")
    assert max(map(len, wharf.together)) == 2


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
