"""Votes are added, never changed; what stands is counted by person."""

from __future__ import annotations

import sqlite3

import pytest

from batchveo.core.votes import Standing, Vote, VoteKind
from batchveo.store import Store
from tests.helpers.factories import make_spec
from tests.store.steps import begun

K = VoteKind


@pytest.fixture
def voted(store: Store) -> Store:
    begun(store, make_spec("a"), make_spec("b"), make_spec("c"))
    return store


def vote(store: Store, person: str, kind: VoteKind, job: int, **changes: object) -> Vote:
    return store.votes.record_vote(Vote(person=person, kind=kind, job=job, at=5.0, **changes))  # type: ignore[arg-type]


def test_of_each_person_the_latest_choice_counts(voted: Store) -> None:
    vote(voted, "ann", K.PICK, 1)
    vote(voted, "bob", K.REJECT, 1)
    assert voted.votes.read_standing(1) == Standing(picks=1, rejects=1)
    vote(voted, "bob", K.PICK, 1)
    assert voted.votes.read_standing(1) == Standing(picks=2)
    vote(voted, "ann", K.REJECT, 2)
    assert voted.votes.list_standings() == {1: Standing(picks=2), 2: Standing(rejects=1)}
    assert voted.votes.read_standing(3) == Standing()
    assert [voted.votes.read_standing(job).is_picked for job in (1, 2, 3)] == [True, False, False]
    assert [voted.votes.read_standing(job).is_rejected for job in (1, 2, 3)] == [False, True, False]


def test_a_rating_and_a_pick_stand_beside_each_other(voted: Store) -> None:
    vote(voted, "ann", K.RATE, 1, rating=2)
    vote(voted, "ann", K.RATE, 1, rating=5)
    vote(voted, "bob", K.RATE, 1, rating=4)
    vote(voted, "ann", K.PICK, 1)
    assert voted.votes.read_standing(1) == Standing(picks=1, rating=4.5)


def test_undo_takes_back_the_latest_vote_of_that_person_again_and_again(voted: Store) -> None:
    vote(voted, "ann", K.PICK, 1)
    vote(voted, "ann", K.REJECT, 1)
    vote(voted, "bob", K.PICK, 2)
    undone = voted.votes.undo_latest("ann", now=6.0)
    assert undone is not None
    assert undone.kind is K.REJECT
    assert voted.votes.read_standing(1) == Standing(picks=1)
    assert voted.votes.undo_latest("ann", now=7.0) is not None
    assert voted.votes.undo_latest("ann", now=8.0) is None
    assert [one.person for one in voted.votes.list_votes()] == ["bob"]


def test_a_comparison_names_both_clips_and_what_was_shown(voted: Store) -> None:
    better = vote(voted, "ann", K.BETTER, 2, other=1, shown=(1, 2), blind=True)
    bad = vote(voted, "ann", K.BOTH_BAD, 1, other=3, shown=(3, 1))
    assert list(voted.votes.list_votes()) == [better, bad]
    assert voted.votes.list_votes_of(1) == [better, bad]
    assert voted.votes.list_votes_of(2) == [better]
    assert voted.votes.list_standings() == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": K.BETTER},
        {"kind": K.BETTER, "other": 1},
        {"kind": K.PICK, "other": 2},
        {"kind": K.RATE},
        {"kind": K.PICK, "rating": 3},
    ],
)
def test_a_vote_whose_parts_do_not_fit_is_refused(voted: Store, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"names|rating|itself"):
        vote(voted, "ann", job=1, **wrong)  # type: ignore[arg-type]
    assert list(voted.votes.list_votes()) == []


def test_the_database_refuses_what_no_version_may_write(voted: Store) -> None:
    vote(voted, "ann", K.PICK, 1)
    for statement in ("DELETE FROM votes", "UPDATE votes SET person = 'x'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            voted.connection.db.execute(statement)
    with pytest.raises(sqlite3.IntegrityError):
        vote(voted, "ann", K.RATE, 1, rating=6)
