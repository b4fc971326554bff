"""All that these tests know of the inside of the package; a move or a renaming is followed here alone."""

from __future__ import annotations

import click

from batchveo import cli

PROGRAM = "batchveo"
"""The command line, as a module."""
PROGRAM_WITH_QUICK_PROGRESS = "tests.contract.quick_progress"
"""The same with a ``progress`` event twenty times a second instead of once a minute."""


def commands_by_name() -> dict[str, click.Command]:
    """Every command but the root."""
    root = find_root_command()
    context = click.Context(root)
    found = {name: root.get_command(context, name) for name in root.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def find_root_command() -> click.Group:
    """The command that all others belong to."""
    return next(value for value in vars(cli).values() if isinstance(value, click.Group))
