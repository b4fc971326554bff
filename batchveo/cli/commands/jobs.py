"""``batchveo jobs``."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from batchveo.cli.completions import complete_sort_field
from batchveo.cli.job_choice import jobs_argument
from batchveo.cli.options import json_option, models_option, option, state_option, where_option
from batchveo.cli.unknown_scores import note_unknown_scores
from batchveo.core.errors import UsageError
from batchveo.core.fields import Condition, join_conditions, parse_condition, read_sort_order, read_where
from batchveo.core.formatting import format_minute, format_usd, is_formula, state_words
from batchveo.core.gates import Verdict
from batchveo.core.models import Job, JobState
from batchveo.display.table import Column, print_list, print_table
from batchveo.operations import manage
from batchveo.operations.chain_rows import ChainRows, Wait
from batchveo.operations.clip_rows import JobRows, read_gate
from batchveo.storage.sidecar import format_time
from batchveo.store import Store

ID_SHOWN = 8
SCREEN = (
    Column("id", width=ID_SHOWN),
    Column("name", width=0, cut=True),
    Column("link", width=5, right=True),
    Column("state", width=len("held in doubt")),
    Column("model", width=20, from_width=100, cut=True),
    Column("seed", width=10, right=True, from_width=120, cut=True),
    Column("duration", width=8, right=True, from_width=120, cut=True),
    Column("cost", width=8, right=True),
    Column("time", width=len("2026-11-27 21:05"), from_width=80),
)
PIPE = (
    *("id", "state", "cost", "name", "model", "file", "generation id", "error", "verdict", "gate"),
    *("seed", "duration", "time", "take", "chain", "link", "waits"),
)
"""The values of a line in a pipe; some are added at the end over time, none is moved."""
WAITS = ("waiting", "blocked")
"""What pending jobs of chains may be besides their state."""
NO_JOB = Job(seq=0, id="", name="", stem="", state=JobState.PENDING, model="", request={})


@click.command("jobs")
@jobs_argument
@state_option
@option(
    "--state-is",
    type=click.Choice([*(state.value for state in JobState), *WAITS]),
    multiple=True,
    help="List only jobs in this state; may be given several times. Pending jobs may be waiting or blocked.",
)
@models_option
@where_option
@option(
    "--sort",
    metavar="FIELD",
    envvar=None,
    shell_complete=complete_sort_field,
    help="Sort by this field, such as name, cost, time or meta.style; -FIELD: the largest first.",
)
@option("--limit", type=click.IntRange(min=1), metavar="N", envvar=None, help="List only the first N jobs.")
@json_option
@option("--csv", "as_csv", is_flag=True, envvar=None, help="Print CSV with a header and all fields.")
def command(jobs: tuple[str, ...], state: Path, **options: Any) -> int:
    """List the jobs: all of them, or the named JOBs, in the order of their manifests, and the jobs of a chain together.

    A pipe or file gets a line for each job, with tabs between whole values: id, state, cost, name, model, file,
    generation id, error, verdict, gate, seed, duration, time, take, chain, link, waits. --json prints one JSON object
    per line.
    """
    where, order = read_where(options["where"]), options["sort"] and read_sort_order(options["sort"])
    if options["as_json"] and options["as_csv"]:
        raise UsageError("give one of --json and --csv")
    with Store(state, writing=False) as store:
        manage.check_models(store, options["models"])
        note_unknown_scores(store, where)
        states, where = _read_states(options["state_is"], where)
        listed = store.listing.iter_jobs(
            states=states,
            models=options["models"],
            where=where,
            among=[job.seq for job in manage.select_jobs(store, jobs)] if jobs else None,
            order=order,
            most=options["limit"],
        )
        if options["as_json"]:
            for row in map(JobRows(store).make_row, listed):
                click.echo(json.dumps(row, ensure_ascii=False))
        elif options["as_csv"]:
            _print_csv(store, listed)
        elif sys.stdout.isatty():
            _print_screen(store, listed)
        else:
            chains = ChainRows(store)
            rows = (_make_pipe_row(job, read_gate(store, job), chains) for job in listed)
            print_table([Column(title) for title in PIPE], rows, sys.stdout)
    return 0


def _read_states(words: Sequence[str], where: Condition | None) -> tuple[list[JobState], Condition | None]:
    """The states, and a condition in their place if they are not all states of the database."""
    words = list(dict.fromkeys(words))
    if set(words).isdisjoint(WAITS):
        return [JobState(word) for word in words], where
    chosen = parse_condition(" or ".join(word if word in WAITS else f'state == "{word}"' for word in words))
    return [], chosen if where is None else join_conditions(chosen, where)


def _print_csv(store: Store, jobs: Iterable[Job]) -> None:
    rows = JobRows(store)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(rows.make_row(NO_JOB))
    writer.writerows(map(_write_cell, rows.make_row(job).values()) for job in jobs)


def _write_cell(value: object) -> object:
    if isinstance(value, bool | list | Mapping):
        return json.dumps(value, ensure_ascii=False)
    # names and prompts may come from strangers; the lists that the web page saves have the same mark
    return f"'{value}" if is_formula(value) else "" if value is None else value


def _make_pipe_row(job: Job, gate: str | None, chains: ChainRows) -> tuple[str, ...]:
    cost = "" if job.cost_usd is None else f"{job.cost_usd:.6g}"
    facts = (job.name, job.model, job.file, job.generation_id, job.error, job.verdict, gate)
    further = (job.request.get("seed"), job.request.get("duration"), format_time(job.time), job.take)
    place, wait = chains.find_place(job), chains.find_wait(job)
    of_chain = (None, None) if place is None else (place.id, job.link)
    values = (*facts, *further, *of_chain, wait and wait.sentence)
    return job.id, _describe_state(job), cost, *("" if value is None else str(value) for value in values)


def _print_screen(store: Store, jobs: Iterable[Job]) -> None:
    chains = ChainRows(store)
    columns = [column for column in SCREEN if column.title != "link" or chains.has_links]
    print_list(columns, _make_screen_rows(store, jobs, chains), sys.stdout)


def _make_screen_rows(store: Store, jobs: Iterable[Job], chains: ChainRows) -> Iterator[tuple[tuple[str, ...], str]]:
    """The values of each row, and what is written below it: an error, a gate that decided, or what it waits for."""
    before: Job | None = None
    for job in jobs:
        place, wait, gate = chains.find_place(job), chains.find_wait(job), read_gate(store, job)
        seed, duration = job.request.get("seed", ""), job.request.get("duration", "")
        row = (
            job.id[:ID_SHOWN],
            job.name,
            *((f"{job.link}/{place.links}" if place else "",) if chains.has_links else ()),
            chains.describe_state(job),
            job.model,
            str(seed),
            f"{duration} s" if isinstance(duration, int | float) else str(duration),
            "" if job.cost_usd is None else format_usd(job.cost_usd),
            format_minute(job.time),
        )
        decided = "rejected by" if job.verdict == Verdict.REJECTED else "not decided:"
        yield row, job.error or (f"{decided} {gate}" if gate else _describe_wait(wait, before))
        before = job


def _describe_wait(wait: Wait | None, before: Job | None) -> str:
    # the state of what it waits for is in the row above already
    if wait is None or (wait.cause is None and before is not None and [before.seq] == [p.seq for p in wait.parents]):
        return ""
    return wait.reason if wait.cause else f"for {wait.reason}"


def _describe_state(job: Job) -> str:
    return "held in doubt" if job.held else state_words(job.state)
