"""``batchveo retry``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from batchveo import settling
from batchveo.cli.completing import jobs_in
from batchveo.cli.options import state_option
from batchveo.cli.selecting import selected
from batchveo.models import JobState
from batchveo.report.words import counted
from batchveo.store import Store


@click.command("retry")
@click.argument("jobs", nargs=-1, metavar="[JOB]...", shell_complete=jobs_in(JobState.FAILED, JobState.CANCELLED))
@state_option
def command(jobs: tuple[str, ...], state: Path) -> int:
    """Put failed jobs back to pending: all of them, or the JOBs named (those may be cancelled ones too).

    JOB is an id or its beginning, or a name. `run` or `resume` then submits them again.
    """
    with Store.existing(state) as store:
        chosen = list(selected(store, jobs)) if jobs else list(store.jobs(JobState.FAILED))
        done = settling.retry(store, chosen, now=time.time())
    click.echo(f"{counted(done, 'job')} pending again", err=True)
    return 0
