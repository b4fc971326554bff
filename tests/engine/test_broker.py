"""One contract for every broker: local, remote, and remote over a wire that loses, repeats and delays calls."""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import pytest

from batchveo.core.errors import BudgetReached, DiskTrouble, KeyRejected, OutOfCredits
from batchveo.core.events import Message
from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import (
    Accepted,
    Blocked,
    Completed,
    DiskRefused,
    Downloaded,
    DownloadError,
    GenerationFailed,
    Refused,
    RejectedTemporarily,
    Stop,
    SubmitUncertain,
    Throttled,
)
from batchveo.engine.assignments import LATECOMERS_SECONDS
from batchveo.engine.broker import Broker, ClaimLost, Fenced
from batchveo.engine.cluster.remote_broker import RemoteBroker
from batchveo.provider.price_list import PriceList
from batchveo.sandbox import Settings
from batchveo.store import Store
from batchveo.store.database import Connection
from tests.helpers.coordinator_at_work import (
    FAULTY,
    LOCAL,
    REMOTE,
    BrokerKind,
    CoordinatorAtWork,
    all_of,
    finished,
    generation,
    key,
    names,
)
from tests.helpers.factories import make_spec

pytestmark = pytest.mark.anyio
S = JobState
CoordinatorOpener = Callable[..., AbstractAsyncContextManager[CoordinatorAtWork]]
FETCHED = Downloaded(folder="/videos", file="v.mp4", bytes=3, sha256="00")
URL = Completed(url="https://cdn.example/v.mp4", cost_usd=1.0)


@pytest.fixture(params=[LOCAL, REMOTE, *FAULTY], ids=lambda kind: kind.name)
def open_coordinator(request: pytest.FixtureRequest, tmp_path: Path) -> CoordinatorOpener:
    """Coordinators with each kind of broker."""

    @asynccontextmanager
    async def opened(jobs: Any = 3, **options: Any) -> AsyncIterator[CoordinatorAtWork]:
        kind: BrokerKind = request.param
        async with CoordinatorAtWork(tmp_path, kind, jobs, **options) as at_work:
            with anyio.fail_after(7200):
                yield at_work

    return opened


async def bought(broker: Broker) -> Job:
    """The next job, claimed, sent, accepted."""
    job = await broker.claim()
    await broker.mark_sent(job)
    return await broker.record_outcome(job, generation(job))


async def is_fenced(broker: Broker, at_work: CoordinatorAtWork) -> bool:
    """Whether nothing is given to it any more."""
    with pytest.raises(Fenced):
        await broker.read_input_file("none")
    return not isinstance(broker, RemoteBroker) or broker.is_fenced


# -- each verb


async def test_a_job_goes_its_way(open_coordinator: CoordinatorOpener) -> None:
    """From its claim to its file, each step answered with the job as it is then, and safe on disk by then."""
    async with open_coordinator() as at_work:
        broker = await at_work.broker()
        job = await broker.claim()
        assert (job.state, job.attempts) == (S.SUBMITTING, 1)
        await broker.mark_sent(job)
        assert at_work.on_disk(job).client_request_id == job.client_request_id
        steps = [(generation(job), S.GENERATING), (URL, S.DOWNLOADING), (FETCHED, S.SUCCEEDED)]
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
    """However often calls come: one claim, one attempt, one record of each."""
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


async def test_what_is_recorded_twice_is_known_already(open_coordinator: CoordinatorOpener) -> None:
    """Said again, it changes nothing, and the answer is yes."""
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


def _failed(job: Job) -> Any:
    from batchveo.core.state_machine import next_state

    return next_state(job, GenerationFailed(reason="no"), now=0.0, jitter=0.0)


async def test_a_claim_waits_for_its_time(open_coordinator: CoordinatorOpener) -> None:
    """A job that was turned away comes again when its wait is over, and a long poll that ends is not the end."""
    async with open_coordinator(1) as at_work:
        broker = await at_work.broker()
        job = await broker.claim()
        await broker.record_outcome(job, RejectedTemporarily(reason="503", retry_after=60.0))
        begun = at_work.clock.now()
        again = await broker.claim()
        assert again.attempts == 2
        assert at_work.clock.now() - begun >= 50.0


