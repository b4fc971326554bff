"""``batchveo models``."""

from __future__ import annotations

import json
import sys

import click

from batchveo.cli.options import json_option
from batchveo.cli.shell_complete import models
from batchveo.display.table import Column, print_table
from batchveo.provider.catalog import MODELS, Model, Param

LIST = (Column("model"), Column("from"), Column("needs"))
PARAMETERS = (Column("model"), *map(Column, ("parameter", "values", "default", "required", "description")))


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
        print_table(PARAMETERS, [_parameter_row(m, n, p) for m in chosen for n, p in m.params.items()], sys.stdout)
    else:
        print_table(LIST, map(_list_row, chosen), sys.stdout)
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


def _list_row(model: Model) -> tuple[str, ...]:
    return model.id, model.kind, ", ".join(name for name in model.required if name != "prompt")


def _parameter_row(model: Model, name: str, param: Param) -> tuple[str, ...]:
    values = ", ".join(map(str, param.choices)) or param.type.value
    default = "" if param.default is None else str(param.default).lower()
    local = f" A local {param.data_uri} can be given." if param.data_uri else ""
    return model.id, name, values, default, "yes" if param.required else "", param.description + local
