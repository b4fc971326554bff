"""The table by model or any other field: every figure against one that was counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.errors import UsageError
from batchveo.core.gates import Judgement, Verdict
from batchveo.core.measures import CheckLevel, Measures
from batchveo.core.models import JobState
from batchveo.core.state_machine import Move
from batchveo.core.votes import Vote, VoteKind
from batchveo.operations.compare import Compared, compare_clips
from batchveo.store import Store
from tests.helpers.factories import make_spec
from tests.helpers.finished_jobs import Morning

FAST, GOOD = "google/veo-3.1-t2v-fast", "google/veo-3.1-t2v"


@pytest.fixture
def morning(tmp_path: Path) -> Morning:
    """Ten prompts with a clip of each of two models, and one failure of the fast one."""
    made = Morning(tmp_path)
    for number in range(10):
        style = "noir" if number % 2 else "ink"
        made.make(f"fast-{number}", prompt=f"p {number}", model=FAST, cost=1.0, meta={"style": style})
        made.make(f"good-{number}", prompt=f"p {number}", model=GOOD, cost=3.0, meta={"style": style})
    with made.store() as store:
        store.imports.add_jobs([make_spec("lost", model=FAST)], run=1, now=1.0)
        job = store.transitions.claim_job(run=1, now=2.0)
        assert job is not None
        failed = Move(to=JobState.FAILED, detail="no", released=True, set={"error": "no", "finished_at": 9.0})
        store.transitions.apply_move(job, failed, run=1, now=9.0)
    return made


def compared(morning: Morning, by: str = "model") -> dict[object, Compared]:
    with morning.store(writing=False) as store:
        return {row.value: row for row in compare_clips(store, by)}


def prefer(store: Store, better: str, worse: str) -> None:
    (one,), (other,) = store.queries.find_jobs(better), store.queries.find_jobs(worse)
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.BETTER, job=one.seq, other=other.seq))


def test_clips_success_price_and_time(morning: Morning) -> None:
    """A price for a second is known only of clips that were measured."""
    with morning.store() as store:
        (job,) = store.queries.find_jobs("good-0")
        store.facts.record_measures(job, Measures(level=CheckLevel.BASIC, duration_seconds=4.0), now=1.0)
    rows = compared(morning)
    fast, good = rows[FAST], rows[GOOD]
    assert (fast.clips, fast.failed, round(fast.success_rate, 3)) == (10, 1, 0.909)
    assert (good.clips, good.failed, good.success_rate) == (10, 0, 1.0)
    assert (fast.usd_per_clip, good.usd_per_clip) == (1.0, 3.0)
    assert (fast.usd_per_second, good.usd_per_second) == (None, 0.75)
    assert (good.median_seconds, good.p90_seconds) == (8.0, 8.0)


def test_gates_that_rejected_and_what_people_say(morning: Morning) -> None:
    with morning.store() as store:
        for name, gate in (("fast-1", "cuts == 0"), ("fast-2", "cuts == 0"), ("fast-3", "has_sound")):
            (job,) = store.queries.find_jobs(name)
            rejected = Judgement(verdict=Verdict.REJECTED, gate=gate)
            store.verdicts.record_verdict(job, rejected, run=1, now=5.0)
        (job,) = store.queries.find_jobs("good-1")
        for kind, rating in ((VoteKind.PICK, None), (VoteKind.RATE, 4)):
            store.votes.record_vote(Vote(person="ann", kind=kind, job=job.seq, rating=rating))
    rows = compared(morning)
    assert (rows[FAST].rejected, rows[FAST].rejected_by) == (3, {"cuts == 0": 2, "has_sound": 1})
    assert (rows[GOOD].rejected, rows[GOOD].picked, rows[GOOD].rating) == (0, 1, 4.0)


def test_win_rates_say_when_there_are_too_few_votes(morning: Morning) -> None:
    assert compared(morning)[GOOD].win_rate is None
    with morning.store() as store:
        prefer(store, "good-0", "fast-0")
    win = compared(morning)[GOOD].win_rate
    assert win is not None
    assert (win.duels, win.low, win.is_enough) == (1, None, False)
    with morning.store() as store:
        for number in range(1, 10):
            better, worse = ("good", "fast") if number < 8 else ("fast", "good")
            prefer(store, f"{better}-{number}", f"{worse}-{number}")
    rows = compared(morning)
    win = rows[GOOD].win_rate
    assert win is not None
    assert win.low is not None
    assert win.high is not None
    assert win.is_enough
    assert win.rate == pytest.approx(0.8, abs=0.02)
    assert win.low < 0.65 < 0.9 < win.high
    assert rows[GOOD].make_row()["comparisons"] == 10


def test_by_a_key_of_meta_and_of_the_request(morning: Morning) -> None:
    """Jobs without it are a row of their own; votes between clips of one style say nothing about styles."""
    with morning.store() as store:
        prefer(store, "good-0", "fast-0")
        prefer(store, "good-0", "fast-1")
    rows = compared(morning, "meta.style")
    assert {value: row.clips for value, row in rows.items()} == {"noir": 10, "ink": 10, None: 0}
    assert rows["ink"].win_rate is not None
    assert rows["ink"].win_rate.duels == 1
    assert set(compared(morning, "request.seed")) == {None}


@pytest.mark.parametrize(("by", "why"), [("modl", "did you mean model"), ("model or seed", "not the name")])
def test_a_field_that_is_none_is_said(morning: Morning, by: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        compared(morning, by)


def test_a_field_with_another_value_for_each_job_is_refused(tmp_path: Path) -> None:
    """Its table would be as long as the list of jobs."""
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs([make_spec(f"job {n}") for n in range(201)], run=run, now=1.0)
        store.connection.db.execute("UPDATE jobs SET state = 'failed', error = 'x', finished_at = 1.0")
        with pytest.raises(UsageError, match="201 values"):
            compare_clips(store, "name")


def test_numbers_are_in_their_order(tmp_path: Path) -> None:
    """Rows with as many clips: 9 before 10, also as texts of a CSV file."""
    morning = Morning(tmp_path)
    for strength in ("10", "9", "none"):
        morning.make(f"clip-{strength}", meta={"strength": strength})
    assert list(compared(morning, "meta.strength")) == ["9", "10", "none"]
