"""The notifier: what it tells, when, and what it never tells."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchveo.cli import status_of
from batchveo.core.errors import (
    BudgetReached,
    Declined,
    DiskTrouble,
    InputsBlocked,
    KeyRejected,
    ManifestError,
    OutOfCredits,
    PricesUnknown,
    ServiceMisplaced,
    StateLocked,
    StoppedEarly,
    UploadFailed,
)
from batchveo.core.events import Event, JobStateChanged, Message, RunInterrupted, RunStarted, WaitingForLog
from batchveo.core.models import Job, JobState
from batchveo.core.shutdown import ShutdownBudget
from batchveo.display.notification_channels import Messengers
from batchveo.display.notifier import _STOPS, Notifier
from batchveo.engine.result import RunResult
from batchveo.sandbox import Service, Settings, running
from batchveo.store import Counts
from batchveo.store.waiting_jobs import BlockedCount
from tests.display.test_notification_channels import listening

S = JobState


class Outbox(Messengers):
    """Keeps what is posted."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[tuple[str, str]] = []
        self.waits: list[float] = []
        self.broken: list[str] = []

    def __len__(self) -> int:
        return 1

    def post(self, title: str, body: str) -> None:
        self.posted.append((title, body))

    def take_failures(self) -> list[str]:
        found, self.broken = self.broken, []
        return found

    def flush(self, seconds: float = 10.0) -> list[str]:
        self.waits.append(seconds)
        return self.take_failures()


class Night:
    """A notifier with a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.out = Outbox()
        self.seen: list[Event] = []
        self.notifier = Notifier(self.out, self.seen.append, state=Path("s.db"), clock=lambda: self.now)

    def begins(self) -> None:
        self.notifier(RunStarted(run=1, state=Path("s.db"), output=Path("v"), concurrency=1))

    def moved(self, was: JobState, state: JobState, seq: int = 1, **fields: Any) -> None:
        job = Job(seq=seq, id="i", name="SECRET name", stem="s", state=state, model="m", request={}, **fields)
        self.notifier(JobStateChanged(job=job, was=was, detail="SECRET detail"))

    def look(self, after: float) -> list[str]:
        """The titles of what is told ``after`` more seconds of silence."""
        self.now += after
        before = len(self.out.posted)
        self.notifier.check_progress()
        return [title for title, _ in self.out.posted[before:]]


def result(**fields: Any) -> RunResult:
    counts = Counts(by_state=fields.pop("by_state", {S.SUCCEEDED: 3}), held=fields.pop("held", 0))
    return RunResult(run=1, counts=counts, exit_status=0, seconds=3700.0, **fields)


def test_the_end_of_a_good_night() -> None:
    """How many, what they cost, how long it took, where it was."""
    night = Night()
    with night.notifier as notifier:
        night.moved(S.DOWNLOADING, S.SUCCEEDED, cost_usd=0.5)
        night.moved(S.DOWNLOADING, S.SUCCEEDED, cost_usd=0.25)
        night.moved(S.DOWNLOADING, S.SUCCEEDED)
        notifier.report_end(result())
    ((title, body),) = night.out.posted
    assert title == "batchveo is done: 3 made"
    assert "3 videos made, $0.75 charged, 1 of unknown price in 1 h 01 min." in body
    assert "s.db on " in body
    assert night.out.waits == [10.0]


def test_what_to_do_next() -> None:
    """After failures, doubts, and what the service has not finished."""
    night = Night()
    night.moved(S.GENERATING, S.FAILED)
    night.notifier.report_end(result(by_state={S.FAILED: 1, S.IN_DOUBT: 2, S.GENERATING: 3}, held=2, late=3))
    ((title, body),) = night.out.posted
    assert title == "batchveo ended: 1 failed, 2 held in doubt, 3 unfinished"
    for words in (
        "1 failed",
        "`batchveo retry --state s.db`",
        "`batchveo status --state s.db`",
        "3 still generating at the service",
    ):
        assert words in body


def test_jobs_that_wait_in_vain() -> None:
    """They are not called pending, and the message says how to see them."""
    night = Night()
    blocked = [BlockedCount(state="failed", jobs=4, example="SECRET")]
    night.notifier.report_end(result(by_state={S.FAILED: 1, S.PENDING: 4}, blocked=blocked))
    ((title, body),) = night.out.posted
    assert title == "batchveo ended: 1 failed, 4 blocked"
    assert "Jobs: 4 blocked, 1 failed." in body
    assert "`batchveo jobs --state-is blocked --state s.db`" in body
    assert "SECRET" not in body


@pytest.mark.parametrize(
    "kind", [KeyRejected, OutOfCredits, BudgetReached, DiskTrouble, ServiceMisplaced, PricesUnknown, InputsBlocked]
)
def test_every_early_stop_has_its_words(kind: type[StoppedEarly]) -> None:
    """Ours, not the service's, which may hold anything."""
    night = Night()
    night.notifier.report_end(result(stopped=kind("SECRET https://x/?token=1")))
    with pytest.raises(kind), night.notifier:
        raise kind("SECRET")
    for title, body in night.out.posted:
        assert title.startswith("batchveo stopped early: ")
        assert "see the log" not in title
        assert "Run the same command to resume." in body
        assert "SECRET" not in title + body


