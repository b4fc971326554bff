"""Chains on virtual time: a job is submitted once the video that it is made from is there, verified, and good."""

from __future__ import annotations

import base64
from itertools import pairwise
from pathlib import Path

import pytest

from batchveo.core.models import JobState
from batchveo.core.notices import LinkNotFilled
from batchveo.operations.manage import retry_jobs
from batchveo.store.chains import BlockedCount
from tests.helpers.chains import FIELDS, POLICY, make_chain
from tests.helpers.factories import make_spec
from tests.helpers.fake_clips import FakeClips
from tests.helpers.virtual_run import Night


@pytest.fixture
async def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


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
    expected = [f"last of {job.sha256}".encode() for job in jobs[:-1]]
    assert [base64.b64decode(str(uri).partition(",")[2]) for uri in sent[1:]] == expected
    # the next link begins in the moment in which its parent is good, but for the decoding
    for parent, child in pairwise(jobs):
        assert parent.finished_at is not None
        assert child.submitted_at is not None
        assert 0 <= child.submitted_at - parent.finished_at <= 2
    assert (await night.run(make_chain(4))).exit_status == 0
    assert len(night.service.generations) == 4


@pytest.mark.anyio
async def test_waiting_jobs_hold_no_slot_and_links_come_first(night: Night) -> None:
    night.clips = FakeClips(seconds=0.0)
    singles = [make_spec(f"single {n}", model="veo2", request={"model": "veo2", "prompt": f"{n}"}) for n in range(6)]
    result = await night.run([*make_chain(3), *singles], concurrency=1)
    assert result.exit_status == 0
    order = [job.name for job in sorted(night.jobs(), key=lambda job: job.submitted_at or 0.0)]
    assert order[0] == "shot 0"
    assert order.index("shot 1") <= 2
    assert order.index("shot 2") <= 4


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
        assert {names[seq]: names[cause] for seq, cause in store.chains.find_blocked().items()} == {
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
