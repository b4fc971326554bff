"""Every way a video may come, and what is left on disk."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import ssl
import stat
from collections.abc import AsyncIterator, Callable, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx
import pytest

from batchveo.core.destination import BESIDE, NONE, Sidecars
from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import DiskRefused, Downloaded, DownloadError, FetchOutcome
from batchveo.engine.stages import video_fetcher as module
from batchveo.engine.stages.video_fetcher import VideoFetcher
from batchveo.provider import VideoClient
from batchveo.provider.http_messages import StallDetector
from batchveo.storage import local
from batchveo.storage.base import at_once
from batchveo.storage.sidecar import sidecar_path
from batchveo.storage.video_file import VideoFile
from tests.helpers.factories import make_job
from tests.storage.test_mp4 import WHOLE

pytestmark = pytest.mark.anyio
Handler = Callable[[httpx.Request], httpx.Response]
T = TypeVar("T")


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


async def public(host: str, port: int) -> Sequence[str]:
    return {"cdn.example": ["93.184.216.34"], "inside.example": ["10.0.0.7"]}.get(host, [host])


async def fetch(handler: Handler, folder: Path, job: Job | None = None, *, sidecars: Sidecars = BESIDE) -> FetchOutcome:
    async with VideoClient(transport=httpx.MockTransport(handler), resolve=public) as videos:
        downloader = VideoFetcher(videos, folder, disk=at_once, sidecars=sidecars)
        return await downloader.fetch(job or make_job(JobState.DOWNLOADING))


def video(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, content=WHOLE)


async def test_a_video_and_its_sidecar(tmp_path: Path) -> None:
    """Whole, hashed, explained; nothing else is left."""
    job = make_job(
        JobState.DOWNLOADING,
        request={"model": "m", "prompt": "a cat", "seed": 7},
        meta={"split": "train"},
        submitted_at=0.0,
        completed_at=90.5,
        cost_usd=1.56,
    )
    outcome = await fetch(video, tmp_path / "out", job)
    digest = hashlib.sha256(WHOLE).hexdigest()
    assert outcome == Downloaded(folder=str(tmp_path / "out"), file="a cat.mp4", bytes=len(WHOLE), sha256=digest)
    assert (tmp_path / "out" / "a cat.mp4").read_bytes() == WHOLE
    sidecar = json.loads((tmp_path / "out" / "a cat.json").read_text())
    assert sidecar["sha256"] == digest
    assert (sidecar["seed"], sidecar["cost_usd"], sidecar["generation_seconds"]) == (7, 1.56, 90.5)
    assert sidecar["request"] == {"model": "m", "prompt": "a cat", "seed": 7}
    assert sidecar["submitted_at"] == "1970-01-01T00:00:00.000+00:00"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a cat.json", "a cat.mp4"]
    assert stat.S_IMODE(sidecar_path(tmp_path / "out" / "a cat.mp4").stat().st_mode) == 0o666 & ~current_umask()


async def test_the_host_gets_no_key_and_the_checked_address(tmp_path: Path) -> None:
    """The connection goes to the address, the name into the Host header."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return video(request)

    await fetch(handler, tmp_path)
    assert seen[0].url.host == "93.184.216.34"
    assert seen[0].headers["host"] == "cdn.example"
    assert seen[0].extensions["sni_hostname"] == "cdn.example"
    assert not {"authorization", "cookie"} & set(seen[0].headers)


def with_status(status: int) -> Handler:
    return lambda request: httpx.Response(status, content=b"no")


class Breaking(httpx.AsyncByteStream):
    def __init__(self, content: bytes = WHOLE[:50]) -> None:
        self.content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content
        raise httpx.ReadError("reset by peer")


