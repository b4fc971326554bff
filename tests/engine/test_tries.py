"""A generation that failed for free is made again, as often as was allowed; a charged one never is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from batchveo.core.events import WaitingForLog
from batchveo.core.models import JobState
from batchveo.sandbox import Settings
from batchveo.sandbox.http_messages import Request, Response, json_response
from tests.helpers.virtual_run import Night, specs

pytestmark = pytest.mark.anyio
S = JobState
PRICE = 2.275


def night(folder: Path, **settings: Any) -> Night:
    return Night(folder, Settings(**settings))


def intercept(n: Night, path: str, answer: Any) -> None:
    """Let ``answer`` speak for calls of ``path``."""
    handle = n.service.handle

    def answered(request: Request) -> Response:
        return answer(handle(request)) if request.path == path else handle(request)

    n.service.handle = answered  # type: ignore[method-assign]


async def test_a_free_failure_is_made_again(tmp_path: Path) -> None:
    """With the same request, under a client request id of its own; each attempt stays in the history."""
    n = night(tmp_path, faults={"generation-error": 0.5})
    result = await n.run(specs(12), tries=20)
    assert result.exit_status == 0
    assert len(n.jobs(S.SUCCEEDED)) == 12
    failed = [g for g in n.service.generations if g.failure]
    assert failed
    again = next(job for job in n.jobs() if job.attempts > 1)
    with n.store() as store:
        moves = [(row["from_state"], row["to_state"], row["detail"]) for row in store.queries.list_moves(again)]
    assert ("failed", "pending", "the usage log shows that it was not charged") in moves
    reasons = [detail for _, to, detail in moves if to == "failed"]
    assert len(reasons) == again.attempts - 1 == again.tried
    assert all(reasons)


async def test_it_is_made_so_often_and_not_oftener(tmp_path: Path) -> None:
    """Then it has failed."""
    n = night(tmp_path, faults={"generation-error": 1.0})
    result = await n.run(specs(2), tries=3)
    assert [(job.state, job.attempts, job.tried) for job in n.jobs()] == [(S.FAILED, 3, 3)] * 2
    assert result.exit_status == 1
    with n.store() as store:
        assert store.queries.read_committed() == 0.0


async def test_once_is_the_default(tmp_path: Path) -> None:
    """Nobody's money is used twice unasked."""
    n = night(tmp_path, faults={"generation-error": 1.0})
    await n.run(specs(2))
    assert len(n.service.generations) == 2
    assert n.service.calls["logs"] == 0


async def test_a_jobs_own_limit_outweighs_the_runs(tmp_path: Path) -> None:
    """As its manifest says."""
    n = night(tmp_path, faults={"generation-error": 1.0})
    one, two = specs(2)
    await n.run([replace(one, tries=1), replace(two, tries=4)], tries=2)
    assert [job.attempts for job in n.jobs()] == [1, 4]


async def test_a_charged_failure_is_never_made_again(tmp_path: Path) -> None:
    """It is said, and its price counts as spent."""
    n = night(tmp_path, faults={"charged-error": 1.0})
    result = await n.run(specs(2), tries=5)
    assert len(n.service.generations) == 2
    assert result.exit_status == 1
    assert all(str(job.error).endswith("; the service charged $2.28") for job in n.jobs(S.FAILED))
    with n.store() as store:
        assert store.spend() == (pytest.approx(2 * PRICE), 0)
        assert store.queries.read_committed() == pytest.approx(2 * PRICE)


async def test_the_ledger_decides_if_the_log_stays_silent(tmp_path: Path) -> None:
    """Once the log has had its time."""
    n = night(tmp_path, faults={"generation-error": 1.0}, log_lag=1e6)
    result = await n.run(specs(1), tries=2, settle=600.0)
    assert [job.attempts for job in n.jobs()] == [2]
    assert n.clock.now() - 1_800_000_000.0 > 600
    assert [event.failures for event in n.events if isinstance(event, WaitingForLog)] == [1]
    assert result.exit_status == 1


async def test_a_charge_in_the_ledger_alone_counts(tmp_path: Path) -> None:
    """A silent log is not a free failure."""
    n = night(tmp_path, faults={"charged-error": 1.0}, log_lag=1e6)
    await n.run(specs(1), tries=2, settle=600.0)
    (job,) = n.jobs(S.FAILED)
    assert (job.attempts, job.cost_usd) == (1, PRICE)


async def test_nothing_is_made_again_if_nobody_tells(tmp_path: Path) -> None:
    """Neither log nor ledger can be read: the job stays failed, and the run ends."""
    n = night(tmp_path, faults={"generation-error": 1.0})
    for path in ("/v2/logs", "/v2/billing/transactions"):
        intercept(n, path, lambda _: json_response({"message": "down"}, status=500))
    result = await n.run(specs(1), tries=2, settle=60.0)
    assert [(job.state, job.attempts) for job in n.jobs()] == [(S.FAILED, 1)]
    assert result.exit_status == 1


