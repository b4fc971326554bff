"""A worker: takes over the jobs of a run before, and outlives what no stage expects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batchveo.core.events import Message
from batchveo.core.models import JobState
from batchveo.sandbox import Settings
from tests.helpers.virtual_run import Night, assert_whole, specs

pytestmark = pytest.mark.anyio
S = JobState


async def test_resume_continues_all_jobs(tmp_path: Path) -> None:
    """Without the manifest."""
    n = Night(tmp_path, Settings(generation_median=90.0, log_lag=20.0))
    await n.killed(specs(12), after=60.0, concurrency=4)
    assert (await n.run(None)).exit_status == 0
    assert_whole(n, 12)


@pytest.mark.parametrize(
    ("stage", "method"), [("Submitter", "handle"), ("Poller", "handle"), ("VideoFetcher", "fetch")]
)
async def test_what_nobody_thought_of_is_one_jobs_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, method: str
) -> None:
    """An exception in a stage is reported, and the run continues."""
    from batchveo.engine import worker as module

    n = Night(tmp_path, Settings(generation_median=90.0, log_lag=20.0))
    kind = getattr(module, stage)
    real = getattr(kind, method)
    calls = 0

    async def strange(self: Any, job: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OverflowError("int too large to convert to float")
        return await real(self, job)

    monkeypatch.setattr(kind, method, strange)
    result = await n.run(specs(5), settle=60.0)
    said = [e.text for e in n.events if isinstance(e, Message) and "please report" in e.text]
    assert len(said) == 1
    if stage == "Submitter":  # it may have been sent: in doubt, and unknown to the log
        assert (result.exit_status, len(n.service.generations)) == (1, 4)
    else:
        assert_whole(n, 5)
