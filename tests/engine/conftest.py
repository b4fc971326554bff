"""Coordinators with each kind of broker, for the tests of whatever they do for their workers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.helpers.coordinator_at_work import FAULTY, LOCAL, REMOTE, BrokerKind, CoordinatorAtWork, CoordinatorOpener


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
