"""Workers that were given up, and limits that hold over all workers."""

from __future__ import annotations

import itertools

import anyio
import pytest

from batchveo.core.errors import BudgetReached, KeyRejected, OutOfCredits
from batchveo.core.models import JobState
from batchveo.core.outcomes import Accepted, Blocked, Completed, Denied, Refused, Stop, SubmitUncertain, Throttled
from batchveo.engine.broker import ClaimLost, Fenced
from batchveo.engine.budget import Budget
from batchveo.provider.catalog.price_list import PriceList
from batchveo.sandbox import Settings
from tests.helpers.coordinator_at_work import FETCHED, URL, CoordinatorOpener, all_of, bought, finished, is_fenced, key

pytestmark = pytest.mark.anyio
S = JobState


# -- workers that were given up, and answers that were lost


async def test_a_worker_that_was_given_up_is_told_so(open_coordinator: CoordinatorOpener) -> None:
    """Each of its calls raises ``Fenced``; to give it up twice changes nothing."""
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


async def test_permission_to_send_is_refused_once_the_job_was_taken_away(open_coordinator: CoordinatorOpener) -> None:
    """Such as by a person: the claim is compared."""
    async with open_coordinator(1) as at_work:
        broker = await at_work.broker()
        job = await broker.claim()
        moved = at_work.process.store.transitions.recover_job(job, run=at_work.setup.spec.run, now=at_work.clock.now())
        assert moved.state is S.PENDING
        with pytest.raises(ClaimLost):
            await broker.mark_sent(job)


async def test_a_job_whose_request_may_have_left_is_in_doubt(open_coordinator: CoordinatorOpener) -> None:
    """The usage log shows whether it arrived; until then no worker gets the job."""
    async with open_coordinator(1, settle=600.0) as at_work:
        one, two = await at_work.broker("one"), await at_work.broker("two")
        job = await one.claim()
        await one.mark_sent(job)
        at_work.give_up("one")
        assert at_work.job(job).state is S.IN_DOUBT
        assert await at_work.begin(two.claim).waits()


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


async def test_a_lost_answer_is_in_doubt_and_looked_up(open_coordinator: CoordinatorOpener) -> None:
    """If the log shows it, another worker takes it over."""
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


# -- limits over all workers


async def test_slots_are_those_of_all_workers(open_coordinator: CoordinatorOpener) -> None:
    """Two workers together keep to the concurrency."""
    async with open_coordinator(6, concurrency=3, workers=2) as at_work:
        brokers = [await at_work.broker("one"), await at_work.broker("two")]
        jobs = await all_of(*(lambda broker=broker: bought(broker) for broker in [*brokers, brokers[0]]))
        claim = at_work.begin(brokers[1].claim)
        assert await claim.waits()
        await brokers[0].record_outcome(await brokers[0].record_outcome(jobs[0], URL), FETCHED)
        assert (await claim.ended()).state is S.SUBMITTING


async def test_a_rate_is_that_of_all_workers(open_coordinator: CoordinatorOpener) -> None:
    """Six a minute, whichever worker claims."""
    async with open_coordinator(6, rate=6.0, workers=2) as at_work:
        brokers = [await at_work.broker("one"), await at_work.broker("two")]
        begun = at_work.clock.now()
        jobs = await all_of(*(broker.claim for broker in brokers * 3))
        times = sorted(float(job.submitted_at or 0) - begun for job in jobs)
        assert all(later - earlier >= 9.99 for earlier, later in itertools.pairwise(times))


async def test_a_budget_is_that_of_all_workers(open_coordinator: CoordinatorOpener) -> None:
    """And of all runs with the database."""
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


async def test_each_key_has_its_own_slots_over_all_workers(open_coordinator: CoordinatorOpener) -> None:
    """As many as the limit of the key."""
    async with open_coordinator(9, keys=[key("a", concurrency=1), key("b", concurrency=3)], workers=2) as at_work:
        brokers = [await at_work.broker("one"), await at_work.broker("two")]
        jobs = await all_of(*(lambda broker=broker: bought(broker) for broker in brokers * 2))
        assert sorted(str(job.key) for job in jobs) == ["a", "b", "b", "b"]
        assert await at_work.begin(brokers[0].claim).waits()


