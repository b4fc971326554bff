"""Inputs that the service takes only by an address, on virtual time: uploaded, signed, sent, and removed."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random

import anyio
import pytest

from batchveo.core.destination import BucketUrl
from batchveo.core.errors import InputsBlocked
from batchveo.core.links import ChainPlace, Link, ParentLink
from batchveo.core.models import InputFile, Job, JobSpec, JobState
from batchveo.core.notices import InputsNotRemoved
from batchveo.core.settings import RunSettings
from batchveo.engine.stages.linker import UNSAID_SECONDS
from batchveo.operations.manage import retry_jobs
from batchveo.storage.object_errors import StoreRefused, StoreUnavailable
from batchveo.store.uploads import UploadedFile
from tests.helpers.chains import LITE, TAKES_URL
from tests.helpers.factories import make_spec
from tests.helpers.fake_bucket import URL, FakeBucket
from tests.helpers.fake_clips import FakeClips
from tests.helpers.virtual_run import Night, specs

EXTENDS = "google/veo3-1-fast-extend-video"
TAKES_VIDEO_URL = "bytedance/seedance-2-0"

pytestmark = pytest.mark.anyio


def make_chain(
    length: int = 2, *, taker: str = TAKES_URL, name: str = "shot", takes_data: bool = False
) -> list[JobSpec]:
    """Jobs that each take a part of the video of the one before, which travels as an address alone."""
    part, field = ("last", "image_url") if taker == TAKES_URL else ("video", "video_url")
    chain: list[JobSpec] = []
    for number in range(length):
        request: dict[str, object] = {"model": taker if chain else LITE, "prompt": f"{name} {number}"}
        place = None
        if chain:
            request[field] = Link(part, chain[-1].id).reference
            parents = (ParentLink(part=part, parent=chain[-1].id, takes_data=takes_data),)
            place = ChainPlace(chain=chain[0].id, link=number + 1, parents=parents)
        chain.append(make_spec(f"{name} {number}", model=str(request["model"]), request=request, chain=place))
    return chain


def make_pictures(folder: Path, jobs: int) -> list[JobSpec]:
    """Jobs that begin with the same local image."""
    path = folder / "picture.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n picture")
    file = InputFile(sha256=hashlib.sha256(path.read_bytes()).hexdigest(), media_type="image/png", path=str(path))
    requests = [{"model": TAKES_URL, "prompt": f"p {n}", "image_url": file.reference} for n in range(jobs)]
    return [
        make_spec(f"job {n}", model=TAKES_URL, request=request, inputs=(file,)) for n, request in enumerate(requests)
    ]


@pytest.fixture
async def night(tmp_path: Path) -> Night:
    return Night(tmp_path, clips=FakeClips())


def sent_urls(night: Night) -> list[str]:
    """The addresses in the requests that arrived."""
    values = [value for generation in night.service.generations for value in generation.request.values()]
    return [str(value) for value in values if str(value).startswith("https://bucket")]


def list_uploads(night: Night) -> Sequence[tuple[str, str]]:
    with closing(sqlite3.connect(night.state)) as db:
        return db.execute("SELECT bucket, name FROM uploads").fetchall()


async def test_a_frame_is_there_for_its_generation_and_then_gone(night: Night) -> None:
    """Named by its content, signed for a day at least; the address is in the request that left, and nowhere else."""
    result = await night.run(make_chain(3), inputs=URL)
    assert result.exit_status == 0, result
    assert sorted(sent_urls(night)) == sorted(night.bucket.signed)
    frames = [f"last of {job.sha256}".encode() for job in night.jobs()[:2]]
    names = [name.partition("/")[2] for name in night.bucket.puts]
    assert names == [f"{hashlib.sha256(frame).hexdigest()}.png" for frame in frames]
    assert "X-Amz-Expires=86400&" in night.bucket.signed[0]
    assert (night.bucket.objects, list_uploads(night)) == ({}, [])
    assert sorted(night.bucket.deleted) == sorted(night.bucket.puts)
    written = [path.read_bytes() for path in night.folder.rglob("*") if path.is_file()]
    assert not any(b"X-Amz" in content for content in written)
    assert "X-Amz" not in repr(night.events)


async def test_an_image_is_uploaded_once_for_all_jobs(night: Night) -> None:
    """It stays until the last of them is finished."""
    assert (await night.run(make_pictures(night.folder, 8), inputs=URL, concurrency=3)).exit_status == 0
    assert len(sent_urls(night)) == 8
    assert len(set(night.bucket.puts)) == 1
    assert night.bucket.objects == {}


def forget_generations(night: Night) -> None:
    """Let the service name no address any more."""
    for account in night.service._state.accounts.values():
        account.generations.clear()


async def test_a_video_without_an_address_is_uploaded(night: Night) -> None:
    """If the service names none any more."""
    await night.run(make_chain(1))
    forget_generations(night)
    without = await night.run(make_chain(2, taker=TAKES_VIDEO_URL))
    assert (without.exit_status, night.bucket.puts) == (3, [])
    assert (await night.run(make_chain(2, taker=TAKES_VIDEO_URL), inputs=URL)).exit_status == 0
    parent, child = night.jobs()
    assert child.state is JobState.SUCCEEDED
    (name,) = night.bucket.puts
    assert name.endswith(f"/{parent.sha256}.mp4")
    assert len(sent_urls(night)) == 1


async def test_a_video_that_is_taken_as_data_needs_no_bucket(night: Night) -> None:
    await night.run(make_chain(1))
    forget_generations(night)
    assert (await night.run(make_chain(2, taker=EXTENDS, takes_data=True))).exit_status == 0
    (child,) = night.service.generations
    parent = night.jobs()[0]
    uri = f"data:video/mp4;base64,{base64.b64encode(Path(str(parent.folder), str(parent.file)).read_bytes()).decode()}"
    assert str(child.request["video_url"]).endswith(f"SHA-256 {hashlib.sha256(uri.encode()).hexdigest()})")


async def test_a_video_that_is_gone_before_it_is_taken_keeps_its_child_waiting(night: Night) -> None:
    """Others are made, and nothing is in doubt."""
    await night.run(make_chain(1))
    forget_generations(night)
    video = Path(str(night.jobs()[0].folder), str(night.jobs()[0].file))
    content = video.read_bytes()
    video.unlink()
    chain = make_chain(2, taker=EXTENDS, takes_data=True)
    assert (await night.run([*chain, *specs(2)])).exit_status == 3
    assert [job.state.value for job in night.jobs()] == ["succeeded", "pending", "succeeded", "succeeded"]
    video.write_bytes(content)
    assert (await night.run(chain)).exit_status == 0


async def test_a_video_that_is_gone_when_it_is_to_be_sent_is_not_in_doubt(night: Night) -> None:
    """The run stops before its request; later the file is looked for again, and others are made."""
    await night.run(make_chain(1))
    forget_generations(night)
    video = Path(str(night.jobs()[0].folder), str(night.jobs()[0].file))
    chain = make_chain(2, taker=EXTENDS, takes_data=True)
    assert (await night.run(chain, budget=1.0)).exit_status == 3
    content = video.read_bytes()
    video.unlink()
    result = await night.run(chain)
    assert isinstance(result.stopped, InputsBlocked)
    assert [job.state.value for job in night.jobs()] == ["succeeded", "pending"]
    await anyio.sleep(UNSAID_SECONDS)
    assert (await night.run([*chain, *specs(2)])).stopped is None
    assert [job.state.value for job in night.jobs()] == ["succeeded", "pending", "succeeded", "succeeded"]
    video.write_bytes(content)
    assert (await night.run(chain)).exit_status == 0


class BusyClips(FakeClips):
    """Each clip is found once; then its store is busy, ``busy`` times."""

    def __init__(self, busy: int) -> None:
        super().__init__()
        self.reads: Counter[str] = Counter()
        self._busy = busy

    async def read_clip(self, job: Job) -> bytes:
        self.reads[job.id] += 1
        if 1 < self.reads[job.id] <= 1 + self._busy:
            raise StoreUnavailable(errno.EIO, "busy")
        return await super().read_clip(job)


@pytest.mark.parametrize(("taker", "inputs"), [(TAKES_VIDEO_URL, URL), (EXTENDS, None)])
async def test_a_store_that_is_busy_when_a_video_is_to_be_sent(
    night: Night, taker: str, inputs: BucketUrl | None
) -> None:
    """Its job is tried again in the same run, and keeps no others, although it comes first. Each is bought once."""
    await night.run([make_chain(1, name=name)[0] for name in "abc"])
    forget_generations(night)
    night.clips = clips = BusyClips(6)
    chains = [job for name in "abc" for job in make_chain(2, taker=taker, name=name, takes_data=inputs is None)]
    begun = night.clock.now()
    result = await night.run([*chains, *specs(4)], inputs=inputs, concurrency=2)
    assert result.exit_status == 0, result
    assert set(clips.reads.values()) == {8}
    assert {job.state for job in night.jobs()} == {JobState.SUCCEEDED}
    assert len(night.service.generations) == 7
    assert all((job.submitted_at or 0.0) < begun + 30.0 for job in night.jobs() if job.chain is None)


async def test_without_a_bucket_nothing_is_bought(night: Night) -> None:
    """The run ends, and the job waits for a run with one."""
    result = await night.run(make_chain(2))
    assert isinstance(result.stopped, InputsBlocked)
    assert "takes only an address of an input: give --inputs s3://" in str(result.stopped)
    assert result.exit_status == 3
    assert [job.state for job in night.jobs()] == [JobState.SUCCEEDED, JobState.PENDING]
    assert (await night.run(make_chain(2), inputs=URL)).exit_status == 0
    assert len(night.service.generations) == 2


@pytest.mark.parametrize("refused", [True, False])
async def test_a_bucket_that_fails(night: Night, refused: bool) -> None:
    """What it refuses ends the run; what passes is tried again. Neither costs anything, nor fails the job."""
    night.bucket.broken = (StoreRefused if refused else StoreUnavailable)(errno.EACCES, "no")
    if refused:
        result = await night.run(make_chain(2), inputs=URL)
        assert (result.exit_status, str(result.stopped)) == (3, "an input cannot be sent: no")
    else:
        await night.killed(make_chain(2), 600.0, inputs=URL)
    assert len(night.service.generations) == 1
    assert night.jobs()[1].state is JobState.PENDING
    night.bucket.broken = None
    assert (await night.run(inputs=URL)).exit_status == 0
    assert (night.bucket.objects, len(night.service.generations)) == ({}, 2)


async def test_what_cannot_be_removed_is_left_to_the_next_run(night: Night) -> None:
    """One warning for each bucket; the next run needs no bucket of its own for it."""
    night.bucket.unremovable = PermissionError(errno.EACCES, "denied")
    result = await night.run([*make_chain(2), *make_chain(2, name="other")], inputs=URL)
    assert result.exit_status == 0
    (warning,) = [event for event in night.events if isinstance(event, InputsNotRemoved)]
    assert (warning.bucket, warning.reason) == (URL, "denied")
    assert len(night.bucket.objects) == len(list_uploads(night)) == 2
    night.bucket.unremovable = None
    assert (await night.run()).exit_status == 0
    assert (night.bucket.objects, list_uploads(night)) == ({}, [])


class BusyBucket(FakeBucket):
    """Removes nothing at the first time."""

    async def delete(self, key: str) -> None:
        self.unremovable = None if self.asked else OSError(errno.EIO, "busy")
        self.asked = True
        await super().delete(key)

    asked: bool = False


async def test_a_bucket_that_fails_for_a_while_is_tried_again(night: Night) -> None:
    """In the same run, at the latest at its end, with one warning."""
    night.bucket = bucket = BusyBucket()
    assert (await night.run(make_chain(4), inputs=URL)).exit_status == 0
    assert (bucket.objects, list_uploads(night)) == ({}, [])
    assert sum(isinstance(event, InputsNotRemoved) for event in night.events) == 1


class _Killed(Exception):
    """The process ends here."""


class DyingBucket(FakeBucket):
    """Ends the process when a call has, or has not, taken effect."""

    dies: str = ""

    async def put(self, key: str, content: bytes, media_type: str) -> None:
        if self.dies == "before the upload":
            raise _Killed
        await super().put(key, content, media_type)
        if self.dies == "after the upload":
            raise _Killed

    async def sign_url(self, key: str, seconds: float) -> str:
        if self.dies == "before the submit":
            raise _Killed
        return await super().sign_url(key, seconds)

    async def delete(self, key: str) -> None:
        if self.dies == "before the removal":
            raise _Killed
        await super().delete(key)
        if self.dies == "after the removal":
            raise _Killed


DEATHS = ["before the upload", "after the upload", "before the submit", "before the removal", "after the removal"]


@pytest.mark.parametrize("death", DEATHS)
async def test_killed_anywhere(night: Night, death: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploaded once, bought once, nothing left: whatever dies in between."""
    # an error of this kind is no outcome: it passes through everything, as a death does
    monkeypatch.setattr("batchveo.engine.stages.submitter.UNEXPECTED", ())
    night.bucket = bucket = DyingBucket()
    bucket.dies = death
    with pytest.raises((_Killed, ExceptionGroup)):
        await night.run(make_chain(2), inputs=URL)
    bucket.dies = ""
    assert (await night.run(inputs=URL)).exit_status == 0
    assert len(bucket.puts) == 1
    assert (bucket.objects, list_uploads(night)) == ({}, [])
    assert len(night.service.generations) == 2
    assert {job.state for job in night.jobs()} == {JobState.SUCCEEDED}


