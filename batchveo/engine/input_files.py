"""The input files that requests carry: a cache of them, and a bound on what is held in memory at once."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

import anyio

from batchveo.core.models import INPUT_PREFIX

SENDING_BYTES = 64 * 1024 * 1024
"""Bytes of files in requests in progress, at most; each takes about three times its size while it is sent."""

InputFile = tuple[str, bytes]
"""Media type and content."""
InputFileReader = Callable[[str], Awaitable[InputFile]]
"""From the SHA-256 of an input file to the file."""


class Attachments:
    """Fills requests with their files, at most ``most`` bytes at a time, or one file that is larger.

    Requests take turns, so that small ones do not overtake a large one for ever. Those without files do not wait.
    """

    def __init__(self, input_file: InputFileReader, *, most: int = SENDING_BYTES) -> None:
        self._input_file = input_file
        self._most = most
        self._under_way = 0
        self._turn = anyio.Lock()
        self._freed = anyio.Event()

    @asynccontextmanager
    async def fill_request(self, request: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        """Yield ``request`` with each reference to a file replaced by its data URI; send it within the block.

        A reference may be anywhere in lists and objects.
        """
        names = Counter(find_references(request))
        if not names:
            yield request
            return
        async with self._turn:
            files = {name: await self._input_file(name) for name in names}
            # a file that is in the request several times is in its body as often
            size = sum(len(files[name][1]) * times for name, times in names.items())
            while self._under_way and self._under_way + size > self._most:
                await self._freed.wait()
            self._under_way += size
        try:
            uris = {name: _make_data_uri(*file) for name, file in files.items()}
            yield {field: fill_references(value, uris) for field, value in request.items()}
        finally:
            self._under_way -= size
            self._freed.set()
            self._freed = anyio.Event()


def find_references(value: object) -> Iterator[str]:
    """The SHA-256 of each input file that a request refers to, as often as it does."""
    if isinstance(value, list | Mapping):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from find_references(item)
    elif isinstance(value, str) and value.startswith(INPUT_PREFIX):
        yield value.removeprefix(INPUT_PREFIX)


def fill_references(value: object, texts: Mapping[str, str]) -> object:
    """The value with the text for each file, by its SHA-256, in place of its reference; others stay."""
    if isinstance(value, list):
        return [fill_references(item, texts) for item in value]
    if isinstance(value, Mapping):
        return {name: fill_references(item, texts) for name, item in value.items()}
    if isinstance(value, str) and value.startswith(INPUT_PREFIX):
        return texts.get(value.removeprefix(INPUT_PREFIX), value)
    return value


def _make_data_uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


CACHE_BYTES = 64 * 1024 * 1024
"""Bytes of files that the cache keeps, at most; the file used last is kept whatever its size."""


class FileCache:
    """Files by their SHA-256, least recently used first to go. ``fetch`` reads a missing one, one at a time."""

    def __init__(self, fetch: Callable[[str], Awaitable[InputFile]], *, room: int = CACHE_BYTES) -> None:
        self._fetch = fetch
        self._room = room
        self._files: dict[str, InputFile] = {}
        """The one that was used last comes last."""
        self._turn = anyio.Lock()

    async def __call__(self, sha256: str) -> InputFile:
        """The file with this SHA-256, fetched once for all callers that need it at the same time."""
        async with self._turn:
            file = self._files.pop(sha256, None) or await self._fetch(sha256)
            self._files[sha256] = file
            self._make_room()
        return file

    def _make_room(self) -> None:
        size = sum(len(content) for _, content in self._files.values())
        while size > self._room and len(self._files) > 1:
            oldest = next(iter(self._files))
            size -= len(self._files.pop(oldest)[1])
