"""``batchveo doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from batchveo.cli.options import PATH, option, service_options, state_option
from batchveo.doctor import Check, examine


@click.command("doctor")
@state_option
@option("--output", type=PATH, default=Path("videos"), metavar="DIR", help="Where the videos go.")
@service_options
def command(state: Path, output: Path, **options: Any) -> int:
    """Say what is wrong with this machine's set-up: key, service, disk, state. Changes nothing."""
    checks = list(examine(state=state, output=output, **options))
    for check in checks:
        click.echo(_line(check))
    return 0 if all(check.ok for check in checks) else 1


def _line(check: Check) -> str:
    advice = f"\n       {check.advice}" if check.advice and not check.ok else ""
    return f"{'ok' if check.ok else 'WRONG':5}  {check.what}: {check.found}{advice}"
