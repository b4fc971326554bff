"""Clips are judged as they come; rejected ones are made again within tries and budget, and nothing is bought twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchveo.core.gates import CheckPolicy
from batchveo.core.measures import CheckLevel
from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.notices import ChecksAwaited, ChecksUnavailable, ClipNotMeasured, ClipRejected
from batchveo.core.votes import Vote, VoteKind
from batchveo.sandbox import Service, Settings
from tests.helpers.factories import make_spec
from tests.helpers.fake_clips import FakeClips
from tests.helpers.virtual_run import Night

PRICE = 2.5
"""No clip of these jobs costs more, and two of them cost more than one and a half of it."""
POLICY = CheckPolicy(gates=("black_seconds < 0.5",)).to_json()


def policed(count: int, **changes: Any) -> list[JobSpec]:
    """``count`` jobs with a gate; by default with three tries and a seed."""
    return [
        make_spec(
            f"job {n}",
            **{
                "model": "veo2",
                "request": {"model": "veo2", "prompt": f"p {n}", "seed": 10 * n},
                "policy": POLICY,
                "tries": 3,
                **changes,
            },
        )
        for n in range(count)
    ]


def take_is(*good: int) -> Callable[[Job], bool]:
    return lambda job: job.take in good


@pytest.fixture
async def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


def rows(night: Night) -> list[tuple[str, str, str | None]]:
    return [(job.name, job.state.value, job.verdict) for job in night.jobs()]


def rejections(night: Night) -> list[ClipRejected]:
    return [event for event in night.events if isinstance(event, ClipRejected)]


@pytest.mark.anyio
async def test_good_clips_are_accepted_and_measured_once(night: Night) -> None:
    night.clips = clips = FakeClips()
    result = await night.run(policed(3))
    assert (result.exit_status, result.rejected) == (0, 0)
    assert rows(night) == [(f"job {n}", "succeeded", "accepted") for n in range(3)]
    assert sorted(clips.measured) == ["job 0", "job 1", "job 2"]
    with night.store() as store:
        measures = [store.facts.read_measures(job) for job in store.jobs()]
    assert [each and each.black_seconds for each in measures] == [0.0] * 3
    assert (await night.run(policed(3))).exit_status == 0
    assert len(clips.measured) == 3


@pytest.mark.anyio
async def test_without_a_policy_nothing_is_looked_at(night: Night) -> None:
    night.clips = clips = FakeClips(unready=True)
    await night.run(policed(2, policy=None))
    assert clips.measured == []
    assert rows(night) == [("job 0", "succeeded", None), ("job 1", "succeeded", None)]
    assert not [event for event in night.events if isinstance(event, ChecksUnavailable)]


@pytest.mark.anyio
async def test_a_rejected_clip_is_made_again_with_the_next_seed(night: Night) -> None:
    night.clips = FakeClips(judge=take_is(2))
    result = await night.run(policed(1))
    assert (result.exit_status, result.rejected) == (0, 0)
    assert rows(night) == [("job 0", "succeeded", "rejected"), ("job 0-take2", "succeeded", "accepted")]
    first, second = night.jobs()
    assert (first.request["seed"], second.request["seed"]) == (0, 1)
    assert first.file != second.file
    assert len(night.service.generations) == 2
    (event,) = rejections(night)
    assert (event.job, event.take) == ("job 0", "job 0-take2")
    assert "rejected by black_seconds < 0.5 (black_seconds = 3.0); it is made again as job 0-take2" in event.text
    with night.store() as store:
        history = [row["detail"] for row in store.queries.list_moves(second)]
    assert history[0] == "job 0 was rejected by black_seconds < 0.5; with seed 1"


@pytest.mark.anyio
async def test_the_sidecar_tells_measures_and_verdict(night: Night) -> None:
    night.clips = clips = FakeClips(judge=take_is(2))
    await night.run(policed(1))
    content = clips.noted["job 0"]
    assert (content["verdict"], content["gate"], content["take"]) == ("rejected", "black_seconds < 0.5", 1)
    assert content["checks"] == {
        "level": "basic",
        "frames": 48,
        "black_seconds": 3.0,
        "has_sound": True,
        "mismatches": [],
        "problems": [],
    }


@pytest.mark.parametrize(("tries", "made"), [(1, 1), (2, 2), (3, 3), (None, 1)])
@pytest.mark.anyio
async def test_never_more_takes_than_tries(night: Night, tries: int | None, made: int) -> None:
    night.clips = FakeClips(judge=take_is())
    result = await night.run(policed(2, tries=tries))
    assert len(night.service.generations) == 2 * made
    assert {verdict for _, _, verdict in rows(night)} == {"rejected"}
    assert (result.exit_status, result.rejected) == (1, 2)
    assert [event.take is None for event in rejections(night)].count(True) == 2
    again = await night.run(policed(2, tries=tries))
    assert len(night.service.generations) == 2 * made
    assert (again.exit_status, again.rejected) == (1, 2)
    with night.store() as store:
        assert [len(store.verdicts.list_verdicts(job)) for job in store.jobs()] == [1] * 2 * made


@pytest.mark.anyio
async def test_the_tries_of_the_run_count_if_the_manifest_gives_none(night: Night) -> None:
    night.clips = FakeClips(judge=take_is())
    await night.run(policed(1, tries=None), tries=2)
    assert [job.take for job in night.jobs()] == [1, 2]
    await night.run(None, tries=4)
    assert [job.take for job in night.jobs()] == [1, 2, 3, 4]


@pytest.mark.anyio
async def test_takes_stay_within_the_budget(night: Night, tmp_path: Path) -> None:
    trial = Night(tmp_path / "trial")
    await trial.run(policed(1, policy=None))
    price = trial.jobs()[0].cost_usd
    assert price
    night.clips = FakeClips(judge=take_is())
    result = await night.run(policed(4), budget=5.5 * price)
    assert sum(job.cost_usd or 0.0 for job in night.jobs()) == pytest.approx(5 * price)
    assert len(night.service.generations) == 5
    assert result.exit_status == 3
    assert {job.verdict for job in night.jobs(JobState.SUCCEEDED)} == {"rejected"}
    assert len(night.jobs(JobState.PENDING)) >= 1


@pytest.mark.parametrize("seconds", [10.0, 36.0, 37.2, 50.0, 70.0, 73.0, 90.0])
@pytest.mark.anyio
async def test_a_kill_at_any_moment_loses_no_verdict_and_buys_nothing_twice(night: Night, seconds: float) -> None:
    night.clips = clips = FakeClips(judge=take_is(2))
    await night.killed(policed(3), after=seconds)
    clips.seconds = 0.5
    result = await night.run(policed(3))
    assert result.exit_status == 0
    assert [(name, verdict) for name, _, verdict in sorted(rows(night))] == [
        (f"job {n}{take}", verdict) for n in range(3) for take, verdict in (("", "rejected"), ("-take2", "accepted"))
    ]
    assert len(night.service.generations) == 6


@pytest.mark.anyio
async def test_a_clip_that_cannot_be_read_waits_for_the_next_run(night: Night) -> None:
    night.clips = clips = FakeClips(judge=take_is(2), unreadable=True)
    result = await night.run(policed(1))
    assert result.exit_status == 0
    assert rows(night) == [("job 0", "succeeded", None)]
    assert [event.text for event in night.events if isinstance(event, ClipNotMeasured)] == [
        "job 0: its clip has no verdict yet, it cannot be read: Input/output error"
    ]
    clips.unreadable = False
    await night.run(policed(1))
    assert [verdict for _, _, verdict in rows(night)] == ["rejected", "accepted"]


@pytest.mark.anyio
async def test_without_pyav_that_is_said_once_and_all_else_works(night: Night) -> None:
    night.clips = clips = FakeClips(unready=True)
    result = await night.run(policed(3))
    assert result.exit_status == 0
    assert {verdict for _, _, verdict in rows(night)} == {None}
    assert len([event for event in night.events if isinstance(event, ChecksUnavailable)]) == 1
    clips.unready = False
    await night.run(policed(3))
    assert {verdict for _, _, verdict in rows(night)} == {"accepted"}


@pytest.mark.anyio
async def test_checks_can_be_turned_off_for_a_run(night: Night) -> None:
    night.clips = clips = FakeClips(judge=take_is(2))
    await night.run(policed(1), checks=False)
    assert (clips.measured, len(night.service.generations)) == ([], 1)


@pytest.mark.anyio
async def test_other_gates_judge_what_is_there_without_measuring_it_again(night: Night) -> None:
    night.clips = clips = FakeClips(judge=take_is())
    await night.run(policed(1, tries=1))
    softer = CheckPolicy(gates=("black_seconds < 9",)).to_json()
    result = await night.run(policed(1, tries=1, policy=softer))
    assert result.exit_status == 0
    assert rows(night) == [("job 0", "succeeded", "accepted")]
    assert clips.measured == ["job 0"]
    sharper = CheckPolicy(gates=("blur < 3",)).to_json()
    await night.run(policed(1, tries=1, policy=sharper))
    assert clips.measured == ["job 0", "job 0"]
    assert rows(night) == [("job 0", "succeeded", "open")]


@pytest.mark.anyio
async def test_more_tries_in_the_manifest_go_on_where_the_last_run_stopped(night: Night) -> None:
    night.clips = FakeClips(judge=take_is(2))
    await night.run(policed(1, tries=1))
    assert len(night.service.generations) == 1
    result = await night.run(policed(1, tries=3))
    assert result.exit_status == 0
    assert [verdict for _, _, verdict in rows(night)] == ["rejected", "accepted"]


@pytest.mark.anyio
async def test_a_lost_database_finds_its_takes_by_their_sidecars(night: Night) -> None:
    night.clips = FakeClips(judge=take_is(3))
    await night.run(policed(3))
    before = rows(night)
    assert len(before) == 9
    for file in night.folder.glob("b.db*"):
        file.unlink()
    result = await night.run(policed(3))
    assert result.exit_status == 0
    assert sorted(rows(night)) == sorted(before)
    assert len(night.service.generations) == 9


@pytest.mark.anyio
async def test_a_run_that_only_waits_for_checks_says_so_once(night: Night) -> None:
    night.clips = FakeClips(seconds=200.0)
    await night.run(policed(30))
    (event,) = [event for event in night.events if isinstance(event, ChecksAwaited)]
    assert 20 < event.clips <= 30
    assert "are still to come" in event.text


@pytest.mark.anyio
async def test_nothing_is_made_again_while_another_take_is_accepted(night: Night) -> None:
    night.clips = FakeClips(judge=take_is())
    await night.run(policed(1, tries=2))
    assert len(night.service.generations) == 2
    # by these gates the first take is accepted, and the second is not
    night.clips = FakeClips(judge=take_is(1))
    deeper = CheckPolicy(gates=("black_seconds < 0.5",), prefer="-motion", level=CheckLevel.ALL).to_json()
    result = await night.run(policed(1, tries=5, policy=deeper))
    assert rows(night) == [("job 0", "succeeded", "accepted"), ("job 0-take2", "succeeded", "rejected")]
    assert len(night.service.generations) == 2
    assert (result.exit_status, result.rejected) == (0, 0)


@pytest.mark.anyio
async def test_the_last_take_that_is_judged_again_decides_whether_there_is_another(night: Night) -> None:
    night.clips = FakeClips(judge=take_is())
    await night.run(policed(1, tries=2))
    night.clips = FakeClips(judge=take_is(3))
    deeper = CheckPolicy(gates=("black_seconds < 0.5",), level=CheckLevel.ALL).to_json()
    await night.run(policed(1, tries=5, policy=deeper))
    assert [(take, verdict) for take, _, verdict in rows(night)] == [
        ("job 0", "rejected"),
        ("job 0-take2", "rejected"),
        ("job 0-take3", "accepted"),
    ]
    assert [job.request["seed"] for job in night.jobs()] == [0, 1, 2]


@pytest.mark.parametrize("how", ["unchecked", "unready", "killed"])
@pytest.mark.anyio
async def test_a_run_that_judges_nothing_leaves_the_verdicts_as_they_are(night: Night, how: str) -> None:
    night.clips = FakeClips(judge=take_is())
    await night.run(policed(2, tries=1))
    night.clips = FakeClips(unready=how == "unready")
    if how == "killed":
        await night.killed(policed(2, tries=1), after=0.0)
    else:
        await night.run(policed(2, tries=1), checks=how != "unchecked")
    assert {verdict for _, _, verdict in rows(night)} == {"rejected"}


@pytest.mark.anyio
async def test_a_run_makes_no_takes_of_clips_that_it_does_not_name(night: Night) -> None:
    first, other = policed(2)
    night.clips = FakeClips(judge=take_is())
    await night.run([first], checks=False)
    result = await night.run([other])
    assert rows(night) == [("job 0", "succeeded", None)] + [
        (f"job 1{take}", "succeeded", "rejected") for take in ("", "-take2", "-take3")
    ]
    assert result.rejected == 1
    await night.run([first])
    assert len(night.service.generations) == 6


@pytest.mark.anyio
async def test_clips_that_a_killed_run_made_are_judged_by_the_next(night: Night) -> None:
    night.clips = FakeClips(judge=take_is(), seconds=1e6)
    await night.killed(policed(2, tries=2), after=300.0)
    assert rows(night) == [("job 0", "succeeded", None), ("job 1", "succeeded", None)]
    night.clips = FakeClips(judge=take_is())
    await night.run(policed(2, tries=2))
    assert {verdict for _, _, verdict in rows(night)} == {"rejected"}
    assert len(night.service.generations) == 4


async def leave_a_take(night: Night, **settings: Any) -> None:
    """Make a clip that is rejected, and no take of it: the money is gone."""
    night.clips = FakeClips(judge=take_is())
    await night.run(policed(1, **settings), budget=1.5 * PRICE)
    assert [state for _, state, _ in rows(night)] == ["succeeded", "pending"]


@pytest.mark.parametrize(
    "changes",
    [
        {"policy": None},
        {"tries": 1},
        {"policy": CheckPolicy(gates=("black_seconds < 9",)).to_json()},
    ],
    ids=["no gates", "fewer tries", "softer gates"],
)
@pytest.mark.anyio
async def test_a_take_that_the_manifest_does_not_want_any_more_is_not_bought(
    night: Night, changes: dict[str, Any]
) -> None:
    await leave_a_take(night)
    night.clips = FakeClips(judge=take_is(), seconds=100.0)
    await night.run(policed(1, **changes))
    assert [state for _, state, _ in rows(night)] == ["succeeded", "cancelled"]
    assert len(night.service.generations) == 1
    with night.store() as store:
        assert [row["to_state"] for row in store.queries.list_moves(night.jobs()[1])][-1] == "cancelled"
    await night.run(policed(1))
    assert [verdict for _, _, verdict in rows(night)] == ["rejected"] * 3
    assert len(night.service.generations) == 3


@pytest.mark.anyio
async def test_a_take_that_is_needed_after_all_keeps_to_the_tries_of_now(night: Night) -> None:
    await leave_a_take(night, tries=5)
    with_faults = Service(Settings(faults={"generation-error": 1.0}), clock=night.clock.now)
    night.service = with_faults
    sharper = CheckPolicy(gates=("black_seconds < 0.1",)).to_json()
    await night.run(policed(1, tries=2, policy=sharper))
    first, second = night.jobs()
    assert (first.verdict, second.state, second.tried, second.tries) == ("rejected", JobState.FAILED, 1, 1)


@pytest.mark.anyio
async def test_takes_of_clips_of_an_earlier_run_are_bought_within_a_budget(night: Night) -> None:
    night.clips = FakeClips(judge=take_is())
    await night.run(policed(1, tries=1))
    result = await night.run(policed(1, tries=3), budget=2.2 * PRICE)
    assert len(night.service.generations) == 2
    assert result.exit_status == 3


@pytest.mark.anyio
async def test_takes_of_jobs_that_differ_in_their_seeds_ask_for_no_video_twice(night: Night) -> None:
    same = [{"model": "veo2", "prompt": "a", "seed": seed} for seed in (1, 2, 3)]
    jobs = [replace(spec, request=request) for spec, request in zip(policed(3), same, strict=True)]
    night.clips = FakeClips(judge=take_is())
    await night.run(jobs)
    seeds = [job.request["seed"] for job in night.jobs()]
    assert len(seeds) == 9
    assert set(seeds) == set(range(1, 10))


@pytest.mark.anyio
async def test_a_run_makes_no_takes_of_generations_of_other_manifests(night: Night) -> None:
    """They were in progress when their own run was killed."""
    first, other = policed(2)
    night.clips = FakeClips(judge=take_is())
    await night.killed([first], after=2.0)
    assert [state for _, state, _ in rows(night)] == ["generating"]
    await night.run([other])
    assert [name for name, _, _ in rows(night)] == ["job 0", "job 1", "job 1-take2", "job 1-take3"]


@pytest.mark.anyio
async def test_no_take_is_made_of_a_clip_that_a_person_picked(night: Night) -> None:
    night.clips = FakeClips(judge=take_is())
    await night.run(policed(2, tries=1))
    with night.store() as store:
        store.votes.record_vote(Vote(person="ann", kind=VoteKind.PICK, job=night.jobs()[0].seq))
    await night.run(policed(2, tries=2))
    assert [name for name, _, _ in rows(night)] == ["job 0", "job 1", "job 1-take2"]
