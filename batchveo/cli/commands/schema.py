"""``batchveo schema``."""

from __future__ import annotations

import json

import click

from batchveo.cli.options import option
from batchveo.manifest.json_schema import job_schema, manifest_schema


@click.command("schema")
@option("--line", "of_line", is_flag=True, help="Print the schema of one line of a JSON Lines manifest.")
def command(*, of_line: bool) -> int:
    """Print the JSON Schema of a manifest, for completion and checks in editors."""
    click.echo(json.dumps(job_schema() if of_line else manifest_schema(), indent=2, ensure_ascii=False))
    return 0
