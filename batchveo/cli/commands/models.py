"""``batchveo models``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from batchveo.cli.catalog_refresh import describe_catalog, print_refresh, run_refresh, warn
from batchveo.cli.completions import complete_parameters
from batchveo.cli.options import base_url_option, catalogue_option, complete_models, json_option, option, read_catalogue
from batchveo.core.errors import UsageError
from batchveo.core.formatting import blank_unprintable
from batchveo.core.hints import suggest_closest
from batchveo.display.model_text import (
    describe_in_short,
    describe_rule,
    list_parameter_rows,
)
from batchveo.display.table import Column, print_table
from batchveo.provider.catalog import Catalog, Model
from batchveo.provider.catalog.continuations import list_continuations
from batchveo.provider.catalog.file_format import write_param
from batchveo.provider.catalog.model_search import Input, list_inputs, takes_parameter
from batchveo.provider.catalog.parameters import Param
from batchveo.provider.catalog.price_list import PriceList, describe_price
from batchveo.provider.client import BASE_URL, ApiClient, check_base_url
from batchveo.provider.retirement import Retirements, read_kept_retirements

PARAMETERS = (Column("parameter", whole=True), *map(Column, ("values", "default", "required", "description")))
KINDS = "\b\nKinds:\n" + "\n".join(f"  {each.value:10} {each.sentence}" for each in Input)


@click.command("models", epilog=KINDS)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_models)
@option("--kind", type=click.Choice([each.value for each in Input]), help="Only models that make videos from this.")
@option(
    "--takes",
    multiple=True,
    metavar="PARAMETER",
    shell_complete=complete_parameters,
    help="Only models with this parameter, also a nested one (keyframes.frame0.url); may be given several times.",
)
@option("--prices", is_flag=True, help="Show the service's prices of today.")
@option("--refresh", is_flag=True, envvar=None, help="Ask the service for its models and show what changed.")
@option(
    "--force", is_flag=True, envvar=None, help="With --refresh: take the new catalogue even if it lost most models."
)
@option("--offline", is_flag=True, help="Ask the service nothing and use the catalogue of this version.")
@catalogue_option
@base_url_option
@json_option
def command(
    names: tuple[str, ...], *, catalogue: Path | None, base_url: str | None, as_json: bool, **options: Any
) -> int:
    """List the models; with NAMEs (or parts of names), show their parameters."""
    url = check_base_url(base_url or BASE_URL)
    if options["offline"] and (options["refresh"] or options["prices"]):
        raise UsageError("--offline asks the service nothing: leave it out, or --refresh and --prices")
    if options["refresh"]:
        result = run_refresh(url, catalogue, force=options["force"])
        print_refresh(result, as_json=as_json)
        return 0
    catalog = read_catalogue(catalogue, offline=options["offline"])
    chosen = [model for model in catalog.values() if _is_asked_for(model, names, options["kind"], options["takes"])]
    for name in names if chosen else ():
        if not any(_is_asked_for(model, (name,), None, ()) for model in catalog.values()):
            warn(_explain_unknown(catalog, name))
    if not chosen:
        click.echo(_explain_none(catalog, names, options["takes"]), err=True)
    prices = _fetch_prices(url, chosen) if options["prices"] and chosen else None
    shown = _Shown(chosen, read_kept_retirements(catalog), prices)
    if as_json:
        click.echo(json.dumps([shown.make_row(model) for model in chosen], indent=2))
        return 0 if chosen else 1
    if names:
        shown.print_parameters()
    else:
        shown.print_list()
    warn(describe_catalog(catalog))
    return 0 if chosen else 1


def _is_asked_for(model: Model, names: Sequence[str], kind: str | None, takes: Sequence[str]) -> bool:
    return (
        (not names or any(name in each for name in names for each in model.names))
        and (kind is None or kind in list_inputs(model))
        and all(takes_parameter(model, path) for path in takes)
    )


def _explain_unknown(catalog: Catalog, name: str) -> str:
    guess = suggest_closest(name, catalog)
    return f"no model is called {name}" + (f" ({guess})" if guess else "")


def _explain_none(catalog: Catalog, names: Sequence[str], takes: Sequence[str]) -> str:
    for path in takes:
        if not any(takes_parameter(model, path) for model in catalog.values()):
            guess = suggest_closest(path, catalog.list_parameters())
            return f"no model takes {blank_unprintable(path)}" + (f" ({guess})" if guess else "")
    for name in names:
        if guess := suggest_closest(name, catalog):
            return f"no model is called {blank_unprintable(name)} ({guess}); `batchveo models` lists all"
    return "no model is like that; `batchveo models` lists all"


class _Shown:
    """The chosen models with what else is known of them."""

    def __init__(self, models: Sequence[Model], endings: Retirements, prices: PriceList | None) -> None:
        self._models = models
        self._endings = {model.id: found for model in models if (found := endings.find(*model.names))}
        self._prices = prices

    def print_list(self) -> None:
        """One line a model."""
        columns = [Column("model", whole=True), Column("from"), Column("needs", from_width=100)]
        columns += [Column("price")] * (self._prices is not None) + [Column("ends")] * bool(self._endings)
        print_table(columns, map(self._list_row, self._models), sys.stdout)

    def _list_row(self, model: Model) -> tuple[str, ...]:
        needs = ", ".join(name for name in model.required if name != "prompt")
        row = [model.id, ", ".join(list_inputs(model)), needs]
        row += [] if self._prices is None else [self._describe_price(model)]
        ending = self._endings.get(model.id)
        return (*row, *([describe_in_short(ending) if ending else ""] if self._endings else []))

    def _describe_price(self, model: Model) -> str:
        known = self._prices.pricing if self._prices is not None else {}
        return describe_price(next((known[name] for name in model.names if name in known), None))

    def print_parameters(self) -> None:
        """Under a heading at a terminal; in a pipe each line begins with the model."""
        for model in self._models:
            rows = list(list_parameter_rows(model))
            if not sys.stdout.isatty():
                print_table((Column("model"), *PARAMETERS), [(model.id, *row) for row in rows], sys.stdout)
                continue
            click.echo("\n" + "\n".join(map(blank_unprintable, self._describe_model(model))))
            print_table(PARAMETERS, rows, sys.stdout)
            for rule in model.rules:
                click.echo(f"rule: {describe_rule(rule)}")

    def _describe_model(self, model: Model) -> Iterator[str]:
        yield f"{model.id} (from {', '.join(list_inputs(model))})"
        if model.aliases:
            yield f"also called {', '.join(model.aliases)}"
        ways = "; ".join(way.sentence for way in list_continuations(model))
        yield f"in a chain: {ways or 'only as the first link'}"
        if self._prices is not None:
            yield f"price: {self._describe_price(model)}"
        if ending := self._endings.get(model.id):
            yield ending.describe(datetime.now(UTC).date())

    def make_row(self, model: Model) -> dict[str, object]:
        """A model as JSON data."""
        ending = self._endings.get(model.id)
        row: dict[str, object] = {
            "id": model.id,
            "kind": model.kind.value,
            "required": list(model.required),
            "parameters": {name: _make_parameter_row(param) for name, param in model.params.items()},
            "aliases": list(model.aliases),
            "inputs": list(list_inputs(model)),
            "continues": [
                {"takes": way.taken.value, "parameter": way.parameter, "in_request": way.takes_data}
                for way in list_continuations(model)
            ],
            "rules": [describe_rule(rule) for rule in model.rules],
            "ends": ending.write() if ending else None,
        }
        return row if self._prices is None else {**row, "price": self._describe_price(model)}


def _make_parameter_row(param: Param) -> dict[str, object]:
    """A parameter as JSON data; ``type`` has a word for addresses, which scripts know, ``json_type`` has none."""
    words = "url" if param.media else "list of urls" if param.is_address_list else param.type.value
    given = {"choices": list(param.choices), "default": param.default} | write_param(param)
    return {**given, "type": words, "json_type": param.type.value}


def _fetch_prices(url: str, models: Sequence[Model]) -> PriceList:
    import anyio

    from batchveo.operations.prices import fetch_prices

    async def ask() -> PriceList:
        async with ApiClient(None, base_url=url) as api:
            return await fetch_prices(api, [model.id for model in models])

    return anyio.run(ask)
