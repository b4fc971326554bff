"""Whole runs: no video is bought twice, none that was paid for is lost, under every kind of fault."""

from __future__ import annotations

import itertools
import sqlite3
from pathlib import Path
from typing import Any

import anyio
import pytest

from batchveo.core.errors import DiskTrouble, KeyRejected, OutOfCredits
from batchveo.core.events import JobStateChanged, Message, SubmitsPaused, WaitingForLog
from batchveo.core.models import JobState
from batchveo.core.settings import Doubt
from batchveo.sandbox import Settings
from batchveo.store.transitions import Transitions
from tests.helpers.factories import make_spec
from tests.helpers.virtual_run import Night, assert_whole, specs
from tests.storage.test_mp4 import WHOLE

pytestmark = pytest.mark.anyio
S = JobState


def night(folder: Path, **settings: Any) -> Night:
    return Night(folder, Settings(**{"generation_median": 90.0, "log_lag": 20.0, **settings}))


async def test_a_run_without_faults(tmp_path: Path) -> None:
    """Everything is bought once, fetched, verified; the same run again does nothing."""
    n = night(tmp_path)
    result = await n.run(specs(25))
    assert result.exit_status == 0
    assert_whole(n, 25)
    assert n.service.peak_in_flight == 10
    assert not n.service.leaks
    again = await n.run(specs(25))
    assert again.exit_status == 0
    assert len(n.service.generations) == 25


async def test_the_concurrency_limit_counts_generations(tmp_path: Path) -> None:
    """Generations in flight at the service, not requests."""
    n = night(tmp_path)
    await n.run(specs(12), concurrency=3)
    assert n.service.peak_in_flight == 3
    assert_whole(n, 12)


async def test_a_rate_spaces_the_submits(tmp_path: Path) -> None:
    """Six a minute: one each ten seconds."""
    n = night(tmp_path)
    await n.run(specs(6), rate=6.0)
    times = sorted(generation.submitted_at for generation in n.service.generations)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(gap >= 9.99 for gap in gaps)


@pytest.mark.parametrize("retry_after", [True, False])
async def test_a_concurrency_limit_of_the_service_is_found(tmp_path: Path, retry_after: bool) -> None:
    """429s lower the limit and fail no job."""
    n = night(tmp_path, concurrency=4, retry_after=retry_after)
    result = await n.run(specs(30), concurrency=16)
    assert result.exit_status == 0
    assert_whole(n, 30)
    slowed = [event for event in n.events if isinstance(event, SubmitsPaused)]
    assert slowed
    assert min(event.limit for event in slowed) <= 4
    refused = sum(1 for r in n.service.requests() if r.generation is None)
    assert refused < 60


async def test_a_rate_limit_of_the_service_is_kept(tmp_path: Path) -> None:
    """429s for too many requests a minute fail no job either."""
    n = night(tmp_path, rate_per_minute=5)
    assert (await n.run(specs(15))).exit_status == 0
    assert_whole(n, 15)


LOST = ["lose-answer", "answer-502-accepted", "answer-504-accepted", "unreadable-answer", "no-id", "late-answer"]


@pytest.mark.parametrize("fault", LOST)
async def test_a_lost_answer_heals_from_the_log(tmp_path: Path, fault: str) -> None:
    """Every second answer is lost; no generation is bought twice."""
    n = night(tmp_path, faults={fault: 0.5}, late_by=400.0)
    result = await n.run(specs(20))
    assert result.exit_status == 0
    assert_whole(n, 20)
    assert any(isinstance(e, JobStateChanged) and e.was is S.IN_DOUBT and e.job.state is S.GENERATING for e in n.events)


@pytest.mark.parametrize("fault", ["drop-before", "answer-502"])
async def test_a_submit_that_may_have_arrived_is_held_where_the_log_stays_silent(tmp_path: Path, fault: str) -> None:
    """The log never shows it; only the user may decide about it."""
    n = night(tmp_path, faults={fault: 1.0})
    result = await n.run(specs(2), settle=600.0)
    assert result.exit_status == 1
    assert [(job.state, job.held) for job in n.jobs()] == [(S.IN_DOUBT, True)] * 2
    assert any(isinstance(event, WaitingForLog) for event in n.events)
    assert result.seconds >= 600


