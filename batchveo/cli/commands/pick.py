"""``batchveo pick``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TextIO

import click

from batchveo.cli.job_choice import complete_jobs, jobs_argument
from batchveo.cli.options import json_option, option, state_option
from batchveo.core.errors import UsageError
from batchveo.core.formatting import format_count
from batchveo.core.models import Job
from batchveo.core.votes import Vote, VoteKind
from batchveo.display.table import Column, print_table
from batchveo.operations import manage, votes
from batchveo.operations.chain_remake import describe_outdated
from batchveo.operations.votes import VotedClip
from batchveo.store import Store

ID_SHOWN = 8
SCREEN = (
    Column("id", width=ID_SHOWN),
    *(Column(title, width=8, right=True) for title in ("picks", "rejects", "rating")),
    Column("model", width=25, from_width=100),
    Column("job", width=0),
)
PIPE = tuple(map(Column, ("id", "picks", "rejects", "rating", "name", "model", "file")))
DONE = {VoteKind.PICK: "picked", VoteKind.REJECT: "rejected", VoteKind.RATE: "rated"}
UNDONE = {**DONE, VoteKind.BETTER: "called better", VoteKind.BOTH_BAD: "called bad"}


@click.command("pick")
@jobs_argument
@state_option
@option("--reject", is_flag=True, envvar=None, help="Reject the clips instead.")
@option("--rate", type=click.IntRange(1, 5), envvar=None, metavar="N", help="Rate the clips instead, from 1 to 5.")
@option(
    "--over",
    envvar=None,
    metavar="JOB",
    shell_complete=complete_jobs,
    help="Of two clips, the first JOB is better than this one.",
)
@option("--undo", is_flag=True, envvar=None, help="Undo your latest vote.")
@option("--by", envvar=None, metavar="NAME", help="Who decides (default: the user of this system).")
@option(
    "--from",
    "listed",
    type=click.File(encoding="utf-8"),
    envvar=None,
    metavar="FILE",
    help="File of ids or names, one a line; - is standard input.",
)
@json_option
def command(
    jobs: tuple[str, ...],
    state: Path,
    *,
    reject: bool,
    rate: int | None,
    over: str | None,
    undo: bool,
    by: str | None,
    listed: TextIO | None,
    as_json: bool,
) -> int:
    """Pick finished clips; list what people picked, rejected and rated.

    \b
    Pick two clips:              pick fox-1 fox-3
    Reject one:                  pick fox-2 --reject
    Say which of two is better:  pick fox-1 --over fox-3
    List all votes:              pick

    Every vote is kept with its time and the name of the person; --undo takes back the latest one of that person. Of
    each person the latest pick or reject of a clip counts, and the latest rating. A clip is picked if more people pick
    it than reject it. The page of `batchveo ui` shows takes side by side.
    """  # noqa: D301 - click's mark for a paragraph that is not wrapped
    if sum((reject, rate is not None, over is not None, undo)) > 1:
        raise UsageError("give one of --reject, --rate, --over and --undo")
    keys = [*jobs, *_read_lines(listed)]
    person = votes.check_person(by or votes.find_person())
    if undo:
        if keys:
            raise UsageError("--undo undoes your latest vote: it takes no job")
        with Store.existing(state) as store:
            vote = votes.undo_vote(store, person=person, now=time.time())
            job = store.queries.read_job(vote.job)
            click.echo(f"{job.name} is not {UNDONE[vote.kind]} any more", err=True)
            _print_outdated(store, [job])
        return 0
    if not keys and listed is None:
        if reject or rate is not None or over is not None:
            raise UsageError("name the clips")
        return _list_votes(state, as_json=as_json)
    with Store.existing(state) as store:
        chosen = manage.select_jobs(store, keys)
        if over is not None:
            return _prefer(store, chosen, over, person)
        kind = VoteKind.REJECT if reject else VoteKind.RATE if rate is not None else VoteKind.PICK
        done = votes.record_votes(store, chosen, kind, person=person, now=time.time(), rating=rate)
        click.echo(f"{format_count(len(done), 'clip')} {DONE[kind]} by {person}", err=True)
        _print_outdated(store, chosen)
    return 0


def _print_outdated(store: Store, jobs: list[Job]) -> None:
    for sentence in describe_outdated(store, jobs):
        click.echo(sentence, err=True)


def _read_lines(listed: TextIO | None) -> list[str]:
    return [] if listed is None else [line.strip() for line in listed if line.strip()]


def _prefer(store: Store, chosen: list[Job], over: str, person: str) -> int:
    if len(chosen) != 1:
        raise UsageError("--over compares one clip with another")
    (better,), (worse,) = chosen, manage.select_jobs(store, [over])
    shown = (better.seq, worse.seq)
    vote = Vote(person=person, kind=VoteKind.BETTER, job=better.seq, other=worse.seq, shown=shown, at=time.time())
    votes.record_act(store, vote, [better, worse])
    click.echo(f"{better.name} is better than {worse.name}, says {person}", err=True)
    return 0


def _list_votes(state: Path, *, as_json: bool) -> int:
    with Store(state, writing=False) as store:
        clips = votes.list_voted_clips(store)
        if as_json:
            for clip in clips:
                click.echo(json.dumps(_make_row(clip), ensure_ascii=False))
        elif sys.stdout.isatty():
            print_table(SCREEN, map(_screen_row, clips), sys.stdout)
        else:
            print_table(PIPE, map(_pipe_row, clips), sys.stdout)
    return 0


def _make_row(clip: VotedClip) -> dict[str, object]:
    job, standing = clip.job, clip.standing
    return {
        "id": job.id,
        "name": job.name,
        "model": job.model,
        "file": job.file,
        "picked": standing.is_picked,
        "rejected": standing.is_rejected,
        "picks": standing.picks,
        "rejects": standing.rejects,
        "rating": standing.rating,
    }


def _screen_row(clip: VotedClip) -> tuple[str, ...]:
    return clip.job.id[:ID_SHOWN], *_format_standing(clip), clip.job.model, clip.job.name


def _pipe_row(clip: VotedClip) -> tuple[str, ...]:
    """A line in a pipe; columns are added at the end over time, never moved."""
    return clip.job.id, *_format_standing(clip), clip.job.name, clip.job.model, clip.job.file or ""


def _format_standing(clip: VotedClip) -> tuple[str, str, str]:
    standing = clip.standing
    rating = "" if standing.rating is None else f"{standing.rating:.2g}"
    return str(standing.picks), str(standing.rejects), rating
