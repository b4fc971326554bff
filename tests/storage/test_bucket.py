"""Videos on their way into a bucket: every death between two steps, two writers at once, and who has a name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import httpx
import pytest
from obstore.store import MemoryStore

from batchveo.core.destination import BucketUrl
from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import DiskRefused, Downloaded, DownloadError, FetchOutcome
from batchveo.engine.stages.video_fetcher import VideoFetcher
from batchveo.provider import VideoClient
from batchveo.storage import bucket as module
from batchveo.storage.base import at_once
from batchveo.storage.bucket import BucketStorage
from batchveo.storage.object_errors import StoreRefused, StoreUnavailable
from batchveo.storage.objects import Head, Objects, SmallObject, Upload
from batchveo.storage.video_file import stems_of
from tests.engine.stages.test_video_fetcher import public
from tests.helpers.factories import make_job
from tests.storage.test_mp4 import WHOLE, box

if TYPE_CHECKING:
    from obstore import UpdateVersion

pytestmark = pytest.mark.anyio
T = TypeVar("T")
URL = BucketUrl("s3://bucket/night")
OTHER = WHOLE[:-5] + b"OTHER"
"""As long as ``WHOLE``, and as whole."""
SHA256 = hashlib.sha256(WHOLE).hexdigest()
Handler = Callable[[httpx.Request], httpx.Response]
Step = Callable[[str], Awaitable[None]]


@pytest.fixture
def anyio_backend() -> str:
    """Threads make virtual time jump."""
    return "asyncio"


class Died(Exception):
    """The process is no more."""


class Stepped(Objects):
    """Objects that say before each request, and after it, what they do."""

    def __init__(self, store: MemoryStore, step: Step) -> None:
        super().__init__(URL, store)
        self._step = step

    async def read_small(self, key: str) -> SmallObject | None:
        return await self._within(f"get {key}", super().read_small(key))

    async def create(self, key: str, content: bytes) -> bool:
        return await self._within(f"create {key}", super().create(key, content))

    async def replace(self, key: str, content: bytes, version: UpdateVersion) -> bool:
        return await self._within(f"replace {key}", super().replace(key, content, version))

    async def find_head(self, key: str) -> Head | None:
        return await self._within(f"head {key}", super().find_head(key))

    def open_upload(self, key: str) -> Upload:
        upload = super().open_upload(key)
        complete = upload.complete

        async def complete_in_steps() -> None:
            await self._within(f"complete {key}", complete())

        upload.complete = complete_in_steps  # type: ignore[method-assign]
        return upload

    async def _within(self, what: str, call: Coroutine[Any, Any, T]) -> T:
        try:
            await self._step(f"before {what}")
        except BaseException:
            call.close()
            raise
        answer = await call
        await self._step(f"after {what}")
        return answer


class Recorder:
    """Counts steps; at number ``at`` it does something."""

    def __init__(self, at: int = -1, do: Callable[[], Awaitable[None]] | None = None) -> None:
        self.steps: list[str] = []
        self._at = at
        self._do = do

    async def __call__(self, step: str) -> None:
        self.steps.append(step)
        if len(self.steps) - 1 == self._at and self._do is not None:
            await self._do()


async def die() -> None:
    raise Died


def answering(content: bytes, seen: list[httpx.Request] | None = None) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        return httpx.Response(200, content=content)

    return handler


async def fetch(
    objects: Objects,
    content: bytes = WHOLE,
    job: Job | None = None,
    handler: Callable[[httpx.Request], httpx.Response] | None = None,
) -> FetchOutcome:
    transport = httpx.MockTransport(handler or answering(content))
    async with VideoClient(transport=transport, resolve=public) as videos:
        downloader = VideoFetcher(videos, BucketStorage(objects, at_once), disk=at_once)
        return await downloader.fetch(job or make_job(JobState.DOWNLOADING))


def keys(store: MemoryStore) -> list[str]:
    return sorted(entry["path"] for page in store.list() for entry in page)


def content(store: MemoryStore, key: str) -> bytes:
    return bytes(store.get(key).bytes())


def assert_true(store: MemoryStore, stem: str = "a cat") -> bytes:
    """The sidecar tells the truth about the video; returns the video."""
    video = content(store, f"{stem}.mp4")
    says = json.loads(content(store, f"{stem}.json"))
    assert (says["bytes"], says["sha256"]) == (len(video), hashlib.sha256(video).hexdigest())
    return video


FETCHED = Downloaded(folder=URL, file="a cat.mp4", bytes=len(WHOLE), sha256=SHA256)


async def test_a_video_and_its_sidecar() -> None:
    """The keys are the names that files would have; the URL is the folder."""
    store = MemoryStore()
    assert await fetch(Objects(URL, store)) == FETCHED
    assert keys(store) == ["a cat.json", "a cat.mp4"]
    assert assert_true(store) == WHOLE
    assert json.loads(content(store, "a cat.json"))["job_id"] == make_job().id


async def test_what_is_there_is_recognised_and_what_is_damaged_is_fetched_again() -> None:
    """Recognised by its content, not by its length."""
    store = MemoryStore()
    seen: list[httpx.Request] = []
    await fetch(Objects(URL, store))
    assert await fetch(Objects(URL, store), handler=answering(WHOLE, seen)) == FETCHED
    assert not seen
    store.put("a cat.mp4", OTHER)
    assert await fetch(Objects(URL, store)) == FETCHED
    assert assert_true(store) == WHOLE
    store.delete("a cat.mp4")
    assert await fetch(Objects(URL, store), OTHER) == Downloaded(
        folder=URL, file="a cat.mp4", bytes=len(OTHER), sha256=hashlib.sha256(OTHER).hexdigest()
    )
    assert assert_true(store) == OTHER


@pytest.mark.parametrize(
    ("key", "there"),
    [
        ("a cat.json", b"[]"),
        ("a cat.json", b"\xff"),
        ("a cat.json", json.dumps({"job_id": make_job().id, "generation_id": "g-2"}).encode()),
        ("a cat.mp4", b"somebody's"),
    ],
)
async def test_a_strangers_name_is_left_alone(key: str, there: bytes) -> None:
    """Also the same job's of another state, also what cannot be read."""
    store = MemoryStore()
    store.put(key, there)
    assert await fetch(Objects(URL, store)) == Downloaded(
        folder=URL, file="a cat~01234567.mp4", bytes=len(WHOLE), sha256=SHA256
    )
    assert content(store, key) == there
    assert assert_true(store, "a cat~01234567") == WHOLE


