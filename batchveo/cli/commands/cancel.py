"""``batchveo cancel``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from batchveo.cli.options import models_option, option, state_option, where_option
from batchveo.core.errors import UsageError
from batchveo.core.fields import read_where
from batchveo.core.formatting import format_count
from batchveo.operations import manage
from batchveo.store import Store


@click.command("cancel")
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@state_option
@option("--all", "everything", is_flag=True, envvar=None, help="Cancel every pending job.")
@models_option
@where_option
def command(jobs: tuple[str, ...], state: Path, *, everything: bool, models: tuple[str, ...], where: str | None) -> int:
    """Cancel pending JOBs before they are submitted.

    --model alone cancels every pending job of the model, --where every one for which it is true; with JOBs or --all
    they leave out the others.
    A submitted job is paid for and cannot be cancelled: the service has no call for that.
    """
    if (jobs and everything) or not (jobs or everything or models or where):
        raise UsageError("name the jobs to cancel, or give --all, --model or --where")
    condition = read_where(where)
    with Store.existing(state) as store:
        chosen = manage.choose_jobs(store, jobs, states=manage.WITHDRAWN, models=models, where=condition)
        done = manage.cancel_jobs(store, chosen, now=time.time())
    click.echo(f"{format_count(done, 'job')} cancelled", err=True)
    return 0
