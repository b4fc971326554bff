"""``batchveo doctor``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from batchveo.cli.config_report import origins
from batchveo.cli.options import PLACE, notify_options, option, service_options, state_option
from batchveo.cli.shared import messengers_of
from batchveo.core.destination import Destination
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
@notify_options
@option("--notify-test", is_flag=True, envvar=None, help="Send a test message to the --notify URLs.")
@service_options
@click.pass_context
def command(context: click.Context, /, state: Path, output: Destination, *, notify_test: bool, **options: Any) -> int:
    """Check configuration, key, network, disk and database; changes nothing."""
    wrong = False
    for check in _checks(context, state, output, options, send=notify_test):
        click.echo(_line(check))
        wrong = wrong or not check.ok
    return 1 if wrong else 0


def _checks(
    context: click.Context, state: Path, output: Destination, options: dict[str, Any], *, send: bool
) -> Iterator[Check]:
    yield from origins(*_commands_and_file(context))
    service = {name: options[name] for name in ("base_url", "api_key_file", "keys", "sandbox")}
    yield from check_setup(state=state, output=output, **service)
    if send or options["notify"] or options["notify_file"]:
        try:
            yield from examine_messengers(messengers_of(options), send=send)
        except UsageError as error:
            yield Check(what="messages", ok=False, found=str(error))


def _commands_and_file(context: click.Context) -> tuple[list[click.Command], Path | None]:
    parent = context.parent
    if parent is None or not isinstance(parent.command, click.Group):
        return [context.command], None
    group = parent.command
    found = [group.get_command(parent, name) for name in group.list_commands(parent)]
    return [command for command in found if command is not None], parent.params.get("config")


def _line(check: Check) -> str:
    advice = f"\n       {check.advice}" if check.advice and not check.ok else ""
    return f"{'ok' if check.ok else 'WRONG':5}  {check.what}: {blank_unprintable(check.found)}{advice}"


def examine_messengers(messengers: Messengers, *, send: bool) -> Iterator[Check]:
    """Whether messages have somewhere to go; with ``send``, whether a test message arrives."""
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
