"""Measures, verdicts and votes of clips as JSON, and clips that look the same."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import combinations

from batchveo.core.measures import MEASURES, Measures, compare_request
from batchveo.core.models import Job
from batchveo.core.votes import Vote, VoteKind
from batchveo.media.near_copies import are_near_copies
from batchveo.store import Store

LOOK_SECONDS = 0.4
"""Time for looking for near copies of one clip."""


def make_checks(store: Store, job: Job) -> dict[str, object]:
    """What was measured of a job's clip, and what its gates and people say."""
    measures = store.facts.read_measures(job)
    return {
        **describe_measures(store, job, measures),
        "verdicts": [
            {"at": at, "verdict": each.verdict.value, "gate": each.gate, "values": dict(each.values)}
            for at, each in store.verdicts.list_verdicts(job)
        ],
        "votes": [_describe_vote(store, vote, job) for vote in store.votes.list_votes_of(job.seq)],
    }


def describe_measures(store: Store, job: Job, measures: Measures | None) -> dict[str, object]:
    """The numbers of a clip with their units, what came otherwise than it was asked for, scores of other tools."""
    values = [] if measures is None else [(each, getattr(measures, each.name)) for each in MEASURES.values()]
    return {
        "measures": [
            {"name": each.name, "value": value, "unit": each.unit, "meaning": each.meaning}
            for each, value in values
            if value is not None
        ],
        "mismatches": [] if measures is None else list(map(str, compare_request(job.request, measures))),
        "problems": [] if measures is None else list(measures.problems),
        "scores": store.facts.read_scores(job),
    }


def _describe_vote(store: Store, vote: Vote, job: Job) -> dict[str, object]:
    other = vote.other if vote.job == job.seq else vote.job
    return {
        "person": vote.person,
        "kind": "worse" if vote.kind is VoteKind.BETTER and vote.job != job.seq else vote.kind.value,
        "rating": vote.rating,
        "at": vote.at,
        "other": None if other is None else store.queries.read_job(other).name,
    }


def find_near_copies(store: Store, job: Job) -> list[dict[str, object]]:
    """The ids and names of clips that look the same, as far as there is time to look."""
    measures = store.facts.read_measures(job)
    if measures is None or not measures.hashes:
        return []
    until = time.monotonic() + LOOK_SECONDS
    found: list[dict[str, object]] = []
    for seq, hashes in store.facts.list_hashes():
        if time.monotonic() > until:
            break
        if seq != job.seq and len(hashes) == len(measures.hashes) and are_near_copies(measures.hashes, hashes):
            other = store.queries.read_job(seq)
            found.append({"id": other.id, "name": other.name})
    return found


def link_near_copies(measured: Mapping[int, Measures | None]) -> dict[int, list[int]]:
    """For each of a few clips, by number, those that look the same; others are left out."""
    found: dict[int, list[int]] = {}
    hashed = {seq: each.hashes for seq, each in measured.items() if each is not None and each.hashes}
    for one, other in combinations(hashed, 2):
        if len(hashed[one]) == len(hashed[other]) and are_near_copies(hashed[one], hashed[other]):
            found.setdefault(one, []).append(other)
            found.setdefault(other, []).append(one)
    return found