def test_no_kind_of_early_stop_is_forgotten() -> None:
    """One that is added needs its words; only an upload ends no run."""
    assert set(_STOPS) == set(StoppedEarly.__subclasses__()) - {UploadFailed}


@pytest.mark.parametrize(
    ("error", "title"),
    [
        (RuntimeError("SECRET"), "batchveo crashed"),
        (sqlite3.OperationalError("SECRET"), "batchveo crashed"),
        (StateLocked("SECRET"), "batchveo did not start: another run uses the database"),
        (ManifestError([]), "batchveo did not start"),
        (KeyboardInterrupt(), "batchveo was interrupted (SIGINT)"),
    ],
)
def test_an_error_is_told_by_its_kind(error: BaseException, title: str) -> None:
    """And goes on to whoever handles it."""
    night = Night()
    with pytest.raises(type(error)), night.notifier:
        raise error
    ((told, body),) = night.out.posted
    assert told == title
    assert "SECRET" not in body


def test_who_says_no_to_a_purchase_is_told_nothing() -> None:
    """They are at the terminal."""
    night = Night()
    with pytest.raises(Declined), night.notifier:
        raise Declined("not begun")
    assert night.out.posted == []


def test_a_signal_is_told_at_once_and_holds_nothing_up() -> None:
    """The message leaves with the signal; what is left of the five seconds is all it gets."""
    night = Night()
    with night.notifier as notifier:
        night.moved(S.DOWNLOADING, S.SUCCEEDED, cost_usd=1.0)
        notifier(RunInterrupted(signal="SIGTERM", text="x", warning=True))
        night.now += 3.0
        notifier.report_end(result(interrupted=signal.SIGTERM))
    assert [title for title, _ in night.out.posted] == ["batchveo was interrupted (SIGTERM)"]
    assert "1 video made, $1.00 charged" in night.out.posted[0][1]
    assert night.out.waits == [pytest.approx(ShutdownBudget.EXIT - 3.0)]


def test_a_stuck_run_is_told_of_once_and_once_more_when_it_moves() -> None:
    """Each time anew."""
    night = Night()
    night.begins()
    assert night.look(899) == []
    assert night.look(2) == ["batchveo: no progress for 15 min 01 s"]
    assert night.look(5000) == []
    night.moved(S.SUBMITTING, S.GENERATING)
    assert night.out.posted[-1][0] == "batchveo makes progress again"
    assert "After 1 h 38 min" in night.out.posted[-1][1]
    assert night.look(800) == []
    assert len(night.look(200)) == 1


def test_a_question_before_the_run_is_not_stuck() -> None:
    """Whoever is asked may sleep over it; the silence counts from the run's beginning."""
    night = Night()
    assert night.look(7200) == []
    night.begins()
    assert night.look(899) == []
    assert len(night.look(2)) == 1


def test_slow_models_are_not_stuck() -> None:
    """Three times the slowest generation of the night."""
    night = Night()
    night.begins()
    night.moved(S.GENERATING, S.DOWNLOADING, submitted_at=0.0, completed_at=600.0)
    assert night.look(1700) == []
    assert len(night.look(200)) == 1


def test_trying_again_and_again_is_not_moving() -> None:
    """Refusals, lost answers, downloads that begin anew."""
    night = Night()
    night.moved(S.GENERATING, S.DOWNLOADING)
    for _ in range(10):
        night.now += 100
        night.moved(S.PENDING, S.SUBMITTING, seq=2)
        night.moved(S.SUBMITTING, S.PENDING, seq=2)
        night.moved(S.SUBMITTING, S.IN_DOUBT, seq=2)
        night.moved(S.DOWNLOADING, S.GENERATING)
        night.moved(S.GENERATING, S.DOWNLOADING)
    assert len(night.look(0)) == 1


def test_waiting_for_the_log_is_said_as_such() -> None:
    """With the time at which it ends."""
    night = Night()
    night.begins()
    night.notifier(WaitingForLog(doubts=2, until=1_800_000_000.0))
    night.look(1000)
    assert "only 2 in doubt left; waiting for the usage log until" in night.out.posted[0][1].lower()
    night.moved(S.IN_DOUBT, S.GENERATING)
    night.look(1000)
    assert "doubt" not in night.out.posted[-1][1]