TROUBLES: list[tuple[Handler, bool, str]] = [
    (with_status(403), True, "HTTP 403"),
    (with_status(404), True, "HTTP 404"),
    (with_status(410), True, "HTTP 410"),
    (with_status(429), False, "HTTP 429"),
    (with_status(500), False, "HTTP 500"),
    (with_status(503), False, "HTTP 503"),
    (with_status(204), False, "HTTP 204"),
    (with_status(206), False, "HTTP 206"),
    (lambda r: httpx.Response(200, html="<html>sign in</html>"), False, "begins with"),
    (lambda r: httpx.Response(200, content=b""), False, "an empty file"),
    (lambda r: httpx.Response(200, content=WHOLE[:-9]), False, "cut short"),
    (lambda r: httpx.Response(200, content=WHOLE, headers={"content-length": "9"}), False, "of 9"),
    (lambda r: httpx.Response(200, stream=Breaking()), False, "reset by peer"),
    (lambda r: httpx.Response(200, content=WHOLE, headers={"content-encoding": "br"}), False, "br-encoded"),
    (lambda r: httpx.Response(302, headers={"location": "http://cdn.example/v"}), True, "not https"),
    (lambda r: httpx.Response(302, headers={"location": "https://inside.example/v"}), True, "not a public"),
    (lambda r: httpx.Response(302, headers={"location": "https://169.254.169.254/v"}), True, "not a public"),
    (lambda r: httpx.Response(302, headers={"location": "file:///etc/passwd"}), True, "not an https"),
    (lambda r: httpx.Response(302, headers={"location": "/again"}), True, "more than 5 times"),
    (lambda r: httpx.Response(302, headers={"location": "http://["}), True, "nonsense"),
    (lambda r: httpx.Response(302, headers={"location": "https://xn--999999999/"}), True, "cannot be read"),
]


@pytest.mark.parametrize(("handler", "stale", "reason"), TROUBLES)
async def test_troubles_pass(tmp_path: Path, handler: Handler, stale: bool, reason: str) -> None:
    """None of them leaves a video, none ends the job; those that may come from an expired URL ask for a fresh one."""
    outcome = await fetch(handler, tmp_path)
    assert isinstance(outcome, DownloadError)
    assert outcome.stale_url is stale
    assert reason in outcome.reason
    assert not list(tmp_path.glob("*.mp4"))


class Watched(httpx.AsyncByteStream):
    def __init__(self) -> None:
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"moved"

    async def aclose(self) -> None:
        self.closed = True


async def test_a_redirect_gives_its_connection_back_first(tmp_path: Path) -> None:
    """Else a few redirects starve the pool."""
    moved = Watched()

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v.mp4":
            return httpx.Response(302, headers={"location": "/real"}, stream=moved)
        assert moved.closed
        return video(request)

    assert isinstance(await fetch(handler, tmp_path), Downloaded)


async def test_a_tls_error_is_not_the_disks_fault(tmp_path: Path) -> None:
    """Both are OSErrors; one stops the run."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise ssl.SSLError(1, "bad record mac")

    assert isinstance(await fetch(handler, tmp_path), DownloadError)
    broken = Cut(WHOLE, 10, ssl.SSLError(1, "bad record mac"))
    assert isinstance(await fetch(lambda request: httpx.Response(200, stream=broken), tmp_path), DownloadError)


async def test_a_redirect_to_a_public_host_is_followed(tmp_path: Path) -> None:
    """CDNs do that."""

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v.mp4":
            return httpx.Response(302, headers={"location": "https://cdn.example/real"})
        return video(request)

    assert isinstance(await fetch(handler, tmp_path), Downloaded)


async def test_a_body_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the size cap."""
    monkeypatch.setattr(module, "LARGEST_VIDEO", len(WHOLE) - 1)
    outcome = await fetch(lambda request: httpx.Response(200, stream=Cut(WHOLE, None)), tmp_path)
    assert isinstance(outcome, DownloadError)
    assert "more than" in outcome.reason
    announced = await fetch(video, tmp_path)
    assert isinstance(announced, DownloadError)
    assert "announced" in announced.reason


class Trickle(httpx.AsyncByteStream):
    def __init__(self, chunk: int, gap: float) -> None:
        self._chunk, self._gap = chunk, gap

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(WHOLE), self._chunk):
            await anyio.sleep(self._gap)
            yield WHOLE[start : start + self._chunk]


