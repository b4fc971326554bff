"""``batchveo jobs``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from batchveo.cli.options import json_option, models_option, option, state_option, where_option
from batchveo.cli.unknown_scores import note_unknown_scores
from batchveo.core.destination import VIDEO_SUFFIX
from batchveo.core.fields import read_where
from batchveo.core.formatting import state_words
from batchveo.core.models import Job, JobState
from batchveo.display.table import Column, print_table
from batchveo.operations import manage
from batchveo.operations.clip_rows import ClipRows, read_gate
from batchveo.operations.status import make_job_row
from batchveo.store import Store

ID_SHOWN = 8
SCREEN = (
    Column("id", width=ID_SHOWN),
    Column("state", width=len("held in doubt")),
    Column("cost", width=8, right=True),
    Column("model", width=25, from_width=100),
    Column("job", width=0),
)
PIPE = tuple(map(Column, ("id", "state", "cost", "name", "model", "file", "generation id", "error", "verdict", "gate")))


@click.command("jobs")
@state_option
@option(
    "--state-is",
    type=click.Choice([state.value for state in JobState]),
    multiple=True,
    help="List only jobs in this state; may be given several times.",
)
@models_option
@where_option
@json_option
def command(
    state: Path, state_is: tuple[str, ...], *, models: tuple[str, ...], where: str | None, as_json: bool
) -> int:
    """List the jobs.

    A pipe or file gets a line for each job, with tabs between whole values: id, state, cost, name, model, file,
    generation id, error, verdict, gate. --json prints one JSON object per line.
    """
    condition = read_where(where)
    with Store(state, writing=False) as store:
        manage.check_models(store, models)
        note_unknown_scores(store, condition)
        states = map(JobState, dict.fromkeys(state_is))
        jobs = store.queries.list_jobs(*states, models=models, where=condition)
        if as_json:
            clips = ClipRows(store)
            for job in jobs:
                click.echo(json.dumps({**make_job_row(job), **clips.make_row(job)}, ensure_ascii=False))
        elif sys.stdout.isatty():
            print_table(SCREEN, (_screen_row(job, read_gate(store, job)) for job in jobs), sys.stdout)
        else:
            print_table(PIPE, (_pipe_row(job, read_gate(store, job)) for job in jobs), sys.stdout)
    return 0


def _screen_row(job: Job, gate: str | None) -> tuple[str, ...]:
    return job.id[:ID_SHOWN], _describe_state(job), _format_cost(job), job.model, _describe_job(job, gate)


def _pipe_row(job: Job, gate: str | None) -> tuple[str, ...]:
    """A line in a pipe; columns are added at the end over time, never moved."""
    fields = (job.name, job.model, job.file or "", job.generation_id or "", job.error or "")
    return job.id, _describe_state(job), _format_cost(job), *fields, job.verdict or "", gate or ""


def _format_cost(job: Job) -> str:
    return "" if job.cost_usd is None else f"{job.cost_usd:.6g}"


def _describe_job(job: Job, gate: str | None) -> str:
    """The video's file, with the gate that rejects it, or the error or generation id of a job that has none."""
    detail = job.error or (None if job.file else job.generation_id)
    if detail:
        return f"{job.name}: {detail}"
    name = _describe_file(job) or job.name
    return f"{name}: {job.verdict}, {gate}" if gate else name


def _describe_state(job: Job) -> str:
    return "held in doubt" if job.held else state_words(job.state)


def _describe_file(job: Job) -> str | None:
    """The video's file, with the name as the manifest has it if the file system needs another."""
    if job.file is None or job.file == f"{job.name}{VIDEO_SUFFIX}":
        return job.file
    return f"{job.file}  ({job.name})"
