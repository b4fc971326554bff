"""``batchveo retry``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from batchveo.cli.options import (
    catalogue_option,
    complete_models,
    models_option,
    option,
    read_catalogue,
    state_option,
    where_option,
)
from batchveo.cli.unknown_scores import note_unknown_scores
from batchveo.core.errors import UsageError
from batchveo.core.fields import read_where
from batchveo.core.formatting import format_count
from batchveo.core.hints import address_options, format_command
from batchveo.core.models import JobState
from batchveo.operations import manage, remake
from batchveo.store import Store


@click.command("retry")
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@state_option
@option(
    "--state-is",
    type=click.Choice([state.value for state in remake.CANDIDATES]),
    multiple=True,
    envvar=None,
    help="Retry every job in this state (pending only with --to); may be given several times.",
)
@models_option
@where_option
@option(
    "--to",
    "new",
    metavar="NAME",
    envvar=None,
    shell_complete=complete_models,
    help="Make new jobs under this model of the jobs of --model that have no video, and cancel those.",
)
@option(
    "--drop",
    multiple=True,
    metavar="FIELD",
    envvar=None,
    help="With --to: leave this parameter out of the new requests; may be given several times.",
)
@catalogue_option
@option("--dry-run", is_flag=True, envvar=None, help="With --to: check and count, and write nothing.")
def command(jobs: tuple[str, ...], state: Path, *, new: str | None, **options: Any) -> int:
    """Set failed jobs to pending again: all of them, or the named JOBs, which may also be cancelled ones.

    JOB is a name, an id or the beginning of an id. --model and --where leave out other jobs, named ones too.
    `run` or `resume` then submits these jobs again.

    With --model OLD --to NEW, pending and failed jobs of a model that ends are replaced by new jobs under another
    model, after their requests are checked for it.
    """
    if jobs and options["state_is"]:
        raise UsageError("name the jobs to retry, or give --state-is")
    where = read_where(options["where"])
    if new is not None and where is not None:
        raise UsageError("--where is not for --to: name the jobs, or give --state-is")
    if new is not None:
        return _remake(jobs, state, new.strip(), options)
    if options["drop"] or options["dry_run"] or JobState.PENDING in options["state_is"]:
        raise UsageError("--drop, --dry-run and --state-is pending need --model OLD --to NEW")
    with Store.existing(state) as store:
        note_unknown_scores(store, where)
        wanted = _read_states(options) or [JobState.FAILED]
        chosen = manage.choose_jobs(store, jobs, states=wanted, models=options["models"], where=where)
        done = manage.retry_jobs(store, chosen, now=time.time())
    click.echo(f"{format_count(done, 'job')} set to pending", err=True)
    return 0


def _read_states(options: dict[str, Any]) -> list[JobState]:
    return [JobState(word) for word in dict.fromkeys(options["state_is"])]


def _remake(jobs: tuple[str, ...], state: Path, new: str, options: dict[str, Any]) -> int:
    if len(options["models"]) != 1:
        raise UsageError(f"--to {new} needs one --model OLD: the model whose jobs are made again")
    catalog = read_catalogue(options["catalogue"])
    with Store.existing(state) as store:
        made = remake.plan_remake(
            store,
            old=options["models"][0],
            new=new,
            keys=jobs,
            states=_read_states(options),
            drop=options["drop"],
            catalog=catalog,
        )
        if not options["dry_run"]:
            remake.remake_jobs(store, made, now=time.time(), catalog=catalog)
        service = address_options(store.runs.list_services())
    for line in _describe(made, dry=options["dry_run"]):
        click.echo(line, err=True)
    if made.added and not options["dry_run"]:
        click.echo(f"next: {format_command('resume', state=state, service=service)}", err=True)
    return 0


def _describe(made: remake.Remake, *, dry: bool) -> Iterator[str]:
    would = "would be " if dry else ""
    yield f"{format_count(made.added, 'job')} of {made.old} {would}made again under {made.new}"
    if made.known:
        them = "it" if made.known == 1 else "them"
        yield f"{format_count(made.known, 'job')} {would}cancelled: {made.new} has the same as {them} already"
    yield from map(str, made.defaults)
    yield from _list_left(made)
    if dry:
        yield "nothing was written"


def _list_left(made: remake.Remake) -> Iterator[str]:
    if made.charged:
        jobs = format_count(made.charged, "failed job")
        yield f"{jobs} may have been charged, left alone; to make one again all the same, name it"
    failed, cancelled = made.left.get(JobState.FAILED, 0) - made.charged, made.left.get(JobState.CANCELLED, 0)
    pending = made.left.get(JobState.PENDING, 0)
    busy = sum(jobs for state, jobs in made.left.items() if state.is_unsettled)
    left = {"pending": pending, "failed": failed, "cancelled": cancelled, "in flight or in doubt": busy}
    for words, number in left.items():
        if number:
            yield f"{format_count(number, 'job')} {words}, left alone"