async def test_a_slow_download_is_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the whole takes."""
    monkeypatch.setattr(StallDetector, "LEAST_BYTES", 10)
    outcome = await fetch(lambda request: httpx.Response(200, stream=Trickle(10, 25.0)), tmp_path)
    assert isinstance(outcome, Downloaded)


async def test_a_trickle_is_a_stall(tmp_path: Path) -> None:
    """A byte now and then must not hold a download for ever."""
    begun = anyio.current_time()
    outcome = await fetch(lambda request: httpx.Response(200, stream=Trickle(1, 10.0)), tmp_path)
    assert isinstance(outcome, DownloadError)
    assert "bytes came in" in outcome.reason
    assert anyio.current_time() - begun < 60


class Host:
    """A file host with ranges whose connection breaks after ``breaks`` bytes, once each."""

    def __init__(self, *breaks: int, etags: tuple[str, ...] = ('"v1"',), ranges: bool = True) -> None:
        self.breaks = list(breaks)
        self.etags = list(etags)
        self.ranges = ranges
        self.asked: list[str | None] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        etag = self.etags.pop(0) if len(self.etags) > 1 else self.etags[0]
        asked = request.headers.get("range")
        self.asked.append(asked)
        start = 0
        if asked and self.ranges and request.headers["if-range"] == etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        headers = {"etag": etag, "content-length": str(len(WHOLE) - start)}
        if start:
            headers["content-range"] = f"bytes {start}-{len(WHOLE) - 1}/{len(WHOLE)}"
        body = WHOLE[start:]
        stream = Cut(body, self.breaks.pop(0)) if self.breaks else Cut(body, None)
        return httpx.Response(206 if start else 200, headers=headers, stream=stream)


class Cut(httpx.AsyncByteStream):
    def __init__(self, body: bytes, after: int | None, error: Exception | None = None) -> None:
        self._body, self._after, self._error = body, after, error or httpx.ReadError("reset by peer")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body[: self._after]
        if self._after is not None:
            raise self._error


async def tries(host: Handler, folder: Path, count: int) -> list[FetchOutcome]:
    job = make_job(JobState.DOWNLOADING)
    async with VideoClient(transport=httpx.MockTransport(host), resolve=public) as videos:
        downloader = VideoFetcher(videos, folder, disk=at_once)
        return [await downloader.fetch(job) for _ in range(count)]


async def test_a_broken_download_goes_on_where_it_broke(tmp_path: Path) -> None:
    """Only what is missing is asked for; the hash is that of the whole."""
    host = Host(50, 30)
    outcomes = await tries(host, tmp_path, 3)
    assert [type(outcome) for outcome in outcomes] == [DownloadError, DownloadError, Downloaded]
    assert host.asked == [None, "bytes=50-", "bytes=80-"]
    assert isinstance(outcomes[2], Downloaded)
    assert outcomes[2].sha256 == hashlib.sha256(WHOLE).hexdigest()
    assert (tmp_path / "a cat.mp4").read_bytes() == WHOLE


async def test_a_changed_file_is_fetched_from_the_start(tmp_path: Path) -> None:
    """Another ETag: If-Range makes the host send all of it."""
    host = Host(50, etags=('"v1"', '"v2"'))
    assert isinstance((await tries(host, tmp_path, 2))[1], Downloaded)
    assert (tmp_path / "a cat.mp4").read_bytes() == WHOLE


async def test_a_host_that_ignores_ranges(tmp_path: Path) -> None:
    """200 in place of 206: from the start."""
    host = Host(50, ranges=False)
    assert isinstance((await tries(host, tmp_path, 2))[1], Downloaded)
    assert (tmp_path / "a cat.mp4").read_bytes() == WHOLE


@pytest.mark.parametrize("etag", ['W/"weak"', ""])
async def test_without_a_strong_validator_no_rest_is_asked_for(tmp_path: Path, etag: str) -> None:
    """The rest of another version must never be joined to this one's beginning."""
    host = Host(50, etags=(etag,))
    await tries(host, tmp_path, 2)
    assert host.asked == [None, None]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(206, content=b"x", headers={"content-range": "bytes 7-9/10", "etag": '"v1"'}),
        httpx.Response(206, content=b"x", headers={"etag": '"v1"'}),
        httpx.Response(206, content=b"x", headers={"content-range": "bytes 50-155/156", "etag": '"other"'}),
        httpx.Response(416),
    ],
)
async def test_a_rest_that_does_not_fit_is_not_joined(tmp_path: Path, answer: httpx.Response) -> None:
    """The next try starts from the start."""
    host = Host(50)
    script: list[Handler] = [host, lambda request: answer, host]
    outcomes = await tries(lambda request: script.pop(0)(request), tmp_path, 3)
    assert [type(outcome) for outcome in outcomes] == [DownloadError, DownloadError, Downloaded]
    assert host.asked == [None, None]
    assert (tmp_path / "a cat.mp4").read_bytes() == WHOLE


