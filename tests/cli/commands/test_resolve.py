"""Many doubts settled in one call."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.cli import run_command, status_of
from batchveo.core.errors import UsageError
from batchveo.core.models import JobState
from batchveo.store import Store
from tests.helpers.busy_database import moved_on
from tests.helpers.factories import make_spec

S = JobState


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two held, one in doubt, one generating, one pending."""
    monkeypatch.chdir(tmp_path)
    with Store("b.db") as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs([make_spec(f"job {n}") for n in range(5)], run=run, now=1.0)
        for held in (True, True, False):
            moved_on(store, run, S.IN_DOUBT, now=2.0, held=held)
        moved_on(store, run, S.GENERATING, now=2.0)
    monkeypatch.setenv("BATCHVEO_STATE", "b.db")


def states() -> list[JobState]:
    with Store("b.db", writing=False) as store:
        return [job.state for job in store.jobs()]


@pytest.mark.parametrize(
    ("arguments", "after"),
    [
        (["--all", "--resubmit"], [S.PENDING, S.PENDING, S.PENDING, S.GENERATING, S.PENDING]),
        (["--held", "--resubmit"], [S.PENDING, S.PENDING, S.IN_DOUBT, S.GENERATING, S.PENDING]),
        (["--all", "--held", "--fail", "--yes"], [S.FAILED, S.FAILED, S.IN_DOUBT, S.GENERATING, S.PENDING]),
        (["--model", "google/veo3", "--held", "--fail"], [S.FAILED, S.FAILED, S.IN_DOUBT, S.GENERATING, S.PENDING]),
        (["--all", "--where", "'1' in name", "--fail"], [S.IN_DOUBT, S.FAILED, S.IN_DOUBT, S.GENERATING, S.PENDING]),
        (["--where", "'1' in name", "--resubmit"], [S.IN_DOUBT, S.PENDING, S.IN_DOUBT, S.GENERATING, S.PENDING]),
        (
            ["--held", "--where", "name != 'job 0'", "--fail"],
            [S.IN_DOUBT, S.FAILED, *[S.IN_DOUBT, S.GENERATING, S.PENDING]],
        ),
        (["--state-is", "generating", "--fail"], [S.IN_DOUBT, S.IN_DOUBT, S.IN_DOUBT, S.FAILED, S.PENDING]),
        (
            ["--state-is", "generating", "--state-is", "in_doubt", "--fail", "-y"],
            [S.FAILED, S.FAILED, S.FAILED, S.FAILED, S.PENDING],
        ),
    ],
)
def test_by_state(arguments: list[str], after: list[JobState]) -> None:
    """All of it, or what is held; a script is not asked."""
    assert status_of(["resolve", *arguments]) == 0
    assert states() == after


def test_several_by_name() -> None:
    """As before."""
    assert status_of(["resolve", "job 0", "job 2", "--resubmit"]) == 0
    assert states()[:3] == [S.PENDING, S.IN_DOUBT, S.PENDING]


def test_how_many_and_what_it_may_cost_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Before it is done, each way."""
    with Store("b.db", writing=False) as store:
        usd, unpriced = store.queries.sum_reserved(list(store.jobs(S.IN_DOUBT)))
    assert (usd, unpriced) == (pytest.approx(3 * 0.5), 0)
    assert status_of(["resolve", "--held", "--resubmit"]) == 0
    assert "2 jobs to submit again; this may cost up to $1.00 a second time" in capsys.readouterr().err
    assert status_of(["resolve", "--all", "--fail"]) == 0
    assert "1 job to give up; the service may have charged up to $0.50 for them" in capsys.readouterr().err
    assert status_of(["resolve", "--all", "--fail"]) == 0
    assert "nothing to resolve" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--resubmit"], "name the jobs to resolve, or give --all"),
        (["job 0", "--all", "--resubmit"], "name the jobs to resolve, or give --all"),
        (["--all"], "give one of --resubmit"),
        (["--all", "--generation-id", "g"], "--generation-id is for one job"),
        (["--state-is", "generating", "--resubmit"], "not in doubt"),
        (["--state-is", "pending", "--fail"], "'generating'"),
    ],
)
def test_what_is_refused_moves_nothing(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With what would be right."""
    before = states()
    assert status_of(["resolve", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert states() == before


def test_a_person_is_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer no moves nothing, and is status 130; --yes is not asked."""

    class Terminal:
        def isatty(self) -> bool:
            return True

    class Streams:
        stdin = stderr = Terminal()

    asked: list[str] = []

    def no(question: str, **_: object) -> bool:
        asked.append(question)
        return False

    monkeypatch.setattr(run_command, "sys", Streams)
    monkeypatch.setattr("click.confirm", no)
    before = states()
    assert status_of(["resolve", "--all", "--resubmit"]) == 130
    assert states() == before
    assert len(asked) == 1
    assert status_of(["resolve", "--all", "--resubmit", "--yes"]) == 0
    assert len(asked) == 1
    assert states() != before


def test_what_moved_meanwhile_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """By a run that goes on: not an error, where nobody named the job."""
    from batchveo.operations import manage

    with Store("b.db") as store:
        doubts = list(store.jobs(S.IN_DOUBT))
        store.manual.resubmit_job(doubts[0], now=3.0)
        assert len(manage.resolve_jobs(store, doubts, now=4.0, resubmit=True, skip_moved=True)) == 2
        with pytest.raises(UsageError, match=r"look again with `batchveo status`"):
            manage.resolve_jobs(store, doubts[:1], now=5.0, resubmit=True)


def test_failed_and_cancelled_ones_are_retried_by_their_state() -> None:
    """As the hint of a run says."""
    assert status_of(["cancel", "job 4"]) == 0
    assert status_of(["retry", "job 4", "--state-is", "cancelled"]) == 2
    assert status_of(["retry", "--state-is", "cancelled"]) == 0
    assert states()[4] is S.PENDING
