"""``batchveo resume``."""

from __future__ import annotations

from typing import Any

import click

from batchveo.cli.grouped_help import GroupedCommand
from batchveo.cli.option_values import read_cluster, recall_options
from batchveo.cli.options import catalogue_option, run_options
from batchveo.cli.run_command import execute_run
from batchveo.operations.run import resume_database


@click.command("resume", cls=GroupedCommand)
@run_options
@catalogue_option
def command(**options: Any) -> int:
    """Resume all unfinished jobs of the database, from any manifest, with the options of the last run."""
    read_cluster(options)  # a slip in the options is reported before anything about the database
    options, recalled = recall_options(options)
    return execute_run(options, resume_database, recalled)
