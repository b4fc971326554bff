"""Takes of clips, and which of them counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest import mock

from batchveo.core.gates import CheckPolicy
from batchveo.core.models import JobState
from batchveo.core.outcomes import Accepted, GenerationFailed
from batchveo.core.votes import Vote, VoteKind
from batchveo.store import Store
from batchveo.store.takes import make_take_id
from tests.helpers.factories import make_spec
from tests.helpers.store_rows import set_policy
from tests.store.judged_jobs import ACCEPTED, MEASURES, TAKE, finish, make_policed, reject
from tests.store.steps import begun, claimed, move


def test_takes_have_the_priority_of_their_job(store: Store) -> None:
    """Also a new one: after a run of the manifest with another priority all of them have that."""
    run = begun(store, make_policed(priority=4))
    first = finish(store, run, generation="g")
    take = reject(store, first, run)
    assert take is not None
    assert take.priority == 4
    store.imports.add_jobs([make_policed(priority=9)], run=run, now=30.0)
    assert {job.priority for job in store.takes.list_family(first)} == {9}


def test_a_take_of_a_take_is_the_next_of_the_first(store: Store) -> None:
    run = begun(store, make_policed())
    first = finish(store, run, generation="g")
    reject(store, first, run)
    second = finish(store, run, generation="h", sha256="01")
    third = reject(store, second, run)
    assert third is not None
    assert (third.name, third.take_of) == ("a-take3", first.seq)
    assert reject(store, first, run) is None
    assert [job.take for job in store.takes.list_family(second)] == [1, 2, 3]


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
    assert store.takes.find_uncounted() == set()
    reject(store, first, run)
    second = finish(store, run, generation="h", sha256="01")
    assert store.takes.find_uncounted() == {first.seq}
    store.verdicts.record_verdict(second, ACCEPTED, run=run, now=21.0)
    assert store.takes.find_uncounted() == {first.seq}
    store.verdicts.record_verdict(first, ACCEPTED, run=run, now=21.0)
    assert store.takes.find_uncounted() == {second.seq}
    set_policy(store, [first, second], CheckPolicy(gates=("has_sound",), prefer="-black_seconds"))
    for job, black in ((first, 2.0), (second, 1.0)):
        store.facts.record_measures(job, replace(MEASURES, black_seconds=black), now=22.0)
        store.verdicts.record_verdict(store.queries.read_job(job.seq), ACCEPTED, run=run, now=23.0)
    assert store.takes.find_uncounted() == {first.seq}


def test_what_people_say_of_takes_comes_before_gates(store: Store) -> None:
    run = begun(store, make_policed())
    first = finish(store, run, generation="g")
    reject(store, first, run)
    second = finish(store, run, generation="h", sha256="01")
    store.verdicts.record_verdict(second, ACCEPTED, run=run, now=21.0)
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.PICK, job=first.seq))
    assert store.takes.find_uncounted() == {second.seq}
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.PICK, job=second.seq))
    assert store.takes.find_uncounted() == set()
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.REJECT, job=second.seq))
    assert store.takes.find_uncounted() == {second.seq}
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.REJECT, job=first.seq))
    assert store.takes.find_uncounted() == {first.seq, second.seq}


def test_a_failed_generation_of_a_take_is_like_any_other(store: Store, tmp_path: Path) -> None:
    run = begun(store, make_policed())
    reject(store, finish(store, run, generation="g"), run)
    failed = move(store, move(store, claimed(store, run), Accepted(generation_id="h")), GenerationFailed(reason="no"))
    assert (failed.state, failed.tried, failed.tries) == (JobState.FAILED, 1, 2)
    assert [job.name for job in store.queries.list_unsettled_failures(run, tries=1)] == ["a-take2"]


def test_a_take_of_a_lost_database_is_added_once(store: Store) -> None:
    run = begun(store, make_policed())
    first = finish(store, run, generation="g")
    take = store.takes.restore_take(first, 3, TAKE.request, run=run, now=20.0)
    assert (take.take, take.state) == (3, JobState.PENDING)
    assert store.takes.restore_take(first, 3, TAKE.request, run=run, now=20.0) == take


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

    with mock.patch("batchveo.store.takes.make_take_id", counted):
        assert store.takes.find_firsts({**lies, **real}) == dict.fromkeys(real, first)
    assert hashed <= 3 * 20
