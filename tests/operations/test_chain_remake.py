"""Jobs of chains made anew: with their children if that is asked for, and never more than was shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.errors import UsageError
from batchveo.core.hints import format_command
from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.state_machine import Move
from batchveo.core.votes import Vote, VoteKind
from batchveo.operations import manage, votes
from batchveo.operations.chain_remake import (
    ChainRemake,
    describe_left,
    describe_outdated,
    plan_chains,
    remake_chains,
)
from batchveo.operations.chain_rows import ChainRows
from batchveo.operations.further_takes import add_takes, plan_takes
from batchveo.operations.remake import replace_prompt
from batchveo.store import Store
from tests.helpers.busy_database import moved_on
from tests.helpers.chains import POLICY, make_chain, make_link
from tests.helpers.fake_clips import FakeClips
from tests.helpers.virtual_run import Night

S = JobState


@pytest.fixture
async def night(tmp_path: Path) -> Night:
    return Night(tmp_path, clips=FakeClips())


def find(store: Store, *names: str) -> list[Job]:
    return manage.select_jobs(store, names)


def make_anew(night: Night, *names: str, count: int | None = None) -> ChainRemake:
    with night.store() as store:
        planned = plan_chains(store, find(store, *names), count)
        remake_chains(store, planned, now=night.clock.now())
    return planned


def list_sources(night: Night) -> dict[str, str | None]:
    """The name of each job with a link, and of the take that its input was taken from."""
    with night.store() as store:
        names = {job.seq: job.name for job in store.jobs()}
        return {
            job.name: None if link.taken_from is None else names[link.taken_from]
            for job in store.jobs()
            for link in store.links.list_links(job)
        }


def states(night: Night) -> dict[str, str]:
    return {job.name: job.state.value for job in night.jobs()}


def know_chain(night: Night) -> None:
    """Let the database know the chain, of which only the first job is made."""
    with night.store() as store:
        run = store.runs.begin_run(command="run", service="x", now=night.clock.now())
        store.imports.add_jobs(make_chain(3), run=run, now=night.clock.now())


@pytest.mark.anyio
async def test_a_parent_made_anew_alone_leaves_its_children_and_says_so(night: Night) -> None:
    await night.run(make_chain(3))
    with night.store() as store:
        (parent,) = find(store, "shot 0")
        add_takes(store, plan_takes(store, [parent], 1), now=night.clock.now())
        (said,) = describe_left(store, [parent])
        again = format_command("retry", parent.id, "--with-children", state=store.path)
        assert said == f"1 job stays as it is, made from the video before; `{again}` makes it anew as well"
        assert list(describe_left(store, find(store, "shot 2"))) == []
    assert (await night.run()).exit_status == 0
    assert (await night.run(make_chain(3))).exit_status == 0
    assert len(night.service.generations) == 4
    assert list_sources(night) == {"shot 1": "shot 0", "shot 2": "shot 1"}


@pytest.mark.anyio
async def test_with_children_all_below_is_made_from_the_new_take(night: Night) -> None:
    await night.run(make_chain(4))
    planned = make_anew(night, "shot 1")
    assert (planned.videos, planned.added, planned.unpriced) == (3, 3, 0)
    assert planned.usd > 0
    again = make_anew(night, "shot 1")
    assert (again.videos, again.usd) == (0, 0.0)
    assert (await night.run()).exit_status == 0
    assert len(night.service.generations) == 4 + 3
    assert list_sources(night) == {
        "shot 1": "shot 0",
        "shot 2": "shot 1",
        "shot 3": "shot 2",
        "shot 1-take2": "shot 0",
        "shot 2-take2": "shot 1-take2",
        "shot 3-take2": "shot 2-take2",
    }
    with night.store() as store:
        for name in ("shot 2-take2", "shot 3-take2"):
            (job,) = find(store, name)
            (link,) = store.links.list_links(job)
            source = store.queries.read_job(link.taken_from or 0)
            filled = store.queries.fill_links(job)
            assert (job.waits, job.asked, filled.request["image_url"]) == (0, True, link.value)
            assert source.take == 2
    assert (await night.run(make_chain(4))).exit_status == 0
    assert len(night.service.generations) == 7
    # asked for once more, all of it is made once more
    assert make_anew(night, "shot 1").videos == 3


@pytest.mark.anyio
async def test_the_new_take_that_failed_is_what_blocks_its_children(night: Night) -> None:
    """Not the take before it, whose video is good."""
    await night.run(make_chain(3))
    make_anew(night, "shot 1")
    with night.store() as store:
        run = store.runs.begin_run(command="run", service="x", now=night.clock.now())
        store.runs.take_on_all(run)
        moved_on(store, run, S.FAILED, now=night.clock.now())
        (counted,) = store.waiting.count_blocked()
        assert (counted.state, counted.jobs, counted.example) == ("failed", 1, "shot 1-take2")
        (child,) = find(store, "shot 2-take2")
        wait = ChainRows(store).find_wait(child)
        assert wait is not None
        assert wait.sentence == "blocked: shot 1-take2 failed"


@pytest.mark.anyio
async def test_several_takes_with_children_are_lines_of_their_own(night: Night) -> None:
    await night.run(make_chain(2))
    assert make_anew(night, "shot 0", count=2).videos == 4
    assert (await night.run()).exit_status == 0
    sources = list_sources(night)
    assert (sources["shot 1-take2"], sources["shot 1-take3"]) == ("shot 0-take2", "shot 0-take3")
    assert len(night.service.generations) == 6


@pytest.mark.anyio
async def test_unbought_jobs_below_are_not_doubled(night: Night) -> None:
    """A pending one waits for the new take, a failed and a cancelled one are made again, from it."""
    await night.run(make_chain(1))
    know_chain(night)
    with night.store() as store:
        manage.cancel_jobs(store, find(store, "shot 2"), now=night.clock.now())
    planned = make_anew(night, "shot 0")
    assert (planned.videos, planned.added) == (2, 1)
    assert states(night) == {
        "shot 0": "succeeded",
        "shot 1": "pending",
        "shot 2": "pending",
        "shot 0-take2": "pending",
    }
    assert (await night.run()).exit_status == 0
    assert list_sources(night) == {"shot 1": "shot 0-take2", "shot 2": "shot 1"}
    assert len(night.service.generations) == 4


@pytest.mark.anyio
async def test_a_failed_parent_is_made_again_with_its_bought_children(night: Night) -> None:
    """As after a parent whose video was lost at the service."""
    await night.run(make_chain(2))
    with night.store() as store:
        (parent,) = find(store, "shot 0")
        lost = store.transitions.apply_move(parent, Move(to=S.GENERATING), run=None, now=1.0)
        store.manual.give_up_job(lost, now=1.0)
        (said,) = describe_left(store, find(store, "shot 0"))
        assert "--with-children" in said
    planned = make_anew(night, "shot 0")
    assert (planned.videos, planned.added) == (2, 1)


@pytest.mark.anyio
async def test_nothing_is_bought_that_was_not_shown(night: Night) -> None:
    await night.run(make_chain(2))
    with night.store() as store:
        planned = plan_chains(store, find(store, "shot 0"))
        remake_chains(store, planned, now=night.clock.now())
        with pytest.raises(UsageError, match="have just changed"):
            remake_chains(store, planned, now=night.clock.now())
        assert store.counts()[S.PENDING] == 2
        with pytest.raises(UsageError, match="from 1 to 100"):
            plan_chains(store, find(store, "shot 0"), 0)


@pytest.mark.anyio
async def test_a_rejected_new_take_blocks_what_waits_for_it(night: Night) -> None:
    night.clips = FakeClips(judge=lambda job: job.take == 1)
    await night.run(make_chain(3, policy=POLICY))
    make_anew(night, "shot 0")
    result = await night.run()
    assert result.exit_status == 1
    assert [(count.state, count.jobs) for count in result.blocked] == [("rejected", 2)]
    assert len(night.service.generations) == 4


@pytest.mark.anyio
async def test_a_pick_of_another_take_changes_what_is_not_bought_yet(night: Night) -> None:
    """A filled link of a pending job is filled anew; a job that is bought stays, which is said."""
    await night.run(make_chain(1))
    with night.store() as store:
        add_takes(store, plan_takes(store, find(store, "shot 0"), 1), now=night.clock.now())
    await night.run()
    know_chain(night)
    with night.store() as store:
        first, second, child = find(store, "shot 0", "shot 0-take2", "shot 1")
        (link,) = store.links.list_links(child)
        assert store.links.fill_frame(link, first, b"png", run=None, now=2.0)
        votes.record_votes(store, [first], VoteKind.PICK, person="ann", now=3.0)
        assert store.queries.read_job(child.seq).waits == 0
        votes.record_votes(store, [first], VoteKind.REJECT, person="ann", now=4.0)
        assert store.queries.read_job(child.seq).waits == 1
        votes.undo_vote(store, person="ann", now=5.0)
        (link,) = store.links.list_links(child)
        assert store.links.fill_frame(link, first, b"png", run=None, now=6.0)
        better = Vote(person="bob", kind=VoteKind.PICK, job=second.seq, at=7.0)
        votes.record_act(store, better, [second])
        votes.record_votes(store, [first], VoteKind.REJECT, person="ann", now=8.0)
        assert list(describe_outdated(store, [first])) == []
        assert store.queries.list_moves(child)[-1]["detail"] == (
            "waits again: another take counts now, as people decided"
        )
    assert (await night.run()).exit_status == 0
    assert list_sources(night)["shot 1"] == "shot 0-take2"
    with night.store() as store:
        votes.record_votes(store, [first], VoteKind.PICK, person="ann", now=9.0)
        votes.record_votes(store, [second], VoteKind.REJECT, person="bob", now=9.0)
        (said,) = describe_outdated(store, [second])
        again = format_command("retry", child.id, "--with-children", state=store.path)
        assert said == (f"1 job stays as it is, made from another take; `{again}` makes it and what follows anew")
        votes.record_votes(store, [first], VoteKind.REJECT, person="ann", now=10.0)
        (said,) = describe_outdated(store, [second])
        assert first.id in said
    assert (await night.run(make_chain(3))).exit_status == 0
    assert len(night.service.generations) == 4
    make_anew(night, "shot 1")
    result = await night.run()
    assert [(count.state, count.jobs) for count in result.blocked] == [("rejected", 2)]
    assert len(night.service.generations) == 4


@pytest.mark.anyio
async def test_a_pick_names_no_job_that_was_made_from_that_take_too(night: Night) -> None:
    await night.run(make_chain(3))
    make_anew(night, "shot 0")
    await night.run()
    with night.store() as store:
        for name in ("shot 0-take2", "shot 0"):
            votes.record_votes(store, find(store, name), VoteKind.PICK, person="ann", now=1.0)
            assert list(describe_outdated(store, find(store, name))) == []
            votes.undo_vote(store, person="ann", now=2.0)


@pytest.mark.anyio
async def test_takes_of_a_child_have_its_input(night: Night) -> None:
    await night.run(make_chain(2))
    with night.store() as store:
        add_takes(store, plan_takes(store, find(store, "shot 1"), 2), now=night.clock.now())
    assert (await night.run()).exit_status == 0
    assert list_sources(night) == {"shot 1": "shot 0", "shot 1-take2": "shot 0", "shot 1-take3": "shot 0"}
    sent = [generation.request.get("image_url") for generation in night.service.generations[1:]]
    assert len(sent) == 3
    assert len(set(map(str, sent))) == 1


@pytest.mark.anyio
async def test_a_rejected_child_is_made_again_from_what_it_was_made_from(night: Night) -> None:
    """Not from what the first of its family was made from, if people had all made anew meanwhile."""
    night.clips = FakeClips(judge=lambda job: job.name != "shot 1-take2")
    await night.run(make_chain(2, policy=POLICY))
    with night.store() as store:
        votes.record_votes(store, find(store, "shot 1"), VoteKind.REJECT, person="ann", now=1.0)
    make_anew(night, "shot 0")
    await night.run(make_chain(2, policy=POLICY))
    assert list_sources(night)["shot 1-take2"] == "shot 0-take2"


@pytest.mark.anyio
async def test_the_chain_goes_on_from_another_prompt(night: Night) -> None:
    """After a failure: nothing is bought twice, and each is made from the new videos."""
    night.service._state.faults._chances["generation-error"] = 1.0
    await night.run(make_chain(3))
    night.heal()
    with night.store() as store:
        (failed,) = find(store, "shot 0")
        replace_prompt(store, failed, "a calm shot", now=night.clock.now())
    assert (await night.run()).exit_status == 0
    assert [generation.request["prompt"] for generation in night.service.generations[1:]] == [
        "a calm shot",
        "shot 1",
        "shot 2",
    ]
    assert list_sources(night).keys() == {"shot 1", "shot 2"}
    assert len({job.chain for job in night.jobs(S.SUCCEEDED)}) == 1
    assert {job.chain for job in night.jobs(S.CANCELLED)} == {None}


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["failed", "cancelled", "rejected"])
async def test_a_chain_goes_on_once_its_parent_is_made_again(night: Night, way: str) -> None:
    night.clips = FakeClips(judge=lambda job: way != "rejected" or job.take > 2 or job.link > 1)
    if way == "failed":
        night.service._state.faults._chances["generation-error"] = 1.0
    if way == "cancelled":
        know_chain(night)
        with night.store() as store:
            manage.cancel_jobs(store, find(store, "shot 0"), now=night.clock.now())
    result = await night.run(make_chain(3, policy=POLICY))
    assert [(count.state, count.jobs) for count in result.blocked] == [(way, 2)]
    bought = len(night.service.generations)
    night.heal()
    with night.store() as store:
        parent = find(store, "shot 0")
        if way == "rejected":
            add_takes(store, plan_takes(store, parent, 1), now=night.clock.now())
        else:
            manage.retry_jobs(store, parent, now=night.clock.now())
        assert store.waiting.count_blocked() == []
    assert (await night.run()).exit_status == 0
    assert len(night.service.generations) == bought + 3


def make_joined() -> list[JobSpec]:
    """A job between two others, of which the second is in no chain."""
    first, last = make_link("first", {}), make_link("last", {})
    return [first, last, make_link("between", {"last": first, "first": last})]


@pytest.mark.anyio
async def test_another_prompt_of_a_parent_in_no_chain_takes_its_child_along(night: Night) -> None:
    with night.store() as store:
        run = store.runs.begin_run(command="run", service="x", now=night.clock.now())
        store.imports.add_jobs(make_joined(), run=run, now=night.clock.now())
        (last,) = find(store, "last")
        replace_prompt(store, last, "a calm end", now=night.clock.now())
    assert (await night.run()).exit_status == 0
    assert sorted(str(each.request["prompt"]) for each in night.service.generations) == [
        "a calm end",
        "between",
        "first",
    ]


@pytest.mark.anyio
async def test_a_parent_in_no_chain_that_is_made_anew_says_what_stays(night: Night) -> None:
    assert (await night.run(make_joined())).exit_status == 0
    with night.store() as store:
        (parent,) = find(store, "last")
        (left,) = describe_left(store, [parent])
        assert left.startswith("1 job stays as it is, made from the video before; `batchveo retry last --with-children")
        votes.record_votes(store, [parent], VoteKind.REJECT, person="a", now=night.clock.now())
        (outdated,) = describe_outdated(store, [parent])
        assert outdated.startswith("1 job stays as it is, made from another take; `batchveo retry last")


@pytest.mark.anyio
async def test_a_reject_of_a_parent_in_no_chain_keeps_its_child_waiting(night: Night) -> None:
    first, last, between = make_joined()
    assert (await night.run([first, last])).exit_status == 0
    assert (await night.run([first, last, between], budget=1.7)).exit_status == 3
    with night.store() as store:
        assert find(store, "between")[0].waits == 0
        votes.record_votes(store, find(store, "last"), VoteKind.REJECT, person="a", now=night.clock.now())
        assert find(store, "between")[0].waits == 1