async def test_a_claim_waits_for_ever_where_nothing_is_left(open_coordinator: CoordinatorOpener) -> None:
    """Only the end of the run ends it."""
    async with open_coordinator(1) as at_work:
        broker = await at_work.broker()
        job = await bought(broker)
        claim = at_work.begin(broker.claim)
        assert await claim.waits()
        job = await broker.record_outcome(await broker.record_outcome(job, URL), FETCHED)
        assert await finished(broker) == 4.0
        assert await claim.waits()


async def test_an_interrupt_ends_the_claims_and_lets_records_in(open_coordinator: CoordinatorOpener) -> None:
    """What was under way may end."""
    from signal import SIGTERM

    async with open_coordinator() as at_work:
        broker = await at_work.broker()
        job = await broker.claim()
        await broker.mark_sent(job)
        at_work.process.coordinator.interrupt(SIGTERM)
        assert (await broker.record_outcome(job, generation(job))).state is S.GENERATING
        assert await finished(broker) == 4.0


async def test_nothing_more_leaves_after_an_interrupt(open_coordinator: CoordinatorOpener) -> None:
    """What was claimed and not sent waits for the next run, and is not in doubt."""
    from signal import SIGTERM

    async with open_coordinator(2) as at_work:
        broker = await at_work.broker()
        sent, unsent = await broker.claim(), await broker.claim()
        await broker.mark_sent(sent)
        at_work.process.coordinator.interrupt(SIGTERM)
        await finished(broker)
        with pytest.raises(ClaimLost):
            await broker.mark_sent(unsent)
        at_work.give_up("a")
        assert [at_work.job(job).state for job in (sent, unsent)] == [S.IN_DOUBT, S.PENDING]


async def test_an_input_file_comes_whole(open_coordinator: CoordinatorOpener, tmp_path: Path) -> None:
    """Media type and bytes, whatever they are."""
    from batchveo.core.models import InputFile

    content = bytes(range(256)) * 1000
    (tmp_path / "cat.png").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    image = InputFile(sha256=sha256, media_type="image/png", path=str(tmp_path / "cat.png"))
    async with open_coordinator([make_spec(inputs=(image,))]) as at_work:
        broker = await at_work.broker()
        assert await broker.read_input_file(sha256) == ("image/png", content)


async def test_what_is_told_arrives_once(open_coordinator: CoordinatorOpener) -> None:
    """In its order, with the calls that follow."""
    async with open_coordinator(1) as at_work:
        broker = await at_work.broker()
        for number in range(3):
            broker.send_event(Message(text=f"<b>{number}\x1b[31m\n\u202e"))
        await broker.claim()
        broker.send_event(Message(text="last"))
        at_work.begin(broker.claim)
        await anyio.sleep(200)
        assert at_work.notes() == [*(f"<b>{number}\x1b[31m\n\u202e" for number in range(3)), "last"]


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


# -- names, and workers that were given up


async def test_a_name_is_used_once(open_coordinator: CoordinatorOpener) -> None:
    """Not while its bearer works, nor after."""
    async with open_coordinator() as at_work:
        await at_work.broker("a")
        with pytest.raises(Fenced):
            await at_work.broker("a")
        at_work.give_up("a")
        with pytest.raises(Fenced):
            await at_work.broker("a")
        await at_work.broker("b")


async def test_a_worker_that_was_given_up_is_told_so(open_coordinator: CoordinatorOpener) -> None:
    """Each of its calls, and giving it up twice is giving it up once."""
    async with open_coordinator() as at_work:
        broker = await at_work.broker()
        job = await broker.claim()
        at_work.give_up("a")
        at_work.give_up("a")
        for call in (lambda: broker.mark_sent(job), lambda: broker.record_outcome(job, Refused(reason="no"))):
            with pytest.raises(Fenced):
                await call()
        assert await is_fenced(broker, at_work)


async def test_a_job_whose_request_did_not_leave_is_free_at_once(open_coordinator: CoordinatorOpener) -> None:
    """Another worker gets it, under another request id; the first may not send it."""
    async with open_coordinator(1) as at_work:
        one, two = await at_work.broker("one"), await at_work.broker("two")
        job = await one.claim()
        at_work.give_up("one")
        again = await two.claim()
        assert (again.seq, again.attempts) == (job.seq, 2)
        with pytest.raises((ClaimLost, Fenced)):
            await one.mark_sent(job)