async def test_all_keys_together_have_the_slots_of_the_run(open_coordinator: CoordinatorOpener) -> None:
    """However much each key would allow."""
    async with open_coordinator(9, concurrency=3, keys=[key("a", concurrency=3), key("b", concurrency=3)]) as at_work:
        broker = await at_work.broker()
        for _ in range(3):
            await broker.claim()
        assert await at_work.begin(broker.claim).waits()


async def test_each_key_has_its_own_rate_over_all_workers(open_coordinator: CoordinatorOpener) -> None:
    """In a minute, one job with the first key and six with the second."""
    keys = [key("a", rate=1.0), key("b", rate=6.0)]
    async with open_coordinator(9, keys=keys, workers=2) as at_work:
        brokers = [await at_work.broker("one"), await at_work.broker("two")]
        begun = at_work.clock.now()
        jobs = await all_of(*(broker.claim for broker in (brokers * 4)[:7]))
        early = sorted(str(job.key) for job in jobs if float(job.submitted_at or 0) - begun < 59.0)
        assert early.count("a") == 1
        assert 5 <= early.count("b") <= 6


async def test_a_key_that_is_refused_leaves_the_others_at_work(open_coordinator: CoordinatorOpener) -> None:
    """Its job is submitted with another key; if all keys are refused, the run ends."""
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
    """The run does not wait for it."""
    async with open_coordinator(3, keys=[key("a"), key("b")]) as at_work:
        broker = await at_work.broker()
        job = await broker.claim()
        await broker.record_outcome(job, Blocked(stop=Stop.CREDITS, reason="403"))
        assert {(await broker.claim()).key for _ in range(3)} == {"b" if job.key == "a" else "a"}
        assert at_work.process.coordinator._bus.stopped is None


async def test_an_account_is_waited_for_while_the_others_go_on(open_coordinator: CoordinatorOpener) -> None:
    """It is tried again after a top-up, or after many looks at its balance."""
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
    """The run waits only for what the other key bought, and ends then."""
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


async def test_two_keys_do_not_submit_a_refused_job_by_turns(
    open_coordinator: CoordinatorOpener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each examines its refusal while the other submits the job; it is skipped once both have refused it."""

    async def look_slowly(*_: object, **__: object) -> bool:
        await anyio.sleep(30.0)
        return True

    monkeypatch.setattr(Budget, "can_pay", look_slowly)
    async with open_coordinator(1, keys=[key("a", concurrency=1), key("b", concurrency=1)]) as at_work:
        broker = await at_work.broker()
        keys = set()
        for _ in range(2):
            job = await broker.claim()
            keys.add(job.key)
            await anyio.sleep(60.0)  # the refusal before is examined by then
            await broker.record_outcome(job, Denied(reason="HTTP 403: not in your plan"))
        assert keys == {"a", "b"}
        # at once: until the second refusal is examined, the first key could have it again
        assert at_work.process.store.skipped.count_by_reason() == {"HTTP 403: not in your plan": 1}
        await finished(broker)
        assert at_work.job(job).state is S.PENDING


async def test_a_429_slows_one_key_for_all_workers(open_coordinator: CoordinatorOpener) -> None:
    """The limit of that key is lowered, once for all 429s of one episode."""
    async with open_coordinator(9, keys=[key("a", concurrency=4), key("b", concurrency=4)], workers=2) as at_work:
        brokers = [await at_work.broker("one"), await at_work.broker("two")]
        jobs = await all_of(*(broker.claim for broker in brokers * 4))
        throttled = [job for job in jobs if job.key == "a"][:2]
        for job in throttled:
            await brokers[0].record_outcome(job, Throttled(reason="429"))
        limits = {throttle.name: throttle.limit.value for throttle in at_work.process.coordinator._throttles}
        assert limits["a"] < 4
        assert limits["b"] == 4


async def test_prices_are_reserved_once(open_coordinator: CoordinatorOpener) -> None:
    """A repeated claim reserves the price of the job once."""
    async with open_coordinator(4, assume_price=2.0, budget=100.0, prices=PriceList({})) as at_work:
        broker = await at_work.broker()
        for _ in range(4):
            await bought(broker)
        await anyio.sleep(200)
        assert at_work.process.store.queries.read_committed() == pytest.approx(8.0)