async def test_a_run_with_held_doubts_alone_looks_them_up_first(tmp_path: Path) -> None:
    """A row that came after the settling time settles them, and the same run downloads their videos."""
    n = night(tmp_path, faults={"lose-answer": 1.0}, log_lag=5000.0, latency=1.0)
    assert (await n.run(specs(2), settle=600.0)).exit_status == 1
    n.heal()
    assert (await n.run(None, settle=600.0)).exit_status == 1
    await anyio.sleep(5000.0)
    assert (await n.run(None, settle=600.0)).exit_status == 0
    assert_whole(n, 2)


async def test_resubmitting_is_the_users_choice(tmp_path: Path) -> None:
    """After the settling time, not before."""
    n = night(tmp_path, faults={"drop-before": 0.5})
    result = await n.run(specs(10), settle=600.0, when_in_doubt=Doubt.RESUBMIT)
    assert result.exit_status == 0
    assert_whole(n, 10)


@pytest.mark.parametrize("fault", ["answer-500", "answer-503", "throttle"])
async def test_a_submit_refused_for_now_is_tried_again(tmp_path: Path, fault: str) -> None:
    """The answer says that nothing was bought."""
    n = night(tmp_path, faults={fault: 0.4})
    assert (await n.run(specs(15))).exit_status == 0
    assert_whole(n, 15)


@pytest.mark.parametrize("fault", ["poll-500", "poll-502", "poll-drop", "poll-404", "odd-status"])
async def test_faults_of_polls_pass(tmp_path: Path, fault: str) -> None:
    """Half of all polls fail."""
    n = night(tmp_path, faults={fault: 0.5})
    assert (await n.run(specs(10))).exit_status == 0
    assert_whole(n, 10)


async def test_an_unknown_status_is_reported(tmp_path: Path) -> None:
    """Once, however often it comes."""
    n = night(tmp_path, faults={"odd-status": 1.0})
    await n.run(specs(3))
    said = [e for e in n.events if isinstance(e, Message) and "does not document" in e.text]
    assert len(said) == 1


DOWNLOADS = ["short-body", "reset-body", "html-200", "empty-body", "cdn-503", "ignore-range", "changed-etag"]


@pytest.mark.parametrize("fault", DOWNLOADS)
async def test_faults_of_downloads_pass(tmp_path: Path, fault: str) -> None:
    """Half of all downloads fail; every video arrives whole."""
    n = night(tmp_path, faults={fault: 0.5})
    assert (await n.run(specs(10))).exit_status == 0
    assert_whole(n, 10)


@pytest.mark.parametrize("fault", ["html-200", "empty-body"])
async def test_a_video_that_is_none_does_not_hold_up_the_run(tmp_path: Path, fault: str) -> None:
    """After some tries it is set aside; the next run, with a better host, fetches it."""
    n = night(tmp_path, faults={fault: 1.0})
    result = await n.run(specs(3))
    assert (result.exit_status, result.late) == (3, 3)
    assert result.seconds < 900
    assert {job.state for job in n.jobs()} <= {S.GENERATING, S.DOWNLOADING}
    n.heal()
    assert (await n.run(specs(3))).exit_status == 0
    assert_whole(n, 3)


async def test_an_hour_without_the_file_host_is_waited_out(tmp_path: Path) -> None:
    """With enough ``--patience``; every video arrives in the same run."""
    n = night(tmp_path, faults={"cdn-503": 1.0})

    async def back() -> None:
        await anyio.sleep(3600)
        n.heal()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(back)
        result = await n.run(specs(3))
    assert result.exit_status == 0
    assert_whole(n, 3)


async def test_expired_urls_are_asked_for_again(tmp_path: Path) -> None:
    """The generation is polled for a fresh one."""
    n = night(tmp_path, url_ttl=1.0, faults={"cdn-503": 0.6})
    assert (await n.run(specs(8))).exit_status == 0
    assert_whole(n, 8)