async def test_leave_is_refused_once_the_job_was_taken_away(open_coordinator: CoordinatorOpener) -> None:
    """By a person, say: the claim is compared."""
    async with open_coordinator(1) as at_work:
        broker = await at_work.broker()
        job = await broker.claim()
        moved = at_work.process.store.transitions.recover_job(job, run=at_work.setup.spec.run, now=at_work.clock.now())
        assert moved.state is S.PENDING
        with pytest.raises(ClaimLost):
            await broker.mark_sent(job)


async def test_a_job_whose_request_may_have_left_is_in_doubt(open_coordinator: CoordinatorOpener) -> None:
    """The usage log tells; nobody is given it before."""
    async with open_coordinator(1, settle=600.0) as at_work:
        one, two = await at_work.broker("one"), await at_work.broker("two")
        job = await one.claim()
        await one.mark_sent(job)
        at_work.give_up("one")
        assert at_work.job(job).state is S.IN_DOUBT
        assert await at_work.begin(two.claim).waits()


async def test_the_generation_of_a_worker_given_up_still_counts(open_coordinator: CoordinatorOpener) -> None:
    """Its job becomes generating, for somebody else to adopt."""
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


async def test_a_late_generation_of_a_job_with_another_attempt_is_kept_and_said(
    open_coordinator: CoordinatorOpener,
) -> None:
    """It was bought twice, and not unnoticed. The worker that has the job keeps it."""
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
    """From whom it may come."""
    async with open_coordinator(2, settle=600.0) as at_work:
        broker = await at_work.broker()
        first = await bought(broker)
        job = await broker.claim()
        await broker.mark_sent(job)
        moved = await broker.record_outcome(job, Accepted(generation_id=str(first.generation_id)))
        assert moved.state is S.IN_DOUBT


async def test_nothing_is_claimed_for_a_worker_that_dies_while_it_waits(open_coordinator: CoordinatorOpener) -> None:
    """The job that comes is another's."""
    async with open_coordinator(2, concurrency=1, workers=2) as at_work:
        one, two = await at_work.broker("one"), await at_work.broker("two")
        job = await bought(one)
        waiting = at_work.begin(two.claim)
        assert await waiting.waits(35)
        at_work.give_up("two")
        await one.record_outcome(job, URL)
        again = await one.claim()
        assert (again.name, waiting.value) == ("job 1", None)
        assert [j.state for j in at_work.jobs()] == [S.DOWNLOADING, S.SUBMITTING]
        at_work.give_up("one")
        assert at_work.job(again).state is S.PENDING


async def test_what_a_dead_worker_looked_after_is_adopted(open_coordinator: CoordinatorOpener) -> None:
    """Its generations and downloads, once, by those that are left."""
    async with open_coordinator(4) as at_work:
        one, two = await at_work.broker("one"), await at_work.broker("two")
        jobs = [await bought(one) for _ in range(4)]
        jobs[0] = await one.record_outcome(jobs[0], URL)
        adopting = at_work.begin(two.take_over)
        assert await adopting.waits()
        at_work.give_up("one")
        assert names(await adopting.ended()) == names(jobs)
        assert await at_work.begin(two.take_over).waits()


async def test_orphans_are_shared_fairly(open_coordinator: CoordinatorOpener) -> None:
    """Whoever comes first leaves the others their share, and what they do not come for is taken after a while."""
    async with open_coordinator(20, workers=3, concurrency=20) as at_work:
        dead = await at_work.broker("dead")
        for _ in range(20):
            await bought(dead)
        at_work.give_up("dead")
        one, two = await at_work.broker("one"), await at_work.broker("two")
        got = [len(await one.take_over()), len(await two.take_over())]
        assert got == [7, 7]
        begun = at_work.clock.now()
        rest = await all_of(one.take_over, two.take_over)
        assert [len(jobs) for jobs in rest] == [3, 3]
        assert at_work.clock.now() - begun > LATECOMERS_SECONDS - 10


# -- limits over all workers


async def test_places_are_those_of_all_workers(open_coordinator: CoordinatorOpener) -> None:
    """Two workers together keep to the concurrency."""
    async with open_coordinator(6, concurrency=3, workers=2) as at_work:
        brokers = [await at_work.broker("one"), await at_work.broker("two")]
        jobs = await all_of(*(lambda broker=broker: bought(broker) for broker in [*brokers, brokers[0]]))
        claim = at_work.begin(brokers[1].claim)
        assert await claim.waits()
        await brokers[0].record_outcome(await brokers[0].record_outcome(jobs[0], URL), FETCHED)
        assert (await claim.ended()).state is S.SUBMITTING


