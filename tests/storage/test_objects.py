"""Requests to an object store, against a real S3 server."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import anyio
import pytest

from batchveo.core.outcomes import Downloaded
from batchveo.storage import objects as module
from batchveo.storage.object_errors import StoreUnavailable
from batchveo.storage.objects import Objects
from tests.storage.conftest import Bucket
from tests.storage.test_bucket import fetch

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.xdist_group("bucket")]
MEBI = 1024 * 1024


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_of_two_who_create_one_wins(bucket: Bucket) -> None:
    """At once too; the loser changes nothing."""
    there = Objects(bucket.url)
    wins: list[bytes] = []

    async def create(content: bytes) -> None:
        if await there.create("ü %41~#.json", content):
            wins.append(content)

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(create, b"%d" % number)
    found = await there.read_small("ü %41~#.json")
    assert found is not None
    assert wins == [found.content]
    assert bucket.keys() == ["my night/ü %41~#.json"]


async def test_what_was_changed_meanwhile_is_not_replaced(bucket: Bucket) -> None:
    """By its version."""
    there = Objects(bucket.url)
    await there.create("s.json", b"1")
    first = await there.read_small("s.json")
    assert first is not None
    assert await there.replace("s.json", b"2", first.version)
    assert not await there.replace("s.json", b"3", first.version)
    second = await there.read_small("s.json")
    assert second is not None
    assert second.content == b"2"


@pytest.mark.exhaustive
async def test_a_large_object_in_parts(bucket: Bucket) -> None:
    """Nothing is seen before the end; then all of it, in pieces, and any range of it."""
    there = Objects(bucket.url)
    content = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(20 * MEBI // 32))
    upload = there.open_upload("v.mp4")
    for start in range(0, len(content), MEBI):
        await upload.write(content[start : start + MEBI])
    assert await there.find_head("v.mp4") is None
    assert bucket.uploads() == 1
    await upload.complete()
    await upload.abort()  # there is nothing left to give up
    head = await there.find_head("v.mp4")
    assert head is not None
    assert head.size == len(content)
    pieces = [piece async for piece in there.read_pieces("v.mp4", head)]
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) == module.READ_BYTES
    now = await anyio.to_thread.run_sync(lambda: b"".join(there.iter_pieces("v.mp4", head, 5 * MEBI - 3, 9 * MEBI)))
    assert now == content[5 * MEBI - 3 : 9 * MEBI]
    assert bucket.uploads() == 0


@pytest.mark.parametrize("size", [MEBI, 20 * MEBI])
async def test_what_is_given_up_leaves_nothing(bucket: Bucket, size: int) -> None:
    """Neither an object nor parts."""
    there = Objects(bucket.url)
    upload = there.open_upload("v.mp4")
    for _ in range(size // MEBI):
        await upload.write(bytes(MEBI))
    await upload.abort()
    assert (bucket.keys(), bucket.uploads()) == ([], 0)


async def test_what_is_replaced_while_it_is_read_is_not_mixed(bucket: Bucket) -> None:
    """Half of one and half of another video is neither."""
    there = Objects(bucket.url)
    await there.create("v.mp4", b"old")
    head = await there.find_head("v.mp4")
    assert head is not None
    upload = there.open_upload("v.mp4")
    await upload.write(b"new")
    await upload.complete()
    with pytest.raises(StoreUnavailable, match="replaced meanwhile"):
        [piece async for piece in there.read_pieces("v.mp4", head)]


MEMORY = """
import resource, sys, anyio, httpx, json
from batchveo.provider import VideoClient
from batchveo.core.models import JobState
from batchveo.core.destination import BucketUrl
from batchveo.engine.stages.video_fetcher import VideoFetcher
from tests.helpers.factories import make_job
from tests.storage.test_mp4 import box
SIZE, PIECE = int(sys.argv[2]) << 20, bytes(1 << 16)
class Body(httpx.AsyncByteStream):
    async def __aiter__(self):
        yield box(b"ftyp", b"isom") + box(b"moov") + (SIZE + 8).to_bytes(4, "big") + b"mdat"
        for _ in range(SIZE // len(PIECE)):
            yield PIECE
async def public(host, port):
    return ["93.184.216.34"]
async def main():
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Body()))
    async with VideoClient(transport=transport, resolve=public) as videos:
        downloader = VideoFetcher(videos, BucketUrl(sys.argv[1]))
        await downloader._storage.choose_target(make_job(JobState.DOWNLOADING))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        outcome = await downloader.fetch(make_job(JobState.DOWNLOADING, request={"duration": 60}))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(json.dumps([getattr(outcome, "bytes", str(outcome)), grown // 1024]))
anyio.run(main)
"""


def test_a_video_is_never_whole_in_memory(bucket: Bucket) -> None:
    """160 MiB pass; what is kept of them is some parts of eight."""
    command = [sys.executable, "-c", MEMORY, str(bucket.url), "160"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    size, grown = json.loads(done.stdout)
    assert size == (160 << 20) + 28
    assert grown < 80
    assert bucket.uploads() == 0


KILLED = """
import sys, anyio, httpx
from batchveo.provider import VideoClient
from batchveo.core.models import JobState
from batchveo.core.destination import BucketUrl
from batchveo.engine.stages.video_fetcher import VideoFetcher
from tests.helpers.factories import make_job
from tests.storage.test_mp4 import box
class Body(httpx.AsyncByteStream):
    async def __aiter__(self):
        yield box(b"ftyp", b"isom") + box(b"moov") + (64 << 20).to_bytes(4, "big") + b"mdat"
        for _ in range(20):
            yield bytes(1 << 20)
        await anyio.sleep_forever()
async def public(host, port):
    return ["93.184.216.34"]
async def main():
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Body()))
    async with VideoClient(transport=transport, resolve=public) as videos:
        await VideoFetcher(videos, BucketUrl(sys.argv[1])).fetch(make_job(JobState.DOWNLOADING))
anyio.run(main)
"""


async def test_killed_in_the_middle_of_an_upload(bucket: Bucket) -> None:
    """What was sent is not seen, and in nobody's way; a lifecycle rule takes it away."""
    command = [sys.executable, "-c", KILLED, str(bucket.url)]
    process = subprocess.Popen(command)  # noqa: ASYNC220 - it takes no time
    try:
        with anyio.fail_after(60):
            while not bucket.uploads():
                assert process.poll() is None
                await anyio.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    assert bucket.keys() == []
    outcome = await fetch(Objects(bucket.url))
    assert isinstance(outcome, Downloaded)
    assert bucket.keys() == ["my night/a cat.json", "my night/a cat.mp4"]
    assert bucket.uploads() == 1


ENDING = """
import sys, anyio
from batchveo.storage.objects import Objects
from batchveo.core.destination import BucketUrl
async def main():
    there = Objects(BucketUrl(sys.argv[1]))
    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(there.find_head, f"{number}")
            group.start_soon(there.create, f"{number}.json", b"x" * 9999)
anyio.run(main)
"""


@pytest.mark.exhaustive
def test_a_process_may_end_right_after_its_last_request(bucket: Bucket) -> None:
    """No thread of the store's comes back to a Python that is shutting down."""
    command = [sys.executable, "-c", ENDING, str(bucket.url)]
    for _ in range(5):
        subprocess.run(command, timeout=60, check=True)
