"""``batchveo audit``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import anyio
import click

from batchveo.auditing import Finding, audit
from batchveo.cli.options import json_option, service_options, state_option
from batchveo.cli.running import service_of
from batchveo.clients import apis
from batchveo.report.words import printable, shorten
from batchveo.services import running
from batchveo.store import Store


@click.command("audit")
@state_option
@service_options
@json_option
def command(state: Path, *, as_json: bool, **options: Any) -> int:
    """Hold the state against the provider's ledger and usage log.

    Bought twice, bought but not on disk, on disk but never charged, charged otherwise than expected, and
    generations nobody here asked for. Exit status 1 where anything is off. Changes nothing.
    """
    using = service_of(options)

    async def call() -> list[Finding]:
        async with apis(there) as opened:
            return await audit(store, opened, now=time.time())

    with Store(state, writing=False) as store, running(using, state) as there:
        findings = anyio.run(call)
    if as_json:
        click.echo(json.dumps({"ok": not findings, "findings": [_row(finding) for finding in findings]}))
    else:
        for finding in findings:
            click.echo(_line(finding))
        click.echo("nothing is off" if not findings else f"{len(findings)} things are off", err=True)
    return 1 if findings else 0


def _row(finding: Finding) -> dict[str, object]:
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


def _line(finding: Finding) -> str:
    who = shorten(finding.job.name, 40) if finding.job else "-"
    usd = f"${finding.usd:.2f}" if finding.usd is not None else "nothing"
    detail = f" ({finding.detail})" if finding.detail else ""
    key = f" with key {finding.key}" if finding.key else ""
    return printable(f"{finding.kind.value}: {who}: {finding.generation_id}, charged {usd}{key}{detail}")
