"""Several keys, each an account of its own, at a sandbox in this process whose clock is set by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from batchveo.core.models import Job
from batchveo.core.outcomes import Accepted, SubmitUncertain
from batchveo.core.state_machine import next_state
from batchveo.provider import ApiClient, ApiKey
from batchveo.sandbox import Service, Settings, transport
from batchveo.sandbox.account import LoggedRequest, UsageLog
from batchveo.store import Store
from tests.helpers.virtual_run import BASE_URL, specs


class AccountsByKey:
    """A service with an account for each key, and one database; the key of a label is ``sk-`` and the label."""

    def __init__(self, folder: Path, *, jobs: int = 3, per_key: bool = True) -> None:
        self.now = 1_800_000_000.0
        settings = Settings(per_key=per_key, generation_median=60.0, log_lag=1.0)
        self.service = Service(settings, clock=lambda: self.now)
        self.store = Store(folder / "b.db")
        self.store.runs.begin_run(command="run", service=BASE_URL, now=self.now)
        self.store.imports.add_jobs(specs(jobs), run=1, now=self.now)

    @asynccontextmanager
    async def apis(self, *labels: str) -> AsyncIterator[Mapping[str, ApiClient]]:
        """A client for each label."""
        async with AsyncExitStack() as stack:
            wire = transport(self.service)
            yield {
                label: await stack.enter_async_context(
                    ApiClient(ApiKey(f"sk-{label}"), base_url=BASE_URL, transport=wire)
                )
                for label in labels
            }

    async def buy(self, apis: Mapping[str, ApiClient], label: str, *, lost: bool = False) -> tuple[Job, str]:
        """Buy the next job with the key of ``label``; returns it with its generation id. ``lost``: as if unanswered."""
        job = self.store.transitions.claim_job(run=1, now=self.now, key=label)
        assert job is not None
        assert job.client_request_id is not None
        outcome = await apis[label].submit(job.request, client_request_id=job.client_request_id)
        assert isinstance(outcome, Accepted)
        step = next_state(job, SubmitUncertain(reason="reset") if lost else outcome, now=self.now, jitter=0.0)
        assert step is not None
        self.now += 1.0
        return self.store.transitions.apply_move(job, step, run=1, now=self.now), outcome.generation_id


def break_off_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every usage log promise more rows than it gives."""
    read_page = UsageLog.read_page

    def promise_more(self: UsageLog, *args: Any, **kwargs: Any) -> tuple[list[LoggedRequest], int]:
        rows, total = read_page(self, *args, **kwargs)
        return rows, total + 1

    monkeypatch.setattr(UsageLog, "read_page", promise_more)
