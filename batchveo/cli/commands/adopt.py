"""``batchveo adopt``."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import click

from batchveo.cli.grouped_help import GroupedCommand
from batchveo.cli.job_choice import complete_jobs
from batchveo.cli.option_values import find_service
from batchveo.cli.options import complete_files, option, service_options, state_option, unknown_model_option
from batchveo.core.errors import UsageError
from batchveo.core.formatting import format_count
from batchveo.core.hints import address_options, format_command
from batchveo.core.notices import DatabaseCreated
from batchveo.core.quantities import DURATION
from batchveo.operations import manage
from batchveo.operations.import_generations import (
    ImportedGenerations,
    find_key_label,
    import_from_log,
    import_generation,
)
from batchveo.operations.preflight import check_service
from batchveo.operations.quote import is_missing_database
from batchveo.operations.run_setup import ManifestSources, open_service
from batchveo.provider.service import Service
from batchveo.provider.service_lists import NOT_WHOLE
from batchveo.store import GenerationTaken, Store


@click.command("adopt", cls=GroupedCommand)
@click.argument("generation_ids", nargs=-1, metavar="[GENERATION_ID]...")
@state_option
@option(
    "--job",
    "job_key",
    envvar=None,
    metavar="JOB",
    shell_complete=complete_jobs,
    help="Job that gets the generation; it must be pending or in doubt.",
)
@option(
    "--manifest",
    "manifests",
    multiple=True,
    envvar=None,
    metavar="FILE",
    shell_complete=complete_files,
    help="Add the jobs of this manifest first; may be given several times.",
)
@option(
    "--from-log",
    "period",
    envvar=None,
    metavar="PERIOD",
    help="Import from the usage log of this period, such as 24h or 7d.",
)
@option(
    "--key",
    "label",
    envvar=None,
    metavar="LABEL",
    help="Label of the API key that bought the generations (default: every key is tried).",
)
@service_options
@unknown_model_option
def command(
    generation_ids: tuple[str, ...],
    state: Path,
    job_key: str | None,
    manifests: tuple[str, ...],
    period: str | None,
    label: str | None,
    **options: Any,
) -> int:
    """Import generations that are already bought; `resume` then downloads them.

    \b
    A lost database:  adopt --manifest clips.yaml --from-log 7d
    A known id:       adopt GENERATION_ID [--job JOB]
    """  # noqa: D301 - click's mark for a paragraph that is not wrapped
    if bool(generation_ids) == (period is not None):
        raise UsageError("give generation ids, or --from-log PERIOD")
    if job_key is not None and len(generation_ids) != 1:
        raise UsageError("--job takes exactly one generation id")
    using = find_service(options)
    if label is not None and (period or label not in {key.name for key in using.keys}):
        raise UsageError(f"--key {label!r} needs generation ids, and must be a label of the --keys file")
    is_new = is_missing_database(state)
    with Store(state) as store:
        if is_new:
            click.echo(DatabaseCreated(state=state.absolute()).text, err=True)
        # before the manifests, which may be long
        check_service(store, using)
        run = store.runs.begin_run(command="adopt", service=using.name, now=time.time())
        _add_jobs(store, manifests, run, allow_unknown_model=options["allow_unknown_model"])
        adopted = _import_from_log(store, using, parse_hours(period)) if period else None
        if adopted is None:
            keys = _find_keys(using, generation_ids, label, store.path)
            adopted = _import_by_id(store, generation_ids, job_key, run, keys)
        store.runs.end_run(run, status=0, now=time.time())
        service = address_options(store.runs.list_services())
    _print_result(adopted, format_command("resume", state=state, service=service))
    return 0 if adopted.whole else 1


def _add_jobs(store: Store, manifests: tuple[str, ...], run: int, *, allow_unknown_model: bool) -> None:
    if manifests:
        sources = ManifestSources(paths=manifests, allow_unknown_model=allow_unknown_model, stdin=sys.stdin.buffer)
        with sources.stage() as staged:
            staged.add_to(store, run=run, now=time.time())


def _import_from_log(store: Store, using: Service, hours: int) -> ImportedGenerations:
    async def call() -> ImportedGenerations:
        async with open_service(using, store.path) as (_, clients):
            return await import_from_log(store, clients, hours=hours, now=time.time())

    return anyio.run(call)


def _find_keys(
    using: Service, generation_ids: tuple[str, ...], label: str | None, state: Path
) -> dict[str, str | None]:
    """The label of the key that bought each generation; no key is tried if there is only one."""
    if label is not None or len(using.keys) == 1:
        return dict.fromkeys(generation_ids, label or using.keys[0].name or None)

    async def call() -> dict[str, str | None]:
        async with open_service(using, state) as (_, clients):
            return {generation: await find_key_label(clients, generation) for generation in generation_ids}

    return anyio.run(call)


def _import_by_id(
    store: Store,
    generation_ids: tuple[str, ...],
    job_key: str | None,
    run: int,
    keys: Mapping[str, str | None],
) -> ImportedGenerations:
    adopted = ImportedGenerations()
    for generation in generation_ids:
        key = keys[generation]
        try:
            if job_key is None:
                adopted.jobs.append(import_generation(store, generation, run=run, now=time.time(), key=key))
            else:
                (job,) = manage.select_jobs(store, [job_key])
                adopted.jobs.append(store.manual.adopt_generation(job, generation, now=time.time(), key=key))
        except GenerationTaken:
            raise UsageError(f"generation {generation} already belongs to a job of this database") from None
        except ValueError as error:
            raise UsageError(f"{job_key!r} cannot take generation {generation}: {error}") from None
    return adopted


def parse_hours(period: str) -> int:
    """``24h``, ``7d`` or ``90m`` as whole hours, rounded up; raises ``UsageError``."""
    try:
        hours = math.ceil(DURATION.parse(period) / 3600)
    except (ValueError, OverflowError):
        hours = 0
    # a number without a unit would be seconds, which nobody means here
    if hours < 1 or not period.strip()[-1].isalpha():
        raise UsageError(f"--from-log {period!r}: write it as 24h or 7d")
    return hours


def _print_result(adopted: ImportedGenerations, resume: str) -> None:
    click.echo(f"{format_count(len(adopted.jobs), 'generation')} imported; `{resume}` downloads them", err=True)
    for generation in adopted.surplus:
        click.echo(f"not imported: {generation} was bought for a job that has another generation", err=True)
    for generation in adopted.unknown:
        click.echo(f"not imported: {generation} is for a job that is not in these manifests", err=True)
    if not adopted.whole:
        click.echo(f"warning: {NOT_WHOLE}: a run would buy older generations again", err=True)