async def test_a_connection_refused_passes(tmp_path: Path) -> None:
    """The CDN may be down for an hour."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    assert isinstance(await fetch(handler, tmp_path), DownloadError)


async def test_a_file_left_whole_by_a_crash_is_not_fetched_again(tmp_path: Path) -> None:
    """Between the rename and the commit."""
    await fetch(video, tmp_path)

    def handler(request: httpx.Request) -> httpx.Response:
        raise AssertionError("fetched again")

    assert isinstance(await fetch(handler, tmp_path), Downloaded)


async def test_a_damaged_own_file_is_fetched_again(tmp_path: Path) -> None:
    """Its name is reused: it is this job's."""
    await fetch(video, tmp_path)
    (tmp_path / "a cat.mp4").write_bytes(b"damaged")
    outcome = await fetch(video, tmp_path)
    assert isinstance(outcome, Downloaded)
    assert (tmp_path / "a cat.mp4").read_bytes() == WHOLE


@pytest.mark.parametrize("name", ["a cat.mp4", "a cat.json"])
async def test_a_strangers_file_is_left_alone(tmp_path: Path, name: str) -> None:
    """The video takes another name."""
    (tmp_path / name).write_text("precious")
    outcome = await fetch(video, tmp_path)
    assert isinstance(outcome, Downloaded)
    assert outcome.file == "a cat~01234567.mp4"
    assert (tmp_path / name).read_text() == "precious"


async def test_links_are_not_followed(tmp_path: Path) -> None:
    """Neither in place of the video nor of its part."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    out = tmp_path / "out"
    out.mkdir()
    (out / "a cat.mp4").symlink_to(victim)
    outcome = await fetch(video, out)
    assert isinstance(outcome, Downloaded)
    assert outcome.file != "a cat.mp4"
    job = make_job(JobState.DOWNLOADING, stem="b")
    VideoFile.choose(out, job).part.symlink_to(victim)
    outcome = await fetch(video, out, job)
    assert isinstance(outcome, Downloaded)
    assert outcome.file.startswith("video-")
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EACCES, errno.EDQUOT])
async def test_a_disk_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """It stops the run, not the job."""

    def refuse(part: Path, *, keep: int) -> None:
        raise OSError(code, "refused")

    monkeypatch.setattr(VideoFile, "open_part", staticmethod(refuse))
    outcome = await fetch(video, tmp_path)
    assert isinstance(outcome, DiskRefused)
    assert "a cat" in outcome.reason


async def test_an_output_folder_that_is_a_file(tmp_path: Path) -> None:
    """Likewise."""
    (tmp_path / "out").write_text("")
    assert isinstance(await fetch(video, tmp_path / "out"), DiskRefused)


async def test_a_name_that_does_not_resolve_is_no_disk_trouble(tmp_path: Path) -> None:
    """Both are OSErrors; only one is the disk's."""

    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError(-2, "Name or service not known")

    async with VideoClient(transport=httpx.MockTransport(video), resolve=unknown) as videos:
        outcome = await VideoFetcher(videos, tmp_path, disk=at_once).fetch(make_job(JobState.DOWNLOADING))
    assert isinstance(outcome, DownloadError)


