"""``batchveo resolve``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from batchveo.cli.completing import jobs_in
from batchveo.cli.options import option, state_option
from batchveo.cli.selecting import selected
from batchveo.errors import UsageError
from batchveo.models import Job, JobState
from batchveo.store import GenerationTaken, MoveLost, Store


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
    if sum((resubmit, generation_id is not None, fail)) != 1:
        raise UsageError("give one of --resubmit, --generation-id ID and --fail")
    with Store.existing(state) as store:
        chosen = list(selected(store, jobs))
        _check(chosen, generation_id, fail=fail)
        for job in chosen:
            moved = _resolved(store, job, generation_id, resubmit=resubmit)
            click.echo(f"{moved.name}: {moved.state.value}", err=True)
    return 0


def _check(chosen: list[Job], generation_id: str | None, *, fail: bool) -> None:
    open_states = {JobState.IN_DOUBT, JobState.GENERATING} if fail else {JobState.IN_DOUBT}
    wrong = [f"{job.name!r} is {job.state}, not in doubt" for job in chosen if job.state not in open_states]
    if wrong:
        raise UsageError("; ".join(wrong))
    if generation_id is not None and (len(chosen) != 1 or not generation_id.strip()):
        raise UsageError("--generation-id is for one job, and not empty")


def _resolved(store: Store, job: Job, generation_id: str | None, *, resubmit: bool) -> Job:
    now = time.time()
    try:
        if generation_id is not None:
            return store.adopt(job, generation_id, now=now)
        return store.resubmit(job, now=now) if resubmit else store.give_up(job, now=now)
    except GenerationTaken:
        raise UsageError(f"generation {generation_id} belongs to another job here") from None
    except MoveLost:
        raise UsageError(
            f"{job.name!r} has moved in this very moment; look again with `batchveo status`"
        ) from None
