"""``batchveo resume``."""

from __future__ import annotations

from typing import Any

import click

from batchveo import library
from batchveo.cli.confirming import approve_of
from batchveo.cli.options import run_options
from batchveo.cli.running import conclude, messengers_of, reporter_of, service_of, settings_of
from batchveo.notifying import Notifier


@click.command("resume")
@run_options
def command(**options: Any) -> int:
    """Go on with everything unfinished in the state, whichever manifest named it."""
    settings = settings_of(options)
    with Notifier(messengers_of(options), reporter_of(options), state=options["state"]) as notifier:
        result = library.resume(
            state=options["state"],
            settings=settings,
            using=service_of(options),
            reporter=notifier,
            approve=approve_of(options),
        )
        notifier.ended(result)
        return conclude(result, settings.output)