async def test_a_generation_error_fails_its_job_only(tmp_path: Path) -> None:
    """With the service's reason; the exit status says that some failed."""
    n = night(tmp_path, faults={"generation-error": 0.5})
    result = await n.run(specs(20))
    states = [job.state for job in n.jobs()]
    assert result.exit_status == 1
    assert set(states) == {S.SUCCEEDED, S.FAILED}
    assert all(job.error for job in n.jobs(S.FAILED))


async def test_a_request_the_service_refuses_fails_its_job_only(tmp_path: Path) -> None:
    """400 is for good."""
    n = night(tmp_path)
    bad = make_spec("bad", model="veo2", request={"model": "veo2", "prompt": "x", "duration": 99})
    result = await n.run([bad, *specs(3)])
    assert result.exit_status == 1
    assert [job.state for job in n.jobs()] == [S.FAILED, S.SUCCEEDED, S.SUCCEEDED, S.SUCCEEDED]
    assert "HTTP 400" in str(n.jobs(S.FAILED)[0].error)


async def test_an_empty_account_stops_the_run_and_fails_nothing(tmp_path: Path) -> None:
    """What is in flight is still fetched; after a top-up the rest is made."""
    n = night(tmp_path, balance=8.0)
    result = await n.run(specs(10))
    assert isinstance(result.stopped, OutOfCredits)
    assert result.exit_status == 3
    done = len(n.jobs(S.SUCCEEDED))
    assert done == len(n.service.generations) > 0
    assert len(n.jobs(S.PENDING)) == 10 - done


async def test_a_bad_key_stops_the_run_and_fails_nothing(tmp_path: Path) -> None:
    """Exit status 3, everything pending."""
    n = night(tmp_path, key="another")
    result = await n.run(specs(3))
    assert isinstance(result.stopped, KeyRejected)
    assert result.exit_status == 3
    assert [job.state for job in n.jobs()] == [S.PENDING] * 3


async def test_a_key_withdrawn_during_the_run(tmp_path: Path) -> None:
    """The generations keep their ids for the next run."""
    n = night(tmp_path)
    await n.killed(specs(5), after=30.0)
    n.service = type(n.service)(Settings(key="another"), clock=n.clock.now)
    result = await n.run(None)
    assert result.exit_status == 3
    assert [job.state for job in n.jobs()] == [S.GENERATING] * 5


async def test_a_full_disk_pauses_the_run(tmp_path: Path) -> None:
    """Nothing is failed; with room again the same generations are fetched."""
    n = night(tmp_path)
    (tmp_path / "videos").write_text("a file in the way")
    result = await n.run(specs(4))
    assert isinstance(result.stopped, DiskTrouble)
    assert result.exit_status == 3
    assert not n.jobs(S.FAILED)
    (tmp_path / "videos").unlink()
    assert (await n.run(specs(4))).exit_status == 0
    assert_whole(n, 4)


@pytest.mark.parametrize("method", ["claim_job", "mark_sent", "apply_move"])
async def test_a_database_that_cannot_be_written_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Exit status 3; whatever was bought in that moment is found again."""
    n = night(tmp_path)
    real = getattr(Transitions, method)
    calls = 0

    def full(self: Transitions, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise sqlite3.OperationalError("database or disk is full")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Transitions, method, full)
    result = await n.run(specs(8), concurrency=2)
    assert isinstance(result.stopped, DiskTrouble)
    assert result.exit_status == 3
    monkeypatch.undo()
    assert (await n.run(specs(8), concurrency=2)).exit_status == 0
    assert_whole(n, 8)


async def test_the_same_file_twice_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two generations with one content are worth a look."""
    n = night(tmp_path)
    monkeypatch.setattr("batchveo.sandbox.endpoints.videos.read_video", lambda *a, **k: WHOLE)
    monkeypatch.setattr("batchveo.sandbox.endpoints.videos.read_size", lambda *a, **k: len(WHOLE))
    await n.run(specs(2))
    assert [e.text for e in n.events if isinstance(e, Message) and "byte for byte" in e.text]


