"""``batchveo help``."""

from __future__ import annotations

import click

from batchveo.cli import batchveo
from batchveo.cli.completions import complete_commands


@click.command("help")
@click.argument("commands", nargs=-1, metavar="[COMMAND]...", shell_complete=complete_commands)
@click.pass_context
def command(context: click.Context, commands: tuple[str, ...]) -> int:
    """Show the help of batchveo, or of each COMMAND."""
    root = context.find_root()
    for word in commands:
        name, found, _ = batchveo.resolve_command(root, [word])
        if found is not None:
            click.echo(found.get_help(click.Context(found, info_name=name, parent=root)))
    if not commands:
        click.echo(root.get_help())
    return 0
