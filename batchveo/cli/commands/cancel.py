"""``batchveo cancel``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from batchveo.cli.job_choice import jobs_argument
from batchveo.cli.options import models_option, option, state_option, where_option
from batchveo.core.errors import UsageError
from batchveo.core.fields import format_utc, read_where
from batchveo.core.formatting import format_count
from batchveo.core.hints import format_command
from batchveo.core.models import Job
from batchveo.operations import manage
from batchveo.store import Store

NAMED_MOST = 5
"""Jobs that the command which undoes it names one by one."""


@click.command("cancel")
@jobs_argument
@state_option
@option("--all", "everything", is_flag=True, envvar=None, help="Cancel every pending job.")
@models_option
@where_option
def command(jobs: tuple[str, ...], state: Path, *, everything: bool, models: tuple[str, ...], where: str | None) -> int:
    """Cancel pending JOBs before they are submitted; the command that undoes it is printed.

    --model alone cancels every pending job of the model, --where every one for which it is true; with JOBs or --all
    they leave out the others.
    A submitted job is paid for and cannot be cancelled: the service has no call for that.
    """
    if (jobs and everything) or not (jobs or everything or models or where):
        raise UsageError("name the jobs to cancel, or give --all, --model or --where")
    condition = read_where(where)
    now = time.time()
    with Store.existing(state) as store:
        chosen = manage.choose_jobs(store, jobs, states=manage.WITHDRAWN, models=models, where=condition)
        done = manage.cancel_jobs(store, chosen, now=now)
        click.echo(f"{format_count(done, 'job')} cancelled", err=True)
        if done:
            undo = _format_undo(store, chosen, now, is_whole=done == len(chosen))
            click.echo(f"undo: {undo}", err=True)
    return 0


def _format_undo(store: Store, chosen: Sequence[Job], now: float, *, is_whole: bool) -> str:
    """The command that makes exactly these jobs pending again."""
    if is_whole and len(chosen) <= NAMED_MOST:
        return format_command("retry", *(manage.name_job(store, job) for job in chosen), state=store.path)
    # all of one call are cancelled at the same moment, which no other call shares
    choice = ("--where", f'finished_at == "{format_utc(now)}"')
    return format_command("retry", "--state-is", "cancelled", *choice, state=store.path)
