"""``batchveo retry``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from batchveo.cli.options import models_option, option, state_option
from batchveo.core.errors import UsageError
from batchveo.core.formatting import format_count
from batchveo.core.models import JobState
from batchveo.operations import manage
from batchveo.store import Store


@click.command("retry")
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@state_option
@option(
    "--state-is",
    type=click.Choice([state.value for state in manage.RETRIED]),
    multiple=True,
    envvar=None,
    help="Retry every job in this state; may be given several times.",
)
@models_option
def command(jobs: tuple[str, ...], state: Path, *, state_is: tuple[str, ...], models: tuple[str, ...]) -> int:
    """Set failed jobs to pending again: all of them, or the named JOBs, which may also be cancelled ones.

    JOB is a name, an id or the beginning of an id. --model leaves out the jobs of other models, named ones too.
    `run` or `resume` then submits these jobs again.
    """
    if jobs and state_is:
        raise UsageError("name the jobs to retry, or give --state-is")
    with Store.existing(state) as store:
        wanted = [JobState(word) for word in dict.fromkeys(state_is)] or [JobState.FAILED]
        chosen = manage.choose_jobs(store, jobs, states=wanted, models=models)
        done = manage.retry_jobs(store, chosen, now=time.time())
    click.echo(f"{format_count(done, 'job')} set to pending", err=True)
    return 0
