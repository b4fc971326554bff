"""Downloads of whole runs: URLs that end, and disks that refuse one file."""

from __future__ import annotations

import errno
import os
import stat
from io import FileIO
from pathlib import Path

import anyio
import pytest

from batchveo.core.destination import NONE
from batchveo.core.events import Message
from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import FetchOutcome, Outcome, UrlExpired
from batchveo.engine.local_run import LocalBroker
from batchveo.engine.stages import video_fetcher
from batchveo.engine.stages.delay_queue import DelayQueue
from batchveo.engine.stages.video_fetcher import VideoFetcher
from batchveo.sandbox import Settings
from batchveo.sandbox.http_messages import Request, Response
from batchveo.storage.video_file import VideoFile
from tests.helpers.factories import make_job, make_spec
from tests.helpers.virtual_run import Night, specs

pytestmark = pytest.mark.anyio
S = JobState


async def test_what_ends_first_is_fetched_first() -> None:
    """Of those that are due; others wait for their time."""
    night = Night(Path())
    queue: DelayQueue[Job] = DelayQueue(rank=lambda job: job.url_expires_at or 1e12)
    jobs: dict[str, Job] = {}
    for number, (name, end) in enumerate({"late": 900.0, "soon": 300.0, "unsaid": None, "mid": 600.0}.items()):
        jobs[name] = make_job(S.DOWNLOADING, seq=number, name=name, url_expires_at=end)
        queue.put(jobs[name], 0.0)
    queue.put(make_job(S.DOWNLOADING, seq=9, name="not due", url_expires_at=1.0), 1e12)
    assert [(await queue.take(night.clock)).name for _ in jobs] == ["soon", "mid", "late", "unsaid"]
    assert len(queue) == 1


async def test_a_url_that_ended_in_the_queue_is_not_tried(tmp_path: Path) -> None:
    """The generation is polled for another one, and nothing counts as a failure."""
    n = Night(tmp_path, Settings(url_ttl=20.0, latency=15.0, generation_median=1.0))
    result = await n.run(specs(8), concurrency=8, downloads=1)
    assert result.exit_status == 0
    assert n.service.calls["download"] == 8
    with n.store() as store:
        details = {row["detail"] for job in store.jobs() for row in store.queries.list_moves(job)}
    assert "its URL has expired" in details
    assert all(job.troubles == 0 and job.error is None for job in n.jobs(S.SUCCEEDED))


async def test_a_url_that_ended_takes_no_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a cluster it may take long to record that: else the URLs behind it would end meanwhile, and no video came."""
    fetch, record = VideoFetcher.fetch, LocalBroker.record_outcome
    seconds = iter([200.0])

    async def fetch_slowly(self: VideoFetcher, job: Job) -> FetchOutcome:
        await anyio.sleep(next(seconds, 0.0))
        return await fetch(self, job)

    async def record_slowly(self: LocalBroker, job: Job, outcome: Outcome, *, aside: bool = False) -> Job:
        if isinstance(outcome, UrlExpired):
            await anyio.sleep(10)
        return await record(self, job, outcome, aside=aside)

    monkeypatch.setattr(VideoFetcher, "fetch", fetch_slowly)
    monkeypatch.setattr(LocalBroker, "record_outcome", record_slowly)
    n = Night(tmp_path, Settings(url_ttl=120.0, generation_median=1.0))
    with anyio.fail_after(1_000):
        await n.run(specs(20), concurrency=20, downloads=1)
    assert len(n.jobs(S.SUCCEEDED)) == 20


async def test_urls_that_count_their_seconds_likewise(tmp_path: Path) -> None:
    """They are good from when they came."""
    n = Night(
        tmp_path,
        Settings(url_ttl=20.0, latency=2.0, generation_median=1.0, faults={"expiring-url": 1.0}),
        poll_rate=None,
    )
    result = await n.run(specs(20), concurrency=20, downloads=1)
    assert result.exit_status == 0
    with n.store() as store:
        details = [row["detail"] for job in store.jobs() for row in store.queries.list_moves(job)]
    refused = details.count("the file host answered HTTP 403")  # the answer with the URL was on its way for 2 s
    assert details.count("its URL has expired") > refused
    assert n.service.calls["download"] == 20 + refused


async def test_after_a_restart_too(tmp_path: Path) -> None:
    """The state knows when each URL ends."""
    n = Night(tmp_path, Settings(url_ttl=100.0, generation_median=1.0, faults={"cdn-503": 1.0}))
    await n.killed(specs(3), after=50.0)
    assert all(job.url_expires_at for job in n.jobs(S.DOWNLOADING))
    n.heal()
    downloads = n.service.calls["download"]
    await anyio.sleep(200)
    result = await n.run(None)
    assert result.exit_status == 0
    assert n.service.calls["download"] == downloads + 3


async def test_an_endless_body_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is put aside with its words; the others are had."""
    monkeypatch.setattr(video_fetcher, "largest_body", lambda job: 2 * 1024**2)
    n = Night(tmp_path, Settings(faults={"endless-body": 1.0}))
    handle = n.service.handle

    def only_the_first(request: Request) -> Response:
        if request.path.startswith("/files/") and request.path != f"/files/{n.service.generations[0].file}.mp4":
            n.heal()
        return handle(request)

    n.service.handle = only_the_first  # type: ignore[method-assign]
    result = await n.run(specs(3), concurrency=1)
    assert result.exit_status == 3
    (words,) = [job.error for job in n.jobs(S.DOWNLOADING)]
    assert words is not None
    assert "the body does not end: more than 2097152 bytes" in words
    assert result.put_aside == {words: 1}
    assert len(n.jobs(S.SUCCEEDED)) == 2
    assert not list((tmp_path / "videos").glob("*.part"))