async def test_when_every_name_is_taken_nothing_is_overwritten() -> None:
    """That job is put aside; the others have names of their own."""
    store = MemoryStore()
    for generation in ("g-2", "g-3", "g-4"):
        await fetch(Objects(URL, store), job=make_job(JobState.DOWNLOADING, generation_id=generation))
    there = keys(store)
    tokens = [stem for stem in stems_of(make_job(JobState.DOWNLOADING)) if f"{stem}.json" not in there]
    for token in tokens:
        store.put(f"{token}.mp4", b"precious")
    assert isinstance(await fetch(Objects(URL, store)), DownloadError)
    assert keys(store) == sorted([*there, *(f"{token}.mp4" for token in tokens)])


class Breaking(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield WHOLE[:50]
        raise httpx.ReadError("reset by peer")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: httpx.Response(200, html="<html>sign in</html>"), "begins with"),
        (lambda _: httpx.Response(200, content=b""), "an empty file"),
        (lambda _: httpx.Response(200, content=WHOLE[:-9]), "cut short"),
        (lambda _: httpx.Response(200, content=WHOLE, headers={"content-length": "9"}), "of 9"),
        (lambda _: httpx.Response(200, stream=Breaking()), "reset by peer"),
        (lambda _: httpx.Response(403), "HTTP 403"),
    ],
)
async def test_what_is_not_whole_leaves_nothing(answer: Callable[[httpx.Request], httpx.Response], reason: str) -> None:
    """No video, and no claim to one."""
    store = MemoryStore()
    outcome = await fetch(Objects(URL, store), handler=answer)
    assert isinstance(outcome, DownloadError)
    assert reason in outcome.reason
    assert keys(store) == []


