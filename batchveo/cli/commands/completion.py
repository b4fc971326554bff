"""``batchveo completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from batchveo.core.errors import UsageError

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_BATCHVEO_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, shell: str) -> int:
    """Print a script that completes commands, options, jobs and models in SHELL.

    \b
    bash:  batchveo completion bash > ~/.local/share/bash-completion/completions/batchveo
    zsh:   echo 'eval "$(batchveo completion zsh)"' >> ~/.zshrc
    fish:  batchveo completion fish > ~/.config/fish/completions/batchveo.fish
    """  # noqa: D301 - click's mark for a paragraph that is not wrapped
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"the installed version of click has no completion for {shell}")
    script = kind(context.find_root().command, {}, "batchveo", VARIABLE)
    click.echo(script.source_template % script.source_vars())
    return 0
