"""What an outcome does: to its job, to the run, and if it comes late or twice."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from unittest import mock

import pytest

from batchveo.core.errors import DiskTrouble, NoVideos
from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import (
    Accepted,
    Blocked,
    DiskRefused,
    DownloadError,
    FailedInLog,
    GenerationFailed,
    Outcome,
    StillGenerating,
    Stop,
    Stuck,
)
from batchveo.core.state_machine import Move, next_state
from batchveo.engine.broker import Fenced
from batchveo.sandbox import Settings
from batchveo.store import Store
from batchveo.store.database import Connection
from tests.helpers.coordinator_at_work import (
    URL,
    CoordinatorAtWork,
    CoordinatorOpener,
    all_of,
    bought,
    finished,
    generation,
    key,
    names,
)
from tests.helpers.virtual_run import Night, specs

pytestmark = pytest.mark.anyio
S = JobState


async def test_what_is_recorded_twice_is_known_already(open_coordinator: CoordinatorOpener) -> None:
    """A repeated record changes nothing, and raises nothing."""
    async with open_coordinator() as at_work:
        broker = await at_work.broker()
        job = await broker.claim()
        await broker.mark_sent(job)
        first = await broker.record_outcome(job, generation(job))
        again = await broker.record_outcome(job, generation(job))
        assert first == again == at_work.job(job)
        assert len(at_work.process.store.queries.list_moves(job)) == 2
        assert at_work.notes() == []


async def test_what_a_person_did_in_the_meantime_stands(open_coordinator: CoordinatorOpener) -> None:
    """The answer to a record that came too late is the job as it is."""
    async with open_coordinator() as at_work:
        broker = await at_work.broker()
        job = await bought(broker)
        with Store(at_work.setup.path) as other:
            other.transitions.apply_move(job, _failed(job), run=None, now=at_work.clock.now())
        assert (await broker.record_outcome(job, URL)).state is S.FAILED


@pytest.mark.parametrize("late", [Stuck(reason="moderated"), URL])
async def test_an_answer_about_a_generation_that_failed_meanwhile_changes_nothing(
    open_coordinator: CoordinatorOpener, late: Outcome
) -> None:
    """Of a frozen worker, while it is still looked up what the failure was charged; it does not end the run."""
    async with open_coordinator(tries=2) as at_work:
        broker = await at_work.broker()
        job = await bought(broker)
        failed = await broker.record_outcome(job, GenerationFailed(reason="no"))
        assert failed.state is S.FAILED
        assert (await broker.record_outcome(job, late)).state is S.FAILED
        assert at_work.job(job) == failed


@pytest.mark.parametrize(
    ("late", "aside"),
    [
        (Stuck(reason="moderated"), False),
        (URL, True),
        (StillGenerating(word="generating"), False),
        (Blocked(stop=Stop.KEY, reason="401"), False),
    ],
)
async def test_an_answer_about_the_generation_before_frees_no_slot(
    open_coordinator: CoordinatorOpener, late: Outcome, aside: bool
) -> None:
    """The job was made again, with another key; nothing more is in flight with that than it may have."""
    keys = [key("a", concurrency=1), key("b", concurrency=1)]
    async with open_coordinator(4, keys=keys, tries=2) as at_work:
        broker = await at_work.broker()
        job, other = await bought(broker), await bought(broker)
        await broker.record_outcome(job, Stuck(reason="moderated"))
        await bought(broker)
        outcomes = at_work.process.coordinator._outcomes
        await outcomes.record_log_outcome(at_work.job(job), FailedInLog(reason="free"))
        await outcomes.record_log_outcome(at_work.job(job), FailedInLog(reason="free"))
        await broker.record_outcome(other, URL)
        again = await bought(broker)
        assert (again.seq, job.api_key_label, again.api_key_label) == (job.seq, "a", "b")
        await broker.record_outcome(job, late, aside=aside)
        assert list_slots(at_work) == [("a", 1), ("b", 1)]
        claim = at_work.begin(broker.claim)
        assert await claim.waits()


def list_slots(at_work: CoordinatorAtWork) -> list[tuple[str, int]]:
    """How many slots are taken of each key."""
    table = at_work.process.coordinator._in_flight
    return [(name, table.count_slots(name, at_work.clock.now())) for name in ("a", "b")]


def _failed(job: Job) -> Move:
    move = next_state(job, GenerationFailed(reason="no"), now=0.0, jitter=0.0)
    assert move is not None
    return move


async def test_a_disk_that_is_full_ends_the_run_for_all(open_coordinator: CoordinatorOpener) -> None:
    """Exit status 3; the video is fetched by the next run."""
    async with open_coordinator() as at_work:
        one, two = await at_work.broker("one"), await at_work.broker("two")
        job = await one.record_outcome(await bought(one), URL)
        assert (await one.record_outcome(job, DiskRefused(reason="no room"))).state is S.DOWNLOADING
        assert await all_of(lambda: finished(one), lambda: finished(two)) == [4.0, 4.0]
        assert isinstance(at_work.process.coordinator._bus.stopped, DiskTrouble)


async def test_a_video_set_aside_is_left_to_the_next_run(open_coordinator: CoordinatorOpener) -> None:
    """This run does not wait for it."""
    async with open_coordinator(1) as at_work:
        broker = await at_work.broker()
        job = await broker.record_outcome(await bought(broker), URL)
        await broker.record_outcome(job, DownloadError(reason="no video", tries=1), aside=True)
        assert await finished(broker) == 4.0


async def test_the_generation_of_a_worker_given_up_still_counts(open_coordinator: CoordinatorOpener) -> None:
    """Its job becomes generating, and another worker takes it over."""
    async with open_coordinator(1, settle=600.0, workers=2) as at_work:
        one, two = await at_work.broker("one"), await at_work.broker("two")
        job = await one.claim()
        await one.mark_sent(job)
        at_work.give_up("one")
        late = await one.record_outcome(job, generation(job))
        assert (late.state, late.generation_id) == (S.GENERATING, "g-1-1")
        assert await one.record_outcome(job, generation(job)) == late
        assert names(await two.take_over()) == [job.name]
        assert at_work.job(job) == late
        assert at_work.lost_purchases == []


async def test_a_late_generation_takes_a_job_that_waits_again(open_coordinator: CoordinatorOpener) -> None:
    """It was paid for: no second one is bought, and its price counts."""
    async with open_coordinator(1, settle=600.0) as at_work:
        one = await at_work.broker("one")
        job = await one.claim()
        await one.mark_sent(job)
        at_work.give_up("one")
        at_work.process.store.manual.resubmit_job(at_work.job(job), now=at_work.clock.now() + 3600)
        late = await one.record_outcome(job, generation(job))
        assert (late.state, late.attempts) == (S.GENERATING, 1)
        assert at_work.attempts() == [(job.client_request_id, "g-1-1")]


async def test_a_late_generation_of_a_job_with_another_attempt_is_recorded_and_reported(
    open_coordinator: CoordinatorOpener,
) -> None:
    """The job was bought twice, and a warning says so. The worker that has the job keeps it."""
    async with open_coordinator(1, settle=600.0, workers=2) as at_work:
        one, two = await at_work.broker("one"), await at_work.broker("two")
        job = await one.claim()
        await one.mark_sent(job)
        at_work.give_up("one")
        at_work.process.store.manual.resubmit_job(at_work.job(job), now=at_work.clock.now())
        at_work.process.coordinator._bus.notify()
        again = await two.claim()
        for _ in range(2):
            late = await one.record_outcome(job, generation(job))
            assert (late.state, late.client_request_id) == (S.SUBMITTING, again.client_request_id)
        assert at_work.attempts() == [(job.client_request_id, "g-1-1"), (again.client_request_id, None)]
        (note,) = [note for note in at_work.notes() if "g-1-1" in note]
        assert note.startswith("job 0: generation g-1-1 of an earlier attempt was accepted too; see `batchveo audit")
        assert str(at_work.process.store.path) in note
        at_work.give_up("two")  # the job was still in its hands
        assert at_work.job(job).state is S.PENDING


async def test_a_late_generation_that_is_another_jobs_serves_no_second(open_coordinator: CoordinatorOpener) -> None:
    """The service named one id twice: the job stays in doubt."""
    async with open_coordinator(2, settle=600.0) as at_work:
        one, two = await at_work.broker("one"), await at_work.broker("two")
        job = await one.claim()
        await one.mark_sent(job)
        at_work.give_up("one")
        other = await bought(two)
        late = await one.record_outcome(job, Accepted(generation_id=str(other.generation_id)))
        assert late.state is S.IN_DOUBT
        assert [note for note in at_work.notes() if str(other.generation_id) in note] == [
            f"job 0: the service names generation {other.generation_id}, which is another job's"
        ]


async def test_a_generation_that_is_another_jobs_is_a_doubt(open_coordinator: CoordinatorOpener) -> None:
    """One generation never serves two jobs."""
    async with open_coordinator(2, settle=600.0) as at_work:
        broker = await at_work.broker()
        first = await bought(broker)
        job = await broker.claim()
        await broker.mark_sent(job)
        moved = await broker.record_outcome(job, Accepted(generation_id=str(first.generation_id)))
        assert moved.state is S.IN_DOUBT


async def test_a_state_that_cannot_be_written_ends_the_run_for_all(open_coordinator: CoordinatorOpener) -> None:
    """With exit status 3; a warning names a generation that cannot be recorded."""
    async with open_coordinator(3, workers=2) as at_work:
        one, two = await at_work.broker("one"), await at_work.broker("two")
        job = await one.claim()
        await one.mark_sent(job)
        full = sqlite3.OperationalError("database or disk is full")
        with mock.patch.object(Connection, "flush", side_effect=full):
            with pytest.raises((Fenced, sqlite3.OperationalError)):
                await one.record_outcome(job, generation(job))
            if at_work.kind.is_remote:
                assert any("g-1-1" in words for words in at_work.lost_purchases)
                result = await at_work.result()
                assert (result.exit_status, type(result.stopped)) == (3, DiskTrouble)
                await all_of(lambda: finished(one), lambda: finished(two))
        assert any("g-1-1 was accepted, but cannot be recorded" in note for note in at_work.notes())


async def test_generation_after_generation_without_a_video_stops_the_run(tmp_path: Path) -> None:
    """Slots that come free must not buy the whole list for nothing."""
    n = Night(tmp_path, Settings(faults={"no-url": 1.0}))
    result = await n.run(specs(60), concurrency=5)
    assert isinstance(result.stopped, NoVideos)
    assert result.exit_status == 3
    assert len(n.service.generations) <= 25 + 2 * 5
