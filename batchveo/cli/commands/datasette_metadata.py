"""``batchveo datasette-metadata``."""

from __future__ import annotations

from pathlib import Path

import click

from batchveo.cli.options import state_option


@click.command("datasette-metadata")
@state_option
def command(state: Path) -> int:
    """Print what makes the state readable in Datasette: descriptions, facets, canned queries.

    \b
    batchveo datasette-metadata > metadata.yaml
    datasette state/batchveo.db -m metadata.yaml
    """  # noqa: D301 - click's mark for a paragraph that is not wrapped
    import yaml

    from batchveo.store.datasette import datasette_metadata

    made = datasette_metadata(state)
    click.echo(yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=100).rstrip())
    return 0
