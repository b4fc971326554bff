"""Chains on virtual time: a job is submitted once the video that it is made from is there, verified, and good."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import anyio
import pytest

from batchveo.core.events import JobStateChanged
from batchveo.core.job_row import canonical_json
from batchveo.core.models import InputFile, JobSpec, JobState
from batchveo.core.notices import LinkNotFilled
from batchveo.core.outcomes import Completed, PollOutcome
from batchveo.core.votes import VoteKind
from batchveo.engine.stages.linker import SPARE_SECONDS
from batchveo.operations.manage import retry_jobs
from batchveo.operations.votes import record_votes
from batchveo.provider import ApiClient
from batchveo.sandbox import Settings
from batchveo.store.links import LinkRecord
from batchveo.store.takes import NewTake
from batchveo.store.waiting_jobs import BlockedCount
from tests.helpers.chains import FIELDS, LITE, POLICY, make_chain, make_link
from tests.helpers.factories import make_spec
from tests.helpers.fake_clips import FakeClips
from tests.helpers.virtual_run import Night, specs


@pytest.fixture
async def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


def decode(uri: object) -> str:
    """What a data URI of ``FakeClips`` holds."""
    return base64.b64decode(str(uri).partition(",")[2]).decode()


def states(night: Night) -> dict[str, str]:
    return {job.name: job.state.value for job in night.jobs()}


@pytest.mark.anyio
async def test_each_link_takes_the_frame_of_the_one_before(night: Night) -> None:
    night.clips = clips = FakeClips()
    result = await night.run(make_chain(4))
    assert result.exit_status == 0
    assert clips.frames == [("shot 0", "last"), ("shot 1", "last"), ("shot 2", "last")]
    jobs = night.jobs()
    assert [(job.link, job.waits, job.chain) for job in jobs] == [(n, 0, jobs[0].seq) for n in range(1, 5)]
    sent = [generation.request.get("image_url") for generation in night.service.generations]
    assert [decode(uri) for uri in sent[1:]] == [f"last of {job.sha256}" for job in jobs[:-1]]
    places = [json.loads((night.folder / "videos" / f"{job.stem}.json").read_text(encoding="utf-8")) for job in jobs]
    assert [place.get("link", 1) for place in places] == [1, 2, 3, 4]
    assert {place["chain"] for place in places} == {jobs[0].id}
    taken = [{"job_id": job.id, "part": "last", "sha256": job.sha256} for job in jobs[:-1]]
    assert [place["parents"] for place in places] == [[], *([each] for each in taken)]
    # the next link begins in the moment in which its parent is good, but for the decoding
    for parent, child in pairwise(jobs):
        assert parent.finished_at is not None
        assert child.submitted_at is not None
        assert 0 <= child.submitted_at - parent.finished_at <= 2
    assert (await night.run(make_chain(4))).exit_status == 0
    assert len(night.service.generations) == 4


@pytest.mark.anyio
@pytest.mark.parametrize("part", ["last", *FIELDS])
async def test_what_is_recorded_names_the_parent_and_not_what_was_sent(tmp_path: Path, part: str) -> None:
    """That may be a secret address, and differ in a database that is made anew from the sidecars."""
    night = Night(tmp_path, Settings(url_ttl=600.0))
    assert (await night.run(make_chain(2, part=part))).exit_status == 0
    _, child = night.jobs()
    sidecar = json.loads((night.folder / "videos" / f"{child.stem}.json").read_text(encoding="utf-8"))
    assert sidecar["request"] == child.request
    moved = [event.job for event in night.events if isinstance(event, JobStateChanged) and event.job.seq == child.seq]
    assert {canonical_json(job.request) for job in moved} == {canonical_json(child.request)}


def make_singles(count: int) -> list[JobSpec]:
    return [make_spec(f"single {n}", model=LITE, request={"model": LITE, "prompt": f"{n}"}) for n in range(count)]


def find_times(night: Night) -> dict[str, tuple[float, float]]:
    """When each job was submitted, and when its video was verified."""
    return {job.name: (job.submitted_at or 0.0, job.finished_at or 0.0) for job in night.jobs()}


@pytest.mark.anyio
async def test_a_link_is_submitted_in_the_moment_in_which_its_parent_is_good(night: Night) -> None:
    """If a slot is free, whatever else waits."""
    night.clips = FakeClips(seconds=0.0)
    assert (await night.run([*make_singles(4), *make_chain(4)], concurrency=6)).exit_status == 0
    times = find_times(night)
    for number in range(3):
        assert times[f"shot {number + 1}"][0] == times[f"shot {number}"][1]


@pytest.mark.anyio
async def test_a_link_gets_the_next_slot_if_all_are_taken(night: Night) -> None:
    """No single job is submitted between the moment in which its parent is good and its own, at any length of queue."""
    night.clips = FakeClips(seconds=0.0)
    jobs = [*make_singles(15), *make_chain(4), *make_chain(3, "other"), *make_singles(30)[15:]]
    assert (await night.run(jobs, concurrency=3)).exit_status == 0
    times = find_times(night)
    singles = sorted(submitted for name, (submitted, _) in times.items() if name.startswith("single"))
    links = [
        (f"{name} {n}", f"{name} {n + 1}") for name, length in (("shot", 4), ("other", 3)) for n in range(length - 1)
    ]
    for parent, child in links:
        good, submitted = times[parent][1], times[child][0]
        assert not [when for when in singles if good < when < submitted], f"{child} was overtaken"
    # and the last of the singles come after the chains, though these began later
    assert times["shot 3"][0] < singles[-5]


@pytest.mark.anyio
async def test_jobs_that_wait_hold_no_slot(tmp_path: Path) -> None:
    """A hundred chains are as fast as as many single jobs, with the same few slots."""
    settings = Settings(generation_median=30.0, generation_sigma=0.0)
    took = []
    for name, jobs in (
        ("chains", [job for n in range(20) for job in make_chain(5, f"chain {n}")]),
        ("singles", make_singles(100)),
    ):
        night = Night(tmp_path / name, settings, clips=FakeClips(seconds=0.0))
        night.folder.mkdir()
        result = await night.run(jobs, concurrency=4)
        assert result.exit_status == 0
        took.append(result.seconds)
    assert took[0] <= 1.05 * took[1]


@pytest.mark.anyio
async def test_a_link_waits_for_the_take_that_its_gates_accept(night: Night) -> None:
    night.clips = clips = FakeClips(judge=lambda job: job.take == 2 or job.link > 1)
    result = await night.run(make_chain(2, policy=POLICY))
    assert result.exit_status == 0
    assert states(night) == {"shot 0": "succeeded", "shot 0-take2": "succeeded", "shot 1": "succeeded"}
    assert clips.frames == [("shot 0-take2", "last")]


@pytest.mark.anyio
async def test_a_failed_parent_keeps_its_children_waiting_until_it_is_made_again(night: Night) -> None:
    night.clips = FakeClips()
    night.service._state.faults._chances["generation-error"] = 1.0
    result = await night.run(make_chain(3))
    assert result.exit_status == 1
    assert states(night) == {"shot 0": "failed", "shot 1": "pending", "shot 2": "pending"}
    assert result.blocked == [BlockedCount(state="failed", jobs=2, example="shot 0")]
    night.heal()
    with night.store() as store:
        assert retry_jobs(store, list(store.jobs(JobState.FAILED)), now=night.clock.now()) == 1
    result = await night.run()
    assert (result.exit_status, result.blocked) == (0, [])
    assert set(states(night).values()) == {"succeeded"}


@pytest.mark.anyio
async def test_a_rejected_parent_blocks_all_that_follows(night: Night) -> None:
    night.clips = FakeClips(judge=lambda job: job.link != 2)
    result = await night.run([*make_chain(4, policy=POLICY), *make_chain(2, "other")])
    assert (result.exit_status, result.rejected) == (1, 1)
    assert result.blocked == [BlockedCount(state="rejected", jobs=2, example="shot 1")]
    with night.store() as store:
        names = {job.seq: job.name for job in store.jobs()}
        assert {names[seq]: names[cause] for seq, cause in store.waiting.find_blocked().items()} == {
            "shot 2": "shot 1",
            "shot 3": "shot 1",
        }


@pytest.mark.anyio
async def test_a_cancelled_parent_blocks_its_children(night: Night) -> None:
    with night.store() as store:
        run = store.runs.begin_run(command="run", service="x", now=0.0)
        store.imports.add_jobs(make_chain(2), run=run, now=0.0)
        store.manual.cancel_job(next(iter(store.jobs())), now=0.0)
    result = await night.run()
    assert result.exit_status == 1
    assert result.blocked == [BlockedCount(state="cancelled", jobs=1, example="shot 0")]


@pytest.mark.anyio
async def test_a_second_parent_in_no_chain_blocks_its_child(night: Night) -> None:
    first, last = make_link("first", {}), make_link("last", {})
    between = make_link("between", {"last": first, "first": last})
    with night.store() as store:
        run = store.runs.begin_run(command="run", service="x", now=0.0)
        store.imports.add_jobs([first, last, between], run=run, now=0.0)
        store.manual.cancel_job(store.queries.find_jobs("last")[0], now=0.0)
    result = await night.run()
    assert result.exit_status == 1
    assert result.blocked == [BlockedCount(state="cancelled", jobs=1, example="last")]
    # those of other manifests are not this run's
    result = await night.run(specs(1))
    assert (result.exit_status, result.blocked) == (0, [])


def count_frames(night: Night) -> int:
    with night.store() as store:
        return int(store.connection.db.execute("SELECT count(*) FROM inputs").fetchone()[0])


@pytest.mark.anyio
async def test_frames_are_dropped_with_the_last_video_that_is_made_of_them(night: Night) -> None:
    """Two jobs share one; it is taken again for another take."""
    night.clips = clips = FakeClips()
    first = make_link("first", {})
    jobs = [first, make_link("left", {"last": first}), make_link("right", {"last": first})]
    assert (await night.run(jobs[:2])).exit_status == 0
    assert count_frames(night) == 0
    night.service._state.faults._chances["generation-error"] = 1.0
    assert (await night.run(jobs)).exit_status == 1
    assert count_frames(night) == 1  # the failed job may be made again
    night.heal()
    with night.store() as store:
        retry_jobs(store, list(store.jobs(JobState.FAILED)), now=night.clock.now())
    assert (await night.run()).exit_status == 0
    assert (count_frames(night), len(clips.frames)) == (0, 2)
    with night.store() as store:
        (left,) = store.queries.find_jobs("left")
        request = canonical_json(left.request)
        store.takes.add_takes(left, [NewTake(request=request, tries=1, detail="wanted", asked=True)], now=0.0)
    assert (await night.run()).exit_status == 0
    assert (count_frames(night), len(clips.frames)) == (0, 3)
    sent = [generation.request.get("image_url") for generation in night.service.generations]
    assert len({decode(uri) for uri in sent if uri}) == 1


@pytest.mark.anyio
async def test_a_file_of_a_manifest_is_kept_though_a_frame_is_the_same(night: Night, tmp_path: Path) -> None:
    first = make_link("first", {})
    assert (await night.run([first])).exit_status == 0
    content = f"last of {night.jobs()[0].sha256}".encode()
    (tmp_path / "same.png").write_bytes(content)
    file = InputFile(
        sha256=hashlib.sha256(content).hexdigest(), media_type="image/png", path=str(tmp_path / "same.png")
    )
    single = make_spec(
        "single", model=LITE, request={"model": LITE, "prompt": "x", "image_url": file.reference}, inputs=(file,)
    )
    assert (await night.run([first, make_link("next", {"last": first}), single])).exit_status == 0
    assert count_frames(night) == 1


@pytest.mark.anyio
async def test_a_file_of_a_later_manifest_is_kept_though_a_frame_was_the_same(night: Night, tmp_path: Path) -> None:
    chain = make_chain(2)
    await wait_for_money(night, chain)
    content = f"last of {night.jobs()[0].sha256}".encode()
    (tmp_path / "same.png").write_bytes(content)
    file = InputFile(
        sha256=hashlib.sha256(content).hexdigest(), media_type="image/png", path=str(tmp_path / "same.png")
    )
    single = make_spec(
        "single", model=LITE, request={"model": LITE, "prompt": "x", "image_url": file.reference}, inputs=(file,)
    )
    assert (await night.run([*chain, single], concurrency=1)).exit_status == 0
    assert count_frames(night) == 1


@pytest.mark.anyio
async def test_a_frame_that_cannot_be_had_is_asked_for_by_the_next_run(night: Night) -> None:
    night.clips = FakeClips(unreadable=True)
    result = await night.run(make_chain(2))
    assert (result.exit_status, result.blocked) == (3, [])
    assert states(night) == {"shot 0": "succeeded", "shot 1": "pending"}
    assert [event.job for event in night.events if isinstance(event, LinkNotFilled)] == ["shot 1"]
    night.clips = FakeClips()
    assert (await night.run(make_chain(2))).exit_status == 0
    assert states(night)["shot 1"] == "succeeded"
    assert len(night.service.generations) == 2


@pytest.mark.anyio
@pytest.mark.parametrize("part", ["video", "id"])
async def test_other_parts_of_a_video(night: Night, part: str) -> None:
    assert (await night.run(make_chain(2, part=part))).exit_status == 0
    first, second = night.jobs()
    field, _ = FIELDS[part]
    sent = night.service.generations[1].request[field]
    assert sent == first.generation_id if part == "id" else str(sent).endswith(".mp4")
    assert second.state is JobState.SUCCEEDED


@pytest.mark.anyio
async def test_a_child_of_two_parents_takes_a_frame_of_each(night: Night) -> None:
    """The second one may be in no chain itself."""
    first, last = make_link("first", {}), make_link("last", {})
    result = await night.run([first, last, make_link("between", {"last": first, "first": last})])
    assert result.exit_status == 0
    jobs = {job.name: job for job in night.jobs()}
    sent = {str(generation.request["prompt"]): generation.request for generation in night.service.generations}
    assert decode(sent["between"]["image_url"]) == f"last of {jobs['first'].sha256}"
    assert decode(sent["between"]["last_image_url"]) == f"first of {jobs['last'].sha256}"


def read_end(address: object) -> float:
    """When an address of the sandbox expires."""
    return float(dict(parse_qsl(urlsplit(str(address)).query))["expires"])


async def wait_for_money(night: Night, chain: list[JobSpec]) -> LinkRecord:
    """Make the first video only; returns the link of the second job, which is filled."""
    assert (await night.run(chain, budget=1.0)).exit_status == 3
    parent, child = night.jobs()
    assert (parent.state, child.state, child.waits) == (JobState.SUCCEEDED, JobState.PENDING, 0)
    with night.store() as store:
        (link,) = store.links.list_links(child)
    return link


def list_notes(night: Night, name: str) -> list[str]:
    with night.store() as store:
        (job,) = store.queries.find_jobs(name)
        return [move["detail"] for move in store.queries.list_moves(job) if move["from_state"] == move["to_state"]]


@pytest.mark.anyio
async def test_an_address_that_expires_is_asked_for_again_before_its_job_is_claimed(tmp_path: Path) -> None:
    night = Night(tmp_path, Settings(url_ttl=600.0))
    chain = make_chain(2, part="video")
    link = await wait_for_money(night, chain)
    assert link.fresh_until == pytest.approx(read_end(link.value) - SPARE_SECONDS, abs=1)
    await anyio.sleep(400)  # it still works, and would have expired before the service has fetched it
    assert (await night.run(chain)).exit_status == 0
    sent = night.service.generations[1]
    assert sent.request["video_url"] != link.value
    assert read_end(sent.request["video_url"]) - sent.submitted_at >= SPARE_SECONDS
    taken = "takes the video of shot 0"
    assert list_notes(night, "shot 1") == [taken, "waits again: the address of the video expires", taken]
    assert len(night.service.generations) == 2


@pytest.mark.anyio
async def test_an_address_that_lives_is_sent_as_it_is(tmp_path: Path) -> None:
    night = Night(tmp_path, Settings(url_ttl=3600.0))
    chain = make_chain(2, part="video")
    link = await wait_for_money(night, chain)
    await anyio.sleep(400)
    assert (await night.run(chain)).exit_status == 0
    assert night.service.generations[1].request["video_url"] == link.value


@pytest.mark.anyio
async def test_a_job_waits_for_an_address_that_the_service_does_not_name(tmp_path: Path) -> None:
    """It is not bought, its state says why, and the next run asks again."""
    night = Night(tmp_path, Settings(url_ttl=600.0))
    first, second = make_chain(2, part="video")
    assert second.chain is not None
    by_url = tuple(replace(parent, takes_data=False) for parent in second.chain.parents)
    chain = [first, replace(second, chain=replace(second.chain, parents=by_url))]
    await wait_for_money(night, chain)
    await anyio.sleep(700)
    (account,) = night.service._state.accounts.values()
    known, account.generations = account.generations, {}
    result = await night.run(chain)
    assert (result.exit_status, result.blocked) == (3, [])
    _, child = night.jobs()
    assert (child.state, child.waits) == (JobState.PENDING, 1)
    assert str(child.error).startswith("no input from shot 0: the service names no address of it")
    assert [event.job for event in night.events if isinstance(event, LinkNotFilled)] == ["shot 1"]
    assert not night.service.generations
    account.generations = known
    assert (await night.run(chain)).exit_status == 0
    assert [job.error for job in night.jobs()] == [None, None]


@pytest.mark.anyio
@pytest.mark.parametrize("said", [f"batchveo-input:{'0' * 64}", "file:///etc/passwd", "batchveo-link:id:0"])
async def test_only_an_address_of_a_video_is_sent_as_one(
    night: Night, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    """A service may say anything; a reference to a file would be replaced by the file."""

    async def poll(self: ApiClient, generation_id: str) -> PollOutcome:
        return Completed(url=said)

    await night.run(make_chain(1, part="video"))
    parent = night.jobs()[0]
    with monkeypatch.context() as patched:
        patched.setattr(ApiClient, "poll", poll)
        await night.killed(make_chain(2, part="video"), 600.0)
    with night.store() as store:
        (link,) = store.links.list_all_links()
    assert link.value == f"batchveo-input:{parent.sha256}"
    assert str(night.service.generations[1].request["video_url"]).startswith("data:video/mp4")


@pytest.mark.anyio
async def test_a_passing_fault_of_a_destination_does_not_end_a_chain(night: Night) -> None:
    """The frame is asked for again in the same run, after a while."""
    night.clips = clips = FakeClips(unreadable=True)

    async def return_soon() -> None:
        await anyio.sleep(20)
        clips.unreadable = False

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(return_soon)
        assert (await night.run(make_chain(2))).exit_status == 0
    assert not [event for event in night.events if isinstance(event, LinkNotFilled)]


@pytest.mark.anyio
async def test_a_link_is_filled_anew_if_its_video_counts_no_more(night: Night) -> None:
    """By other gates than those that had accepted it, before the child was bought."""
    night.clips = FakeClips(judge=lambda job: job.take == 2)
    chain = make_chain(2)
    await wait_for_money(night, chain)
    assert (await night.run([replace(job, policy=POLICY, tries=2) for job in chain])).exit_status == 0
    jobs = {job.name: job for job in night.jobs()}
    assert jobs["shot 0-take2"].verdict == "accepted"
    sent = [generation.request.get("image_url") for generation in night.service.generations]
    taken = f"last of {jobs['shot 0-take2'].sha256}"
    assert [decode(uri) for uri in sent if uri] == [taken, taken]


@pytest.mark.anyio
async def test_what_people_pick_in_the_middle_of_a_run_is_taken_by_the_same_run(tmp_path: Path) -> None:
    """Another process lets the child wait for a new frame, or makes a rejected clip a good parent."""
    night = Night(tmp_path, Settings(generation_median=300.0, generation_sigma=0.0))
    night.clips = clips = FakeClips(judge=lambda job: job.link > 1)
    chain = [replace(job, tries=1) for job in make_chain(2, policy=POLICY)]

    async def pick() -> None:
        await anyio.sleep(400)
        with night.store() as store:
            rejected = store.queries.find_jobs("shot 0")
            assert rejected[0].verdict == "rejected"
            record_votes(store, rejected, VoteKind.PICK, person="ann", now=night.clock.now())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pick)
        await night.run([*chain, *make_singles(1)], concurrency=1)
    assert states(night)["shot 1"] == "succeeded"
    assert clips.frames == [("shot 0", "last")]
