"""The config files: where they are, what they set, and which defaults of the options follow."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from batchveo.cli.option_types import PlaceType, QuantityType
from batchveo.core.errors import UsageError, find_reason
from batchveo.core.hints import find_closest

NAME = "batchveo.toml"
VARIABLE = "BATCHVEO_CONFIG"

API_KEYS = frozenset({"api-key", "aimlapi-api-key", "aimlapi-key", "aiml-api-key"})

Options = Mapping[str, click.Option]

SECRETS = frozenset({"notify", "webhook", "key"})
"""Options whose values are never shown."""

RESERVED = {
    "base-url": "it decides which service your key is sent to",
    "confirm-above": "it decides what is bought without asking you",
    "when-in-doubt": "it decides whether a video may be bought twice",
    "new-state": "it decides whether a video may be bought twice",
    "missing-videos-ok": "it decides whether a run may continue without its finished videos",
    "yes": "it decides what is bought without asking you",
    "keys": "it decides which of your environment variables are sent to the service",
    "notify": "it decides who receives messages about your runs",
    "notify-file": "it decides who receives messages about your runs",
    "exec": "it decides which program your runs start",
    "webhook": "it decides who receives the jobs of your runs",
    "config": "it decides which file is trusted",
}
"""Options that neither a folder's config file nor its ``.env`` may set, each with why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One line: for the command that ``table`` names, or for all if it is ``None``; ``name`` as in ``--name``."""

    table: str | None
    name: str
    value: object

    def __str__(self) -> str:
        return self.name if self.table is None else f"{self.table}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """One file: its settings, those for all commands first, and the names of its tables.

    ``of_folder``: it was found in the folder, and nobody named it; so it may not set what is ``RESERVED``.
    """

    path: Path
    settings: tuple[Setting, ...]
    tables: tuple[str, ...]
    of_folder: bool = False


def find_config_files(named: Path | None = None) -> list[ConfigFile]:
    """The files that count, the nearest first: the named one or the folder's, then the user's own.

    Raises ``UsageError`` if one cannot be read.
    """
    found = [near] if (near := _find_nearest(named)) else []
    own = find_user_file()
    # the user's own file can be the one of this folder, if that is the config folder
    if own is not None and _is_there(own) and not (found and own.samefile(found[0].path)):
        found.append(_make_config_file(own, _read_toml(own)))
    return found


def find_user_file() -> Path | None:
    """The user's own file on this platform; ``None`` for a user without a home, as in some containers."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return base / "batchveo" / NAME


def _find_nearest(named: Path | None) -> ConfigFile | None:
    if named is not None:
        return _make_config_file(named, _read_part(named))
    here = Path(NAME)
    if _is_there(here):
        return _make_config_file(here, _read_toml(here), of_folder=True)
    project = Path("pyproject.toml")
    if _is_there(project):
        content = _read_part(project)
        return _make_config_file(project, content, of_folder=True) if content else None
    return None


def _is_there(file: Path) -> bool:
    """Whether there is such a file; a home that cannot be read (systemd's ``ProtectHome``) has none."""
    try:
        return file.is_file()
    except OSError:
        return False


def _read_part(file: Path) -> Mapping[str, object]:
    """The settings in ``file``: all of it, or ``[tool.batchveo]`` of a pyproject.toml."""
    content = _read_toml(file)
    if file.name != "pyproject.toml":
        return content
    tool = content.get("tool")
    ours = tool.get("batchveo", {}) if isinstance(tool, dict) else {}
    if not isinstance(ours, dict):
        raise UsageError(f"{file}: tool.batchveo must be a table")
    return ours


def _read_toml(file: Path) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"cannot read the config file {file}: {find_reason(error)}") from None
    except UnicodeDecodeError:
        raise UsageError(f"the config file {file} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the config file {file} is not TOML: {error}") from None


def _make_config_file(path: Path, content: Mapping[str, object], *, of_folder: bool = False) -> ConfigFile:
    tables = {name: value for name, value in content.items() if isinstance(value, dict)}
    common = {name: value for name, value in content.items() if name not in tables}
    settings = tuple(
        Setting(table=table, name=name.replace("_", "-"), value=value)
        for table, values in ((None, common), *tables.items())
        for name, value in values.items()
    )
    return ConfigFile(path=path, settings=settings, tables=tuple(tables), of_folder=of_folder)


