"""``batchveo doctor``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from batchveo.cli import dotenv
from batchveo.cli.config import NAME, SECRETS, VARIABLE, ConfigFile, find_config_files, find_user_file, list_options
from batchveo.cli.option_types import PLACE
from batchveo.cli.option_values import read_messengers
from batchveo.cli.options import inputs_option, notify_options, option, read_catalogue, service_options, state_option
from batchveo.core.destination import Destination, parse_bucket
from batchveo.core.errors import UsageError
from batchveo.core.formatting import blank_unprintable
from batchveo.display.notification_channels import Messengers
from batchveo.display.notifier import TEST
from batchveo.operations.doctor import Check, check_setup


@click.command("doctor")
@state_option
@option(
    "--output",
    type=PLACE,
    default=Path("videos"),
    metavar="DIR|URL",
    help="Destination of the videos: a folder or bucket URL.",
)
@inputs_option
@notify_options
@option("--notify-test", is_flag=True, envvar=None, help="Send a test message to the --notify URLs.")
@service_options
@click.pass_context
def command(context: click.Context, /, state: Path, output: Destination, *, notify_test: bool, **options: Any) -> int:
    """Check configuration, key, network, disk and database; changes nothing."""
    wrong = False
    for check in _list_checks(context, state, output, options, send=notify_test):
        click.echo(_format_check(check))
        wrong = wrong or not check.ok
    return 1 if wrong else 0


def _list_checks(
    context: click.Context, state: Path, output: Destination, options: dict[str, Any], *, send: bool
) -> Iterator[Check]:
    yield from list_origins(*_find_commands(context))
    service = {name: options[name] for name in ("base_url", "api_key_file", "keys", "sandbox")}
    inputs = None if options["inputs"] is None else parse_bucket("--inputs", options["inputs"])
    yield from check_setup(state=state, output=output, inputs=inputs, catalog=read_catalogue(None), **service)
    if send or options["notify"] or options["notify_file"]:
        try:
            yield from examine_messengers(read_messengers(options), send=send)
        except UsageError as error:
            yield Check(what="messages", ok=False, found=str(error))


def _find_commands(context: click.Context) -> tuple[list[click.Command], Path | None]:
    parent = context.parent
    if parent is None or not isinstance(parent.command, click.Group):
        return [context.command], None
    group = parent.command
    found = [group.get_command(parent, name) for name in group.list_commands(parent)]
    return [command for command in found if command is not None], parent.params.get("config")


def _format_check(check: Check) -> str:
    advice = f"\n       {check.advice}" if check.advice and not check.ok else ""
    return f"{'ok' if check.ok else 'WRONG':5}  {check.what}: {blank_unprintable(check.found)}{advice}"


def examine_messengers(messengers: Messengers, *, send: bool) -> Iterator[Check]:
    """Whether there are URLs for messages; with ``send``, whether they accept a test message."""
    if not messengers:
        yield Check(what="messages", ok=False, found="no URL to send them to", advice="give --notify URL")
        return
    failed = []
    if send:
        messengers.post(TEST.title, TEST.body)
        failed = messengers.flush()
    yield Check(
        what="messages",
        ok=not failed,
        found=f"not accepted by {', '.join(failed)}" if failed else f"to {', '.join(messengers.kinds)}",
        advice="check the URL, its token and the network",
    )


def list_origins(commands: Sequence[click.Command], named: Path | None) -> Iterator[Check]:
    """The config files, what they and the environment set, and variables that no option uses."""
    files = find_config_files(named)
    found = ", then ".join(str(file.path) for file in files)
    places = " or ".join(str(place) for place in (NAME, find_user_file()) if place)
    yield Check(what="config", ok=True, found=found or f"no config file; looked for {places}")
    variables = _map_variables(commands)
    for file in files:
        yield from _list_settings(file, variables)
    yield from _check_environment(variables)
    if dotenv.FILE.is_file():
        yield _check_dotenv()


def _map_variables(commands: Sequence[click.Command]) -> dict[str, str]:
    """The long name of every option, by its variable."""
    found = {VARIABLE: "config"}
    for command in commands:
        found |= {str(option.envvar): name for name, option in list_options(command).items() if option.envvar}
    return found


def _list_settings(file: ConfigFile, variables: dict[str, str]) -> Iterator[Check]:
    overruled = {name: variable for variable, name in variables.items() if os.environ.get(variable)}
    for setting in file.settings:
        shown = "…" if setting.name in SECRETS else repr(setting.value)
        beaten = f", overridden by {overruled[setting.name]}" if setting.name in overruled else ""
        yield Check(what="setting", ok=True, found=f"{setting} = {shown} from {file.path}{beaten}")


def _check_environment(variables: dict[str, str]) -> Iterator[Check]:
    from_file = dotenv.read_dotenv(dotenv.FILE)
    for variable in sorted(name for name in os.environ if name.startswith("BATCHVEO_")):
        origin = dotenv.FILE if from_file.get(variable) == os.environ[variable] else "the environment"
        if variable not in variables:
            yield Check(
                what="setting",
                ok=False,
                found=f"{variable} from {origin}",
                advice="no option uses this variable; check its spelling",
            )
            continue
        shown = "…" if variables[variable] in SECRETS else repr(os.environ[variable])
        yield Check(what="setting", ok=True, found=f"{variables[variable]} = {shown} from {variable} ({origin})")


def _check_dotenv() -> Check:
    names = ", ".join(dotenv.read_dotenv(dotenv.FILE)) or "no batchveo variables"
    private = not dotenv.is_open_to_others()
    advice = "other users of this machine can read the key in this file: chmod 600 .env"
    return Check(what=".env", ok=private, found=f"holds {names}", advice=advice)
