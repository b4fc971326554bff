"""The JSON API of what people decide: groups of takes to choose among, votes, the table that compares models."""

from __future__ import annotations

import time
from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from batchveo.core.errors import UsageError
from batchveo.core.fields import Condition, parse_condition
from batchveo.core.votes import Vote, VoteKind
from batchveo.operations import votes
from batchveo.operations.chain_remake import describe_outdated
from batchveo.operations.compare import compare_clips
from batchveo.operations.take_groups import PLAIN_AXES, TakeGroup, TakeGroups, group_takes
from batchveo.store import Store
from batchveo.web import serializers
from batchveo.web.api import Body, change_store, find_job_by_id, make_answer, open_store
from batchveo.web.clip_checks import describe_measures, link_near_copies
from batchveo.web.file_presence import VideoPresence

GROUP_SECONDS = 2.0
"""Time for making groups: with a million clips those of the first ones are shown."""
KEPT_SECONDS = 10.0
COMPARE_SECONDS = 15.0
LONGEST_TEXT = 1000


def show_group(request: Request) -> Response:
    """A group of takes (``group``: the id of one of its clips, else the first that ``person`` has not chosen from)."""
    query = request.query_params
    by, person, text = query.get("by") or PLAIN_AXES[0], query.get("person", ""), query.get("where", "").strip()
    rejected = query.get("rejected") == "1"
    with open_store(request) as store:
        try:
            groups = _find_groups(request, store, by, text, rejected=rejected)
        except UsageError as error:
            raise HTTPException(422, str(error)) from None
        decided, turned_down = store.votes.list_decided(person) if person else (set(), set())
        is_open = [not _is_chosen(group, decided, turned_down) for group in groups.groups]
        job = store.queries.find_job_by_id(query.get("group", ""))
        at = _find_place(groups, None if job is None else job.seq, is_open)
        group = None if at is None else groups.groups[at]
        return make_answer(
            {
                "by": by,
                "axes": groups.axes,
                "groups": len(groups.groups),
                "chosen": len(is_open) - sum(is_open),
                "clips": groups.clips,
                "whole": groups.is_whole,
                "at": at,
                "previous": groups.groups[at - 1].id if at else None,
                "next": groups.groups[at + 1].id if at is not None and at + 1 < len(groups.groups) else None,
                "open": _find_open(groups, at, is_open),
                "group": None if group is None else _make_group(store, group, person, request.app.state.presence),
            }
        )


def show_comparison(request: Request) -> Response:
    """The table by the field ``by``."""
    by = request.query_params.get("by") or "model"
    with open_store(request) as store:
        try:
            with store.connection.limit_time(COMPARE_SECONDS):
                rows = [row.make_row() for row in compare_clips(store, by)]
        except UsageError as error:
            raise HTTPException(422, str(error)) from None
        return make_answer({"by": by, "rows": rows, "axes": store.figures.list_meta_keys()})


async def record_vote(request: Request) -> Response:
    """Record an act of ``person``: ``kind`` about ``job`` (and ``other``), ids; ``shown`` in their order.

    ``notes`` of the answer: what was bought with a take that does not count any more.
    """
    return await change_store(request, _record_vote)


async def undo_vote(request: Request) -> Response:
    """Undo the latest vote of ``person``."""
    return await change_store(request, _undo_vote)


def _record_vote(store: Store, body: Body) -> dict[str, object]:
    try:
        kind = VoteKind(str(body.get("kind")))
    except ValueError:
        raise HTTPException(400, "there is no such vote") from None
    rating, shown = body.get("rating"), body.get("shown")
    if rating is not None and (type(rating) is not int or not 1 <= rating <= 5):
        raise HTTPException(400, "a rating is a number from 1 to 5")
    if not isinstance(shown, list) or len(shown) > LONGEST_TEXT:
        raise HTTPException(400, "shown are ids")
    jobs = [find_job_by_id(store, str(body[name])) for name in ("job", "other") if body.get(name)]
    if not jobs:
        raise HTTPException(400, "a vote is about a job")
    vote = Vote(
        person=str(body.get("person") or ""),
        kind=kind,
        job=jobs[0].seq,
        other=jobs[1].seq if len(jobs) > 1 else None,
        rating=rating if isinstance(rating, int) else None,
        shown=tuple(find_job_by_id(store, str(key)).seq for key in shown),
        blind=body.get("blind") is True,
        at=time.time(),
    )
    recorded = votes.record_act(store, vote, jobs)
    return {"vote": recorded.id, "notes": list(describe_outdated(store, jobs))}


