"""``batchveo models``."""

from __future__ import annotations

import json

import click

from batchveo.cli.options import json_option
from batchveo.cli.shell_complete import models
from batchveo.provider.catalog import MODELS, Model, Param


@click.command("models")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=models)
@json_option
def command(names: tuple[str, ...], *, as_json: bool) -> int:
    """List the models; with NAMEs (or parts of names), show their parameters."""
    chosen = [m for m in MODELS.values() if not names or any(name in m.id for name in names)]
    if not chosen:
        click.echo("no model with this name; `batchveo models` lists all", err=True)
    if as_json:
        click.echo(json.dumps([_row(model) for model in chosen], indent=2))
    elif names:
        click.echo("\n\n".join(_sheet(model) for model in chosen))
    else:
        width = max(len(model.id) for model in chosen)
        for model in chosen:
            needs = ", ".join(name for name in model.required if name != "prompt")
            click.echo(f"{model.id:{width}}  from {model.kind}" + (f"; needs {needs}" if needs else ""))
    return 0 if chosen else 1


def _row(model: Model) -> dict[str, object]:
    return {
        "id": model.id,
        "kind": model.kind.value,
        "required": list(model.required),
        "parameters": {
            name: {"type": p.type.value, "choices": list(p.choices), "default": p.default}
            for name, p in model.params.items()
        },
    }


def _sheet(model: Model) -> str:
    return "\n".join([f"{model.id} (from {model.kind})", *(_line(n, p) for n, p in model.params.items())])


def _line(name: str, param: Param) -> str:
    values = ", ".join(map(str, param.choices)) or param.type.value
    default = "" if param.default is None else f" (default {str(param.default).lower()})"
    required = " required." if param.required else ""
    local = f" A local {param.data_uri} will do." if param.data_uri else ""
    return f"  {name:16} {values}{default}.{required} {param.description}{local}"
