"""``batchveo audit``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import click

from batchveo.cli.option_values import find_service
from batchveo.cli.options import json_option, service_options, state_option
from batchveo.core.formatting import format_count
from batchveo.display.table import Column, print_table
from batchveo.operations.audit import Audit, Finding, audit
from batchveo.operations.run_setup import open_service
from batchveo.provider.service_lists import NOT_WHOLE
from batchveo.store import Store

COLUMNS = (
    *map(Column, ("finding", "job")),
    Column("generation id", whole=True),
    Column("charged", right=True),
    *map(Column, ("detail", "key")),
)


@click.command("audit")
@state_option
@service_options
@json_option
def command(state: Path, *, as_json: bool, **options: Any) -> int:
    """Compare the database with the provider's billing records; changes nothing.

    Finds videos that were bought twice, bought but not on disk, on disk but never charged or charged at another
    price, and generations that this database did not request. Exit status 1 if there are findings, or if the usage
    log is too long to be read whole.
    """
    using = find_service(options)

    async def call() -> Audit:
        async with open_service(using, state) as (_, clients):
            return await audit(store, clients, now=time.time())

    with Store(state, writing=False) as store:
        audited = anyio.run(call)
    if as_json:
        rows = [_make_row(finding) for finding in audited.findings]
        click.echo(json.dumps({"ok": audited.ok, "findings": rows, "whole": audited.whole}))
    else:
        _print_findings(audited)
    return 0 if audited.ok else 1


def _print_findings(audited: Audit) -> None:
    print_table(COLUMNS, map(_make_table_row, audited.findings), sys.stdout)
    off = len(audited.findings)
    click.echo(format_count(off, "finding") if off else "no findings", err=True)
    if not audited.whole:
        click.echo(f"warning: {NOT_WHOLE}: older double purchases are not found", err=True)


def _make_row(finding: Finding) -> dict[str, object]:
    job = finding.job
    return {
        "kind": finding.kind.name.lower(),
        "what": finding.kind.value,
        "job": job.id if job else None,
        "name": job.name if job else None,
        "generation_id": finding.generation_id,
        "charged_usd": finding.usd,
        "detail": finding.detail,
        "key": finding.key,
    }


def _make_table_row(finding: Finding) -> tuple[str, ...]:
    name = finding.job.name if finding.job else ""
    charged = "" if finding.usd is None else f"{finding.usd:.6g}"
    return finding.kind.value, name, finding.generation_id, charged, finding.detail, finding.key or ""
