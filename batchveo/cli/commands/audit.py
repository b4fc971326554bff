"""``batchveo audit``."""

from __future__ import annotations

import json
import os
import sys
import time
from math import ceil
from pathlib import Path
from typing import Any, Self

import anyio
import click

from batchveo.cli.option_values import find_service
from batchveo.cli.options import json_option, service_options, state_option
from batchveo.core.formatting import format_count
from batchveo.display.table import Column, print_table
from batchveo.operations.audit import Audit, Finding, audit
from batchveo.operations.record_reader import Progress
from batchveo.operations.run_setup import open_service
from batchveo.provider.client import LOG_CALLS_PER_MINUTE
from batchveo.provider.service_lists import NOT_WHOLE, PAGE
from batchveo.store import Store
from batchveo.store.provider_records import Listing

TERMINAL_SECONDS = 0.5
PIPE_SECONDS = 60.0
LISTS = {Listing.LOG: "usage log", Listing.LEDGER: "ledger"}
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
    price, and generations that this database did not request. What it reads is kept in a file beside the database
    (its name and .audit): after an interruption the same command resumes, and the next audit reads only what is new or
    younger than a day. Exit status 1 if there are findings, or if a list of the service could not be read to its end.
    """
    using = find_service(options)
    progress = _Progress()

    async def call() -> Audit:
        async with open_service(using, state) as (_, clients):
            return await audit(store, clients, now=time.time(), watch=progress.show)

    with Store(state, writing=False) as store, progress:
        audited = anyio.run(call)
    if as_json:
        rows = [_make_row(finding) for finding in audited.findings]
        click.echo(json.dumps({"ok": audited.ok, "findings": rows, "whole": audited.whole}))
    else:
        _print_findings(audited)
    return 0 if audited.ok else 1


class _Progress:
    """On standard error: a line that is rewritten at a terminal, a line a minute in a pipe."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._seconds = TERMINAL_SECONDS if self._is_terminal else PIPE_SECONDS
        self._shown_at = time.monotonic()
        self._lists: dict[Listing, str] = {}
        self._is_kept = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if self._is_terminal and self._lists:
            click.echo("\r\x1b[K", nl=False, err=True)
        if kind is not None and self._lists:
            kept, lost = "is kept: the same command resumes it", "could not be kept: the next audit reads it again"
            click.echo(f"the audit has not ended, and what it has read {kept if self._is_kept else lost}", err=True)

    def show(self, read: Progress) -> None:
        """So much of one list is read."""
        self._is_kept = read.is_kept
        left = "" if read.left is None else f", {read.left:,} to go{_estimate_time(read)}"
        self._lists[read.listing] = f"{LISTS[read.listing]}: {format_count(read.rows, 'row')}{left}"
        now = time.monotonic()
        if now - self._shown_at >= self._seconds:
            self._shown_at = now
            text = "; ".join(self._lists[listing] for listing in sorted(self._lists))
            if self._is_terminal:  # a line that wraps could not be rewritten
                text = f"\r{text[: os.get_terminal_size(sys.stderr.fileno()).columns - 1]}\x1b[K"
            click.echo(text, nl=not self._is_terminal, err=True)


def _estimate_time(read: Progress) -> str:
    # the limit lets calls through in bursts: it may be a minute until the next ones
    if read.listing is not Listing.LOG or not read.left:
        return ""
    return f", about {ceil(read.left / (PAGE * LOG_CALLS_PER_MINUTE))} min"


def _print_findings(audited: Audit) -> None:
    print_table(COLUMNS, map(_make_table_row, audited.findings), sys.stdout)
    off = len(audited.findings)
    click.echo(format_count(off, "finding") if off else "no findings", err=True)
    if not audited.whole:
        click.echo(f"warning: {NOT_WHOLE}: what was bought earlier is not compared", err=True)


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
