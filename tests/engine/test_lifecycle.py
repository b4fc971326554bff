"""When a run ends: after a signal, without more patience, once the usage log was waited for."""

from __future__ import annotations

from pathlib import Path
from signal import SIGTERM

import pytest

from batchveo.core.events import WaitingForLog
from batchveo.core.models import JobState
from batchveo.display.event_text import format_event
from batchveo.engine.broker import ClaimLost
from batchveo.sandbox import Settings
from tests.helpers import virtual_run
from tests.helpers.coordinator_at_work import CoordinatorOpener, finished, generation
from tests.helpers.virtual_run import Night, specs

pytestmark = pytest.mark.anyio
S = JobState


async def test_an_interrupt_ends_the_claims_and_accepts_outcomes(open_coordinator: CoordinatorOpener) -> None:
    """Requests in progress may end, and their outcomes are recorded."""
    async with open_coordinator() as at_work:
        broker = await at_work.broker()
        job = await broker.claim()
        await broker.mark_sent(job)
        at_work.process.coordinator.interrupt(SIGTERM)
        assert (await broker.record_outcome(job, generation(job))).state is S.GENERATING
        assert await finished(broker) == 4.0


async def test_nothing_more_leaves_after_an_interrupt(open_coordinator: CoordinatorOpener) -> None:
    """What was claimed and not sent waits for the next run, and is not in doubt."""
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


async def test_patience_ends_when_it_ends(tmp_path: Path) -> None:
    """Not at the next full minute."""
    n = Night(tmp_path, Settings(faults={"poll-500": 1.0}))
    result = await n.run(specs(1), patience=5.0)
    assert (result.exit_status, result.late) == (3, 1)
    assert result.seconds < 6.0


async def test_a_generation_that_never_ends_does_not_hold_up_the_run(tmp_path: Path) -> None:
    """It frees its slot after the run's patience, and is left to the next run."""
    n = Night(tmp_path, Settings(generation_median=1e7, generation_sigma=0.0))
    result = await n.run(specs(4), concurrency=2, patience=300.0)
    assert (result.exit_status, result.late) == (3, 4)
    assert [job.state for job in n.jobs()] == [S.GENERATING] * 4
    assert n.service.peak_in_flight == 4


async def test_the_wait_for_the_usage_log_is_said_once(tmp_path: Path) -> None:
    """How long at most, and how to go on; with -q too."""
    night = Night(tmp_path, Settings(faults={"drop-before": 1.0}))
    assert (await night.run(specs(1), settle=600.0)).exit_status == 1
    (waiting,) = [event for event in night.events if isinstance(event, WaitingForLog)]
    assert waiting.since is not None
    assert waiting.until - waiting.since == pytest.approx(600.0)
    said = format_event(waiting, verbosity=-1)
    assert said is not None
    assert "waiting for 1 submit to appear in the usage log (10 min at most, until " in said
    resume = f"batchveo resume --base-url {virtual_run.BASE_URL} --state {night.state}"
    assert f"Ctrl-C is safe, `{resume}` continues" in said