async def test_a_rate_is_that_of_all_workers(open_coordinator: CoordinatorOpener) -> None:
    """Six a minute, whoever asks."""
    async with open_coordinator(6, rate=6.0, workers=2) as at_work:
        brokers = [await at_work.broker("one"), await at_work.broker("two")]
        begun = at_work.clock.now()
        jobs = await all_of(*(broker.claim for broker in brokers * 3))
        times = sorted(float(job.submitted_at or 0) - begun for job in jobs)
        assert all(later - earlier >= 9.99 for earlier, later in itertools.pairwise(times))


async def test_a_budget_is_that_of_all_workers(open_coordinator: CoordinatorOpener) -> None:
    """And of the whole state."""
    async with open_coordinator(6, budget=5.0, workers=2, assume_price=2.0) as at_work:
        brokers = [await at_work.broker("one"), await at_work.broker("two")]
        jobs = await all_of(*(lambda broker=broker: bought(broker) for broker in brokers))
        assert await at_work.begin(brokers[0].claim).waits()
        for broker, job in zip(brokers, jobs, strict=True):
            await broker.record_outcome(
                await broker.record_outcome(job, Completed(url="https://x/v.mp4", cost_usd=2.0)), FETCHED
            )
        await all_of(*(lambda broker=broker: finished(broker) for broker in brokers))
        assert isinstance(at_work.process.coordinator._bus.stopped, BudgetReached)
        assert len(at_work.attempts()) == 2


async def test_each_key_has_its_own_places_over_all_workers(open_coordinator: CoordinatorOpener) -> None:
    """As many as its limit says, each."""
    async with open_coordinator(9, keys=[key("a", concurrency=1), key("b", concurrency=3)], workers=2) as at_work:
        brokers = [await at_work.broker("one"), await at_work.broker("two")]
        jobs = await all_of(*(lambda broker=broker: bought(broker) for broker in brokers * 2))
        assert sorted(str(job.key) for job in jobs) == ["a", "b", "b", "b"]
        assert await at_work.begin(brokers[0].claim).waits()


async def test_all_keys_together_have_the_places_of_the_run(open_coordinator: CoordinatorOpener) -> None:
    """However much each key would allow."""
    async with open_coordinator(9, concurrency=3, keys=[key("a", concurrency=3), key("b", concurrency=3)]) as at_work:
        broker = await at_work.broker()
        for _ in range(3):
            await broker.claim()
        assert await at_work.begin(broker.claim).waits()


async def test_each_key_has_its_own_rate_over_all_workers(open_coordinator: CoordinatorOpener) -> None:
    """In a minute one from this, six from that."""
    keys = [key("a", rate=1.0), key("b", rate=6.0)]
    async with open_coordinator(9, keys=keys, workers=2) as at_work:
        brokers = [await at_work.broker("one"), await at_work.broker("two")]
        begun = at_work.clock.now()
        jobs = await all_of(*(broker.claim for broker in (brokers * 4)[:7]))
        early = sorted(str(job.key) for job in jobs if float(job.submitted_at or 0) - begun < 59.0)
        assert early.count("a") == 1
        assert 5 <= early.count("b") <= 6


async def test_a_key_that_is_refused_leaves_the_others_at_work(open_coordinator: CoordinatorOpener) -> None:
    """Its job goes out with another key; with all of them refused the run ends."""
    async with open_coordinator(2, keys=[key("a"), key("b")]) as at_work:
        broker = await at_work.broker()
        job = await broker.claim()
        await broker.mark_sent(job)
        await broker.record_outcome(job, Blocked(stop=Stop.KEY, reason="401"))
        others = [await broker.claim(), await broker.claim()]
        assert {other.key for other in others} == {"b" if job.key == "a" else "a"}
        for other in others:
            await broker.record_outcome(other, Blocked(stop=Stop.KEY, reason="401"))
        await finished(broker)
        assert isinstance(at_work.process.coordinator._bus.stopped, KeyRejected)


async def test_an_account_that_is_empty_leaves_the_others_at_work(open_coordinator: CoordinatorOpener) -> None:
    """Nobody waits for it."""
    async with open_coordinator(3, keys=[key("a"), key("b")]) as at_work:
        broker = await at_work.broker()
        job = await broker.claim()
        await broker.record_outcome(job, Blocked(stop=Stop.CREDITS, reason="403"))
        assert {(await broker.claim()).key for _ in range(3)} == {"b" if job.key == "a" else "a"}
        assert at_work.process.coordinator._bus.stopped is None