async def test_a_resolver_that_does_not_answer_holds_no_download_up(tmp_path: Path) -> None:
    """The slot is needed for others."""

    async def silent(host: str, port: int) -> Sequence[str]:
        await anyio.sleep_forever()
        return []

    begun = anyio.current_time()
    async with VideoClient(transport=httpx.MockTransport(video), resolve=silent) as videos:
        outcome = await VideoFetcher(videos, tmp_path, disk=at_once).fetch(make_job(JobState.DOWNLOADING))
    assert isinstance(outcome, DownloadError)
    assert anyio.current_time() - begun <= 60


async def test_a_small_video_goes_to_the_disk_once(tmp_path: Path) -> None:
    """A thread is woken once for it, and nothing of it is written where that would hold others up."""
    here: list[list[str]] = []

    async def disk(work: Callable[[], T]) -> T:
        here.append([path.name for path in tmp_path.iterdir()])
        return work()

    async with VideoClient(transport=httpx.MockTransport(video), resolve=public) as videos:
        outcome = await VideoFetcher(videos, tmp_path, disk=disk).fetch(make_job(JobState.DOWNLOADING))
    assert isinstance(outcome, Downloaded)
    assert here == [[]]


async def test_a_large_video_goes_to_the_disk_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that memory does not grow with it."""
    monkeypatch.setattr(local, "BLOCK_BYTES", 10)
    works: list[object] = []

    async def disk(work: Callable[[], T]) -> T:
        works.append(work)
        return work()

    pieces = Trickle(10, 0.0)
    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=pieces))
    async with VideoClient(transport=transport, resolve=public) as videos:
        outcome = await VideoFetcher(videos, tmp_path, disk=disk).fetch(make_job(JobState.DOWNLOADING))
    assert isinstance(outcome, Downloaded)
    assert outcome.sha256 == hashlib.sha256((tmp_path / outcome.file).read_bytes()).hexdigest()
    assert len(works) == len(WHOLE) // 10 + 1


class Gated(httpx.AsyncByteStream):
    """A body whose second half waits."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.halfway = anyio.Event()
        self.go_on = anyio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content[:100]
        self.halfway.set()
        await self.go_on.wait()
        yield self.content[100:]


async def both(tmp_path: Path, first: Gated, second: Gated, order: Sequence[Gated]) -> list[FetchOutcome]:
    """What comes of two processes that fetch one video into one folder, and get on in that order."""
    outcomes: dict[Gated, FetchOutcome] = {}
    ended = {first: anyio.Event(), second: anyio.Event()}

    async def one(body: Gated) -> None:
        outcomes[body] = await fetch(lambda request: httpx.Response(200, stream=body), tmp_path)
        ended[body].set()

    async with anyio.create_task_group() as tasks:
        for body in (first, second):
            tasks.start_soon(one, body)
            await body.halfway.wait()
        for body in order:
            body.go_on.set()
            await ended[body].wait()
    return [outcomes[first], outcomes[second]]


ANOTHER = WHOLE + b"\x00\x00\x00\x09free!"
"""The same video in another encoding."""


async def test_of_two_who_fetch_one_video_the_first_to_finish_counts(tmp_path: Path) -> None:
    """Else the file on disk would be the other's than the one that was recorded."""
    first, second = Gated(WHOLE), Gated(ANOTHER)
    outcomes = await both(tmp_path, first, second, [first, second])
    digest = hashlib.sha256(WHOLE).hexdigest()
    assert outcomes == [Downloaded(folder=str(tmp_path), file="a cat.mp4", bytes=len(WHOLE), sha256=digest)] * 2
    assert (tmp_path / "a cat.mp4").read_bytes() == WHOLE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a cat.json", "a cat.mp4"]