def _undo_vote(store: Store, body: Body) -> dict[str, object]:
    vote = votes.undo_vote(store, person=str(body.get("person") or ""), now=time.time())
    return {"kind": vote.kind.value, "job": store.queries.read_job(vote.job).id}


def _find_groups(request: Request, store: Store, by: str, text: str, *, rejected: bool) -> TakeGroups:
    """The groups; kept for a few seconds, in which one often goes to the next."""
    key = (by, text[:LONGEST_TEXT], rejected, store.search.read_latest_event())
    kept = request.app.state.groups
    if key in kept and time.monotonic() - kept[key][0] < KEPT_SECONDS:
        groups: TakeGroups = kept[key][1]
        return groups
    where: Condition | None = parse_condition(text) if text else None
    groups = group_takes(store, by, where=where, rejected=rejected, seconds=GROUP_SECONDS)
    request.app.state.groups = {key: (time.monotonic(), groups)}
    return groups


def _is_chosen(group: TakeGroup, decided: set[int], turned_down: set[int]) -> bool:
    """Whether a person decided: one is picked, two are compared, or all are rejected."""
    return not decided.isdisjoint(group.seqs) or turned_down.issuperset(group.seqs)


def _find_place(groups: TakeGroups, wanted: int | None, is_open: Sequence[bool]) -> int | None:
    if not groups.groups:
        return None
    for place, group in enumerate(groups.groups):
        if wanted in group.seqs:
            return place
    return is_open.index(True) if True in is_open else 0


def _find_open(groups: TakeGroups, at: int | None, is_open: Sequence[bool]) -> str | None:
    """The next group that is not chosen from, after this one or from the first on."""
    if at is None:
        return None
    order = [*range(at + 1, len(is_open)), *range(at)]
    return next((groups.groups[place].id for place in order if is_open[place]), None)


def _make_group(store: Store, group: TakeGroup, person: str, presence: VideoPresence) -> dict[str, object]:
    jobs = [store.queries.read_job(seq) for seq in group.seqs]
    measured = {job.seq: store.facts.read_measures(job) for job in jobs}
    near = link_near_copies(measured)
    cards = serializers.make_cards(store, store.search.read_cards(group.seqs), presence)
    return {
        "id": group.id,
        "prompt": jobs[0].prompt,
        "jobs": [
            {
                **card,
                **describe_measures(store, job, measured[job.seq]),
                "near": [jobs[group.seqs.index(seq)].id for seq in near.get(job.seq, ())],
                "mine": _find_own(store.votes.list_votes_of(job.seq), person, job.seq),
            }
            for card, job in zip(cards, jobs, strict=True)
        ],
    }


def _find_own(all_votes: Sequence[Vote], person: str, job: int) -> dict[str, object]:
    """What this person said of the clip: ``choice``, ``rating``, and whether it was ``better`` or both were ``bad``."""
    own: dict[str, object] = {}
    for vote in all_votes:
        if vote.person != person:
            continue
        if vote.kind is VoteKind.RATE:
            own["rating"] = vote.rating
        elif vote.kind.is_of_pair:
            own["pair"] = "bad" if vote.kind is VoteKind.BOTH_BAD else "better" if vote.job == job else "worse"
        else:
            own["choice"] = "picked" if vote.kind is VoteKind.PICK else "rejected"
    return own
