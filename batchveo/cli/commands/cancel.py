"""``batchveo cancel``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from batchveo.cli.options import option, state_option
from batchveo.core.errors import UsageError
from batchveo.core.formatting import format_count
from batchveo.core.models import JobState
from batchveo.operations import manage
from batchveo.store import Store


@click.command("cancel")
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@state_option
@option("--all", "everything", is_flag=True, envvar=None, help="Cancel every pending job.")
def command(jobs: tuple[str, ...], state: Path, *, everything: bool) -> int:
    """Cancel pending JOBs before they are submitted.

    A submitted job is paid for and cannot be cancelled: the service has no call for that.
    """
    if bool(jobs) == everything:
        raise UsageError("name the jobs to cancel, or give --all")
    with Store.existing(state) as store:
        chosen = list(store.jobs(JobState.PENDING)) if everything else manage.select_jobs(store, jobs)
        done = manage.cancel_jobs(store, chosen, now=time.time())
    click.echo(f"{format_count(done, 'job')} cancelled", err=True)
    return 0