def test_nothing_is_stuck_once_it_is_over() -> None:
    """The end is told, and that was it."""
    night = Night()
    night.notifier.report_end(result())
    assert night.look(9999) == []


def test_the_watch_looks_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a thread that ends with the run."""
    monkeypatch.setattr("batchveo.display.notifier.CHECK_SECONDS", 0.005)
    night = Night()
    with night.notifier as notifier:
        night.begins()
        night.now = 2000.0
        deadline = time.monotonic() + 60
        while not night.out.posted and time.monotonic() < deadline:
            time.sleep(0.005)
        notifier.report_end(result())
    assert "no progress" in night.out.posted[0][0]


def test_a_failure_to_send_is_one_warning_without_the_url() -> None:
    """Said through the reporter, with the next event."""
    night = Night()
    night.out.broken = ["Slack"]
    night.notifier(Message(text="x"))
    assert night.seen[1] == Message(text="a message was not accepted by Slack; the run is not affected", warning=True)


def test_without_urls_it_only_hands_on() -> None:
    """Nothing is counted, nobody watches."""
    seen: list[Event] = []
    with Notifier(Messengers(), seen.append, state=Path("s.db")) as notifier:
        notifier(Message(text="x"))
        notifier.report_end(replace(result(), late=1))
    assert seen == [Message(text="x")]


MANIFEST = "defaults: {model: veo2}\njobs:\n  - {prompt: A <script> SECRET dragon, name: SECRET}\n"


def test_a_run_tells_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the command line, several URLs in the variable; nothing of the URL is kept anywhere."""
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text(MANIFEST)
    monkeypatch.setenv("AIMLAPI_API_KEY", "key")
    monkeypatch.setenv("BATCHVEO_POLL_INTERVAL", "0.05")
    with listening() as one, listening() as two, running(Service(Settings(generation_median=0.05))) as url:
        monkeypatch.setenv("BATCHVEO_BASE_URL", url)
        monkeypatch.setenv("BATCHVEO_NOTIFY", f"{one.url} {two.url}")
        assert status_of(["run", "m.yaml"]) == 0
        for listener in (one, two):
            assert [message["title"] for message in listener.got] == ["batchveo is done: 1 made"]
            assert "SECRET" not in str(listener.got)
        assert status_of(["resume"]) == 0
        assert one.got[1]["title"] == "batchveo is done: nothing to do"
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"token-secret" not in path.read_bytes()


def test_a_wrong_url_buys_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Found before anything else is begun."""
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text(MANIFEST)
    assert status_of(["run", "m.yaml", "--sandbox", "--notify", "slack://token-secret"]) == 2
    err = capsys.readouterr().err
    assert "slack://…" in err
    assert "token-secret" not in err
    assert not Path("state").exists()


def test_doctor_sends_a_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only when it is asked to."""
    monkeypatch.chdir(tmp_path)
    with listening() as good, listening(status=500) as bad:
        Path("urls").write_text(good.url)
        assert status_of(["doctor", "--sandbox", "--notify-file", "urls"]) == 0
        assert good.got == []
        assert status_of(["doctor", "--sandbox", "--notify-file", "urls", "--notify-test"]) == 0
        assert good.got[0]["title"] == "batchveo: a test"
        assert status_of(["doctor", "--sandbox", "--notify", bad.url, "--notify-test"]) == 1
    assert status_of(["doctor", "--sandbox", "--notify-test"]) == 1
    assert status_of(["doctor", "--sandbox", "--notify", "nonsense"]) == 1
    out = capsys.readouterr().out
    assert "messages: to JSON" in out
    assert "messages: not accepted by JSON" in out
    assert "token-secret" not in out
    assert "pass-secret" not in out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminated_run_tells_and_ends_in_time(tmp_path: Path, number: signal.Signals) -> None:
    """A signal to a real process: the message is out before it ends, within five seconds."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    with listening() as listener, running(Service(Settings(generation_median=600.0))) as url:
        arguments = ["-m", "batchveo", "run", "m.yaml", "--base-url", url, "-v", "--notify", listener.url]
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={**os.environ, "AIMLAPI_API_KEY": "key"},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        for line in process.stderr:
            if "submitting -> generating" in line:
                break
        begun = time.monotonic()
        os.kill(process.pid, number)
        rest = process.stderr.read()
        assert process.wait() == 128 + number
        assert time.monotonic() - begun < 5.0
        process.stderr.close()
    assert "a message was not taken" not in rest
    assert [message["title"] for message in listener.got] == [f"batchveo was interrupted ({number.name})"]