async def test_a_failed_job_that_is_made_again_gets_its_input_again(night: Night) -> None:
    """What was removed after the failure is uploaded anew."""
    await night.run(make_chain(1))
    night.service._state.faults._chances["generation-error"] = 1.0
    assert (await night.run(make_chain(2), inputs=URL)).exit_status == 1
    assert (night.bucket.objects, len(night.bucket.puts)) == ({}, 1)
    night.heal()
    with night.store() as store:
        assert retry_jobs(store, list(store.jobs(JobState.FAILED)), now=night.clock.now()) == 1
    assert (await night.run(inputs=URL)).exit_status == 0
    assert (night.bucket.objects, len(night.bucket.puts)) == ({}, 2)


async def test_each_database_removes_only_what_is_its_own(tmp_path: Path) -> None:
    """Two of them upload the same image to the same prefix, under names of their own."""
    bucket = FakeBucket(unremovable=OSError(errno.EACCES, "denied"))
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        night = Night(folder, clips=FakeClips(), bucket=bucket)
        await night.run(make_pictures(folder, 1), inputs=URL)
    bucket.unremovable = None
    first, second = bucket.objects
    assert first.partition("/")[2] == second.partition("/")[2]
    await night.run()
    assert list(bucket.objects) == [first]


def test_settings_take_a_bucket() -> None:
    """As text, too; the database restores them as text."""
    assert RunSettings(inputs="s3://bucket/inputs/").inputs == URL  # type: ignore[arg-type]
    assert json.loads(json.dumps(RunSettings(inputs=URL).inputs)) == URL
    assert UploadedFile(URL, "x")._asdict() == {"bucket": URL, "name": "x"}


