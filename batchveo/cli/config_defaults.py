"""Check the settings of the config files against the options, and make them click's defaults."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import click

from batchveo.cli.config import ConfigFile, Setting
from batchveo.cli.config_values import converted
from batchveo.cli.folder_trust import refusal
from batchveo.core.errors import UsageError

API_KEYS = frozenset({"api-key", "aimlapi-api-key", "aimlapi-key", "aiml-api-key"})

Options = Mapping[str, click.Option]


def default_map(
    files: Sequence[ConfigFile], name: str, command: click.Command, commands: Mapping[str, click.Command | None]
) -> dict[str, Any]:
    """The defaults of the command ``name``, by parameter; of ``files`` the first wins.

    ``commands`` has the name of each command; what is meant for those that are given too is checked as well.
    Raises ``UsageError`` with everything that is wrong.
    """
    known = {other: options_of(found) for other, found in commands.items() if found is not None}
    own = known[name] = options_of(command)
    problems: list[str] = []
    defaults: dict[str, Any] = {}
    for file in reversed(files):
        problems += _strange_tables(file, commands)
        for setting in file.settings:
            try:
                _check_trust(file, setting)
                value = _checked(setting, _options_for(setting, own, known))
            except ValueError as error:
                problems.append(f"{file.path}: {setting}: {error}")
                continue
            if setting.table in (None, name) and setting.name in own:
                defaults[str(own[setting.name].name)] = value
    if problems:
        raise UsageError("\n".join(problems))
    return defaults


def options_of(command: click.Command) -> dict[str, click.Option]:
    """The options of a command by their long names, without the dashes in front."""
    return {
        long.removeprefix("--"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for long in parameter.opts
        if long.startswith("--")
    }


def _options_for(setting: Setting, own: Options, known: Mapping[str, Options]) -> Options | None:
    """The options that a setting may be one of; ``None`` where its commands are not known."""
    if setting.table is not None:
        return known.get(setting.table)
    if setting.name in own:
        return own
    return ChainMap(*map(dict, known.values())) if len(known) > 1 else None


def _checked(setting: Setting, options: Options | None) -> object:
    """The value as its option takes it; raises ``ValueError`` with what would be right."""
    if setting.name.lower() in API_KEYS:
        hint = 'name the file that holds it: api-key-file = "FILE"'
        raise ValueError(f"the API key must not be in a config file; {hint}")
    if options is None:
        return None
    if setting.name not in options:
        raise ValueError(f"unknown option{_hint(setting.name, options)}")
    return converted(options[setting.name], setting.name, setting.value)


def _check_trust(file: ConfigFile, setting: Setting) -> None:
    """Raise ``ValueError`` for what a file that was merely there may not set."""
    refused = refusal(setting.name) if file.of_folder else None
    if refused:
        raise ValueError(f"{refused}, or name this file with --config")


def _strange_tables(file: ConfigFile, commands: Collection[str]) -> Iterator[str]:
    for table in file.tables:
        if table not in commands:
            yield f"{file.path}: [{table}] is not a command{_hint(table, commands)}"


def _hint(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