@pytest.mark.parametrize("after", [0.0, 0.5, 5.0, 60.0, 95.0, 130.0])
async def test_killed_in_the_middle_and_started_again(tmp_path: Path, after: float) -> None:
    """At any moment; nothing is bought twice, everything arrives."""
    n = night(tmp_path, latency=0.3)
    for _ in range(4):
        await n.killed(specs(12), after=after, concurrency=4)
    assert (await n.run(specs(12), concurrency=4)).exit_status == 0
    assert_whole(n, 12)


async def test_a_generation_that_the_service_does_not_know_is_kept(tmp_path: Path) -> None:
    """It may be another account's: it fails nothing, and the words say where to look."""
    n = night(tmp_path, faults={"poll-404": 1.0}, unknown_for=1e6)
    result = await n.run(specs(1), patience=600.0)
    assert (result.exit_status, result.late) == (3, 1)
    said = [event.text for event in n.events if isinstance(event, Message)]
    assert any("HTTP 404" in text and "is the key one of the account that bought it?" in text for text in said)


async def test_one_answer_for_two_jobs_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generation id serves one job; the other is looked up by its own request id."""
    from batchveo.core.outcomes import Accepted
    from batchveo.provider import ApiClient

    n = night(tmp_path)
    submit = ApiClient.submit
    first: list[str] = []

    async def confused(self: ApiClient, request: Any, **options: Any) -> Any:
        outcome = await submit(self, request, **options)
        if isinstance(outcome, Accepted):
            first.append(outcome.generation_id)
            return Accepted(generation_id=first[0])
        return outcome

    monkeypatch.setattr(ApiClient, "submit", confused)
    assert (await n.run(specs(5))).exit_status == 0
    assert_whole(n, 5)
    assert len({job.generation_id for job in n.jobs()}) == 5


async def test_a_reporter_that_fails_is_not_the_runs_trouble(tmp_path: Path) -> None:
    """The reader of a pipe may have gone."""
    n = night(tmp_path)

    class Gone(list[Any]):
        def append(self, event: Any) -> None:
            raise BrokenPipeError

    n.events = Gone()
    assert (await n.run(specs(3))).exit_status == 0
    assert_whole(n, 3)


async def test_a_log_that_cannot_be_read_does_not_hold_the_run_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The doubts are held, for a person or a later run."""
    n = night(tmp_path, faults={"lose-answer": 1.0}, log_calls_per_minute=0)
    result = await n.run(specs(2), settle=60.0)
    assert result.exit_status == 1
    assert [(job.state, job.held) for job in n.jobs()] == [(S.IN_DOUBT, True)] * 2
    assert result.seconds < 3600
    held = [event.detail for event in n.events if isinstance(event, JobStateChanged) and event.job.held]
    assert all(detail.startswith("the usage log cannot be read") for detail in held)
    assert held


async def test_a_log_that_names_one_generation_twice_holds_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service may make one video of two equal requests."""
    from batchveo.engine.stages import log_lookup

    n = night(tmp_path, faults={"lose-answer": 1.0})
    first: list[str] = []

    def one(row: Any) -> Any:
        generation = row.get("inference_id")
        first.append(generation)
        return first[0]

    monkeypatch.setattr(log_lookup, "_find_generation", one)
    result = await n.run(specs(2), settle=60.0)
    assert result.exit_status == 1
    assert sorted(job.state for job in n.jobs()) == [S.IN_DOUBT, S.SUCCEEDED]


async def test_a_retry_after_of_zero_makes_no_storm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service may ask for a wait that is too short."""
    monkeypatch.setattr("batchveo.provider.call_outcomes.read_retry_after", lambda answer: 0.0)
    n = night(tmp_path, faults={"throttle": 1.0})
    await n.killed(specs(3), after=60.0)
    assert n.service.calls["submit"] < 60


async def test_videos_that_cannot_be_fetched_do_not_pile_up(tmp_path: Path) -> None:
    """While the file host is down, the run stops buying at a backlog; it continues when the host is back."""
    n = night(tmp_path, faults={"cdn-503": 1.0})
    await n.killed(specs(200), after=3000.0, concurrency=5, downloads=2)
    assert len(n.service.generations) <= 20