class WatchedBucket(FakeBucket):
    """Notes what is put twice, signed before it is there, or removed while it is needed."""

    def __init__(self, night: Night, *, chance: float = 0.0, seed: int = 0, removal: float = 0.0) -> None:
        super().__init__(chance=chance, random=Random(seed))
        self.wrong: list[str] = []
        self._night = night
        self._removal = removal

    async def put(self, key: str, content: bytes, media_type: str) -> None:
        await super().put(key, content, media_type)
        self._note(hashlib.sha256(content).hexdigest() in key, f"{key} has another content")
        self._note(self.puts.count(key) == self.deleted.count(key) + 1, f"{key} is put twice")

    async def sign_url(self, key: str, seconds: float) -> str:
        self._note(key in self.objects, f"{key} is signed before it is there")
        return await super().sign_url(key, seconds)

    async def delete(self, key: str) -> None:
        await anyio.sleep(self._removal)
        await super().delete(key)
        users = [each for each in self._night.service.generations if key in str(each.request.get("image_url"))]
        is_over = all(each.ready_at <= self._night.clock.now() for each in users)
        self._note(is_over, f"{key} is removed while it is needed")

    def _note(self, is_right: bool, what: str) -> None:
        if not is_right:  # an error would be taken for one of the store
            self.wrong.append(what)