async def test_an_account_is_waited_for_while_the_others_go_on(open_coordinator: CoordinatorOpener) -> None:
    """After its top-up, or many looks, it is tried again."""
    keys = [key("a", concurrency=1), key("b", concurrency=1)]
    async with open_coordinator(4, keys=keys, wait_for_credits=True) as at_work:
        broker = await at_work.broker()
        job = await broker.claim()
        empty = job.key
        await broker.record_outcome(job, Blocked(stop=Stop.CREDITS, reason="403"))
        other = await bought(broker)
        assert other.key != empty
        begun = at_work.clock.now()
        assert (await broker.claim()).key == empty
        assert at_work.clock.now() - begun > 300


async def test_all_accounts_empty_end_the_run(open_coordinator: CoordinatorOpener) -> None:
    """With exit status 3."""
    async with open_coordinator(2, keys=[key("a", concurrency=1), key("b", concurrency=1)]) as at_work:
        broker = await at_work.broker()
        for job in [await broker.claim(), await broker.claim()]:
            await broker.record_outcome(job, Blocked(stop=Stop.CREDITS, reason="403"))
        await finished(broker)
        assert isinstance(at_work.process.coordinator._bus.stopped, OutOfCredits)


async def test_a_key_whose_polls_are_refused_is_not_waited_for(open_coordinator: CoordinatorOpener) -> None:
    """What the other bought is; and the run ends when that is done."""
    async with open_coordinator(2, keys=[key("a", concurrency=1), key("b", concurrency=1)]) as at_work:
        broker = await at_work.broker()
        jobs = {job.key: job for job in [await bought(broker), await bought(broker)]}
        assert jobs.keys() == {"a", "b"}
        await broker.record_outcome(jobs["a"], Blocked(stop=Stop.KEY, reason="401"))
        assert await at_work.begin(broker.take_over).waits()
        assert not at_work.process.coordinator.finished.is_set()
        await broker.record_outcome(await broker.record_outcome(jobs["b"], URL), FETCHED)
        assert await finished(broker) == 4.0
        assert at_work.job(jobs["a"]).state is S.GENERATING


async def test_a_429_slows_one_key_for_all_workers(open_coordinator: CoordinatorOpener) -> None:
    """The limit of that key is lowered, once for a volley."""
    async with open_coordinator(9, keys=[key("a", concurrency=4), key("b", concurrency=4)], workers=2) as at_work:
        brokers = [await at_work.broker("one"), await at_work.broker("two")]
        jobs = await all_of(*(broker.claim for broker in brokers * 4))
        throttled = [job for job in jobs if job.key == "a"][:2]
        for job in throttled:
            await brokers[0].record_outcome(job, Throttled(reason="429"))
        limits = {throttle.name: throttle.limit.value for throttle in at_work.process.coordinator._throttles}
        assert limits["a"] < 4
        assert limits["b"] == 4


# -- the state


async def test_a_state_that_cannot_be_written_ends_the_run_for_all(open_coordinator: CoordinatorOpener) -> None:
    """With exit status 3; a generation that cannot be recorded is told aloud."""
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


async def test_a_lost_answer_is_in_doubt_and_looked_up(open_coordinator: CoordinatorOpener) -> None:
    """Found in the log, it is for somebody to adopt."""
    async with open_coordinator(1, service=Settings(log_lag=5.0), settle=600.0) as at_work:
        broker, other = await at_work.broker("one"), await at_work.broker("two")
        job = await broker.claim()
        await broker.mark_sent(job)
        api = at_work.setup.apis[""]
        sold = await api.submit(job.request, client_request_id=str(job.client_request_id))
        assert isinstance(sold, Accepted)
        assert (await broker.record_outcome(job, SubmitUncertain(reason="reset"))).state is S.IN_DOUBT
        found = await other.take_over()
        assert [each.generation_id for each in found] == [sold.generation_id]


async def test_prices_are_reserved_once(open_coordinator: CoordinatorOpener) -> None:
    """A claim that was repeated reserves what it costs, and no more."""
    async with open_coordinator(4, assume_price=2.0, budget=100.0, prices=PriceList({})) as at_work:
        broker = await at_work.broker()
        for _ in range(4):
            await bought(broker)
        await anyio.sleep(200)
        assert at_work.process.store.queries.read_committed() == pytest.approx(8.0)
