"""Commands, arguments, options, their variables and defaults; the keys of a manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import click

from batchveo.cli.option_types import QuantityType
from tests.contract.inside import commands_by_name, find_root_command
from tests.contract.shell import Shell
from tests.contract.snapshots import check_snapshot

PROSE = frozenset({"description", "title"})
TYPES: Mapping[type, str] = {type(click.INT): "integer", type(click.FLOAT): "number", click.Path: "path"}
PLAIN = (str, int, float, bool)


def test_commands_and_options() -> None:
    """Hidden ones too."""
    root = find_root_command()
    tree = {
        "help": root.context_settings["help_option_names"],
        **_describe_command(root),
        "commands": {name: _describe_command(command) for name, command in commands_by_name().items()},
    }
    check_snapshot("commands", tree)


def test_manifest_keys(tmp_path: Path) -> None:
    """The fields of a manifest and of its jobs by ``schema``, the parameters of each model by ``models``."""
    shell = Shell(tmp_path)
    schema = json.loads(shell.run("schema").out)
    line = json.loads(shell.run("schema", "--line").out)
    models = json.loads(shell.run("models", "--json").out)
    job = schema["$defs"]["job"]["properties"]
    assert line["properties"] == job
    (manifest,) = (way["properties"] for way in schema["anyOf"] if way.get("type") == "object")
    observed = {
        "manifest": list(manifest),
        "defaults": list(schema["$defs"]["defaults"]["properties"]),
        "job": {name: _without_prose(field) for name, field in job.items()},
        # of one family: all would only repeat the catalogue
        "models": {model.pop("id"): model for model in models if "veo" in model["id"]},
    }
    check_snapshot("manifest_keys", observed)


def _describe_command(command: click.Command) -> dict[str, object]:
    options = [param for param in command.params if isinstance(param, click.Option)]
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    return {
        "hidden": command.hidden,
        "arguments": [_describe_argument(argument) for argument in arguments],
        "options": {max(option.opts, key=len): _describe_option(option) for option in options},
    }


def _describe_argument(argument: click.Argument) -> dict[str, object]:
    return {
        "type": _describe_type(argument.type),
        "many": argument.nargs == -1,
        "required": argument.required,
        "variable": argument.envvar,
    }


def _describe_option(option: click.Option) -> dict[str, object]:
    """``flag value`` is what the option means if it stands without a value."""
    described = {
        "spellings": option.opts,
        "off": option.secondary_opts,
        "variable": option.envvar,
        "type": "count" if option.count else "flag" if option.is_flag else _describe_type(option.type),
        "many": option.multiple,
        "required": option.required,
        "hidden": option.hidden,
        "default": _describe_default(option),
        "flag value": option.flag_value if isinstance(option.flag_value, str) else None,
    }
    usual: Mapping[str, object] = {
        "off": [],
        "many": False,
        "required": False,
        "hidden": False,
        "flag value": None,
    }
    return {key: value for key, value in described.items() if key not in usual or value != usual[key]}


def _describe_type(kind: Any) -> object:
    if isinstance(kind, QuantityType):
        return kind.name
    if isinstance(kind, click.Choice):
        return list(map(str, kind.choices))
    if isinstance(kind, click.IntRange | click.FloatRange):
        low, high = "(" if kind.min_open else "[", ")" if kind.max_open else "]"
        return f"{'integer' if isinstance(kind, click.IntRange) else 'number'} in {low}{kind.min}, {kind.max}{high}"
    return next((name for base, name in TYPES.items() if isinstance(kind, base)), "text")


def _describe_default(option: click.Option) -> object:
    """``None`` if there is none: click has a sentinel of its own for that."""
    default = option.default
    if isinstance(option.type, QuantityType) and isinstance(default, str):
        return option.type.quantity.parse(default)
    if option.multiple:
        return list(default) if isinstance(default, list | tuple) else []
    if isinstance(default, PurePath):
        return default.as_posix()
    if isinstance(default, PLAIN):
        return default
    return False if option.is_flag else 0 if option.count else None


def _without_prose(schema: object) -> object:
    """``schema`` of a field without the words for people."""
    if isinstance(schema, list):
        return [_without_prose(item) for item in schema]
    if isinstance(schema, dict):
        return {key: _without_prose(value) for key, value in schema.items() if key not in PROSE}
    return schema
