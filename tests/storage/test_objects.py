"""What is asked of an object store, against a real S3 server, and what becomes of its refusals."""

from __future__ import annotations

import errno
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import anyio
import pytest

from batchveo.core.destination import BucketUrl
from batchveo.core.errors import DiskTrouble
from batchveo.core.outcomes import Downloaded
from batchveo.storage import objects as module
from batchveo.storage.destination_check import check_bucket
from batchveo.storage.object_errors import StoreRefused, StoreUnavailable
from batchveo.storage.objects import Objects
from tests.storage.conftest import Bucket, use
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


async def test_the_place_is_tried_before_anything_is_bought(bucket: Bucket) -> None:
    """And left as it was."""
    await check_bucket(bucket.url)
    assert bucket.keys() == []
    with pytest.raises(DiskTrouble, match="there is no such bucket"):
        await check_bucket(BucketUrl("s3://not-there/x"))


@contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    """A store that says one thing to everybody."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.send_header("etag", '"x"')
            self.send_header("last-modified", "Sat, 21 Nov 2026 00:00:00 GMT")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body.encode())

        do_GET = do_HEAD = do_POST = do_PUT  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def error(code: str) -> str:
    return f"<?xml version='1.0'?>\n<Error><Code>{code}</Code><Message>hush-hush</Message></Error>"


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (403, "AccessDenied", StoreRefused, "the bucket refuses it: HTTP 403 Forbidden (AccessDenied)"),
        (401, "Unauthorized", StoreRefused, "the bucket refuses it: HTTP 401 Unauthorized (Unauthorized)"),
        (400, "ExpiredToken", StoreRefused, "HTTP 400 Bad Request (ExpiredToken)"),
        (507, "QuotaExceeded", StoreRefused, "HTTP 507 Insufficient Storage (QuotaExceeded)"),
        (503, "SlowDown", StoreUnavailable, "HTTP 503 Service Unavailable (SlowDown)"),
        (500, "InternalError", StoreUnavailable, "HTTP 500 Internal Server Error (InternalError)"),
        (429, "TooManyRequests", StoreUnavailable, "HTTP 429 Too Many Requests (TooManyRequests)"),
    ],
)
async def test_refusals_and_passing_faults(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, kind: type, words: str
) -> None:
    """In a line, without the store's prose; at the start of a run each is the place's trouble."""
    monkeypatch.setattr(module, "RETRIES", 0)
    with answering(status, error(code)) as endpoint:
        use(endpoint, monkeypatch)
        there = Objects(BucketUrl("s3://bucket/x"))
        with pytest.raises(OSError) as raised:
            await there.create("k", b"")
        assert (type(raised.value), raised.value.strerror) == (kind, words)
        upload = there.open_upload("v.mp4")
        await upload.write(b"short enough for one request")
        with pytest.raises(kind):
            await upload.complete()
        await upload.abort()
        with pytest.raises(DiskTrouble) as trouble:
            await check_bucket(BucketUrl("s3://bucket/x"))
        assert str(trouble.value).startswith(f"videos cannot be written to s3://bucket/x: {words}")
        assert ("AWS_ACCESS_KEY_ID" in str(trouble.value)) == (status in (401, 403))


async def test_a_store_that_overwrites_what_is_to_be_created_only_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The claim would be none."""
    with answering(200, "") as endpoint:
        use(endpoint, monkeypatch)
        with pytest.raises(DiskTrouble, match="is to be created only"):
            await check_bucket(BucketUrl("s3://bucket/x"))


async def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A passing fault, without the address, which might carry a signature."""
    monkeypatch.setattr(module, "RETRIES", 0)
    use("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(StoreUnavailable) as raised:
        await Objects(BucketUrl("s3://bucket/x")).create("k", b"")
    assert raised.value.errno == errno.EIO
    assert "127.0.0.1" not in str(raised.value.strerror)
    with pytest.raises(DiskTrouble, match=r"gives no answer: .*is the network there, and the endpoint right"):
        await check_bucket(BucketUrl("s3://bucket/x"))


async def test_http_is_for_this_machine_unless_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the service."""
    use("http://192.0.2.1:9", monkeypatch)
    with pytest.raises(StoreRefused, match="AWS_ALLOW_HTTP"):
        await Objects(BucketUrl("s3://bucket/x")).create("k", b"")


@pytest.mark.parametrize(
    ("url", "endpoint", "family"),
    [
        ("s3://bucket/x", "AWS_ENDPOINT_URL_S3", "AWS"),
        ("gs://bucket/x", "GOOGLE_BASE_URL", "GOOGLE"),
        ("az://bucket/x", "AZURE_STORAGE_ENDPOINT", "AZURE"),
        ("az://bucket/x", "AZURE_ENDPOINT", "AZURE"),
    ],
)
async def test_each_kind_of_store_has_its_own_variables(
    url: str, endpoint: str, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For an endpoint on this machine, and for leave to do without TLS elsewhere; nobody answers there."""
    monkeypatch.setattr(module, "RETRIES", 0)
    use("http://192.0.2.1:9", monkeypatch)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "somebody")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "aHVzaA==")
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    monkeypatch.setenv(endpoint, "http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable, match="gives no answer"):
        await Objects(BucketUrl(url)).read_small("k")
    monkeypatch.setenv(endpoint, "http://127.0.0.2:9")
    with pytest.raises(StoreRefused, match=f"{family}_ALLOW_HTTP=true"):
        await Objects(BucketUrl(url)).read_small("k")
    monkeypatch.setenv(f"{family}_ALLOW_HTTP", "true")
    with pytest.raises(StoreUnavailable, match="gives no answer"):
        await Objects(BucketUrl(url)).read_small("k")


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


def test_a_process_may_end_right_after_its_last_request(bucket: Bucket) -> None:
    """No thread of the store's comes back to a Python that is shutting down."""
    command = [sys.executable, "-c", ENDING, str(bucket.url)]
    for _ in range(5):
        subprocess.run(command, timeout=60, check=True)
