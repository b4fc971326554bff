"""URLs that end: fetched in that order, and polled for again when they have ended."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from batchveo.core.models import Job, JobState
from batchveo.engine.stages import video_fetcher
from batchveo.engine.stages.delay_queue import DelayQueue
from batchveo.sandbox import Settings
from batchveo.sandbox.http_messages import Request, Response
from tests.helpers.factories import make_job
from tests.helpers.virtual_run import Night, specs

pytestmark = pytest.mark.anyio
S = JobState


async def test_what_ends_first_is_fetched_first() -> None:
    """Of those that are due; others wait for their time."""
    night = Night(Path())
    queue = DelayQueue(rank=lambda job: job.url_expires_at or 1e12)
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


async def test_urls_that_count_their_seconds_likewise(tmp_path: Path) -> None:
    """They are good from when they came."""
    n = Night(tmp_path, Settings(url_ttl=20.0, latency=2.0, generation_median=1.0, faults={"expiring-url": 1.0}))
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
