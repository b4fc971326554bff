"""``batchveo resolve``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from batchveo.cli.grouped_help import GroupedCommand
from batchveo.cli.job_choice import jobs_argument
from batchveo.cli.options import models_option, option, state_option, where_option
from batchveo.cli.run_command import DECLINED, is_confirmed
from batchveo.core.errors import UsageError
from batchveo.core.fields import read_where
from batchveo.core.formatting import blank_unprintable, format_count, format_usd, state_words
from batchveo.core.models import Job, JobState
from batchveo.operations import manage
from batchveo.store import Store

NAMED_MOST = 20
"""Jobs that are named one by one."""


@click.command("resolve", cls=GroupedCommand)
@jobs_argument
@state_option
@option("--all", "everything", is_flag=True, envvar=None, help="Resolve every job in doubt.")
@option("--held", is_flag=True, envvar=None, help="Resolve every held job: in doubt, and not settled by the usage log.")
@option(
    "--state-is",
    type=click.Choice([JobState.IN_DOUBT.value, JobState.GENERATING.value]),
    multiple=True,
    envvar=None,
    help="Resolve every job in this state (generating: only with --fail); may be given several times.",
)
@models_option
@where_option
@option("--resubmit", is_flag=True, envvar=None, help="Submit again; use only if you know that nothing was charged.")
@option("--generation-id", envvar=None, metavar="ID", help="Download this generation, which the job bought.")
@option("--fail", is_flag=True, envvar=None, help="Mark as failed.")
@option("-y", "--yes", is_flag=True, envvar=None, help="Do not ask for confirmation.")
def command(
    jobs: tuple[str, ...],
    state: Path,
    *,
    everything: bool,
    held: bool,
    state_is: tuple[str, ...],
    models: tuple[str, ...],
    where: str | None,
    resubmit: bool,
    generation_id: str | None,
    fail: bool,
    yes: bool,
) -> int:
    """Decide about JOBs in doubt, in one way for all of them; --fail accepts generating jobs too.

    \b
    All held jobs:      resolve --held --resubmit
    All jobs in doubt:  resolve --all --fail

    The provider's site lists the generations of your key. --resubmit pays twice if the first submit arrived.
    With --all, --held, --state-is, --model or --where, the possible cost is shown first, and confirmed at a terminal.
    """  # noqa: D301 - click's mark for a paragraph that is not wrapped
    manage.check_one_way(resubmit=resubmit, generation_id=generation_id, fail=fail)
    condition = read_where(where)
    by_state = everything or held or bool(state_is) or bool(models) or condition is not None
    if bool(jobs) == by_state:
        raise UsageError("name the jobs to resolve, or give --all, --held, --state-is, --model or --where")
    with Store.existing(state) as store:
        states = tuple(map(JobState, dict.fromkeys(state_is))) or (JobState.IN_DOUBT,)
        chosen = manage.choose_jobs(store, jobs, states=states, models=models, where=condition)
        chosen = [job for job in chosen if job.held or not held]
        if by_state:
            words = _describe_cost(store, chosen, resubmit=resubmit)
            click.echo(words, err=True)
            # jobs that are named one by one were meant; a whole state may be more than expected
            if chosen and not yes and not is_confirmed():
                return DECLINED
        moved = manage.resolve_jobs(
            store,
            chosen,
            now=time.time(),
            resubmit=resubmit,
            generation_id=generation_id,
            fail=fail,
            skip_moved=by_state,
        )
    _print_moved(moved, left=len(chosen) - len(moved))
    return 0


def _describe_cost(store: Store, jobs: Sequence[Job], *, resubmit: bool) -> str:
    """How many there are, and what it may cost to resolve them in this way."""
    if not jobs:
        return "no such jobs: nothing to resolve"
    usd, unpriced = store.queries.sum_reserved(jobs)
    price = f"up to {format_usd(usd)}" if usd or not unpriced else "an unknown amount"
    more = f", and {unpriced:,} of them have no known price" if unpriced and usd else ""
    if resubmit:
        return f"{format_count(len(jobs), 'job')} to submit again; this may cost {price} a second time{more}"
    return f"{format_count(len(jobs), 'job')} to give up; the service may have charged {price} for them{more}"


def _print_moved(moved: Sequence[Job], *, left: int) -> None:
    for job in moved[:NAMED_MOST]:
        click.echo(f"{blank_unprintable(job.name)}: {job.state.value}", err=True)
    if len(moved) > NAMED_MOST:
        rest = len(moved) - NAMED_MOST
        click.echo(f"... and {rest:,} more: {state_words(moved[-1].state)}", err=True)
    if left:
        click.echo(f"{format_count(left, 'job')} changed state meanwhile and were left as they are", err=True)
