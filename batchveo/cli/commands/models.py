"""``batchveo models``."""

from __future__ import annotations

import json
import sys

import click

from batchveo.cli.options import complete_models, json_option
from batchveo.display.table import Column, print_table
from batchveo.provider.catalog import MODELS, Model
from batchveo.provider.parameters import Param

LIST = (Column("model", whole=True), Column("from"), Column("needs", from_width=80))
PARAMETERS = (Column("parameter", whole=True), *map(Column, ("values", "default", "required", "description")))


@click.command("models")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_models)
@json_option
def command(names: tuple[str, ...], *, as_json: bool) -> int:
    """List the models; with NAMEs (or parts of names), show their parameters."""
    chosen = [m for m in MODELS.values() if not names or any(name in m.id for name in names)]
    if not chosen:
        click.echo("no model with this name; `batchveo models` lists all", err=True)
    if as_json:
        click.echo(json.dumps([_make_row(model) for model in chosen], indent=2))
    elif names:
        for model in chosen:
            _print_parameters(model)
    else:
        print_table(LIST, map(_list_row, chosen), sys.stdout)
    return 0 if chosen else 1


def _make_row(model: Model) -> dict[str, object]:
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


def _print_parameters(model: Model) -> None:
    """Under a heading at a terminal; in a pipe each line begins with the model."""
    rows = [_parameter_row(name, param) for name, param in model.params.items()]
    if sys.stdout.isatty():
        click.echo(f"\n{model.id} (from {model.kind})")
        print_table(PARAMETERS, rows, sys.stdout)
    else:
        print_table((Column("model"), *PARAMETERS), [(model.id, *row) for row in rows], sys.stdout)


def _parameter_row(name: str, param: Param) -> tuple[str, ...]:
    values = ", ".join(map(str, param.choices)) or param.type.value
    default = "" if param.default is None else str(param.default).lower()
    local = f" A local {param.data_uri} can be given." if param.data_uri else ""
    return name, values, default, "yes" if param.required else "", param.description + local