async def test_two_never_write_to_one_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that came first tries again; no file is put together from both."""
    monkeypatch.setattr(local, "BLOCK_BYTES", 50)
    first, second = Gated(WHOLE), Gated(ANOTHER)
    early, late = await both(tmp_path, first, second, [first, second])
    assert isinstance(early, DownloadError)
    assert early.reason == "another process fetches this video too"
    assert isinstance(late, Downloaded)
    assert (tmp_path / "a cat.mp4").read_bytes() == ANOTHER
    assert hashlib.sha256(ANOTHER).hexdigest() == late.sha256
    assert (await fetch(video, tmp_path)) == late


async def test_a_part_that_another_wrote_to_is_not_gone_on_with(tmp_path: Path) -> None:
    """Though it has just the length that was left."""
    bodies = [Breaking(), Breaking(WHOLE[:40] + b"x" * 10)]
    asked: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("range"))
        if bodies:
            return httpx.Response(200, stream=bodies.pop(0), headers={"etag": '"1"'})
        return video(request)

    job = make_job(JobState.DOWNLOADING)
    async with VideoClient(transport=httpx.MockTransport(handler), resolve=public) as videos:
        one, two = (VideoFetcher(videos, tmp_path, disk=at_once) for _ in range(2))
        assert isinstance(await one.fetch(job), DownloadError)
        assert isinstance(await two.fetch(job), DownloadError)
        assert isinstance(await one.fetch(job), Downloaded)
    assert asked == [None, None, None]
    assert (tmp_path / "a cat.mp4").read_bytes() == WHOLE


# -- the last step of a paid video, on disks of every kind


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES])
async def test_a_folder_that_cannot_be_synced_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """SMB and FUSE know no such thing; the video is had all the same."""
    fsync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    outcome = await fetch(video, tmp_path)
    assert isinstance(outcome, Downloaded)
    (note,) = outcome.notes
    assert f"the folder {tmp_path} cannot be synced ({os.strerror(code)})" in note


async def test_files_that_cannot_be_synced_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of some network mounts."""

    def refuse(descriptor: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", refuse)
    outcome = await fetch(video, tmp_path)
    assert isinstance(outcome, Downloaded)
    assert len(outcome.notes) == 2


async def test_a_disk_that_fails_to_sync_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EIO is no matter of what a file system knows."""

    def refuse(descriptor: int) -> None:
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(os, "fsync", refuse)
    assert isinstance(await fetch(video, tmp_path), DiskRefused)


@pytest.mark.parametrize("limit", [143, 64, 32, -1])
async def test_names_fit_the_file_systems_own_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """143 bytes on eCryptfs, endings, parts and sidecars included."""
    monkeypatch.setattr(os, "pathconf", lambda folder, name: limit)
    names: list[str] = []
    link, open_ = os.link, os.open

    def note_link(part: Path, path: Path) -> None:
        names.append(path.name)
        link(part, path)

    def note_open(path: Path | str, *args: Any, **more: Any) -> int:
        names.append(Path(path).name)
        return open_(path, *args, **more)

    monkeypatch.setattr(os, "link", note_link)
    monkeypatch.setattr(os, "open", note_open)
    outcome = await fetch(video, tmp_path, make_job(JobState.DOWNLOADING, stem="ü" * 110))
    assert isinstance(outcome, Downloaded)
    assert max(len(name.encode()) for name in names) <= max(limit, 64)
    assert outcome.file.startswith("ü")


@pytest.mark.parametrize("code", [errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL])
async def test_a_name_that_the_file_system_refuses_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """The video is paid for: it is had under a plain name."""
    link = os.link

    def picky(part: Path, path: Path) -> None:
        if "cat" in path.name:
            raise OSError(code, os.strerror(code))
        link(part, path)

    replace = Path.replace

    def picky_too(part: Path, path: Path) -> Path:
        if "cat" in path.name:
            raise OSError(code, os.strerror(code))
        return replace(part, path)

    monkeypatch.setattr(os, "link", picky)
    monkeypatch.setattr(Path, "replace", picky_too)
    outcome = await fetch(video, tmp_path)
    assert isinstance(outcome, Downloaded)
    assert outcome.file.startswith("video-")
    assert (tmp_path / outcome.file).read_bytes() == WHOLE
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".mp4"]


async def test_one_file_that_is_refused_is_one_jobs_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the folder takes others."""

    open_part = VideoFile.open_part

    def refuse(part: Path, *, keep: int) -> FileIO:
        if "cat" in part.name:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return open_part(part, keep=keep)

    monkeypatch.setattr(VideoFile, "open_part", staticmethod(refuse))
    outcome = await fetch(video, tmp_path)
    assert isinstance(outcome, DownloadError)
    assert outcome.tries == module.ONE_FILE_TRIES
    assert "Operation not permitted" in outcome.reason
    assert list(tmp_path.iterdir()) == []


async def test_without_links_a_name_is_given_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """exFAT and some network mounts have none."""

    def refuse(part: Path, path: Path) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    outcome = await fetch(video, tmp_path)
    assert isinstance(outcome, Downloaded)
    assert (tmp_path / "a cat.mp4").read_bytes() == WHOLE
    other = await fetch(video, tmp_path, make_job(JobState.DOWNLOADING, generation_id="g-2"))
    assert isinstance(other, Downloaded)
    assert other.file != "a cat.mp4"


@pytest.mark.parametrize(
    ("request_", "bound"),
    [
        ({"duration": 8}, 8 * module.BYTES_A_SECOND),
        ({}, 8 * module.BYTES_A_SECOND),
        ({"duration": 1}, module.LEAST_BOUND),
        ({"duration": 10_000}, module.LARGEST_VIDEO),
        ({"duration": "8s"}, module.LARGEST_VIDEO),
        ({"duration": True}, module.LARGEST_VIDEO),
        ({"duration": 8, "video_url": "https://x/v.mp4"}, module.LARGEST_VIDEO),
    ],
)
def test_a_body_of_no_announced_length_has_a_bound(request_: dict[str, object], bound: int) -> None:
    """That fits what was asked for; what extends another video may be as long as both."""
    assert module.largest_body(make_job(JobState.DOWNLOADING, request=request_)) == bound


async def test_nothing_stays_of_a_body_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is not read often."""
    monkeypatch.setattr(module, "largest_body", lambda job: len(WHOLE) - 1)
    outcome = await fetch(lambda request: httpx.Response(200, stream=Cut(WHOLE, None)), tmp_path)
    assert isinstance(outcome, DownloadError)
    assert outcome.tries == module.ENDLESS_TRIES
    assert list(tmp_path.iterdir()) == []


# -- sidecars elsewhere, or none


async def test_sidecars_may_have_a_folder_of_their_own(tmp_path: Path) -> None:
    """So that a folder of videos holds nothing else."""
    sidecars = Sidecars(folder=tmp_path / "facts")
    outcome = await fetch(video, tmp_path / "out", sidecars=sidecars)
    assert isinstance(outcome, Downloaded)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a cat.mp4"]
    assert json.loads((tmp_path / "facts" / "a cat.json").read_text())["file"] == "a cat.mp4"
    assert await fetch(video, tmp_path / "out", sidecars=sidecars) == outcome  # known again, not fetched twice


async def test_two_folders_may_share_their_sidecars(tmp_path: Path) -> None:
    """Neither takes the other's."""
    sidecars = Sidecars(folder=tmp_path / "facts")
    await fetch(video, tmp_path / "one", sidecars=sidecars)
    other = make_job(JobState.DOWNLOADING, generation_id="g-2")
    second = await fetch(video, tmp_path / "two", other, sidecars=sidecars)
    assert isinstance(second, Downloaded)
    assert len(list((tmp_path / "facts").iterdir())) == 2


async def test_without_sidecars_there_are_videos_alone(tmp_path: Path) -> None:
    """One that a death left whole is known by its bytes."""
    first = await fetch(video, tmp_path, sidecars=NONE)
    assert isinstance(first, Downloaded)
    assert await fetch(video, tmp_path, sidecars=NONE) == first
    assert [path.name for path in tmp_path.iterdir()] == ["a cat.mp4"]


async def test_without_sidecars_a_strangers_video_is_left_alone(tmp_path: Path) -> None:
    """Its bytes are others."""
    (tmp_path / "a cat.mp4").write_text("precious")
    outcome = await fetch(video, tmp_path, sidecars=NONE)
    assert isinstance(outcome, Downloaded)
    assert outcome.file != "a cat.mp4"
    assert (tmp_path / "a cat.mp4").read_text() == "precious"
