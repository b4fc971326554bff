"""``batchveo jobs``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import click

from batchveo.cli.options import json_option, option, state_option
from batchveo.files import SUFFIX
from batchveo.models import Job, JobState
from batchveo.report.rows import job_row
from batchveo.report.words import shorten
from batchveo.store import Store


@click.command("jobs")
@state_option
@option(
    "--state-is",
    type=click.Choice([state.value for state in JobState]),
    multiple=True,
    help="Only jobs in this state; may be given several times.",
)
@json_option
def command(state: Path, state_is: tuple[str, ...], *, as_json: bool) -> int:
    """List the jobs; --json writes one JSON object a line."""
    with Store(state, writing=False) as store:
        jobs = store.jobs(*map(JobState, dict.fromkeys(state_is)))
        if as_json:
            for job in jobs:
                click.echo(json.dumps(job_row(job), ensure_ascii=False))
        else:
            _table(jobs)
    return 0


def _table(jobs: Iterable[Job]) -> None:
    width = shutil.get_terminal_size((100, 24)).columns
    for job in jobs:
        state = "held in doubt" if job.held else job.state.value.replace("_", " ")
        cost = f"${job.cost_usd:.2f}" if job.cost_usd is not None else ""
        what = job.error or job.generation_id or ""
        line = f"{job.id[:8]}  {state:13} {cost:>7}  " + (_file(job) or f"{job.name}: {what}")
        click.echo(shorten(line, width, squeeze=False).rstrip(" :"))


def _file(job: Job) -> str | None:
    """The video's file, with the name as it was written where the file system made another of it."""
    if job.file is None or job.file == f"{job.name}{SUFFIX}":
        return job.file
    return f"{job.file}  ({job.name})"
