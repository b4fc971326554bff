"""``batchveo datasette-metadata``."""

from __future__ import annotations

from pathlib import Path

import click

from batchveo.cli.options import state_option


@click.command("datasette-metadata")
@state_option
def command(state: Path) -> int:
    """Print metadata for viewing the database in Datasette: descriptions, facets and queries.

    \b
    batchveo datasette-metadata > metadata.yaml
    datasette state/batchveo.db -m metadata.yaml
    """  # noqa: D301 - click's mark for a paragraph that is not wrapped
    import yaml

    from batchveo.store.migrations import make_datasette_metadata

    made = make_datasette_metadata(state)
    click.echo(yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=100).rstrip())
    return 0
