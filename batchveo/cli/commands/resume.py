"""``batchveo resume``."""

from __future__ import annotations

from typing import Any

import click

from batchveo.cli.options import run_options
from batchveo.cli.prompt import approve_of, consent_of
from batchveo.cli.shared import cluster_of, conclude, service_of, settings_of, show_run, told_of
from batchveo.operations import run


@click.command("resume")
@run_options
def command(**options: Any) -> int:
    """Resume all unfinished jobs of the database, from any manifest."""
    settings, cluster = settings_of(options), cluster_of(options)
    with show_run(options) as (shown, notifier):
        result = run.resume(
            state=options["state"],
            settings=settings,
            using=service_of(options),
            reporter=notifier,
            approve=approve_of(options),
            cluster=cluster,
            told=told_of(click.get_current_context()),
            consent=consent_of(options),
        )
        notifier.report_end(result)
    return conclude(result, options, shown)
