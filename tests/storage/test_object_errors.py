"""What becomes of the refusals of an object store."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from batchveo.core.destination import BucketUrl
from batchveo.core.errors import DiskTrouble
from batchveo.storage import objects as module
from batchveo.storage.destination_check import check_bucket
from batchveo.storage.object_errors import StoreRefused, StoreUnavailable
from batchveo.storage.objects import Objects
from tests.storage.conftest import Bucket, use

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.xdist_group("bucket")]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


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


async def test_the_place_is_tried_before_anything_is_bought(bucket: Bucket) -> None:
    """And left as it was."""
    await check_bucket(bucket.url)
    assert bucket.keys() == []
    with pytest.raises(DiskTrouble, match="there is no such bucket"):
        await check_bucket(BucketUrl("s3://not-there/x"))


async def test_a_store_that_overwrites_what_is_to_be_created_only_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The claim would be none."""
    with answering(200, "") as endpoint:
        use(endpoint, monkeypatch)
        with pytest.raises(DiskTrouble, match="is to be created only"):
            await check_bucket(BucketUrl("s3://bucket/x"))