async def _steps(before: bytes | None = None) -> list[str]:
    recorder = Recorder()
    await fetch(Stepped(MemoryStore(), recorder))
    return recorder.steps


async def test_the_claim_comes_before_the_video() -> None:
    """And the video is looked for before its sidecar: whoever sees ours there sees its claim too."""
    done = [step.removeprefix("after ") for step in await _steps() if step.startswith("after")]
    looks = ["head a cat.mp4", "get a cat.json"]
    assert done == [*looks, "create a cat.json", "complete a cat.mp4", *looks]


async def test_death_between_any_two_steps() -> None:
    """The next try ends with one video under its first name, and the sidecar tells the truth about it."""
    for number in range(len(await _steps())):
        for again in (WHOLE, OTHER):
            store = MemoryStore()
            with pytest.raises(Died):
                await fetch(Stepped(store, Recorder(number, die)))
            outcome = await fetch(Objects(URL, store), again)
            assert isinstance(outcome, Downloaded)
            assert keys(store) == ["a cat.json", "a cat.mp4"]
            assert hashlib.sha256(assert_true(store)).hexdigest() == outcome.sha256


@pytest.mark.parametrize("second", [WHOLE, OTHER])
async def test_a_zombie_and_its_successor(second: bytes) -> None:
    """One waits at any step, the other does all of its own up to any step, then the first ends, then the second.

    Whatever they fetched, the sidecar tells the truth about the video that stands there in the end, and nobody
    takes another name. Who says that a video is there says what was there.
    """
    for first_stop in range(len(await _steps())):
        for second_stop in range(0, 20, 1):
            store = MemoryStore()
            waits, goes_on = anyio.Event(), anyio.Event()
            outcomes: list[FetchOutcome] = []

            async def pause(waits: anyio.Event = waits, goes_on: anyio.Event = goes_on) -> None:
                waits.set()
                await goes_on.wait()

            successor = Recorder(second_stop, pause)

            async def follow(
                store: MemoryStore = store, successor: Recorder = successor, waits: anyio.Event = waits
            ) -> None:
                outcomes.append(await fetch(Stepped(store, successor), second))  # noqa: B023
                waits.set()

            async with anyio.create_task_group() as group:

                async def let_pass(group: anyio.abc.TaskGroup = group, waits: anyio.Event = waits) -> None:
                    group.start_soon(follow)
                    await waits.wait()

                outcomes.append(await fetch(Stepped(store, Recorder(first_stop, let_pass))))
                goes_on.set()
            assert keys(store) == ["a cat.json", "a cat.mp4"], (first_stop, second_stop)
            video = assert_true(store)
            assert video in (WHOLE, second)
            told = [outcome for outcome in outcomes if isinstance(outcome, Downloaded)]
            assert any(outcome.sha256 == hashlib.sha256(video).hexdigest() for outcome in told)
            if second == WHOLE:
                assert outcomes == [FETCHED, FETCHED]
            if len(successor.steps) <= second_stop:
                break


async def test_what_stands_whole_is_not_overwritten_by_one_who_comes_late() -> None:
    """The state has the hash of the first; whoever finds it there before its own is seen says so too."""
    steps = await _steps()
    for number in range(steps.index("after create a cat.json")):
        store = MemoryStore()

        async def let_pass(store: MemoryStore = store) -> None:
            assert isinstance(await fetch(Objects(URL, store), OTHER), Downloaded)

        outcome = await fetch(Stepped(store, Recorder(number, let_pass)))
        assert isinstance(outcome, Downloaded)
        assert outcome.sha256 == hashlib.sha256(OTHER).hexdigest()
        assert assert_true(store) == OTHER


