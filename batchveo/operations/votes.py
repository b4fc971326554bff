"""What people decide about finished clips, on the command line or on the web page: picks, ratings, comparisons."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from batchveo.core.errors import UsageError
from batchveo.core.models import Job, JobState
from batchveo.core.votes import Standing, Vote, VoteKind
from batchveo.store import Store

LONGEST_NAME = 80
"""Characters of a person's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VotedClip:
    """A job, and what people say of its clip."""

    job: Job
    standing: Standing


def find_person() -> str:
    """The name of this system's user, under which votes are recorded unless another one is given."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "somebody"


def check_person(name: str) -> str:
    """A person's name, without blanks around it; raises ``UsageError`` if it is empty or too long."""
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageError(f"a person's name has 1 to {LONGEST_NAME} characters")
    return name


def record_votes(
    store: Store, jobs: Sequence[Job], kind: VoteKind, *, person: str, now: float, rating: int | None = None
) -> list[Vote]:
    """Pick, reject or rate each of ``jobs``; all votes are recorded, or none.

    Raises ``UsageError`` if one of the jobs has no clip.
    """
    vote = Vote(person=check_person(person), kind=kind, job=0, rating=rating, at=now)
    _require_clips(jobs)
    with store.connection.transaction():
        votes = [store.votes.record_vote(replace(vote, job=job.seq, shown=(job.seq,))) for job in jobs]
        _follow_votes(store, jobs, now)
    return votes


def record_act(store: Store, vote: Vote, jobs: Sequence[Job]) -> Vote:
    """Record one act about clips that a person saw beside each other: ``jobs`` are those that it names.

    Raises ``UsageError`` if one of them has no clip, or if the parts of the vote do not fit its kind.
    """
    _require_clips(jobs)
    try:
        with store.connection.transaction():
            recorded = store.votes.record_vote(replace(vote, person=check_person(vote.person)))
            _follow_votes(store, jobs, vote.at)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return recorded


def undo_vote(store: Store, *, person: str, now: float) -> Vote:
    """Undo the person's latest vote; raises ``UsageError`` if there is none."""
    person = check_person(person)
    with store.connection.transaction():
        vote = store.votes.undo_latest(person, now=now)
        if vote is None:
            raise UsageError(f"there is no vote of {person} to undo")
        _follow_votes(store, [store.queries.read_job(vote.job)], now)
    return vote


def _follow_votes(store: Store, jobs: Sequence[Job], now: float) -> None:
    """Let no pending job be made from a take that does not count any more."""
    for first in dict.fromkeys(job.family for job in jobs):
        store.links.reopen_links(first, "another take counts now, as people decided", now=now)


def list_voted_clips(store: Store) -> Iterator[VotedClip]:
    """Every clip with picks, rejects or ratings, in manifest order."""
    for seq, standing in sorted(store.votes.list_standings().items()):
        yield VotedClip(job=store.queries.read_job(seq), standing=standing)


def _require_clips(jobs: Sequence[Job]) -> None:
    without = [job for job in jobs if job.state is not JobState.SUCCEEDED]
    if without:
        names = ", ".join(repr(job.name) for job in without[:3])
        raise UsageError(f"there is no clip yet of {names}{' and others' if len(without) > 3 else ''}")
