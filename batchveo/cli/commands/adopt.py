"""``batchveo adopt``."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import click

from batchveo.cli.options import option, service_options, state_option, unknown_model_option
from batchveo.cli.selection import selected
from batchveo.cli.shared import service_of
from batchveo.core.errors import UsageError
from batchveo.core.formatting import counted
from batchveo.core.hints import address_options, pasteable
from batchveo.manifest import Manifests
from batchveo.operations.import_generations import Adopted, adopt_from_log, adopt_stranger, key_of
from batchveo.operations.other_databases import is_unmade
from batchveo.operations.preflight import check_service, running
from batchveo.provider.clients import apis
from batchveo.provider.service import Service
from batchveo.provider.usage_log import NOT_WHOLE
from batchveo.store import GenerationTaken, StagingTable, Store


@click.command("adopt")
@click.argument("generation_ids", nargs=-1, metavar="[GENERATION_ID]...")
@state_option
@option("--job", "job_key", envvar=None, metavar="JOB", help="The pending or doubtful job the generation is for.")
@option("--manifest", "manifests", multiple=True, envvar=None, metavar="FILE", help="Expand this first.")
@option("--from-log", "period", envvar=None, metavar="PERIOD", help="Look back so far in the usage log: 24h, 7d.")
@option("--key", "label", envvar=None, metavar="LABEL", help="Which of --keys bought the ids; else each is asked.")
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
    """Take in generations that are bought already; `resume` then fetches them.

    \b
    A lost state file:  adopt --manifest night.yaml --from-log 7d
    A known id:         adopt GENERATION_ID [--job JOB]
    """  # noqa: D301 - click's mark for a paragraph that is not wrapped
    if bool(generation_ids) == (period is not None):
        raise UsageError("give generation ids, or --from-log PERIOD")
    if job_key is not None and len(generation_ids) != 1:
        raise UsageError("--job is for one generation id")
    using = service_of(options)
    if label is not None and (period or label not in {key.name for key in using.keys}):
        raise UsageError(f"--key {label!r} is for generation ids, and one of the labels in the file of --keys")
    is_new = is_unmade(state)
    with Store(state) as store:
        if is_new:
            click.echo(f"a new database was made: {state.absolute()}", err=True)
        check_service(store, using)
        run = store.runs.begin_run(command="adopt", service=using.name, now=time.time())
        _expand(store, manifests, run, allow_unknown_model=options["allow_unknown_model"])
        adopted = _from_log(store, using, hours_of(period)) if period else None
        if adopted is None:
            keys = _keys(using, generation_ids, label, store.path)
            adopted = _by_hand(store, generation_ids, job_key, run, keys)
        store.runs.end_run(run, status=0, now=time.time())
        service = address_options(store.runs.list_services())
    _say(adopted, pasteable("resume", state=state, service=service))
    return 0 if adopted.whole else 1


def _expand(store: Store, manifests: tuple[str, ...], run: int, *, allow_unknown_model: bool) -> None:
    if manifests:
        with (
            Manifests(manifests, allow_unknown_model=allow_unknown_model, stdin=sys.stdin.buffer) as reading,
            StagingTable() as scratch,
        ):
            reading.read(scratch.take)
            store.imports.add_jobs(scratch, run=run, now=time.time())


def _from_log(store: Store, using: Service, hours: int) -> Adopted:
    async def call() -> Adopted:
        async with apis(there) as opened:
            return await adopt_from_log(store, opened, hours=hours, now=time.time())

    with running(using, store.path) as there:
        return anyio.run(call)


def _keys(using: Service, generation_ids: tuple[str, ...], label: str | None, state: Path) -> dict[str, str | None]:
    """The label of the key that bought each generation; nobody needs to be asked where there is only one."""
    only = using.keys[0].name or None
    if label is not None or len(using.keys) == 1:
        return dict.fromkeys(generation_ids, label or only)

    async def call() -> dict[str, str | None]:
        async with apis(there) as opened:
            return {generation: await key_of(opened, generation) for generation in generation_ids}

    with running(using, state) as there:
        return anyio.run(call)


def _by_hand(
    store: Store,
    generation_ids: tuple[str, ...],
    job_key: str | None,
    run: int,
    keys: Mapping[str, str | None],
) -> Adopted:
    adopted = Adopted()
    for generation in generation_ids:
        key = keys[generation]
        try:
            if job_key is None:
                adopted.jobs.append(adopt_stranger(store, generation, run=run, now=time.time(), key=key))
            else:
                (job,) = selected(store, [job_key])
                adopted.jobs.append(store.manual.adopt_generation(job, generation, now=time.time(), key=key))
        except GenerationTaken:
            raise UsageError(f"generation {generation} belongs to a job here already") from None
        except ValueError as error:
            raise UsageError(f"{job_key!r} cannot take it: {error}") from None
    return adopted


def hours_of(period: str) -> int:
    """``24h`` or ``7d`` as hours; raises ``UsageError``."""
    match = re.fullmatch(r"([1-9]\d{0,4})([hd])", period.strip())
    if match is None:
        raise UsageError(f"--from-log {period!r}: write it as 24h or 7d")
    return int(match[1]) * (24 if match[2] == "d" else 1)


def _say(adopted: Adopted, resume: str) -> None:
    click.echo(f"{counted(len(adopted.jobs), 'generation')} adopted; `{resume}` fetches them", err=True)
    for generation in adopted.surplus:
        click.echo(f"left alone: {generation} was bought for a job that has another generation", err=True)
    for generation in adopted.unknown:
        click.echo(f"left alone: {generation} is for a job that no manifest here names", err=True)
    if not adopted.whole:
        click.echo(f"warning: {NOT_WHOLE}: what stands further back would be bought again by a run", err=True)
