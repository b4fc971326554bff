"""``batchveo logs``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from batchveo.cli.job_choice import job_argument
from batchveo.cli.options import json_option, state_option
from batchveo.display.job_text import print_log
from batchveo.operations.job_report import make_log_rows, make_report
from batchveo.operations.manage import select_jobs
from batchveo.store import Store


@click.command("logs")
@job_argument
@state_option
@json_option
def command(job: str, state: Path, *, as_json: bool) -> int:
    """Print each event and request of JOB that the database has, oldest first, with the service's answers.

    JOB is a name, an id or the beginning of an id. --json prints one JSON object per line.
    """
    with Store(state, writing=False) as store:
        (found,) = select_jobs(store, [job])
        rows = make_log_rows(make_report(store, found))
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
    else:
        print_log(rows, sys.stdout)
    return 0
