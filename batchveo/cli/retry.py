"""``batchveo retry``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from batchveo.cli.completing import jobs_in
from batchveo.cli.options import state_option
from batchveo.cli.selecting import selected
from batchveo.errors import UsageError
from batchveo.models import JobState
from batchveo.store import MoveLost, Store


@click.command("retry")
@click.argument("jobs", nargs=-1, metavar="[JOB]...", shell_complete=jobs_in(JobState.FAILED, JobState.CANCELLED))
@state_option
def command(jobs: tuple[str, ...], state: Path) -> int:
    """Put failed jobs back to pending: all of them, or the JOBs named (those may be cancelled ones too).

    JOB is an id or its beginning, or a name. `run` or `resume` then submits them again.
    """
    with Store.existing(state) as store:
        chosen = list(selected(store, jobs)) if jobs else list(store.jobs(JobState.FAILED))
        wrong = [job for job in chosen if job.state not in (JobState.FAILED, JobState.CANCELLED)]
        if wrong:
            raise UsageError("; ".join(f"{job.name!r} is {job.state}, not failed" for job in wrong[:10]))
        done = 0
        for job in chosen:
            try:
                store.retry(job, now=time.time())
            except MoveLost:
                continue
            done += 1
    click.echo(f"{done} jobs are pending again", err=True)
    return 0
