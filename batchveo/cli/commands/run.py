"""``batchveo run``."""

from __future__ import annotations

import sys
from typing import Any

import click

from batchveo.cli.options import (
    manifests_argument,
    option,
    reading_options,
    run_options,
    strict_option,
    unknown_model_option,
)
from batchveo.cli.prompt import approve_of, consent_of
from batchveo.cli.read_options import reading_of
from batchveo.cli.shared import cluster_of, conclude, service_of, settings_of, show_run, told_of
from batchveo.operations import run as library


@click.command("run")
@manifests_argument
@reading_options
@run_options
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
    settings, cluster = settings_of(options), cluster_of(options)
    with show_run(options) as (shown, notifier):
        result = library.run(
            manifests,
            state=options["state"],
            settings=settings,
            using=lambda: service_of(options),
            allow_unknown_model=options["allow_unknown_model"],
            strict_provenance=options["strict_provenance"],
            reading=reading_of(options),
            reporter=notifier,
            stdin=sys.stdin.buffer,
            approve=approve_of(options),
            cluster=cluster,
            told=told_of(click.get_current_context()),
            consent=consent_of(options),
        )
        notifier.report_end(result)
    return conclude(result, options, shown)
