"""What ``run`` and ``resume`` have in common: their settings, and how they end."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from batchveo.core.destination import Sidecars
from batchveo.core.errors import BatchveoError, UsageError
from batchveo.core.settings import USUAL_CONCURRENCY, Cluster, Doubt, RunSettings
from batchveo.display.log_output import log_events, open_log
from batchveo.display.notification_channels import Messengers, read_urls
from batchveo.display.notifier import Notifier
from batchveo.display.reporter import BackgroundReporter, open_reporter
from batchveo.display.summary import describe_account, describe_outcome
from batchveo.engine.result import RunResult
from batchveo.operations.saved_settings import SAVED_NAMES, ChosenSettings
from batchveo.provider.service import Service, service
from batchveo.store import Store

LOGGERS = 2
"""The verbosity from which on the loggers are shown."""


def planned_settings(options: dict[str, Any]) -> RunSettings:
    """What of a run's settings its plan needs to know, from the options that both commands have."""
    return RunSettings(
        output=options["output"],
        concurrency=_concurrency(options),
        rate=rate_per_minute(options["rate"]),
        budget=options["budget"],
        assume_price=options["assume_price"],
    )


def _concurrency(options: dict[str, Any]) -> int:
    """What the user says; of several keys, else, what they may have in flight together."""
    given: int | None = options["concurrency"]
    if given is None and options["keys"] is not None:
        from batchveo.provider.keys_file import read_keys

        keys = read_keys(options["keys"], play=options["sandbox"])
        return sum(key.concurrency or USUAL_CONCURRENCY for key in keys)
    return USUAL_CONCURRENCY if given is None else given


def settings_of(options: dict[str, Any]) -> RunSettings:
    """The run's settings from the command's options."""
    return replace(
        planned_settings(options),
        downloads=options["downloads"],
        poll_interval=options["poll_interval"],
        poll_rate=options["poll_rate"],
        when_in_doubt=Doubt(options["when_in_doubt"]),
        settle=options["settle"],
        patience=options["patience"],
        wait_for_credits=options["wait_for_credits"],
        tries=options["tries"],
        sidecars=Sidecars.named(options["sidecars"]),
    )


def told_of(context: click.Context) -> ChosenSettings:
    """Which of the run's settings were chosen: on the command line, or by the environment and config files."""
    source = {name: context.get_parameter_source(name) for name in SAVED_NAMES & context.params.keys()}
    return ChosenSettings(
        firmly=frozenset(name for name, where in source.items() if where is ParameterSource.COMMANDLINE),
        otherwise=frozenset(name for name, where in source.items() if where in _STANDING),
    )


_STANDING = (ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP)


def cluster_of(options: dict[str, Any]) -> Cluster | None:
    """The cluster from the command's options; ``None`` for this process alone."""
    if options["ray"] is not None:
        return Cluster(address=options["ray"], workers=options["workers"])
    if options["workers"] is not None:
        raise UsageError("--workers needs --ray")
    return None


def rate_per_minute(text: str | None) -> float | None:
    """``30``, ``30/min``, ``2/s`` or ``500/h`` as submits a minute; raises ``UsageError``."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:/\s*(s|sec|min|m|h|hour))?\s*", text)
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"--rate {text!r}: write it as 30/min, 2/s or 500/h")
    factor = {"s": 60.0, "sec": 60.0, "h": 1 / 60, "hour": 1 / 60}.get(match[2] or "min", 1.0)
    return float(match[1]) * factor


def service_of(options: dict[str, Any], *, required: bool = True) -> Service:
    """The service from the command's options and the environment; a key may be missing that is not required."""
    return service(
        base_url=options["base_url"],
        key_file=options["api_key_file"],
        keys=options["keys"],
        sandbox=options["sandbox"],
        required=required,
    )


@contextlib.contextmanager
def show_run(options: dict[str, Any]) -> Iterator[tuple[BackgroundReporter, Notifier]]:
    """What shows a run, writes its log and posts its messages; the second is the run's reporter."""
    # the JSON lines on standard error are for machines: no other line may come between them
    log_to = sys.stderr if options["verbose"] >= LOGGERS and not options["log_json"] else None
    with open_log(log_to, options["log_file"]), _open_reporter(options) as shown:
        reporter = shown if options["log_file"] is None else log_events(shown)
        with Notifier(messengers_of(options), reporter, state=options["state"]) as notifier:
            yield shown, notifier


def _open_reporter(options: dict[str, Any]) -> BackgroundReporter:
    return open_reporter(
        sys.stderr,
        verbosity=-1 if options["quiet"] else options["verbose"],
        plain=options["plain"] or options["verbose"] >= LOGGERS,  # records would tear a live view
        log_json=options["log_json"],
    )


def messengers_of(options: dict[str, Any]) -> Messengers:
    """Who is told how the run goes; raises ``UsageError`` where a URL is none."""
    file = options["notify_file"]
    return Messengers([*options["notify"], *(read_urls(file) if file else ())])


def conclude(result: RunResult, options: dict[str, Any], shown: BackgroundReporter) -> int:
    """Say how the run ended; returns its exit status."""
    # a terminal that takes nothing any more must not keep the process; JSON has had its last line
    if not shown.is_stuck and not options["log_json"]:
        output = result.output or options["output"]
        for line in [*describe_outcome(result, output), *_account(result, options["state"])]:
            with contextlib.suppress(OSError):  # whoever read along has gone; the exit status still tells
                click.echo(line, err=True)
    return result.exit_status


def _account(result: RunResult, state: Path) -> list[str]:
    """Nothing where the state cannot be read: what stopped the run has been said, and its exit status stands."""
    try:
        with Store(state, writing=False) as store:
            return list(describe_account(result, store))
    except (BatchveoError, sqlite3.Error):
        return []
