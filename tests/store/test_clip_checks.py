"""Measures, scores and verdicts of clips, and the takes that follow from them."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from batchveo.core.fields import parse_condition
from batchveo.core.gates import CheckPolicy, Judgement, Verdict
from batchveo.core.job_row import JobRow, canonical_json
from batchveo.core.measures import CheckLevel, Measures
from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.outcomes import Accepted, Completed, Downloaded, GenerationFailed
from batchveo.core.state_machine import NOT_NEEDED, Move
from batchveo.core.votes import Vote, VoteKind
from batchveo.store import LastTake, MoveLost, StagingTable, Store, preview_jobs
from batchveo.store.clip_checks import NewTake, make_take_id
from tests.helpers.factories import make_spec
from tests.store.steps import assert_agrees, begun, claimed, move, names_claimed

POLICY = CheckPolicy(gates=("black_seconds < 0.5",)).to_json()
ACCEPTED = Judgement(verdict=Verdict.ACCEPTED)
REJECTED = Judgement(verdict=Verdict.REJECTED, gate="black_seconds < 0.5", values={"black_seconds": 2.0})
OPEN = Judgement(verdict=Verdict.OPEN, gate="clip.score > 1", values={"clip.score": None})
MEASURES = Measures(level=CheckLevel.BASIC, frames=10, black_seconds=2.0, has_sound=True, hashes=(1, 2**64 - 1))
TAKE = NewTake(request=canonical_json({"prompt": "a", "seed": 8}), tries=2)


def make_policed(name: str = "a", **changes: Any) -> JobSpec:
    return make_spec(name, **{"policy": POLICY, "tries": 3, "meta": {"split": "train"}, **changes})


def finish(store: Store, run: int, *, generation: str, sha256: str = "00") -> Job:
    """The next job, claimed, and done."""
    job = move(store, claimed(store, run), Accepted(generation_id=generation))
    job = move(store, job, Completed(url="https://x/v", cost_usd=1.0))
    return move(store, job, Downloaded(folder="/v", file=f"{job.stem}.mp4", bytes=3, sha256=sha256))


def reject(store: Store, job: Job, run: int, *, take: NewTake | None = TAKE) -> Job | None:
    return store.checks.record_verdict(job, REJECTED, run=run, now=20.0, take=take).added


def test_measures_belong_to_the_bytes_that_were_measured(store: Store) -> None:
    run = begun(store, make_policed())
    job = finish(store, run, generation="g")
    assert store.checks.read_measures(job) is None
    store.checks.record_measures(job, MEASURES, now=11.0)
    assert store.checks.read_measures(job) == MEASURES
    store.checks.record_measures(job, replace(MEASURES, bitrate=90_000), now=11.0)
    assert repr(store.checks.read_measures(job)) == repr(replace(MEASURES, bitrate=90_000))
    assert store.checks.read_measures(replace(job, sha256="01")) is None
    assert list(store.checks.list_hashes()) == [(job.seq, (1, 2**64 - 1))]
    (clip,) = store.checks.list_clips()
    assert (clip.seq, clip.policy, clip.verdict, clip.level) == (job.seq, POLICY, None, CheckLevel.BASIC)
    assert list(store.checks.list_clips(parse_condition("black_seconds > 1"))) == [clip]
    assert list(store.checks.list_clips(parse_condition("black_seconds > 2"))) == []
    store.checks.record_measures(replace(job, sha256="01"), MEASURES, now=11.0)  # of another file than it has now
    assert list(store.checks.list_hashes()) == []
    assert [clip.level for clip in store.checks.list_clips()] == [None]


def test_a_policy_makes_a_clip_wait_for_a_verdict(store: Store) -> None:
    run = begun(store, make_policed("a"), make_spec("b"))
    finish(store, run, generation="g")
    finish(store, run, generation="h")
    (job,) = store.checks.iter_unjudged()
    assert (job.name, job.policy, job.verdict) == ("a", POLICY, None)
    judged = store.checks.record_verdict(job, ACCEPTED, run=run, now=20.0)
    assert judged.job.verdict == "accepted"
    assert list(store.checks.iter_unjudged()) == []
    assert store.checks.count_verdicts() == {"accepted": 1}


def test_verdicts_are_kept_and_the_latest_counts(store: Store) -> None:
    run = begun(store, make_policed())
    job = finish(store, run, generation="g")
    for judgement in (OPEN, REJECTED, ACCEPTED):
        store.checks.record_verdict(job, judgement, run=run, now=20.0)
    assert [judgement for _, judgement in store.checks.list_verdicts(job)] == [OPEN, REJECTED, ACCEPTED]
    assert store.checks.read_verdict(job) == ACCEPTED
    for statement in ("DELETE FROM verdicts", "UPDATE verdicts SET gate = ''"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            store.connection.db.execute(statement)


def test_a_verdict_on_a_clip_that_was_replaced_is_refused(store: Store) -> None:
    run = begun(store, make_policed())
    job = finish(store, run, generation="g")
    with pytest.raises(MoveLost):
        store.checks.record_verdict(replace(job, sha256="other"), REJECTED, run=run, now=20.0, take=TAKE)
    assert store.checks.list_verdicts(job) == []
    assert [each.name for each in store.jobs()] == ["a"]


def test_a_rejected_clip_gets_one_take_however_often_it_is_judged(store: Store) -> None:
    run = begun(store, make_policed())
    job = finish(store, run, generation="g")
    take = reject(store, job, run)
    assert take is not None
    assert (take.name, take.stem, take.state, take.take, take.take_of) == ("a-take2", "a-take2", "pending", 2, job.seq)
    assert (take.request, take.meta, take.policy, take.tries) == ({"prompt": "a", "seed": 8}, job.meta, POLICY, 2)
    assert take.id == make_take_id(job.id, 2)
    assert reject(store, job, run) is None
    assert_agrees(store)
    assert names_claimed(store, run) == ["a-take2"]


def test_takes_have_the_priority_of_their_job(store: Store) -> None:
    """Also a new one: after a run of the manifest with another priority all of them have that."""
    run = begun(store, make_policed(priority=4))
    first = finish(store, run, generation="g")
    take = reject(store, first, run)
    assert take is not None
    assert take.priority == 4
    store.imports.add_jobs([make_policed(priority=9)], run=run, now=30.0)
    assert {job.priority for job in store.checks.list_family(first)} == {9}


def test_a_take_of_a_take_is_the_next_of_the_first(store: Store) -> None:
    run = begun(store, make_policed())
    first = finish(store, run, generation="g")
    reject(store, first, run)
    second = finish(store, run, generation="h", sha256="01")
    third = reject(store, second, run)
    assert third is not None
    assert (third.name, third.take_of) == ("a-take3", first.seq)
    assert reject(store, first, run) is None
    assert [job.take for job in store.checks.list_family(second)] == [1, 2, 3]


def test_without_a_take_nothing_is_made_again(store: Store) -> None:
    run = begun(store, make_policed())
    job = finish(store, run, generation="g")
    assert reject(store, job, run, take=None) is None
    assert names_claimed(store, run) == []


def test_an_accepted_clip_cancels_takes_that_are_not_submitted(store: Store) -> None:
    run = begun(store, make_policed())
    first = finish(store, run, generation="g")
    take = reject(store, first, run)
    assert take is not None
    judged = store.checks.record_verdict(first, ACCEPTED, run=run, now=21.0)
    assert [(job.name, job.state, job.error) for job in judged.cancelled] == [("a-take2", "cancelled", NOT_NEEDED)]
    assert names_claimed(store, run) == []
    again = reject(store, first, run)  # by other gates
    assert again is not None
    assert (again.seq, again.state) == (take.seq, JobState.PENDING)
    assert_agrees(store)


def test_an_accepted_clip_leaves_a_take_alone_that_is_submitted(store: Store) -> None:
    run = begun(store, make_policed())
    first = finish(store, run, generation="g")
    reject(store, first, run)
    take = claimed(store, run)
    judged = store.checks.record_verdict(first, ACCEPTED, run=run, now=21.0)
    assert judged.cancelled == []
    assert store.queries.read_job(take.seq).state is JobState.SUBMITTING


def test_a_take_whose_file_name_is_taken_gets_another(store: Store) -> None:
    run = begun(store, make_policed("a"), make_spec("a-take2"))
    job = finish(store, run, generation="g")
    take = reject(store, job, run)
    assert take is not None
    assert take.name == "a-take2"
    assert take.stem.startswith("a-take2~")


def test_one_take_of_a_family_counts(store: Store) -> None:
    run = begun(store, make_policed(), make_policed("b"))
    first = finish(store, run, generation="g")
    finish(store, run, generation="i", sha256="03")
    assert store.checks.find_uncounted() == set()
    reject(store, first, run)
    second = finish(store, run, generation="h", sha256="01")
    assert store.checks.find_uncounted() == {first.seq}
    store.checks.record_verdict(second, ACCEPTED, run=run, now=21.0)
    assert store.checks.find_uncounted() == {first.seq}
    store.checks.record_verdict(first, ACCEPTED, run=run, now=21.0)
    assert store.checks.find_uncounted() == {second.seq}
    store.checks.set_policy([first, second], CheckPolicy(gates=("has_sound",), prefer="-black_seconds"))
    for job, black in ((first, 2.0), (second, 1.0)):
        store.checks.record_measures(job, replace(MEASURES, black_seconds=black), now=22.0)
        store.checks.record_verdict(store.queries.read_job(job.seq), ACCEPTED, run=run, now=23.0)
    assert store.checks.find_uncounted() == {first.seq}


def test_what_people_say_of_takes_comes_before_gates(store: Store) -> None:
    run = begun(store, make_policed())
    first = finish(store, run, generation="g")
    reject(store, first, run)
    second = finish(store, run, generation="h", sha256="01")
    store.checks.record_verdict(second, ACCEPTED, run=run, now=21.0)
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.PICK, job=first.seq))
    assert store.checks.find_uncounted() == {second.seq}
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.PICK, job=second.seq))
    assert store.checks.find_uncounted() == set()
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.REJECT, job=second.seq))
    assert store.checks.find_uncounted() == {second.seq}
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.REJECT, job=first.seq))
    assert store.checks.find_uncounted() == {first.seq, second.seq}


def test_measures_and_scores_of_several_jobs_are_read_at_once(store: Store) -> None:
    run = begun(store, *map(make_policed, "abc"))
    jobs = [finish(store, run, generation=name) for name in "ghi"]
    for job in jobs[:2]:
        store.checks.record_measures(job, MEASURES, now=11.0)
    store.checks.record_scores(jobs[1], {"clip.score": 0.5, "a.label": "good"}, now=12.0)
    anew = replace(jobs[0], sha256="01")
    assert store.checks.read_measures_of([anew, *jobs[1:]]) == {jobs[1].seq: MEASURES}
    assert store.checks.read_scores_of(jobs) == {jobs[1].seq: {"a.label": "good", "clip.score": 0.5}}


def test_scores_open_a_verdict_again(store: Store) -> None:
    run = begun(store, make_policed())
    job = finish(store, run, generation="g")
    store.checks.record_verdict(job, OPEN, run=run, now=20.0)
    store.checks.record_scores(job, {"clip.score": 0.5, "clip.label": "odd", "clip.text": "0.5"}, now=21.0)
    store.checks.record_scores(job, {"clip.score": 0.75}, now=22.0)
    assert store.checks.read_scores(job) == {"clip.score": 0.75, "clip.label": "odd", "clip.text": "0.5"}
    assert store.checks.list_score_names() == {"clip.label": 1, "clip.score": 1, "clip.text": 1}
    assert [job.name for job in store.checks.iter_unjudged()] == ["a"]


def test_a_video_that_is_fetched_anew_is_judged_anew_if_it_is_another(store: Store) -> None:
    run = begun(store, make_policed())
    job = store.checks.record_verdict(finish(store, run, generation="g"), ACCEPTED, run=run, now=20.0).job
    for sha256, verdict in (("00", "accepted"), ("99", None)):
        again = store.transitions.apply_move(job, _fetch_again(job), run=run, now=30.0)
        again = move(store, again, Completed(url="https://x/v", cost_usd=1.0))
        job = move(store, again, Downloaded(folder="/v", file="a.mp4", bytes=3, sha256=sha256))
        assert store.queries.read_job(job.seq).verdict == verdict


def _fetch_again(job: Job) -> Any:
    return Move(to=JobState.GENERATING, detail="its file is gone")


def test_rejection_rates_are_those_of_each_model(store: Store) -> None:
    run = begun(store, make_policed("a"), make_policed("b"), make_policed("c", model="m"))
    for number, judgement in enumerate((ACCEPTED, REJECTED, REJECTED)):
        job = finish(store, run, generation=f"g{number}", sha256=f"{number}")
        store.checks.record_verdict(job, judgement, run=run, now=20.0)
    assert store.checks.list_rejection_rates() == {"google/veo3": (2, 1), "m": (1, 1)}


# -- manifests


@pytest.mark.parametrize("scratch", [True, False])
def test_a_manifest_may_change_the_policy_of_a_job_and_of_its_takes(store: Store, *, scratch: bool) -> None:
    run = begun(store, make_policed("a"), make_policed("b"), scratch=scratch)
    first = finish(store, run, generation="g")
    reject(store, first, run)
    other = finish(store, run, generation="h", sha256="01")
    store.checks.record_verdict(other, ACCEPTED, run=run, now=20.0)
    begun(store, make_policed("a"), make_policed("b"), scratch=scratch)
    assert [job.verdict for job in store.jobs()] == ["rejected", "accepted", None]
    changed = CheckPolicy(gates=("black_seconds < 9",)).to_json()
    begun(store, make_policed("a", policy=changed, meta={"x": 1}), make_policed("b"), scratch=scratch)
    jobs = list(store.jobs())
    assert [(job.name, job.policy, job.verdict) for job in jobs] == [
        ("a", changed, None),
        ("b", POLICY, "accepted"),
        ("a-take2", changed, None),
    ]
    assert jobs[2].meta == {"x": 1}
    begun(store, make_policed("a", policy=None), scratch=scratch)
    assert [job.policy for job in store.jobs()] == [None, POLICY, None]


@pytest.mark.parametrize("scratch", [True, False])
def test_the_run_that_names_a_job_takes_on_its_other_takes(store: Store, *, scratch: bool) -> None:
    run = begun(store, make_policed("a"), make_policed("b"), scratch=scratch)
    first = finish(store, run, generation="g")
    reject(store, first, run)
    later = begun(store, make_policed("a"), scratch=scratch)
    assert names_claimed(store, later) == ["a-take2"]
    assert names_claimed(store, run) == ["b"]


def test_takes_are_not_said_to_be_named_no_longer(store: Store) -> None:
    run = begun(store, make_policed("a"))
    reject(store, finish(store, run, generation="g"), run)
    run = store.runs.begin_run(command="run", service="s", now=1.0)
    added = store.imports.add_jobs([make_policed("a")], run=run, now=2.0)
    assert (added.new, dict(added.no_longer_named)) == (0, {})


def test_a_failed_generation_of_a_take_is_like_any_other(store: Store, tmp_path: Path) -> None:
    run = begun(store, make_policed())
    reject(store, finish(store, run, generation="g"), run)
    failed = move(store, move(store, claimed(store, run), Accepted(generation_id="h")), GenerationFailed(reason="no"))
    assert (failed.state, failed.tried, failed.tries) == (JobState.FAILED, 1, 2)
    assert [job.name for job in store.queries.list_unsettled_failures(run, tries=1)] == ["a-take2"]


def test_a_take_of_a_lost_database_is_added_once(store: Store) -> None:
    run = begun(store, make_policed())
    first = finish(store, run, generation="g")
    take = store.checks.restore_take(first, 3, TAKE.request, run=run, now=20.0)
    assert (take.take, take.state) == (3, JobState.PENDING)
    assert store.checks.restore_take(first, 3, TAKE.request, run=run, now=20.0) == take


def test_what_is_foreseen_of_takes(store: Store) -> None:
    """The last take with its state, and the verdict if it is by the policy that is named now."""
    run = begun(store, *(make_policed(name) for name in "abc"), make_spec("d"))
    clips = {name: finish(store, run, generation=name) for name in "abc"}
    reject(store, clips["a"], run)
    reject(store, clips["b"], run, take=None)
    store.checks.record_verdict(clips["c"], ACCEPTED, run=run, now=20.0)
    other = CheckPolicy(gates=("black_seconds < 9",)).to_json()
    named = [*(make_policed(name) for name in "abc"), make_policed("c", policy=other), make_spec("d"), make_spec("e")]
    with StagingTable() as staged:
        staged.add_rows(map(JobRow.from_spec, named[:3] + named[4:]))
        seen = list(preview_jobs(staged, store.path))
    assert [job.state for job in seen] == 3 * [JobState.SUCCEEDED] + [JobState.PENDING, None]
    assert [job.last for job in seen] == [
        LastTake(POLICY, 3, 2, JobState.PENDING),
        LastTake(POLICY, 3, 1, JobState.SUCCEEDED, "rejected"),
        LastTake(POLICY, 3, 1, JobState.SUCCEEDED, "accepted"),
        LastTake(state=JobState.PENDING),
        LastTake(),
    ]
    with StagingTable() as staged:
        staged.add_rows([JobRow.from_spec(named[3])])
        assert [job.last.verdict for job in preview_jobs(staged, store.path)] == [None]


def test_what_a_resumed_run_may_buy(store: Store) -> None:
    """The last take of each job that waits, is being made, or is not accepted; the tries are those of the first."""
    run = begun(store, *(make_policed(name) for name in "abcdef"), make_spec("g"), make_spec("h"))
    for name in "abcd":
        job = finish(store, run, generation=name)
        if name == "a":
            reject(store, job, run)
        elif name != "d":
            verdict = REJECTED if name == "b" else ACCEPTED
            store.checks.record_verdict(job, verdict, run=run, now=20.0)
    move(store, claimed(store, run), Accepted(generation_id="e"))
    found = {request["prompt"]: last for _, request, last in store.queries.list_last_takes()}
    assert found == {
        "a": LastTake(POLICY, 3, 2, JobState.PENDING),
        "b": LastTake(POLICY, 3, 1, JobState.SUCCEEDED, "rejected"),
        "d": LastTake(POLICY, 3, 1, JobState.SUCCEEDED),
        "e": LastTake(POLICY, 3, 1, JobState.GENERATING),
        "f": LastTake(POLICY, 3, 1, JobState.PENDING),
        "g": LastTake(state=JobState.PENDING),
        "h": LastTake(state=JobState.PENDING),
    }
    assert store.queries.list_models_to_buy() == ["google/veo3"]


def test_what_is_foreseen_without_takes_and_policies(store: Store) -> None:
    """The shorter query says the same."""
    run = begun(store, make_spec("a"), make_spec("b"))
    finish(store, run, generation="a")
    with StagingTable() as staged:
        staged.add_rows(JobRow.from_spec(make_spec(name)) for name in "abc")
        seen = list(preview_jobs(staged, store.path))
    assert [(job.state, job.last) for job in seen] == [
        (JobState.SUCCEEDED, LastTake(state=JobState.SUCCEEDED)),
        (JobState.PENDING, LastTake(state=JobState.PENDING)),
        (None, LastTake()),
    ]


def test_the_history_has_each_verdict_of_gates(store: Store) -> None:
    run = begun(store, make_policed(), make_spec("b", policy=CheckPolicy(level=CheckLevel.BASIC).to_json()))
    job, other = finish(store, run, generation="g"), finish(store, run, generation="h", sha256="01")
    for judgement in (OPEN, REJECTED, REJECTED):
        store.checks.record_verdict(job, judgement, run=run, now=20.0)
    store.checks.record_verdict(other, ACCEPTED, run=run, now=20.0)
    assert [row["detail"] for row in store.queries.list_moves(job)][-2:] == [
        "not decided: clip.score > 1 (clip.score = unknown)",
        "rejected by black_seconds < 0.5 (black_seconds = 2.0)",
    ]
    assert store.queries.list_moves(other)[-1]["from_state"] == "downloading"


def test_a_take_that_was_not_needed_may_be_bought_after_all(store: Store) -> None:
    """By other gates: what is foreseen counts from the last take that was made."""
    run = begun(store, make_policed())
    job = finish(store, run, generation="g")
    reject(store, job, run)
    store.checks.record_verdict(job, ACCEPTED, run=run, now=21.0)
    other = CheckPolicy(gates=("black_seconds < 0.1",)).to_json()
    with StagingTable() as staged:
        staged.add_rows([JobRow.from_spec(make_policed(policy=other))])
        (seen,) = preview_jobs(staged, store.path)
    assert seen.last == LastTake(other, 3, 1, JobState.SUCCEEDED)
    store.checks.set_policy([job], CheckPolicy(gates=("black_seconds < 0.1",)))
    assert [last for _, _, last in store.queries.list_last_takes()] == [LastTake(other, 3, 1, JobState.SUCCEEDED)]


def test_nothing_is_foreseen_for_a_clip_whose_first_take_is_accepted(store: Store) -> None:
    run = begun(store, make_policed())
    first = finish(store, run, generation="g")
    reject(store, first, run)
    reject(store, finish(store, run, generation="h", sha256="01"), run, take=None)
    store.checks.record_verdict(first, ACCEPTED, run=run, now=21.0)
    assert list(store.queries.list_last_takes()) == []
    with StagingTable() as staged:
        staged.add_rows([JobRow.from_spec(make_policed())])
        (seen,) = preview_jobs(staged, store.path)
    assert seen.last == LastTake(POLICY, 3, 2, JobState.SUCCEEDED, "accepted")


def test_sidecars_that_name_every_number_do_not_hide_the_takes_of_real_ones(store: Store) -> None:
    begun(store, *(make_policed(name) for name in "abc"))
    first = next(iter(store.jobs()))
    real = {make_take_id(first.id, 2): 2, make_take_id(first.id, 3): 3}
    lies = {f"{number:020x}": number for number in range(2, 1000)}
    hashed = 0

    def counted(first_id: str, number: int) -> str:
        nonlocal hashed
        hashed += 1
        return make_take_id(first_id, number)

    with mock.patch("batchveo.store.clip_checks.make_take_id", counted):
        assert store.checks.find_firsts({**lies, **real}) == dict.fromkeys(real, first)
    assert hashed <= 3 * 20