async def test_a_file_that_is_being_removed_is_put_again(night: Night) -> None:
    """The next job that names it waits for that; jobs come at any moment of a removal."""
    night.bucket = bucket = WatchedBucket(night, removal=3.0)
    assert (await night.run(make_pictures(night.folder, 30), inputs=URL, rate=10.0)).exit_status == 0
    assert (bucket.objects, bucket.wrong) == ({}, [])
    assert len(bucket.puts) > 3


@pytest.mark.parametrize("seed", range(10))
async def test_killed_again_and_again(tmp_path: Path, seed: int) -> None:
    """Chains and images, with a bucket that fails now and then: each bought once, and nothing left."""
    night = Night(tmp_path, clips=FakeClips())
    night.bucket = bucket = WatchedBucket(night, chance=0.1, seed=seed)
    moments = Random(seed)
    chains = [job for number in range(4) for job in make_chain(3, name=f"chain {number}")]
    jobs = [*chains, *make_pictures(tmp_path, 6)]
    for _ in range(6):
        await night.killed(jobs, moments.uniform(0.5, 12.0), inputs=URL, settle=30.0)
    await night.run(jobs, inputs=URL, settle=30.0)
    while list_uploads(night):  # what could not be removed at the first try
        await night.run(jobs, inputs=URL)
    assert {job.state for job in night.jobs()} == {JobState.SUCCEEDED}
    assert len(night.service.generations) == len(jobs)
    assert (bucket.objects, bucket.wrong) == ({}, [])
