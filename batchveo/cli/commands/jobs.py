"""``batchveo jobs``."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from batchveo.cli.options import json_option, option, state_option
from batchveo.core.amounts import money
from batchveo.core.formatting import state_words
from batchveo.core.models import Job, JobState
from batchveo.display.columns import fit, line_of
from batchveo.operations.status_json import make_job_row
from batchveo.storage.local_files import SUFFIX
from batchveo.store import Store

ID_SHOWN = 8
STATE_WIDTH = len("held in doubt")
COST_WIDTH = 7


@click.command("jobs")
@state_option
@option(
    "--state-is",
    type=click.Choice([state.value for state in JobState]),
    multiple=True,
    help="List only jobs in this state; may be given several times.",
)
@json_option
def command(state: Path, state_is: tuple[str, ...], *, as_json: bool) -> int:
    """List the jobs; --json writes one JSON object a line.

    At a terminal lines are cut to its width. In a pipe or a file each job is a line of whole values with tabs
    between them: id, state, cost, name, model, file, generation id, error.
    """
    with Store(state, writing=False) as store:
        jobs = store.jobs(*map(JobState, dict.fromkeys(state_is)))
        if as_json:
            for job in jobs:
                click.echo(json.dumps(make_job_row(job), ensure_ascii=False))
        elif sys.stdout.isatty():
            _fitted(jobs, shutil.get_terminal_size((100, 24)).columns)
        else:
            for job in jobs:
                click.echo("\t".join(map(line_of, _values(job))))
    return 0


def _values(job: Job) -> tuple[str, ...]:
    """What a line in a pipe holds; columns are added at the end over time, never moved."""
    cost = f"{job.cost_usd:.6g}" if job.cost_usd is not None else ""
    return (
        job.id,
        _state(job),
        cost,
        job.name,
        job.model,
        job.file or "",
        job.generation_id or "",
        job.error or "",
    )


def _fitted(jobs: Iterable[Job], width: int) -> None:
    """A line of ``width`` columns for each job."""
    for job in jobs:
        cost = money(job.cost_usd) if job.cost_usd is not None else ""
        start = f"{job.id[:ID_SHOWN]}  {_state(job):{STATE_WIDTH}} {cost:>{COST_WIDTH}}  "
        click.echo(start + fit(_what(job), max(width - len(start), COST_WIDTH)))


def _what(job: Job) -> str:
    """The video's file, or what there is to say of a job that has none."""
    said = job.error or (None if job.file else job.generation_id)
    if said:
        return f"{job.name}: {said}"
    return _file(job) or job.name


def _state(job: Job) -> str:
    return "held in doubt" if job.held else state_words(job.state)


def _file(job: Job) -> str | None:
    """The video's file, with the name as it was written where the file system made another of it."""
    if job.file is None or job.file == f"{job.name}{SUFFIX}":
        return job.file
    return f"{job.file}  ({job.name})"