def make_defaults(
    files: Sequence[ConfigFile], name: str, command: click.Command, commands: Mapping[str, click.Command | None]
) -> dict[str, Any]:
    """The defaults of the command ``name``, by parameter; of ``files`` the first wins.

    ``commands`` has every command by its name; the tables of those that are not ``None`` are checked too. Raises
    ``UsageError`` with everything that is wrong.
    """
    known = {other: list_options(found) for other, found in commands.items() if found is not None}
    own = known[name] = list_options(command)
    problems: list[str] = []
    defaults: dict[str, Any] = {}
    # the nearest file is read last, so that it overwrites the others
    for file in reversed(files):
        problems += _list_strange_tables(file, commands)
        for setting in file.settings:
            try:
                _check_trust(file, setting)
                value = _check_setting(setting, _find_options(setting, own, known))
            except ValueError as error:
                problems.append(f"{file.path}: {setting}: {error}")
                continue
            if setting.table in (None, name) and _is_taken(setting.name, own):
                defaults[str(own[setting.name].name)] = value
    if problems:
        raise UsageError("\n".join(problems))
    return defaults


def list_options(command: click.Command) -> dict[str, click.Option]:
    """The options of a command by their long names, without the dashes in front."""
    return {
        long.removeprefix("--"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for long in parameter.opts
        if long.startswith("--")
    }


def _find_options(setting: Setting, own: Options, known: Mapping[str, Options]) -> Options | None:
    """The options that a setting may name; ``None`` if its commands are not known."""
    if setting.table is not None:
        return known.get(setting.table)
    if _is_taken(setting.name, own):
        return own
    return _merge_options(known.values()) if len(known) > 1 else None


def _is_taken(name: str, options: Options) -> bool:
    """Whether a file may set the option: it is there, and not for the command line only."""
    return name in options and bool(options[name].envvar)


def _merge_options(commands: Iterable[Options]) -> Options:
    """The options of all commands. Of those with one name the first that a file may set wins, else the first."""
    found: dict[str, click.Option] = {}
    for options in commands:
        for name, option in options.items():
            if name not in found or (option.envvar and not found[name].envvar):
                found[name] = option
    return found


def _check_setting(setting: Setting, options: Options | None) -> object:
    """The value as its option takes it; raises ``ValueError`` with what is expected."""
    if setting.name.lower() in API_KEYS:
        hint = 'name the file that holds it: api-key-file = "FILE"'
        raise ValueError(f"the API key must not be in a config file; {hint}")
    if options is None:
        return None
    if setting.name not in options:
        raise ValueError(f"unknown option{_suggest_name(setting.name, options)}")
    return convert_value(options[setting.name], setting.name, setting.value)


def _check_trust(file: ConfigFile, setting: Setting) -> None:
    """Raise ``ValueError`` for what a file may not set that nobody named."""
    refused = explain_refusal(setting.name) if file.of_folder else None
    if refused:
        raise ValueError(f"{refused}, or name this file with --config")


def _list_strange_tables(file: ConfigFile, commands: Collection[str]) -> Iterator[str]:
    for table in file.tables:
        if table not in commands:
            yield f"{file.path}: [{table}] is not a command{_suggest_name(table, commands)}"


def _suggest_name(name: str, known: Iterable[str]) -> str:
    closest = find_closest(name, known, most=1)
    return f" (did you mean {closest[0]}?)" if closest else ""


def convert_value(option: click.Option, name: str, value: object) -> object:
    """``value`` as the option called ``name`` takes it; raises ``ValueError`` with what is expected."""
    if not option.envvar:
        raise ValueError("is for the command line only")
    # one value is as good as a list of one
    if option.multiple:
        return [_convert_one(option, name, item) for item in (value if isinstance(value, list) else [value])]
    return _convert_one(option, name, value)


def _convert_one(option: click.Option, name: str, value: object) -> object:
    demand = _find_demand(option, value)
    if demand is not None:
        shown = "" if name in SECRETS else f", not {value!r}"
        raise ValueError(f"must be {demand}{shown}")
    if isinstance(option.type, click.Path | PlaceType):
        return os.path.expanduser(str(value))  # noqa: PTH111 - Path's raises if there is no home
    return str(value) if isinstance(option.type, click.types.StringParamType) else value


def _find_demand(option: click.Option, value: object) -> str | None:
    """What ``value`` must be; ``None`` if it is."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if option.is_flag:
        return None if isinstance(value, bool) else "true or false"
    if option.count or isinstance(option.type, click.types.IntParamType):
        return None if is_number and isinstance(value, int) else "a whole number"
    if isinstance(option.type, QuantityType):
        return None if is_number or (isinstance(value, str) and option.type.accepts(value)) else option.type.demand
    if isinstance(option.type, click.types.FloatParamType):
        return None if is_number else "a number"
    if isinstance(option.type, click.Choice):
        return None if value in option.type.choices else f"one of {', '.join(map(repr, option.type.choices))}"
    is_plain = isinstance(option.type, click.types.StringParamType) and is_number  # rate = 30
    return None if isinstance(value, str) or is_plain else "text, in quotes"


def explain_refusal(name: str) -> str | None:
    """Why a file of the folder may not set the option ``name``; ``None`` if it may."""
    why = RESERVED.get(name)
    return why and (
        f"a folder may not set this, since {why}: use your own config file, the environment or the command line"
    )
