"""What ``run`` and ``resume`` have in common: their settings, and how they end."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import Any

import click

from batchveo.errors import UsageError
from batchveo.messengers import Messengers, urls_in
from batchveo.models import JobState
from batchveo.report.lines import LineReporter, duration
from batchveo.runner import Doubt, RunResult, RunSettings
from batchveo.services import Service, service


def settings_of(options: dict[str, Any]) -> RunSettings:
    """The run's settings from the command's options."""
    return RunSettings(
        output=options["output"],
        concurrency=options["concurrency"],
        rate=rate_per_minute(options["rate"]),
        downloads=options["downloads"],
        poll_interval=options["poll_interval"],
        poll_rate=options["poll_rate"],
        when_in_doubt=Doubt(options["when_in_doubt"]),
        settle=options["settle"],
        patience=options["patience"],
        budget=options["budget"],
        assume_price=options["assume_price"],
        wait_for_credits=options["wait_for_credits"],
    )


def rate_per_minute(text: str | None) -> float | None:
    """``30``, ``30/min``, ``2/s`` or ``500/h`` as submits a minute; raises ``UsageError``."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:/\s*(s|sec|min|m|h|hour))?\s*", text)
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"--rate {text!r}: write it as 30/min")
    factor = {"s": 60.0, "sec": 60.0, "h": 1 / 60, "hour": 1 / 60}.get(match[2] or "min", 1.0)
    return float(match[1]) * factor


def service_of(options: dict[str, Any]) -> Service:
    """The service from the command's options and the environment."""
    return service(base_url=options["base_url"], key_file=options["api_key_file"], sandbox=options["sandbox"])


def reporter_of(options: dict[str, Any]) -> LineReporter:
    """Who shows the run."""
    return LineReporter(sys.stderr, verbosity=-1 if options["quiet"] else options["verbose"])


def messengers_of(options: dict[str, Any]) -> Messengers:
    """Who is told how the run goes; raises ``UsageError`` where a URL is none."""
    file = options["notify_file"]
    return Messengers([*options["notify"], *(urls_in(file) if file else ())])


def conclude(result: RunResult, output: Path) -> int:
    """Say how the run ended; returns its exit status."""
    counts = result.counts
    parts = [f"{counts[state]} {state.value.replace('_', ' ')}" for state in JobState if counts[state]]
    what = ", ".join(parts) or "nothing left to do"
    _say(f"{what} after {duration(result.seconds)}; videos in {output}")
    if result.stopped is not None:
        _say(f"stopped early: {result.stopped}; the same command goes on when that is mended")
    if counts[JobState.FAILED]:
        _say("`batchveo retry` puts the failed ones back to pending")
    if counts.held:
        _say(f"{counts.held} held in doubt: the provider's log does not know them")
    if result.late:
        _say(f"{result.late} still unfinished at the service; the same command asks again")
    return result.exit_status


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # whoever read along has gone; the exit status still tells
        click.echo(text, err=True)
