"""``batchveo run``."""

from __future__ import annotations

from typing import Any

import click

from batchveo.cli.grouped_help import GroupedCommand
from batchveo.cli.option_values import find_sources
from batchveo.cli.options import (
    catalogue_option,
    checks_option,
    manifests_argument,
    option,
    reading_options,
    run_options,
    strict_option,
    unknown_model_option,
)
from batchveo.cli.run_command import execute_run
from batchveo.operations.run import run_manifests


@click.command("run", cls=GroupedCommand)
@manifests_argument
@reading_options
@run_options
@checks_option
@catalogue_option
@unknown_model_option
@strict_option
@option("--new-state", is_flag=True, help="Use a new database even if another one has these jobs.")
@option("--dry-run", is_flag=True, help="Print the plan; write nothing and buy nothing.")
def command(manifests: tuple[str, ...], *, dry_run: bool, **options: Any) -> int:
    """Generate the videos of the manifests; run the same command again to resume.

    MANIFEST is a YAML, CSV or JSON Lines file, a .txt file with one prompt per line, or - for standard input.
    """
    if dry_run:
        from batchveo.cli.commands.plan import show_plan

        return show_plan(manifests, as_json=False, **options)
    return execute_run(options, lambda asked: run_manifests(find_sources(manifests, options), asked))
