"""One contract for every broker: local, remote, and remote over a connection that loses, repeats and delays calls."""

from __future__ import annotations

import errno
import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from batchveo.core.errors import UsageError
from batchveo.core.events import Message
from batchveo.core.models import InputFile, Job, JobState
from batchveo.core.outcomes import Outcome, RejectedTemporarily
from batchveo.engine.stages.clip_inspector import StoredClips
from batchveo.storage.object_errors import StoreRefused, StoreUnavailable, StoreUnreachable
from tests.helpers.coordinator_at_work import (
    FETCHED,
    REMOTE,
    URL,
    CoordinatorAtWork,
    CoordinatorOpener,
    all_of,
    bought,
    finished,
    generation,
    names,
)
from tests.helpers.factories import make_spec

pytestmark = pytest.mark.anyio
S = JobState


async def test_a_job_goes_its_way(open_coordinator: CoordinatorOpener) -> None:
    """From its claim to its file: each step returns the job as it is then, and it is safe on disk by then."""
    async with open_coordinator() as at_work:
        broker = await at_work.broker()
        job = await broker.claim()
        assert (job.state, job.attempts) == (S.SUBMITTING, 1)
        await broker.mark_sent(job)
        assert at_work.on_disk(job).client_request_id == job.client_request_id
        steps: list[tuple[Outcome, S]] = [(generation(job), S.GENERATING), (URL, S.DOWNLOADING), (FETCHED, S.SUCCEEDED)]
        for outcome, state in steps:
            job = await broker.record_outcome(job, outcome)
            assert (job.state, at_work.on_disk(job).state) == (state, state)
        assert job == at_work.job(job)


async def test_a_claim_is_safe_before_a_remote_worker_hears_of_it(tmp_path: Path) -> None:
    """A coordinator that starts again must know what it gave out."""
    async with CoordinatorAtWork(tmp_path, REMOTE) as at_work:
        broker = await at_work.broker()
        job = await broker.claim()
        assert at_work.on_disk(job).client_request_id == job.client_request_id


async def test_no_job_is_given_twice(open_coordinator: CoordinatorOpener) -> None:
    """However often a call arrives, there is one claim, one attempt and one record of each outcome."""
    async with open_coordinator(9, workers=2) as at_work:
        one, two = await at_work.broker("one"), await at_work.broker("two")
        turns = [one, two] * 4 + [one]
        jobs = await all_of(*(lambda broker=broker: bought(broker) for broker in turns))
        await anyio.sleep(200)  # whatever straggles has come
        assert len(set(names(jobs))) == 9
        assert [generation for _, generation in at_work.attempts()].count(None) == 0
        assert len(at_work.attempts()) == 9
        for job in jobs:
            moves = [(row["from_state"], row["to_state"]) for row in at_work.process.store.queries.list_moves(job)]
            assert moves == [("pending", "submitting"), ("submitting", "generating")]


async def test_a_claim_waits_for_its_time(open_coordinator: CoordinatorOpener) -> None:
    """A job that was refused for now is claimed again when its wait is over, however many long polls end before."""
    async with open_coordinator(1) as at_work:
        broker = await at_work.broker()
        job = await broker.claim()
        await broker.record_outcome(job, RejectedTemporarily(reason="503", retry_after=60.0))
        begun = at_work.clock.now()
        again = await broker.claim()
        assert again.attempts == 2
        assert at_work.clock.now() - begun >= 50.0


async def test_a_claim_waits_for_ever_if_nothing_is_left(open_coordinator: CoordinatorOpener) -> None:
    """Only the end of the run ends it."""
    async with open_coordinator(1) as at_work:
        broker = await at_work.broker()
        job = await bought(broker)
        claim = at_work.begin(broker.claim)
        assert await claim.waits()
        job = await broker.record_outcome(await broker.record_outcome(job, URL), FETCHED)
        assert await finished(broker) == 4.0
        assert await claim.waits()


