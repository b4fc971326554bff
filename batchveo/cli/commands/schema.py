"""``batchveo schema``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from batchveo.cli.options import catalogue_option, option, read_catalogue
from batchveo.manifest.json_schema import job_schema, manifest_schema


@click.command("schema")
@option("--line", "of_line", is_flag=True, help="Print the schema of one line of a JSON Lines manifest.")
@catalogue_option
def command(*, of_line: bool, catalogue: Path | None) -> int:
    """Print the JSON Schema of a manifest, for completion and checks in editors."""
    catalog = read_catalogue(catalogue)
    click.echo(json.dumps(job_schema(catalog) if of_line else manifest_schema(catalog), indent=2, ensure_ascii=False))
    return 0