async def test_one_file_that_is_refused_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is put aside with the reason, and the next run downloads it if the file system accepts it then."""
    open_part = VideoFile.open_part

    def picky(part: Path, *, keep: int) -> FileIO:
        if part.name.startswith("job 1."):
            raise OSError(errno.EPERM, "Operation not permitted", str(part))
        return open_part(part, keep=keep)

    night = Night(tmp_path, Settings(generation_median=1.0))
    with monkeypatch.context() as patch:
        patch.setattr(VideoFile, "open_part", staticmethod(picky))
        result = await night.run(specs(5))
    assert result.exit_status == 3
    assert result.stopped is None
    assert len(night.jobs(S.SUCCEEDED)) == 4
    (job,) = night.jobs(S.DOWNLOADING, S.GENERATING)
    assert job.name == "job 1"
    assert "Operation not permitted" in (job.error or "")
    assert (await night.run(None)).exit_status == 0
    assert len(night.service.generations) == 5


async def test_a_folder_that_cannot_be_synced_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many videos come into it."""
    fsync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    night = Night(tmp_path, Settings(generation_median=1.0))
    assert (await night.run(specs(6))).exit_status == 0
    said = [event for event in night.events if isinstance(event, Message) and "cannot be synced" in event.text]
    assert len(said) == 1


async def test_names_that_differ_in_case_are_both_had(tmp_path: Path) -> None:
    """As a benchmark's list has them; in a folder that holds nothing but videos."""
    names = ("A fantasy landscape", "a fantasy landscape")
    jobs = [make_spec(name, model="veo2", request={"model": "veo2", "prompt": name}) for name in names]
    night = Night(tmp_path, Settings(generation_median=1.0))
    assert (await night.run(jobs, sidecars=NONE)).exit_status == 0
    assert {path.name for path in (tmp_path / "videos").iterdir()} == {f"{name}.mp4" for name in names}


async def test_a_death_between_rename_and_record_without_sidecars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The video is known by its bytes: there is one file, and nothing is bought again."""
    night = Night(tmp_path, Settings(generation_median=1.0))
    finish = VideoFile.publish_part

    class Death(BaseException):
        pass

    def dying(self: VideoFile, *args: object, **options: object) -> tuple[str, ...]:
        finish(self, *args, **options)  # type: ignore[arg-type]
        raise Death

    with monkeypatch.context() as patch:
        patch.setattr(VideoFile, "publish_part", dying)
        with pytest.raises(BaseException) as died:
            await night.run(specs(1), sidecars=NONE)
    assert isinstance(died.value, Death) or died.group_contains(Death)
    assert (await night.run(None, sidecars=NONE)).exit_status == 0
    assert [path.name for path in (tmp_path / "videos").iterdir()] == ["job 0.mp4"]
    assert len(night.service.generations) == 1
