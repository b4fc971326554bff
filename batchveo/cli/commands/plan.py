"""``batchveo plan``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import anyio
import click

from batchveo.cli.grouped_help import GroupedCommand
from batchveo.cli.option_values import find_service, read_manifest_options, read_planned_settings
from batchveo.cli.options import (
    catalogue_option,
    checks_option,
    json_option,
    manifests_argument,
    option,
    plan_options,
    read_catalogue,
    reading_options,
    service_options,
    strict_option,
    unknown_model_option,
)
from batchveo.core.errors import StoppedEarly
from batchveo.display.plan import describe_shortfall, make_plan_row, print_plan
from batchveo.operations.image_check import ignore_progress
from batchveo.operations.plan import Plan, plan
from batchveo.operations.run_setup import open_service
from batchveo.provider.service import pick_client

IMAGES_WRONG = 1
"""The exit status if an image cannot be used."""


@click.command("plan", cls=GroupedCommand)
@manifests_argument
@reading_options
@plan_options
@checks_option
@service_options
@catalogue_option
@unknown_model_option
@option("--check-images", is_flag=True, help="Also check that the images can be read and are large enough.")
@option(
    "--diff",
    is_flag=True,
    envvar=None,
    help="Also compare the jobs with those of the database: new, changed and no longer named.",
)
@strict_option
@json_option
def command(manifests: tuple[str, ...], *, as_json: bool, **options: Any) -> int:
    """Check, count and price the jobs and estimate how long the run takes; buy nothing.

    Exit status 3 if the balance or the budget is too small for what is to be bought, 1 if --check-images finds an
    image that cannot be used, 2 if a manifest is invalid.
    """
    return show_plan(manifests, as_json=as_json, **options)


def show_plan(manifests: Sequence[str], *, as_json: bool, **options: Any) -> int:
    """Make the plan and print it; 1 if an image cannot be used, 3 if balance or budget do not suffice."""
    made = _make_plan(manifests, options)
    if as_json:
        click.echo(json.dumps(make_plan_row(made), ensure_ascii=False, indent=2))
    else:
        print_plan(made, sys.stdout, state=options["state"])
    short = describe_shortfall(made)
    if short is not None:
        click.echo(f"batchveo: {short}", err=True)
    if made.images and made.images.problems:
        return IMAGES_WRONG
    return 0 if short is None else StoppedEarly.exit_status


def _make_plan(manifests: Sequence[str], options: dict[str, Any]) -> Plan:
    catalog = read_catalogue(options["catalogue"])

    async def call() -> Plan:
        # a plan needs no key: prices and the catalogue are public
        async with open_service(find_service(options, required=False)) as (using, clients):
            return await plan(
                manifests,
                state=options["state"],
                api=pick_client(clients),
                has_key=using.key is not None,
                apis=clients,
                allow_unknown_model=options["allow_unknown_model"],
                strict_provenance=options["strict_provenance"],
                reading=read_manifest_options(options),
                stdin=sys.stdin.buffer,
                settings=read_planned_settings(options),
                with_images=options.get("check_images", False),
                with_diff=options.get("diff", False),
                loopback=using.is_local,
                sandbox=using.sandbox,
                catalog=catalog,
                progress=_show_count if sys.stderr.isatty() else ignore_progress,
            )

    return anyio.run(call)


def _show_count(done: int, of: int) -> None:
    """A line on the terminal that counts the images, and is gone at the end."""
    click.echo(f"\r\x1b[Kimages: {done} of {of}" if done < of else "\r\x1b[K", err=True, nl=False)
