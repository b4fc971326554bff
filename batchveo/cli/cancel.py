"""``batchveo cancel``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from batchveo.cli.completing import jobs_in
from batchveo.cli.options import option, state_option
from batchveo.cli.selecting import selected
from batchveo.errors import UsageError
from batchveo.models import Job, JobState
from batchveo.store import MoveLost, Store


@click.command("cancel")
@click.argument("jobs", nargs=-1, metavar="[JOB]...", shell_complete=jobs_in(JobState.PENDING))
@state_option
@option("--all", "everything", is_flag=True, envvar=None, help="Every pending job.")
def command(jobs: tuple[str, ...], state: Path, *, everything: bool) -> int:
    """Withdraw pending JOBs before they are submitted.

    What is submitted is paid for, and the service has no call that takes it back.
    """
    if bool(jobs) == everything:
        raise UsageError("name the jobs to cancel, or give --all")
    with Store.existing(state) as store:
        chosen = list(store.jobs(JobState.PENDING) if everything else selected(store, jobs))
        wrong = [job for job in chosen if job.state is not JobState.PENDING]
        if wrong:
            raise UsageError("; ".join(f"{job.name!r} is {job.state}, not pending" for job in wrong[:10]))
        done = sum(_cancelled(store, job) for job in chosen)
    click.echo(f"{done} jobs cancelled", err=True)
    return 0


def _cancelled(store: Store, job: Job) -> bool:
    try:
        store.cancel(job, now=time.time())
    except MoveLost:  # a run submitted it in this very moment
        return False
    return True
