"""``batchveo show``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from batchveo.cli.job_choice import job_argument
from batchveo.cli.options import json_option, state_option
from batchveo.display.job_text import print_job
from batchveo.operations.job_report import make_report, make_report_row
from batchveo.operations.manage import select_jobs
from batchveo.store import Store


@click.command("show")
@job_argument
@state_option
@json_option
def command(job: str, state: Path, *, as_json: bool) -> int:
    """Show everything known of JOB: request, state, cost, file, verdict, takes, history, and what can be done.

    JOB is a name, an id or the beginning of an id.
    """
    with Store(state, writing=False) as store:
        (found,) = select_jobs(store, [job])
        report = make_report(store, found)
        if as_json:
            click.echo(json.dumps(make_report_row(store, report), ensure_ascii=False))
        else:
            print_job(report, sys.stdout, now=time.time())
    return 0
