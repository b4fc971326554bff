"""Values from a config file, as the options take them."""

from __future__ import annotations

import os

import click

from batchveo.cli.options import PlaceType

SECRETS = frozenset({"notify", "key"})
"""Options whose values are never shown."""


def converted(option: click.Option, name: str, value: object) -> object:
    """``value`` as the option called ``name`` takes it; raises ``ValueError`` with what would be right."""
    if not option.envvar:
        raise ValueError("is for the command line only")
    if option.multiple:
        return [_one(option, name, item) for item in (value if isinstance(value, list) else [value])]
    return _one(option, name, value)


def _one(option: click.Option, name: str, value: object) -> object:
    demand = _demand(option, value)
    if demand is not None:
        shown = "" if name in SECRETS else f", not {value!r}"
        raise ValueError(f"must be {demand}{shown}")
    if isinstance(option.type, click.Path | PlaceType):
        return os.path.expanduser(str(value))  # noqa: PTH111 - Path's raises where there is no home
    return str(value) if isinstance(option.type, click.types.StringParamType) else value


def _demand(option: click.Option, value: object) -> str | None:
    """What ``value`` is to be, where it is not."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if option.is_flag:
        return None if isinstance(value, bool) else "true or false"
    if option.count or isinstance(option.type, click.types.IntParamType):
        return None if is_number and isinstance(value, int) else "a whole number"
    if isinstance(option.type, click.types.FloatParamType):
        return None if is_number else "a number"
    if isinstance(option.type, click.Choice):
        return None if value in option.type.choices else f"one of {', '.join(map(repr, option.type.choices))}"
    is_plain = isinstance(option.type, click.types.StringParamType) and is_number  # rate = 30
    return None if isinstance(value, str) or is_plain else "text, in quotes"
