"""What a manifest would change, before its jobs are added."""

from __future__ import annotations

from collections.abc import Generator

from batchveo.core.gates import CheckPolicy
from batchveo.core.job_row import JobRow
from batchveo.core.models import JobState
from batchveo.core.outcomes import Accepted
from batchveo.store import LastTake, StagingTable, Store, preview_jobs
from tests.helpers.factories import make_spec
from tests.store.judged_jobs import ACCEPTED, POLICY, REJECTED, finish, make_policed, reject
from tests.store.steps import begun, claimed, move


def test_what_is_foreseen_is_what_happens(store: Store) -> None:
    """The jobs that are told to be due and to lose their names are those that the state adds so."""
    run = store.runs.begin_run(command="run", service="x", now=1.0)
    store.imports.add_jobs([make_spec("a cat"), make_spec("a dog"), make_spec("a fox")], run=run, now=1.0)
    dog = store.queries.find_jobs("a dog")[0]
    store.manual.cancel_job(dog, now=2.0)
    named = [
        make_spec("a cat"),
        make_spec("a dog"),
        make_spec("A CAT"),
        make_spec("a hen"),
        make_spec("a hen", id="b" * 20),
    ]
    with StagingTable() as scratch:
        scratch.add_rows(JobRow.from_spec(spec) for spec in named)
        seen = list(preview_jobs(scratch, store.path))
        added = store.imports.add_jobs(scratch, run=run, now=3.0)
    states = [JobState.PENDING, JobState.CANCELLED, None, None, None]
    assert [job.state for job in seen] == states
    assert [job.is_due for job in seen] == [True, False, True, True, True]
    assert [job.taken for job in seen] == [False, False, False, False, True]
    assert added.new == 3
    assert {job.name for job in store.jobs() if "~" in job.stem} == {"a hen"}
    assert store.queries.list_pending_models() == ["google/veo3"]
    assert len(list(store.queries.list_pending_requests())) == 5


def test_without_a_state_all_is_new() -> None:
    """Names that differ by case only are two files where the disk tells them apart."""
    with StagingTable() as scratch:
        twin = make_spec("a", id="b" * 20)
        scratch.add_rows(JobRow.from_spec(spec) for spec in (make_spec("a"), make_spec("A"), twin))
        seen = list(preview_jobs(scratch, None))
    assert [(job.state, job.taken) for job in seen] == [(None, False), (None, False), (None, True)]


def test_whoever_stops_looking_leaves_nothing_locked(store: Store) -> None:
    """The state can be joined again."""
    store.runs.begin_run(command="run", service="x", now=1.0)
    with StagingTable() as scratch:
        scratch.add_rows(JobRow.from_spec(make_spec(name)) for name in "abc")
        looking = preview_jobs(scratch, store.path)
        assert isinstance(looking, Generator)
        next(looking)
        looking.close()
        assert len(list(preview_jobs(scratch, store.path))) == 3


def test_what_is_foreseen_of_takes(store: Store) -> None:
    """The last take with its state, and the verdict if it is by the policy that is named now."""
    run = begun(store, *(make_policed(name) for name in "abc"), make_spec("d"))
    clips = {name: finish(store, run, generation=name) for name in "abc"}
    reject(store, clips["a"], run)
    reject(store, clips["b"], run, take=None)
    store.verdicts.record_verdict(clips["c"], ACCEPTED, run=run, now=20.0)
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
            store.verdicts.record_verdict(job, verdict, run=run, now=20.0)
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


def test_nothing_is_foreseen_for_a_clip_whose_first_take_is_accepted(store: Store) -> None:
    run = begun(store, make_policed())
    first = finish(store, run, generation="g")
    reject(store, first, run)
    reject(store, finish(store, run, generation="h", sha256="01"), run, take=None)
    store.verdicts.record_verdict(first, ACCEPTED, run=run, now=21.0)
    assert list(store.queries.list_last_takes()) == []
    with StagingTable() as staged:
        staged.add_rows([JobRow.from_spec(make_policed())])
        (seen,) = preview_jobs(staged, store.path)
    assert seen.last == LastTake(POLICY, 3, 2, JobState.SUCCEEDED, "accepted")
