"""``batchveo retry``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from batchveo.cli.completions import complete_parameters
from batchveo.cli.grouped_help import GroupedCommand
from batchveo.cli.job_choice import jobs_argument
from batchveo.cli.options import (
    catalogue_option,
    complete_models,
    confirm_above_option,
    models_option,
    option,
    read_catalogue,
    state_option,
    where_option,
)
from batchveo.cli.run_command import DECLINED, is_confirmed
from batchveo.cli.unknown_scores import note_unknown_scores
from batchveo.core.errors import UsageError
from batchveo.core.fields import Condition, read_where
from batchveo.core.formatting import format_count, format_usd
from batchveo.core.hints import address_options, format_command
from batchveo.core.models import JobState
from batchveo.operations import manage, remake
from batchveo.operations.chain_remake import ChainRemake, describe_left, plan_chains, remake_chains
from batchveo.operations.further_takes import FurtherTakes, add_takes, plan_takes
from batchveo.store import Store

WAYS = {"new": "--to", "prompt": "--prompt", "takes": "--takes"}
"""What may be made of jobs beside the same again, by parameter: its option."""


@click.command("retry", cls=GroupedCommand)
@jobs_argument
@state_option
@option(
    "--state-is",
    type=click.Choice([state.value for state in JobState]),
    multiple=True,
    envvar=None,
    help="Retry every job in this state (failed or cancelled; --to, --takes: others too); may be given several times.",
)
@models_option
@where_option
@option("--all", "everything", is_flag=True, envvar=None, help="Retry every failed job, as without any choice.")
@option(
    "--cause",
    metavar="TEXT",
    envvar=None,
    help="Retry the jobs whose failure has this cause, or one with this text in it, as the web page groups failures.",
)
@option(
    "--prompt",
    metavar="TEXT",
    envvar=None,
    help="Make a new job with this prompt in place of JOB, and cancel that.",
)
@option(
    "--takes",
    type=int,
    metavar="N",
    envvar=None,
    help="Make N more takes of each job, with further seeds; its clip stays.",
)
@option(
    "--with-children",
    is_flag=True,
    envvar=None,
    help="Make each job anew, and all jobs of its chain that are made from its video.",
)
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
    shell_complete=complete_parameters,
    help="With --to or --prompt: leave this parameter out of the new requests; may be given several times.",
)
@catalogue_option
@option("--dry-run", is_flag=True, envvar=None, help="With --to: check and count, and write nothing.")
@confirm_above_option
@option("-y", "--yes", is_flag=True, envvar=None, help="With --takes and --with-children: do not ask.")
def command(jobs: tuple[str, ...], state: Path, **options: Any) -> int:
    """Set failed jobs to pending again: all of them, or the named JOBs, which may also be cancelled ones.

    JOB is a name, an id or the beginning of an id. --model and --where leave out other jobs, named ones too.
    `run` or `resume` then submits these jobs again.

    --prompt gives one job another prompt, --takes N makes more takes of finished or named jobs.

    In a chain, the jobs that wait for the video of a retried JOB go on. Those that were made from an earlier video of
    it stay as they are, unless --with-children makes them anew as well.

    With --model OLD --to NEW, pending and failed jobs of a model that ends are replaced by new jobs under another
    model, after their requests are checked for it.
    """
    _check_options(jobs, options)
    where = read_where(options["where"])
    if options["new"] is not None:
        return _remake(jobs, state, options["new"].strip(), where, options)
    if options["prompt"] is not None:
        return _replace_prompt(jobs, state, options["prompt"], options)
    if options["with_children"]:
        return _remake_chains(jobs, state, where, options)
    if options["takes"] is not None:
        return _add_takes(jobs, state, options["takes"], where, options)
    return _retry(jobs, state, where, options)


def _check_options(jobs: Sequence[str], options: dict[str, Any]) -> None:
    """Raise ``UsageError`` for options that do not belong together."""
    if bool(jobs) + bool(options["state_is"]) + options["everything"] > 1:
        raise UsageError("name the jobs to retry, or give --all or --state-is")
    ways = ["--with-children"] if options["with_children"] else []
    ways += [option for name, option in WAYS.items() if options[name] is not None]
    if len(ways) > 1 and ways != ["--with-children", "--takes"]:
        raise UsageError(f"give one of {' and '.join(ways)}")
    if options["drop"] and ways not in (["--to"], ["--prompt"]):
        raise UsageError("--drop needs --to or --prompt")
    if options["dry_run"] and ways != ["--to"]:
        raise UsageError("--dry-run needs --model OLD --to NEW")
    if ways and (options["cause"] is not None or options["everything"]):
        raise UsageError(f"--cause and --all are not for {ways[0]}")


def _retry(jobs: Sequence[str], state: Path, where: Condition | None, options: dict[str, Any]) -> int:
    states = _read_states(options, manage.RETRIED, "retried")
    with Store.existing(state) as store:
        note_unknown_scores(store, where)
        chosen = manage.choose_jobs(
            store,
            jobs,
            states=states or [JobState.FAILED],
            models=options["models"],
            where=where,
            cause=options["cause"],
        )
        done = manage.retry_jobs(store, chosen, now=time.time())
        click.echo(f"{format_count(done, 'job')} set to pending", err=True)
        _print_each(describe_left(store, chosen))
        if done:
            _print_next(store, state)
        elif not jobs and JobState.CANCELLED not in states:
            _explain_cancelled(store, state)
    return 0


def _explain_cancelled(store: Store, state: Path) -> None:
    cancelled = len(manage.choose_jobs(store, (), states=[JobState.CANCELLED]))
    if cancelled:
        again = format_command("retry", "--state-is", "cancelled", state=state)
        jobs = f"{format_count(cancelled, 'job')} {'is' if cancelled == 1 else 'are'}"
        click.echo(f"{jobs} cancelled: `{again}` makes {'it' if cancelled == 1 else 'them'} pending", err=True)


def _read_states(options: dict[str, Any], allowed: Sequence[JobState], done: str) -> list[JobState]:
    states = [JobState(word) for word in dict.fromkeys(options["state_is"])]
    wrong = [state.value for state in states if state not in allowed]
    if wrong:
        raise UsageError(f"--state-is {wrong[0]}: only {' and '.join(map(str, allowed))} jobs are {done} in this way")
    return states


def _replace_prompt(jobs: Sequence[str], state: Path, prompt: str, options: dict[str, Any]) -> int:
    if len(jobs) != 1 or options["models"] or options["where"] is not None:
        raise UsageError("--prompt is for one job: name it, without other choices")
    catalog = read_catalogue(options["catalogue"])
    with Store.existing(state) as store:
        (old,) = manage.select_jobs(store, jobs)
        new = remake.replace_prompt(store, old, prompt, drop=options["drop"], now=time.time(), catalog=catalog)
        click.echo(f"{new.name!r} is pending with the other prompt, as job {new.id}; {old.id} is cancelled", err=True)
        if following := len(store.chains.list_below([new.seq])) - 1:
            click.echo(f"{_count_followers(following)} for it", err=True)
        _print_each(describe_left(store, [old], replaced=True))
        _print_next(store, state)
    return 0


def _add_takes(jobs: Sequence[str], state: Path, count: int, where: Condition | None, options: dict[str, Any]) -> int:
    if not (jobs or options["state_is"] or options["models"] or where):
        raise UsageError("name the jobs to make more takes of, or give --state-is, --model or --where")
    wanted = [each for each in JobState if each is not JobState.CANCELLED]
    states = _read_states(options, wanted, "made more takes of") or [JobState.SUCCEEDED]
    catalog = read_catalogue(options["catalogue"])
    with Store.existing(state) as store:
        note_unknown_scores(store, where)
        chosen = manage.choose_jobs(store, jobs, states=states, models=options["models"], where=where)
        planned = plan_takes(store, chosen, count, catalog=catalog)
        click.echo(_describe_takes(planned), err=True)
        if not _is_affordable(planned, options):
            return DECLINED
        if add_takes(store, planned, now=time.time()):
            _print_each(describe_left(store, planned.firsts))
            _print_next(store, state)
    return 0


def _is_affordable(planned: FurtherTakes | ChainRemake, options: dict[str, Any]) -> bool:
    """Whether it is cheap, or whoever pays agrees."""
    is_dear = planned.usd > options["confirm_above"] or planned.unpriced
    return not is_dear or options["yes"] or is_confirmed()


def _describe_takes(planned: FurtherTakes) -> str:
    if not planned.takes:
        return "no such jobs: no takes to add"
    takes, jobs = format_count(planned.takes, "more take"), format_count(len(planned.firsts), "job")
    return f"{takes} of {jobs}; {_describe_price(planned, planned.takes)}"


def _describe_price(planned: FurtherTakes | ChainRemake, videos: int) -> str:
    price = f"up to {format_usd(planned.usd)}" if planned.usd or not planned.unpriced else "an unknown amount"
    more = f", and {planned.unpriced:,} of them have no known price" if planned.unpriced and planned.usd else ""
    return f"{'it costs' if videos == 1 else 'they cost'} {price}{more}"


def _remake_chains(jobs: Sequence[str], state: Path, where: Condition | None, options: dict[str, Any]) -> int:
    if not (jobs or options["state_is"] or options["models"] or where):
        raise UsageError("name the jobs to make anew with their children, or give --state-is, --model or --where")
    states = _read_states(options, list(JobState), "made anew") or [JobState.SUCCEEDED]
    catalog = read_catalogue(options["catalogue"])
    with Store.existing(state) as store:
        note_unknown_scores(store, where)
        chosen = manage.choose_jobs(store, jobs, states=states, models=options["models"], where=where)
        planned = plan_chains(store, chosen, options["takes"], catalog=catalog)
        click.echo(_describe_chains(planned), err=True)
        if not _is_affordable(planned, options):
            return DECLINED
        remake_chains(store, planned, now=time.time(), catalog=catalog)
        if planned.videos:
            _print_next(store, state)
    return 0


def _describe_chains(planned: ChainRemake) -> str:
    if not planned.videos:
        return "nothing to add: all of it is pending already" if planned.chosen else "no such jobs: nothing to add"
    parts = {"more take": planned.added, "job made again": planned.videos - planned.added}
    words = ", ".join(_count_parts(number, what) for what, number in parts.items() if number)
    return f"{format_count(planned.videos, 'video')} to be made: {words}; {_describe_price(planned, planned.videos)}"


def _count_parts(number: int, what: str) -> str:
    return f"{number:,} jobs made again" if what == "job made again" and number > 1 else format_count(number, what)


def _print_each(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        click.echo(sentence, err=True)


def _print_next(store: Store, state: Path) -> None:
    service = address_options(store.runs.list_services())
    click.echo(f"next: {format_command('resume', state=state, service=service)}", err=True)


def _remake(jobs: Sequence[str], state: Path, new: str, where: Condition | None, options: dict[str, Any]) -> int:
    if where is not None:
        raise UsageError("--where is not for --to: name the jobs, or give --state-is")
    if len(options["models"]) != 1:
        raise UsageError(f"--to {new} needs one --model OLD: the model whose jobs are made again")
    states = _read_states(options, remake.CANDIDATES, "made again")
    catalog = read_catalogue(options["catalogue"])
    with Store.existing(state) as store:
        made = remake.plan_remake(
            store, old=options["models"][0], new=new, keys=jobs, states=states, drop=options["drop"], catalog=catalog
        )
        if not options["dry_run"]:
            remake.remake_jobs(store, made, now=time.time(), catalog=catalog)
        _print_each(_describe(made, dry=options["dry_run"]))
        _print_each(describe_left(store, [old for old, _ in made.successors], replaced=True))
        if made.added and not options["dry_run"]:
            _print_next(store, state)
    return 0


def _describe(made: remake.Remake, *, dry: bool) -> Iterator[str]:
    would = "would be " if dry else ""
    yield f"{format_count(made.added, 'job')} of {made.old} {would}made again under {made.new}"
    if made.known:
        them = "it" if made.known == 1 else "them"
        yield f"{format_count(made.known, 'job')} {would}cancelled: {made.new} has the same as {them} already"
    if made.followers:
        yield f"{_count_followers(len(made.followers), would)} for them"
    yield from map(str, made.defaults)
    yield from _list_left(made)
    if dry:
        yield "nothing was written"


def _count_followers(jobs: int, would: str = "") -> str:
    waits = "would wait" if would else "waits" if jobs == 1 else "wait"
    return f"{format_count(jobs, 'job')} further down the chain {waits}"


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
