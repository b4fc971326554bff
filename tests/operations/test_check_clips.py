"""Finished clips are measured and judged, also beside a run, and nothing is lost when that is interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batchveo.core.errors import UsageError
from batchveo.core.gates import CheckPolicy
from batchveo.core.measures import CheckLevel, Measures
from batchveo.core.models import Job, JobState
from batchveo.operations.check_clips import Checked, CheckedClip, check_async
from batchveo.sandbox.sample_clips import FLAWED, SCENES
from tests.helpers.fake_clips import FakeClips
from tests.helpers.finished_jobs import Morning

POLICY = CheckPolicy(gates=("black_seconds < 0.5",)).to_json()
ALL = CheckPolicy(gates=("blur < 99",)).to_json()


@pytest.fixture
def morning(tmp_path: Path) -> Morning:
    return Morning(tmp_path)


def fake(**changes: Any) -> FakeClips:
    return FakeClips(**{"seconds": 0.0, **changes})


async def check(morning: Morning, clips: FakeClips, *jobs: str, **changes: Any) -> Checked:
    with morning.store() as store:
        return await check_async(store, jobs, clips=clips, **changes)


def is_not(*names: str) -> Any:
    return lambda job: job.name not in names


@pytest.mark.anyio
async def test_each_clip_is_measured_once(morning: Morning) -> None:
    for name in "abc":
        morning.make(name)
    clips = fake()
    seen: list[tuple[str, int, int]] = []

    def note(clip: CheckedClip, done: int, total: int) -> None:
        seen.append((clip.job.name, done, total))

    result = await check(morning, clips, seen=note)
    assert (result.measured, result.accepted, result.rejected.total(), len(result.clips)) == (3, 0, 0, 3)
    assert sorted(seen, key=lambda each: each[1])[-1][1:] == (3, 3)
    assert (await check(morning, clips)).measured == 0
    assert sorted(clips.measured) == ["a", "b", "c"]
    assert (await check(morning, clips, "a")).measured == 0
    assert (await check(morning, clips, "a", again=True)).measured == 1
    assert (await check(morning, clips, level="all")).measured == 3
    assert (await check(morning, clips, level="basic")).measured == 0
    assert {str(noted["checks"]["level"]) for noted in clips.noted.values()} == {"all"}  # type: ignore[index]


@pytest.mark.anyio
async def test_a_gate_may_need_more_than_the_option_asks_for(morning: Morning) -> None:
    morning.make("a", policy=ALL)
    await check(morning, fake())
    with morning.store() as store:
        measures = store.facts.read_measures(morning.job("a"))
    assert measures is not None
    assert measures.level is CheckLevel.ALL


@pytest.mark.anyio
async def test_a_rejected_clip_gets_a_take_only_if_its_manifest_has_tries(morning: Morning) -> None:
    morning.make("good", policy=POLICY, tries=3)
    morning.make("no tries", policy=POLICY)
    morning.make("no gates", tries=3)
    morning.make("bad", policy=POLICY, tries=3, request={"seed": 7})
    result = await check(morning, fake(judge=is_not("bad", "no tries", "no gates")))
    assert (result.accepted, dict(result.rejected), result.added) == (1, {"black_seconds < 0.5": 2}, 1)
    assert [morning.job(name).verdict for name in ("good", "no tries", "bad", "no gates")] == [
        "accepted",
        "rejected",
        "rejected",
        None,
    ]
    take = morning.job("bad-take2")
    assert (take.state, take.request["seed"], take.take) == (JobState.PENDING, 8, 2)
    assert result.still_rejected == [morning.job("no tries").seq, morning.job("bad").seq]
    again = await check(morning, fake(judge=is_not("bad")), "bad")
    assert (again.added, again.rejected.total(), again.still_rejected) == (0, 1, [morning.job("bad").seq])


@pytest.mark.anyio
async def test_a_clip_with_an_accepted_take_is_no_reason_to_worry(morning: Morning) -> None:
    morning.make("bad", policy=POLICY, tries=2)
    await check(morning, fake(judge=is_not("bad")))
    morning.make("bad-take2")  # the pending take is the next job that is claimed
    result = await check(morning, fake(judge=is_not("bad")))
    assert (result.accepted, result.still_rejected) == (1, [])


@pytest.mark.anyio
async def test_beside_a_run_clips_are_measured_and_takes_are_left_to_the_next_one(morning: Morning) -> None:
    morning.make("bad", policy=POLICY, tries=3)
    morning.make("hopeless", policy=POLICY)
    morning.make("good", policy=POLICY, tries=3)
    with morning.store() as store:
        store.runs.begin_run(command="run", service="s", now=2.0)
        result = await check_async(store, clips=fake(judge=is_not("bad", "hopeless")))
        assert (result.measured, result.left, result.added, result.accepted) == (3, 1, 0, 1)
        assert [job.verdict for job in store.jobs()] == [None, "rejected", "accepted"]
        store.runs.end_run(2, status=0, now=3.0)
        clips = fake(judge=is_not("bad"))
        result = await check_async(store, clips=clips)
        assert (result.measured, result.added, clips.measured) == (0, 1, [])


@pytest.mark.anyio
async def test_files_that_cannot_be_read_are_told_and_tried_again(morning: Morning) -> None:
    morning.make("a", policy=POLICY, tries=3)
    seen: list[CheckedClip] = []
    result = await check(morning, fake(unreadable=True), seen=lambda clip, done, total: seen.append(clip))
    assert (result.measured, result.unreadable, result.added) == (0, 1, 0)
    assert seen[0].problem == "cannot be read: Input/output error"
    assert morning.job("a").verdict is None
    assert (await check(morning, fake())).accepted == 1


class OneDies(FakeClips):
    async def measure_clip(self, job: Job, level: CheckLevel) -> Measures:
        if len(self.measured) == 2:
            raise RuntimeError("the power fails")
        return await super().measure_clip(job, level)


@pytest.mark.anyio
async def test_what_was_measured_before_an_end_is_kept(morning: Morning) -> None:
    for name in "abcd":
        morning.make(name)
    with pytest.raises(RuntimeError, match="power"):
        await check(morning, OneDies(seconds=0.0, at_once=1))
    clips = fake(at_once=1)
    await check(morning, clips)
    assert clips.measured == ["c", "d"]


@pytest.mark.anyio
async def test_clips_are_chosen_by_name_and_condition(morning: Morning) -> None:
    morning.make("a", meta={"split": "train"})
    morning.make("b", meta={"split": "test"})
    clips = fake()
    await check(morning, clips, where='meta.split == "test"')
    assert clips.measured == ["b"]
    assert (await check(morning, clips, "a", where='meta.split == "test"')).clips == []
    with pytest.raises(UsageError, match=r"splat is not a field[^^]*\^"):
        await check(morning, clips, where="splat > 1")
    with pytest.raises(UsageError, match="'c' is not a job"):
        await check(morning, clips, "c")
    with pytest.raises(UsageError, match="no PyAV"):
        await check(morning, fake(unready=True), "a")
    assert (await check(morning, fake(unready=True), "b")).measured == 0
    with pytest.raises(UsageError, match="measures nothing"):
        await check(morning, clips, level="none")


@pytest.mark.anyio
async def test_a_job_without_a_clip_cannot_be_checked(morning: Morning) -> None:
    morning.make("a", policy=POLICY, tries=3)
    await check(morning, fake(judge=is_not("a")))
    with pytest.raises(UsageError, match="'a-take2' is pending, and has no clip"):
        await check(morning, fake(), "a-take2")


def test_real_clips_are_found_to_be_bad_or_good(morning: Morning) -> None:
    """Through the public function, in processes of their own; near copies are found across prompts."""
    pytest.importorskip("av")
    import batchveo

    gates = ("black_seconds < 0.5", "frozen_seconds < 1", "silent_seconds < 1", "mismatches == 0")
    policy = CheckPolicy(gates=gates).to_json()
    asked = {"duration": 4, "resolution": "180p"}
    for scene in SCENES[:3]:
        morning.make(scene, clip=scene, policy=policy)
    morning.make("copy", clip=SCENES[0], policy=policy)
    for flaw in FLAWED:
        morning.make(flaw, clip=flaw, policy=policy, request=asked if flaw == "small" else {})
    with morning.store() as store:
        result = batchveo.check(store)
        names = [[store.queries.read_job(seq).name for seq in group] for group in result.near_copies]
    assert (result.measured, result.unreadable) == (len(SCENES[:3]) + 1 + len(FLAWED), 0)
    assert [SCENES[0], "copy"] in names
    verdicts = {job.name: job.verdict for job in morning.jobs()}
    assert {name for name, verdict in verdicts.items() if verdict == "accepted"} >= {*SCENES[:3], "copy"}
    assert {name for name, verdict in verdicts.items() if verdict == "rejected"} >= {"black", "frozen", "silent"}
