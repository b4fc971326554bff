"""Records from the options that several commands share: settings, service, manifests, messengers."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from batchveo.cli.options import read_catalogue
from batchveo.core.destination import Sidecars
from batchveo.core.errors import UsageError
from batchveo.core.fields import read_where
from batchveo.core.measures import CheckLevel
from batchveo.core.settings import USUAL_CONCURRENCY, Cluster, Doubt, RunSettings
from batchveo.display.notification_channels import Messengers, read_urls
from batchveo.manifest import Extra, ReadOptions, pairs_of
from batchveo.operations.run_setup import ManifestSources
from batchveo.operations.saved_settings import SAVED_NAMES, ChosenSettings, SavedSettings
from batchveo.provider.catalog.user_catalog import BUILTIN
from batchveo.provider.service import SANDBOX, Service, service
from batchveo.store import Store

PRESET = (ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP)
"""Where a value comes from that holds for every run, and not for this one alone."""


def read_planned_settings(options: dict[str, Any]) -> RunSettings:
    """The settings of a run that its plan needs, from the options that both commands have."""
    return RunSettings(
        output=options["output"],
        inputs=options["inputs"],
        concurrency=_read_concurrency(options),
        rate=options["rate"],
        budget=options["budget"],
        assume_price=options["assume_price"],
        tries=options["tries"],
        checks=options.get("checks") != CheckLevel.NONE,  # resume has no such option
    )


def _read_concurrency(options: dict[str, Any]) -> int:
    """The user's number; by default, if there are several keys, the sum of their limits."""
    given: int | None = options["concurrency"]
    # the limit of a key is the provider's, so more in flight would only earn refusals
    if given is None and options["keys"] is not None:
        from batchveo.provider.keys_file import read_keys

        keys = read_keys(options["keys"], play=options["sandbox"])
        return sum(key.concurrency or USUAL_CONCURRENCY for key in keys)
    return USUAL_CONCURRENCY if given is None else given


def list_key_variables(options: dict[str, Any]) -> frozenset[str]:
    """The environment variables that hold API keys by the file of ``--keys``; the usual ones are not among them."""
    if options["keys"] is None:
        return frozenset()
    from batchveo.provider.keys_file import read_variables

    return read_variables(options["keys"])


def read_settings(options: dict[str, Any]) -> RunSettings:
    """The run's settings from the command's options."""
    return replace(
        read_planned_settings(options),
        downloads=options["downloads"],
        poll_interval=options["poll_interval"],
        poll_rate=options["poll_rate"],
        when_in_doubt=Doubt(options["when_in_doubt"]),
        settle=options["settle"],
        patience=options["patience"],
        wait_for_credits=options["wait_for_credits"],
        sidecars=Sidecars.named(options["sidecars"]),
    )


RECALLED = ("catalogue", "log_file")
"""Options beside the settings of a run that ``resume`` takes from the run before."""
LEFT_OUT = ("ray", "workers", "keys", "base_url", "exec")
"""Options that ``resume`` only reports: where keys are and go, and what is started, is not for a database to decide."""
SECRET = ("notify", "notify_file", "webhook")
"""Options of which only the name is recorded."""


def find_chosen_settings(context: click.Context, options: dict[str, Any]) -> ChosenSettings:
    """Which of the run's ``options`` were chosen: on the command line, or by the environment and config files."""
    source = {name: context.get_parameter_source(name) for name in SAVED_NAMES & context.params.keys()}
    return ChosenSettings(
        firmly=frozenset(name for name, origin in source.items() if origin is ParameterSource.COMMANDLINE),
        otherwise=frozenset(name for name, origin in source.items() if origin in PRESET),
        beside=_list_options_beside(options),
    )


def _list_options_beside(options: Mapping[str, Any]) -> dict[str, str]:
    """The chosen options that are no settings of a run, as they are typed; files by their absolute paths."""
    plain = {name: options[name] for name in (*RECALLED, *LEFT_OUT) if options.get(name)}
    secret = {name: "" for name in SECRET if options.get(name)}
    return {f"--{name.replace('_', '-')}": _write_option(value) for name, value in {**plain, **secret}.items()}


def _write_option(value: object) -> str:
    return str(value.absolute()) if isinstance(value, Path) and value != BUILTIN else str(value)


def recall_options(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, object]]:
    """The options of a ``resume`` with what it takes from the run before, and that alone as it is typed.

    ``--sandbox`` is recalled by the jobs: one database never has those of the sandbox and of a real service.
    """
    with Store(options["state"], writing=False) as store:
        beside, services = SavedSettings.parse(store.runs.read_last_options()).beside, store.runs.list_services()
    recalled: dict[str, Any] = {}
    if SANDBOX in services and not options["sandbox"] and not options["base_url"]:
        recalled["sandbox"] = True
    for name in RECALLED:
        if options[name] is None and (value := beside.get(f"--{name.replace('_', '-')}")):
            recalled[name] = Path(value)
    shown = {f"--{name.replace('_', '-')}": value for name, value in recalled.items()}
    return {**options, **recalled}, shown


def read_cluster(options: dict[str, Any]) -> Cluster | None:
    """The cluster of the run; ``None`` for this process alone."""
    if options["ray"] is not None:
        return Cluster(address=options["ray"], workers=options["workers"])
    if options["workers"] is not None:
        raise UsageError("--workers needs --ray")
    return None


def find_service(options: dict[str, Any], *, required: bool = True) -> Service:
    """The service from the options and the environment; an API key may be missing if it is not ``required``."""
    found = service(
        base_url=options["base_url"],
        key_file=options["api_key_file"],
        keys=options["keys"],
        sandbox=options["sandbox"],
        required=required,
    )
    return replace(found, catalog=read_catalogue(options.get("catalogue")))


def read_messengers(options: dict[str, Any]) -> Messengers:
    """The channels that get messages about the run; raises ``UsageError`` for what is no URL."""
    file = options["notify_file"]
    return Messengers([*options["notify"], *(read_urls(file) if file else ())])


def find_sources(manifests: Sequence[str], options: dict[str, Any]) -> ManifestSources:
    """The manifests, and how they are read; ``-`` is standard input."""
    return ManifestSources(
        paths=manifests,
        allow_unknown_model=options["allow_unknown_model"],
        strict_provenance=options["strict_provenance"],
        reading=read_manifest_options(options),
        stdin=sys.stdin.buffer,
        catalog=read_catalogue(options["catalogue"]),
    )


def read_manifest_options(options: dict[str, Any]) -> ReadOptions:
    """What the options of ``reading_options`` and ``--checks`` ask for.

    Raises ``UsageError``.
    """
    return ReadOptions(
        sets=pairs_of("--set", options["sets"], "FIELD=VALUE"),
        renames=pairs_of("--map", options["renames"], "FIELD=COLUMN"),
        extra=Extra(options["extra"]),
        limit=options["limit"],
        only=tuple(options["only"]),
        where=read_where(options["where"]),
        checks=CheckLevel(options["checks"] or CheckLevel.NONE),
        filename=options["filename"],
    )
