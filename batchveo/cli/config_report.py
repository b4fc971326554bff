"""Where the settings that are not the defaults come from, for ``batchveo doctor``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from batchveo.cli import dotenv
from batchveo.cli.config import NAME, VARIABLE, ConfigFile, config_files, user_file
from batchveo.cli.config_defaults import options_of
from batchveo.cli.config_values import SECRETS
from batchveo.operations.doctor import Check


def origins(commands: Sequence[click.Command], named: Path | None) -> Iterator[Check]:
    """The files that count, what they and the environment set, and what nothing reads."""
    files = config_files(named)
    found = ", then ".join(str(file.path) for file in files)
    places = " or ".join(str(place) for place in (NAME, user_file()) if place)
    yield Check(what="config", ok=True, found=found or f"no config file; looked for {places}")
    variables = _variables(commands)
    for file in files:
        yield from _set_by(file, variables)
    yield from _environment(variables)
    if dotenv.FILE.is_file():
        yield _dotenv()


def _variables(commands: Sequence[click.Command]) -> dict[str, str]:
    """The long name of every option, by its variable."""
    found = {VARIABLE: "config"}
    for command in commands:
        found |= {str(option.envvar): name for name, option in options_of(command).items() if option.envvar}
    return found


def _set_by(file: ConfigFile, variables: dict[str, str]) -> Iterator[Check]:
    overruled = {name: variable for variable, name in variables.items() if os.environ.get(variable)}
    for setting in file.settings:
        shown = "…" if setting.name in SECRETS else repr(setting.value)
        beaten = f", overridden by {overruled[setting.name]}" if setting.name in overruled else ""
        yield Check(what="setting", ok=True, found=f"{setting} = {shown} from {file.path}{beaten}")


def _environment(variables: dict[str, str]) -> Iterator[Check]:
    from_file = dotenv.read(dotenv.FILE)
    for variable in sorted(name for name in os.environ if name.startswith("BATCHVEO_")):
        where = dotenv.FILE if from_file.get(variable) == os.environ[variable] else "the environment"
        if variable not in variables:
            yield Check(
                what="setting",
                ok=False,
                found=f"{variable} from {where}",
                advice="no option uses this variable; check its spelling",
            )
            continue
        shown = "…" if variables[variable] in SECRETS else repr(os.environ[variable])
        yield Check(what="setting", ok=True, found=f"{variables[variable]} = {shown} from {variable} ({where})")


def _dotenv() -> Check:
    names = ", ".join(dotenv.read(dotenv.FILE)) or "no batchveo variables"
    private = not dotenv.is_open_to_others()
    advice = "other users of this machine can read the key in this file: chmod 600 .env"
    return Check(what=".env", ok=private, found=f"holds {names}", advice=advice)