async def test_a_failure_that_names_its_price_is_believed(tmp_path: Path) -> None:
    """Without asking the log."""
    n = night(tmp_path, faults={"generation-error": 1.0})

    def priced(answer: Response) -> Response:
        body = answer.json()
        if body.get("status") != "error":
            return answer
        return json_response({**body, "meta": {"usage": {"usd_spent": 1.0}}})

    intercept(n, "/v2/video/generations", priced)
    await n.run(specs(1), tries=3)
    (job,) = n.jobs(S.FAILED)
    assert (job.attempts, job.cost_usd) == (1, 1.0)


async def test_the_next_run_goes_on_with_what_was_not_made_again_yet(tmp_path: Path) -> None:
    """A kill between the failure and the look at the log loses no try and adds none."""
    n = night(tmp_path, faults={"generation-error": 1.0}, log_lag=50.0, generation_median=10.0)
    await n.killed(specs(3), after=40.0, tries=3)
    assert [(job.state, job.attempts) for job in n.jobs()] == [(S.FAILED, 1)] * 3
    n.heal()
    result = await n.run(None, tries=3)
    assert result.exit_status == 0
    assert [(job.state, job.attempts) for job in n.jobs()] == [(S.SUCCEEDED, 2)] * 3


async def test_more_tries_later_count_those_before(tmp_path: Path) -> None:
    """A job that failed once has one try left of two."""
    n = night(tmp_path, faults={"generation-error": 1.0})
    await n.run(specs(1))
    await n.run(None, tries=2)
    assert [job.attempts for job in n.jobs()] == [2]


async def test_the_budget_holds_for_every_try(tmp_path: Path) -> None:
    """A failure frees its price, and no more than that."""
    n = night(tmp_path, faults={"generation-error": 0.6})
    await n.run(specs(6), tries=10, budget=3 * PRICE + 0.01)
    charged = [g for g in n.service.generations if g.is_charged]
    assert len(charged) <= 3


async def test_what_is_put_aside_and_free_is_made_again_too(tmp_path: Path) -> None:
    """Polls that say "moderated" for ever, and a log that says failed."""
    n = night(tmp_path, faults={"poll-403": 0.5}, seed=2)
    result = await n.run(specs(6), tries=20)
    assert result.exit_status == 0
    assert len(n.service.generations) > 6


async def test_what_a_person_gave_up_is_not_made_again(tmp_path: Path) -> None:
    """Only ``retry`` brings it back, with all its tries."""
    n = night(tmp_path, faults={"no-url": 1.0})
    await n.run(specs(1))
    with n.store() as store:
        (job,) = store.jobs()
        store.manual.give_up_job(job, now=n.clock.now())
    await n.run(None, tries=5)
    assert [(job.state, job.attempts) for job in n.jobs()] == [(S.FAILED, 1)]
    with n.store() as store:
        assert store.manual.retry_job(n.jobs()[0], now=n.clock.now()).tried == 0


@pytest.mark.parametrize("tries", [1, 3])
async def test_charged_failures_count_against_the_budget(tmp_path: Path, tries: int) -> None:
    """Before the next is bought: a failure frees its price only if it is shown that it was free."""
    n = night(tmp_path, faults={"charged-error": 1.0})
    result = await n.run(specs(20), tries=tries, budget=3 * PRICE + 0.01, concurrency=5, settle=60.0)
    assert len(n.service.generations) == 3
    assert result.exit_status == 3
    with n.store() as store:
        assert store.queries.read_committed() == pytest.approx(3 * PRICE)


async def test_free_failures_leave_the_budget_to_others(tmp_path: Path) -> None:
    """Once the log has shown it; nothing is kept back in the end."""
    n = night(tmp_path, faults={"generation-error": 1.0}, log_lag=20.0)
    result = await n.run(specs(6), budget=2 * PRICE + 0.01, settle=600.0)
    assert len(n.service.generations) == 6
    assert result.exit_status == 1
    await anyio.sleep(60)
    await n.run(None, budget=2 * PRICE + 0.01, settle=600.0)
    with n.store() as store:
        assert store.queries.read_committed() == 0.0


async def test_what_a_run_could_not_settle_the_next_one_does(tmp_path: Path) -> None:
    """The price stays reserved from one to the other."""
    n = night(tmp_path, faults={"generation-error": 1.0}, log_lag=1000.0)
    await n.run(specs(1), budget=2 * PRICE, settle=1e5)
    with n.store() as store:
        assert store.queries.read_committed() == pytest.approx(PRICE)
    await anyio.sleep(1000)
    await n.run(None, budget=2 * PRICE, settle=1e5)
    with n.store() as store:
        assert store.queries.read_committed() == 0.0
