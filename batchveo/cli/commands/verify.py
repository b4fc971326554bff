"""``batchveo verify``."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from batchveo.cli.option_types import PLACE
from batchveo.cli.options import json_option, option, state_option
from batchveo.core.destination import Destination
from batchveo.core.formatting import blank_unprintable, format_count
from batchveo.core.hints import address_options, format_command
from batchveo.operations.verify import Verdict, refetch_video, verify
from batchveo.store import Store


@click.command("verify")
@state_option
@option("--output", type=PLACE, metavar="DIR|URL", help="Folder or bucket URL of the videos, if they were moved.")
@option(
    "--refetch",
    "fetch_again",
    is_flag=True,
    envvar=None,
    help="Let the next run download wrong videos again, at no cost.",
)
@json_option
def command(state: Path, output: Destination | None, *, fetch_again: bool, as_json: bool) -> int:
    """Check every finished video: the file exists, has its recorded size and hash, and is a whole MP4.

    Exit status 1 if a video is wrong.
    """
    wrong = []
    checked = 0
    with Store(state, writing=False) as store:
        for verdict in verify(store, folder=output):
            checked += 1
            if as_json:
                click.echo(json.dumps(_make_row(verdict), ensure_ascii=False))
            if verdict.problem is not None:
                wrong.append(verdict)
                if not as_json:
                    click.echo(blank_unprintable(f"{verdict.path}: {verdict.problem}"))
    # opened for writing only now: a check alone must work beside a run and on a read-only disk
    if wrong and fetch_again:
        with Store(state) as store:
            for verdict in wrong:
                refetch_video(store, verdict.job, now=time.time())
            again = format_command("resume", state=state, service=address_options(store.runs.list_services()))
        click.echo(f"{format_count(len(wrong), 'video')} will be downloaded again by `{again}`", err=True)
    click.echo(f"{format_count(checked, 'video')} checked, {len(wrong):,} wrong", err=True)
    return 1 if wrong else 0


def _make_row(verdict: Verdict) -> dict[str, object]:
    job = verdict.job
    ok = verdict.problem is None
    return {"id": job.id, "name": job.name, "file": str(verdict.path), "ok": ok, "problem": verdict.problem}