async def test_an_input_file_comes_whole(open_coordinator: CoordinatorOpener, tmp_path: Path) -> None:
    """Its media type, and its bytes, whatever they are."""
    content = bytes(range(256)) * 1000
    (tmp_path / "cat.png").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    image = InputFile(sha256=sha256, media_type="image/png", path=str(tmp_path / "cat.png"))
    async with open_coordinator([make_spec(inputs=(image,))]) as at_work:
        broker = await at_work.broker()
        assert await broker.read_input_file(sha256) == ("image/png", content)


async def test_a_late_call_for_a_frame_that_was_dropped_is_no_end_of_the_run(
    open_coordinator: CoordinatorOpener,
) -> None:
    """A copy of a call may come when the clip is there: the network has held it back."""
    async with open_coordinator(1) as at_work:
        broker = await at_work.broker()
        job = await broker.claim()
        for ask in (lambda: broker.read_input_file("dropped"), lambda: broker.begin_upload(job, "dropped")):
            with pytest.raises(StoreRefused, match="it is not kept any more"):
                await ask()
        await broker.mark_sent(job)
        job = await broker.record_outcome(await broker.record_outcome(job, generation(job)), URL)
        await broker.record_outcome(job, FETCHED)
        assert await finished(broker) == 4.0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError(errno.ENOENT, "it is gone", "a.mp4"), StoreRefused),
        (UsageError("it is gone"), StoreRefused),
        (StoreUnavailable(errno.EIO, "it is gone"), StoreUnavailable),
        (StoreUnreachable(errno.EIO, "it is gone", "s3://videos"), StoreUnavailable),
    ],
)
async def test_a_video_that_cannot_be_read_is_no_end_of_the_run(
    open_coordinator: CoordinatorOpener, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[OSError]
) -> None:
    """The worker hears why, and whether it may pass."""

    async def read_clip(self: StoredClips, job: Job) -> bytes:
        raise error

    monkeypatch.setattr(StoredClips, "read_clip", read_clip)  # no thread on virtual time
    async with open_coordinator(1) as at_work:
        broker = await at_work.broker()
        job = await broker.record_outcome(await broker.record_outcome(await bought(broker), URL), FETCHED)
        assert job.sha256 is not None
        with pytest.raises(kind, match=f"the video of {job.name} cannot be read: it is gone"):
            await broker.read_input_file(job.sha256)
        assert await finished(broker) == 4.0


async def test_an_upload_is_on_record_before_it_begins(open_coordinator: CoordinatorOpener, tmp_path: Path) -> None:
    """Once for each job, under a name by its content."""
    (tmp_path / "cat.png").write_bytes(b"a cat")
    sha256 = hashlib.sha256(b"a cat").hexdigest()
    image = InputFile(sha256=sha256, media_type="image/png", path=str(tmp_path / "cat.png"))
    async with open_coordinator([make_spec(inputs=(image,))], inputs="s3://bucket/inputs") as at_work:
        broker = await at_work.broker()
        job = await broker.claim()
        name = await broker.begin_upload(job, sha256)
        assert name.partition("/")[2] == f"{sha256}.png"
        with closing(sqlite3.connect(at_work.process.store.path)) as db:
            rows = db.execute("SELECT bucket, name, job FROM uploads").fetchall()
        assert rows == [("s3://bucket/inputs", name, job.seq)]
        assert await broker.begin_upload(job, sha256) == name


async def test_an_event_arrives_once(open_coordinator: CoordinatorOpener) -> None:
    """In order, with the calls that follow."""
    async with open_coordinator(1) as at_work:
        broker = await at_work.broker()
        for number in range(3):
            broker.send_event(Message(text=f"<b>{number}\x1b[31m\n\u202e"))
        await broker.claim()
        broker.send_event(Message(text="last"))
        at_work.begin(broker.claim)
        await anyio.sleep(200)
        assert at_work.notes() == [*(f"<b>{number}\x1b[31m\n\u202e" for number in range(3)), "last"]