async def test_two_jobs_that_want_one_name_at_once() -> None:
    """Of two states with one place, the second takes the next name at its next try; the first keeps its video."""
    steps = len(await _steps())
    rival = make_job(JobState.DOWNLOADING, generation_id="g-2")
    for number in range(steps):
        store = MemoryStore()

        async def let_pass(store: MemoryStore = store) -> None:
            assert isinstance(await fetch(Objects(URL, store), OTHER, rival), Downloaded | DownloadError)

        first = await fetch(Stepped(store, Recorder(number, let_pass)))
        assert isinstance(first, Downloaded | DownloadError)
        for job, video in ((make_job(JobState.DOWNLOADING), WHOLE), (rival, OTHER)):
            outcome = await fetch(Objects(URL, store), video, job)
            assert isinstance(outcome, Downloaded)
            assert assert_true(store, outcome.file.removesuffix(".mp4")) == video
        assert len(keys(store)) == 4


@pytest.mark.parametrize(
    ("error", "kind"),
    [(StoreUnavailable(5, "HTTP 503 (SlowDown)"), DownloadError), (StoreRefused(13, "HTTP 403"), DiskRefused)],
)
async def test_a_store_that_fails_costs_no_job(error: OSError, kind: type[DownloadError | DiskRefused]) -> None:
    """Passing faults are tried again later, refusals stop the run; at each step."""

    async def fail() -> None:
        raise error

    for number in range(len(await _steps())):
        outcome = await fetch(Stepped(MemoryStore(), Recorder(number, fail)))
        assert isinstance(outcome, kind)
        assert "HTTP" in outcome.reason


async def test_a_video_that_the_store_cut_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The length is looked at once the upload is complete."""
    store = MemoryStore()

    async def cut() -> None:
        store.put("a cat.mp4", WHOLE[:-1])

    last = (await _steps()).index("after complete a cat.mp4")
    outcome = await fetch(Stepped(store, Recorder(last, cut)))
    assert isinstance(outcome, DownloadError)
    assert outcome.reason == f"the bucket holds {len(WHOLE) - 1} bytes of {len(WHOLE)}"


async def test_bytes_come_in_blocks_and_all_of_them_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """However they are cut."""
    monkeypatch.setattr(module, "BLOCK_BYTES", 7)
    video = box(b"ftyp", b"isom") + box(b"moov") + box(b"mdat", bytes(range(256)) * 3)
    store = MemoryStore()
    outcome = await fetch(Objects(URL, store), video)
    assert isinstance(outcome, Downloaded)
    assert assert_true(store) == video


async def test_a_video_in_folders_has_them_in_its_key() -> None:
    """So has its sidecar, and both are listed by what comes after the prefix."""
    store = MemoryStore()
    job = make_job(JobState.DOWNLOADING, stem="veo3/red/a cat")
    outcome = await fetch(Objects(URL, store), job=job)
    assert outcome == Downloaded(folder=URL, file="veo3/red/a cat.mp4", bytes=len(WHOLE), sha256=SHA256)
    assert keys(store) == ["veo3/red/a cat.json", "veo3/red/a cat.mp4"]
    assert json.loads(content(store, "veo3/red/a cat.json"))["file"] == "veo3/red/a cat.mp4"
    assert await Objects(URL, store).list_names(most=10) == keys(store)
    assert await fetch(Objects(URL, store), OTHER, job=job) == outcome
    other = make_job(JobState.DOWNLOADING, stem="veo3/red/a cat", id="f" * 20, generation_id="g-2")
    second = await fetch(Objects(URL, store), job=other)
    assert isinstance(second, Downloaded)
    assert second.file == "veo3/red/a cat~ffffffff.mp4"
