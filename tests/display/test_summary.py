"""What is said when a run is over."""

from __future__ import annotations

import signal
from pathlib import Path

from batchveo.core.errors import BudgetReached
from batchveo.core.gates import CheckPolicy, Judgement, Verdict
from batchveo.core.models import JobState
from batchveo.display.summary import describe_account, describe_outcome
from batchveo.engine.result import RunResult
from batchveo.store import Store
from batchveo.store.takes import NewTake
from batchveo.store.waiting_jobs import BlockedCount
from tests.helpers.busy_database import going, moved_on
from tests.helpers.chains import make_chain
from tests.helpers.factories import make_spec
from tests.helpers.store_rows import set_policy

S = JobState


def said(store: Store, run: int, **changes: object) -> str:
    result = RunResult(run=run, counts=store.counts(run=run), exit_status=1, seconds=3725.0)
    for name, value in changes.items():
        object.__setattr__(result, name, value)
    return "\n".join([*describe_outcome(result, Path("videos")), *describe_account(result, store)])


def test_what_was_made_what_it_cost_what_failed_and_what_to_do(tmp_path: Path) -> None:
    """Failures by their reason, held doubts with the command that settles them."""
    with Store(tmp_path / "b.db") as store:
        began = going(store, now=1.0)
        moved_on(store, began.run, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=2.0)
        for reason in ("withheld\x1b[2J", "withheld\x1b[2J", "too long"):
            moved_on(store, began.run, S.GENERATING, S.FAILED, now=2.0, error=reason)
        held = moved_on(store, began.run, S.IN_DOUBT, now=2.0, held=True)
        moved_on(store, began.run, S.IN_DOUBT, now=2.0)
        text = said(store, began.run, late=2, rejected=2)
    assert text.isprintable() is False
    assert all(line.isprintable() for line in text.splitlines())
    for words in (
        "34 pending, 2 in doubt, 1 succeeded, 3 failed after 1 h 02 min; videos in videos",
        "spent $0.50 of $9.00 in total, $2.50 more in flight or in doubt",
        "  2 failed: withheld [2J (job 1 and 1 other)",
        "  1 failed: too long (job 3)",
        f"`batchveo retry --state {store.path}`",
        "1 held in doubt",
        f"  job 4: `batchveo resolve {held.id} --resubmit --state {store.path}`",
        "1 in doubt: run the same command",
        "of 2 jobs no clip meets the gates",
        "2 still generating at the service",
    ):
        assert words in text, words


def test_a_run_that_did_nothing_says_so(tmp_path: Path) -> None:
    """Failures of earlier runs are none of this one, which took no time either."""
    with Store(tmp_path / "b.db") as store:
        began = going(store, 1, now=1.0)
        assert said(store, began.run, idle=True).startswith("1 pending after")
        moved_on(store, began.run, S.GENERATING, S.FAILED, now=2.0, error="too long")
        assert said(store, began.run).startswith("1 failed after 1 h 02 min; videos in videos")
        assert said(store, began.run, idle=True).startswith("nothing to do; 1 failed in earlier runs; videos in videos")


def test_rejected_clips_are_counted_by_their_gates(tmp_path: Path) -> None:
    """With the number of those that were made again."""
    gate = "black_seconds < 0.5"
    with Store(tmp_path / "b.db") as store:
        began = going(store, 2, now=1.0)
        jobs = [moved_on(store, began.run, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=2.0) for _ in range(2)]
        set_policy(store, jobs, CheckPolicy(gates=(gate,)))
        assert "rejected" not in said(store, began.run)
        rejected = Judgement(verdict=Verdict.REJECTED, gate=gate, values={"black_seconds": 2.0})
        take = NewTake(request="{}", tries=1)
        for job, again in zip(jobs, (take, None), strict=True):
            store.verdicts.record_verdict(job, rejected, run=began.run, now=3.0, take=again)
        lines = said(store, began.run).splitlines()
    listing = f"batchveo jobs --where 'verdict == \"rejected\"' --state {store.path}"
    place = lines.index(f"2 clips rejected, 1 of them with another take; `{listing}` lists them")
    assert lines[place + 1] == "  2 rejected by black_seconds < 0.5"


