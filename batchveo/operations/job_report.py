"""Everything that the database knows of one job, and what a person can do about it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from batchveo.core.expressions import Value
from batchveo.core.gates import Judgement, Verdict
from batchveo.core.hints import address_options, format_command
from batchveo.core.measures import Measures, describe_measures
from batchveo.core.models import Job, JobState
from batchveo.core.votes import Standing, Vote
from batchveo.operations.chain_rows import ChainRows, Wait
from batchveo.operations.clip_rows import describe_job
from batchveo.operations.manage import is_made_again, name_job
from batchveo.storage.sidecar import format_time
from batchveo.storage.stored_video import StoredVideo, video_at
from batchveo.store import Store
from batchveo.store.chain_queries import ChainHead, Tie
from batchveo.store.queries import MICRO


class NextStep(NamedTuple):
    """A command that can be pasted, and what it does. A word in capitals is for the person to fill in."""

    command: str
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """A job, with its history. Times are seconds since the epoch; money is US dollars.

    ``since``: since when it is in its state. ``reserved_usd``: what counts for it as spent or reserved, with all its
    attempts. ``attempts`` and ``moves`` are rows of the database, oldest first. ``video`` is where its video is;
    ``is_there``: whether a local one is. ``family``: all takes, if there are several. ``place`` is the chain that it is
    in, ``parents`` are what it is made of, ``children`` what is made of it, ``wait`` what it waits for. ``states`` are
    those of parents and children in words, by number.
    """

    job: Job
    since: float
    reserved_usd: float
    attempts: Sequence[sqlite3.Row]
    moves: Sequence[sqlite3.Row]
    video: StoredVideo | None
    is_there: bool | None
    measures: Measures | None
    scores: Mapping[str, Value]
    judgements: Sequence[tuple[float, Judgement]]
    votes: Sequence[Vote]
    standing: Standing
    family: Sequence[Job]
    place: ChainHead | None
    parents: Sequence[Tie]
    children: Sequence[Tie]
    wait: Wait | None
    states: Mapping[int, str]
    next_steps: Sequence[NextStep]


def make_report(store: Store, job: Job) -> JobReport:
    """What the database knows of ``job``. Of its video, only whether a local file is there is looked up."""
    moves, attempts = store.queries.list_moves(job), store.queries.list_attempts_of(job)
    entered = [move["at"] for move in moves if move["to_state"] == job.state != move["from_state"]]
    video = video_at(job) if job.file else None
    family = store.takes.list_family(job)
    chains = ChainRows(store)
    parents, children = store.chains.list_parents(job), store.chains.list_children(job)
    wait = chains.find_wait(job)
    is_missing = isinstance(video, Path) and not video.is_file()
    return JobReport(
        job=job,
        since=entered[-1] if entered else job.created_at,
        reserved_usd=sum(attempt["micros"] for attempt in attempts) * MICRO,
        attempts=attempts,
        moves=moves,
        video=video,
        is_there=video.is_file() if isinstance(video, Path) else None,
        measures=store.facts.read_measures(job),
        scores=store.facts.read_scores(job),
        judgements=store.verdicts.list_verdicts(job),
        votes=store.votes.list_votes_of(job.seq),
        standing=store.votes.read_standing(job.seq),
        family=family if len(family) > 1 else (),
        place=chains.find_place(job),
        parents=parents,
        children=children,
        wait=wait,
        states={tie.job.seq: chains.describe_state(tie.job) for tie in (*parents, *children)},
        next_steps=list(_list_next_steps(store, job, wait, is_missing=is_missing, has_children=bool(children))),
    )


def make_report_row(store: Store, report: JobReport) -> dict[str, object]:
    """``show --json``: a row of ``jobs --json`` with further fields. Fields are added over time, never taken away."""
    job = report.job
    return {
        **describe_job(store, job),
        "since": format_time(report.since),
        "request": dict(job.request),
        "reserved_usd": round(report.reserved_usd, 6),
        "file_there": report.is_there,
        "history": [_make_move_row(move) for move in report.moves],
        "requests": [_make_attempt_row(attempt) for attempt in report.attempts],
        "verdicts": [_make_verdict_row(at, judgement) for at, judgement in report.judgements],
        "votes": [_make_vote_row(vote) for vote in report.votes],
        "takes": [
            {"id": take.id, "name": take.name, "take": take.take, "state": take.state.value, "verdict": take.verdict}
            for take in report.family
        ],
        "chain_length": None if report.place is None else report.place.links,
        "waits": None if report.wait is None else report.wait.sentence,
        "made_from": list(map(_make_tie_row, report.parents)),
        "children": list(map(_make_tie_row, report.children)),
        "next": [{"command": step.command, "effect": step.effect} for step in report.next_steps],
    }


def make_log_rows(report: JobReport) -> list[dict[str, object]]:
    """``logs --json``: each event and request, oldest first, with ``at`` and ``event``."""
    job = report.job
    rows: list[tuple[float, dict[str, object]]] = [(job.created_at, {"event": "added", "manifest": job.manifest})]
    rows += [(move["at"], {"event": "state", **_make_move_row(move)}) for move in report.moves]
    for attempt in report.attempts:
        ids = {"number": attempt["number"], "client_request_id": attempt["client_request_id"]}
        rows.append((attempt["started_at"], {"event": "prepared", **ids, "price_usd": attempt["price_usd"]}))
        if attempt["sent_at"] is not None:
            rows.append((attempt["sent_at"], {"event": "sent", **ids}))
        if attempt["ended_at"] is not None:
            answer = {name: attempt[name] for name in ("outcome", "detail", "generation_id")}
            rows.append((attempt["ended_at"], {"event": "answered", **ids, **answer}))
    rows += [(at, {"event": "verdict", **_make_verdict_row(at, each)}) for at, each in report.judgements]
    rows += [(vote.at, {"event": "vote", **_make_vote_row(vote)}) for vote in report.votes]
    rows.sort(key=lambda row: (row[0], _ORDER.index(str(row[1]["event"]))))
    return [{"at": format_time(at), **{name: row[name] for name in row if name != "at"}} for at, row in rows]


_ORDER = ("added", "prepared", "sent", "answered", "state", "verdict", "vote")
"""Of what is recorded at one moment: a request is prepared, and then the job is in another state."""


def _make_move_row(move: sqlite3.Row) -> dict[str, object]:
    return {
        "at": format_time(move["at"]),
        "from": move["from_state"],
        "to": move["to_state"],
        "detail": move["detail"],
        "run": move["run"],
    }


def _make_attempt_row(attempt: sqlite3.Row) -> dict[str, object]:
    times = {name: format_time(attempt[name]) for name in ("started_at", "sent_at", "ended_at")}
    names = ("number", "client_request_id", "outcome", "detail", "generation_id", "price_usd")
    return {**{name: attempt[name] for name in names}, **times}


def _make_verdict_row(at: float, judgement: Judgement) -> dict[str, object]:
    values = dict(judgement.values)
    return {"at": format_time(at), "verdict": judgement.verdict.value, "gate": judgement.gate, "values": values}


def _make_vote_row(vote: Vote) -> dict[str, object]:
    return {"at": format_time(vote.at), "person": vote.person, "kind": vote.kind.value, "rating": vote.rating}


def _make_tie_row(tie: Tie) -> dict[str, object]:
    job = {"id": tie.job.id, "name": tie.job.name, "state": tie.job.state.value}
    return {**job, "part": tie.part, "taken_from": tie.taken_from, "sha256": tie.sha256}


def describe_measured(report: JobReport) -> dict[str, object]:
    """The measures of the clip with a value; empty if it was not measured."""
    return {} if report.measures is None else describe_measures(report.job.request, report.measures)


# -- what to do


def _list_next_steps(
    store: Store, job: Job, wait: Wait | None, *, is_missing: bool, has_children: bool
) -> Iterator[NextStep]:
    state, service, key = store.path, address_options(store.runs.list_services()), name_job(store, job)
    resume = NextStep(format_command("resume", state=state, service=service), "runs what is left")
    retry = NextStep(format_command("retry", key, state=state), "makes it again with the next run")
    match job.state:
        case JobState.FAILED:
            yield retry
            command = format_command("retry", key, "--prompt", "TEXT", state=state)
            yield NextStep(command, "makes it again with another prompt")
        case JobState.IN_DOUBT if job.held:
            command = format_command("resolve", key, "--generation-id", "ID", state=state)
            yield NextStep(command, "downloads the generation that it bought")
            command = format_command("resolve", key, "--resubmit", state=state)
            yield NextStep(command, "submits it again; pays twice if the first submit arrived")
            command = format_command("resolve", key, "--fail", state=state)
            yield NextStep(command, "gives it up")
        case JobState.CANCELLED:
            if not is_made_again(job):
                yield retry
        case JobState.SUCCEEDED if is_missing:
            yield NextStep(format_command("verify", "--refetch", state=state), "lets the next run download it")
        case JobState.SUCCEEDED:
            yield NextStep(format_command("open", key, state=state), "opens the video")
            if job.verdict == Verdict.REJECTED:
                command = format_command("retry", key, "--takes", "1", state=state)
                yield NextStep(command, "makes another take")
            if has_children:
                command = format_command("retry", key, "--with-children", state=state)
                yield NextStep(command, "makes it anew, and all jobs that are made from it")
        case JobState.PENDING:
            yield resume if wait is None or wait.cause is None else _release_job(store, wait.cause)
            yield NextStep(format_command("cancel", key, state=state), "takes it back")
        case _:
            yield resume


def _release_job(store: Store, cause: Job) -> NextStep:
    """What lets the jobs be made that ``cause`` blocks."""
    key, state = name_job(store, cause), store.path
    if cause.state is JobState.SUCCEEDED:
        return NextStep(
            format_command("retry", key, "--takes", "1", state=state), f"makes another take of {cause.name}"
        )
    effect = f"lets the next run make {cause.name}, and then this job"
    return NextStep(format_command("retry", key, state=state), effect)
