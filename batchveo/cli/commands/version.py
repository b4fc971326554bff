"""``batchveo version``."""

from __future__ import annotations

import click

from batchveo.core.version import __version__


@click.command("version")
def command() -> int:
    """Show the version, as `batchveo --version` does."""
    click.echo(f"batchveo, version {__version__}")
    return 0
