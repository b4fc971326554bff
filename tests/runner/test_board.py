"""Who holds a place in flight, and what is waited for."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.clock import Clock
from batchveo.models import Job, JobState
from batchveo.runner.board import DOUBT_HOLDS_A_PLACE, Board, DueQueue
from tests.factories import make_job

S = JobState


def board() -> Board:
    return Board(begun=100.0, patience=60.0)


@pytest.mark.anyio
async def test_the_earliest_due_comes_first_and_none_too_soon() -> None:
    """Ties keep their order; what is due sooner than all else wakes who waits."""
    clock = Clock(wall=lambda: 0.0)
    queue = DueQueue()
    jobs = [make_job(seq=n) for n in range(4)]
    queue.put(jobs[0], 50.0)
    taken: list[tuple[Job, float]] = []

    async def take() -> None:
        taken.extend([(await queue.take(clock), clock.now()) for _ in jobs])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        await clock.sleep_until(10.0)
        queue.put(jobs[1], 30.0)
        queue.put(jobs[2], 30.0)
        queue.put(jobs[3], 5.0)
    assert taken == [(jobs[3], 10.0), (jobs[1], 30.0), (jobs[2], 30.0), (jobs[0], 50.0)]


def test_a_job_holds_a_place_from_its_claim_to_its_video() -> None:
    """Downloads hold none."""
    b = board()
    b.claimed(make_job())
    assert b.places_taken(100.0) == 1
    b.place(make_job(S.GENERATING), due=100.0, now=100.0)
    assert (b.places_taken(100.0), b.generating()) == (1, 1)
    b.place(make_job(S.DOWNLOADING), due=100.0, now=100.0)
    assert (b.places_taken(100.0), b.downloads_waiting(), b.waited_for()) == (0, 1, 1)
    b.place(make_job(S.SUCCEEDED), due=0.0, now=100.0)
    assert b.waited_for() == 0


def test_a_doubt_holds_its_place_for_a_while() -> None:
    """It may be generating; but the log's silence must not block the night."""
    b = board()
    b.place(make_job(S.IN_DOUBT, doubted_at=100.0), due=0.0, now=100.0)
    assert b.places_taken(100.0 + DOUBT_HOLDS_A_PLACE - 1) == 1
    assert b.places_taken(100.0 + DOUBT_HOLDS_A_PLACE) == 0
    assert b.place_frees_at(100.0) == 100.0 + DOUBT_HOLDS_A_PLACE
    assert b.place_frees_at(100.0 + DOUBT_HOLDS_A_PLACE) is None  # else the run would wait for the past: spin


def test_a_held_doubt_holds_nothing_and_is_not_open() -> None:
    """A person has to settle it."""
    b = board()
    b.place(make_job(S.IN_DOUBT, held=True), due=0.0, now=100.0)
    assert (b.places_taken(100.0), b.open_doubts(), len(b.doubts)) == (0, [], 1)


def test_a_generation_beyond_the_runs_patience_is_left_but_polled() -> None:
    """It frees its place and does not keep the run alive, yet stays in the queue."""
    b = board()
    b.place(make_job(S.GENERATING, submitted_at=0.0), due=160.0, now=160.0)
    assert (b.places_taken(160.0), b.late()) == (1, 0)
    b.place(make_job(S.GENERATING, submitted_at=0.0), due=161.0, now=161.0)
    assert (b.places_taken(161.0), b.late(), b.waited_for(), len(b.polls)) == (0, 1, 0, 2)
    b.place(make_job(S.SUCCEEDED), due=0.0, now=162.0)
    assert b.late() == 0


def test_a_run_gives_every_job_its_own_patience() -> None:
    """A generation bought yesterday is waited for as long as one bought now."""
    b = board()
    b.place(make_job(S.GENERATING, submitted_at=-90_000.0), due=0.0, now=101.0)
    assert b.waited_for() == 1


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from(sorted(S)), st.floats(100, 400)), max_size=60))
def test_counts_never_drift(steps: list[tuple[int, JobState, float]]) -> None:
    """Whatever the moves, the counts are those of the jobs as they last stood."""
    b = board()
    last: dict[int, JobState] = {}
    for seq, state, now in steps:
        b.place(make_job(state, seq=seq, held=False), due=now, now=now)
        last[seq] = state
    states = list(last.values())
    assert b.downloads_waiting() == states.count(S.DOWNLOADING)
    assert len(b.doubts) == states.count(S.IN_DOUBT)
    assert b.waited_for() + b.late() == states.count(S.GENERATING) + states.count(S.DOWNLOADING)
