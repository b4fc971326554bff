"""``batchveo resolve``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from batchveo import settling
from batchveo.cli.completing import jobs_in
from batchveo.cli.options import option, state_option
from batchveo.cli.selecting import selected
from batchveo.models import JobState
from batchveo.store import Store


@click.command("resolve")
@click.argument(
    "jobs",
    nargs=-1,
    required=True,
    metavar="JOB...",
    shell_complete=jobs_in(JobState.IN_DOUBT, JobState.GENERATING),
)
@state_option
@option("--resubmit", is_flag=True, envvar=None, help="It bought nothing, as you know: submit it again.")
@option("--generation-id", envvar=None, metavar="ID", help="It bought this generation: fetch it.")
@option("--fail", is_flag=True, envvar=None, help="Give it up.")
def command(jobs: tuple[str, ...], state: Path, *, resubmit: bool, generation_id: str | None, fail: bool) -> int:
    """Settle JOBs that are in doubt, by hand, one way for all of them; --fail gives up generating ones too.

    The provider's site lists what your key has generated. --resubmit pays twice if the first submit arrived.
    """
    settling.check_one_way(resubmit=resubmit, generation_id=generation_id, fail=fail)
    with Store.existing(state) as store:
        chosen = list(selected(store, jobs))
        moved = settling.resolve(
            store, chosen, now=time.time(), resubmit=resubmit, generation_id=generation_id, fail=fail
        )
    for job in moved:
        click.echo(f"{job.name}: {job.state.value}", err=True)
    return 0
