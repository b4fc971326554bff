"""``batchveo resume``."""

from __future__ import annotations

from typing import Any

import click

from batchveo import library
from batchveo.cli.options import run_options
from batchveo.cli.running import conclude, reporter_of, service_of, settings_of


@click.command("resume")
@run_options
def command(**options: Any) -> int:
    """Go on with everything unfinished in the state, whichever manifest named it."""
    settings = settings_of(options)
    with reporter_of(options) as reporter:
        result = library.resume(
            state=options["state"], settings=settings, using=service_of(options), reporter=reporter
        )
    return conclude(result, options, reporter)
