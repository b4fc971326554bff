"""Doubts of one API key, read in the usage log of another: its silence says nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from batchveo.core.models import JobState
from batchveo.core.settings import Doubt
from batchveo.engine.stages.log_lookup import ANOTHER_KEY, KEY_NOT_KNOWN
from batchveo.provider import ApiKey, NamedKey
from batchveo.sandbox import Settings
from tests.helpers.virtual_run import Night, specs

pytestmark = pytest.mark.anyio
S = JobState
A, B = (NamedKey(name="", key=ApiKey(f"sk-{letter}")) for letter in "ab")
LOST = Settings(per_key=True, log_lag=1.0, faults={"lose-answer": 1.0})


async def doubtful(folder: Path) -> Night:
    """A run whose only submit was accepted, with key A, and its answer lost."""
    night = Night(folder, LOST, key=A)
    await night.killed(specs(1), after=0.9)
    (job,) = night.jobs()
    assert job.state in (S.IN_DOUBT, S.SUBMITTING)
    assert len(night.service.generations) == 1
    night.heal()
    return night


async def test_silence_of_another_keys_log_buys_nothing(tmp_path: Path) -> None:
    """Not even where the user chose to submit again what the log is silent about."""
    night = await doubtful(tmp_path)
    night.key = B
    result = await night.run(None, settle=5.0, when_in_doubt=Doubt.RESUBMIT)
    (job,) = night.jobs()
    assert (job.state, job.held, result.exit_status) == (S.IN_DOUBT, True, 1)
    assert ANOTHER_KEY in str(job.error)
    assert len(night.service.generations) == 1


async def test_the_right_key_finds_it_afterwards(tmp_path: Path) -> None:
    """What was held is looked up by the next run, and its generation adopted."""
    night = await doubtful(tmp_path)
    night.key = B
    await night.run(None, settle=5.0, when_in_doubt=Doubt.RESUBMIT)
    night.key = replace(A, name="renamed")
    await anyio.sleep(60.0)
    result = await night.run(None, settle=5.0, when_in_doubt=Doubt.RESUBMIT)
    (job,) = night.jobs()
    assert (job.state, result.exit_status) == (S.SUCCEEDED, 0)
    assert len(night.service.generations) == 1


async def test_silence_of_its_own_log_still_counts(tmp_path: Path) -> None:
    """A request that never arrived is submitted again by those who chose that."""
    night = Night(tmp_path, Settings(per_key=True, faults={"drop-before": 1.0}), key=A)
    await night.killed(specs(1), after=0.9)
    night.heal()
    result = await night.run(None, settle=5.0, when_in_doubt=Doubt.RESUBMIT)
    assert (result.exit_status, len(night.service.generations)) == (0, 1)


async def test_an_attempt_of_which_no_key_is_known_is_held(tmp_path: Path) -> None:
    """As in a database from before fingerprints were kept."""
    night = await doubtful(tmp_path)
    with night.store() as store:
        store.connection.db.execute("UPDATE attempts SET key_print = NULL")
    night.key = B
    await night.run(None, settle=5.0, when_in_doubt=Doubt.RESUBMIT)
    (job,) = night.jobs()
    assert (job.state, job.held) == (S.IN_DOUBT, True)
    assert KEY_NOT_KNOWN in str(job.error)
    assert len(night.service.generations) == 1


async def test_the_ledger_of_another_account_frees_no_price(tmp_path: Path) -> None:
    """It is silent about what this one has bought."""
    n = Night(tmp_path, Settings(per_key=True, faults={"no-url": 1.0}, log_lag=1e6))
    await n.run(specs(1), settle=5.0)
    n.key = NamedKey(name="", key=ApiKey("another"))
    await n.run(None, settle=5.0)
    (job,) = n.jobs()
    assert "no charge" not in str(job.error)
    with n.store() as store:
        assert store.queries.read_committed() > 0


async def test_what_another_account_may_have_paid_for_is_not_made_again(tmp_path: Path) -> None:
    """Not even if it failed: its own ledger has the last word."""
    n = Night(tmp_path, Settings(per_key=True, faults={"charged-error": 1.0}, log_lag=1e6))
    await n.run(specs(1))
    n.key = NamedKey(name="", key=ApiKey("another"))
    result = await n.run(None, tries=3, settle=5.0)
    assert [job.attempts for job in n.jobs()] == [1]
    assert result.exit_status == 1