def test_open_clips_are_counted(tmp_path: Path) -> None:
    """They are neither rejected nor made again, so nothing else of the summary tells of them."""
    with Store(tmp_path / "b.db") as store:
        began = going(store, 1, now=1.0)
        job = moved_on(store, began.run, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=2.0)
        set_policy(store, [job], CheckPolicy(gates=("clip.score > 1",)))
        left_open = Judgement(verdict=Verdict.OPEN, gate="clip.score > 1", values={"clip.score": None})
        store.verdicts.record_verdict(job, left_open, run=began.run, now=3.0)
        lines = said(store, began.run).splitlines()
    listing = f"batchveo jobs --where 'verdict == \"open\"' --state {store.path}"
    assert f"1 clip open: a value of their gates is not known yet; `{listing}` lists them" in lines


def test_why_it_stopped(tmp_path: Path) -> None:
    """The reason of an early stop, or that somebody interrupted it."""
    with Store(tmp_path / "b.db") as store:
        began = going(store, now=1.0)
        stopped = said(store, began.run, stopped=BudgetReached("$9 are spent"))
        interrupted = said(store, began.run, interrupted=signal.SIGINT)
    assert "stopped early: $9 are spent. Run the same command with a larger --budget to resume." in stopped
    assert "interrupted; run the same command to resume" in interrupted


def test_chains_that_end_early_and_how_they_go_on(tmp_path: Path) -> None:
    """Blocked jobs are not said to be pending; each cause has its own way out."""
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="x", now=1.0)
        store.imports.add_jobs([*make_chain(3, "fox"), *make_chain(2, "ship")], run=run, now=1.0)
        moved_on(store, run, S.GENERATING, S.FAILED, now=2.0, error="too long")
        text = said(store, run, blocked=store.waiting.count_blocked())
        for line in (
            "2 pending, 2 blocked, 1 failed after 1 h 02 min; videos in videos",
            "0 of 2 chains are complete",
            "2 jobs are blocked: fox 0 failed; they follow once that is made again",
        ):
            assert line in text.splitlines(), line
        (ship,) = store.queries.find_jobs("ship 0")
        store.manual.cancel_job(ship, now=3.0)
        blocked = store.waiting.count_blocked()
        text = said(store, run, blocked=blocked, idle=True)
    assert text.startswith("nothing to do; 3 blocked, 1 failed, 1 cancelled in earlier runs; videos in videos")
    command = f"`batchveo retry 'ship 0' --state {store.path}`"
    assert f"1 job is blocked: ship 0 was cancelled; {command} brings it back" in text.splitlines()


def test_films_of_complete_chains(tmp_path: Path) -> None:
    """They are offered once there is one."""
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="x", now=1.0)
        store.imports.add_jobs([*make_chain(2, "fox"), make_spec("single")], run=run, now=1.0)
        first = moved_on(store, run, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=2.0)
        assert "0 of 1 chain is complete" in said(store, run).splitlines()
        (link,) = store.links.list_open_links(first.seq)
        store.links.fill_frame(link, first, b"image", run=run, now=3.0)
        moved_on(store, run, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=4.0)
        command = f"`batchveo film --all --state {store.path}`"
        assert f"1 of 1 chain is complete; {command} joins their clips to films" in said(store, run).splitlines()


def test_blocked_by_clips_that_were_rejected(tmp_path: Path) -> None:
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="x", now=1.0)
        store.imports.add_jobs(make_chain(2, "fox"), run=run, now=1.0)
        job = moved_on(store, run, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=2.0)
        store.verdicts.record_verdict(job, Judgement(verdict=Verdict.REJECTED, gate="g"), run=run, now=3.0)
        text = said(store, run, blocked=store.waiting.count_blocked())
        several = [BlockedCount(state="rejected", jobs=7, example="fox 0", parents=3)]
        together = said(store, run, blocked=several)
    command = f"`batchveo retry 'fox 0' --takes 1 --state {store.path}`"
    assert f"1 job is blocked: fox 0 was rejected; {command} makes another take of it" in text.splitlines()
    command = f"`batchveo retry JOB --takes 1 --state {store.path}`"
    what = "7 jobs are blocked: fox 0 and 2 others were rejected"
    assert f"{what}; {command} makes another take of one of those" in together.splitlines()
