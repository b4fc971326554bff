"""What a run finds as it opens its database, in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from batchveo.core.destination import Destination
from batchveo.core.events import DatabaseCreated, Message, Reporter
from batchveo.core.formatting import format_count
from batchveo.operations.recovery import LOOKED_FOR, Recovered

SHOWN = 3
"""Videos that are named one by one."""
WORTH_A_WORD = 20
"""Videos to be read whole from which on a person is told why nothing happens yet."""


def report_created(reporter: Reporter, state: Path) -> None:
    """Say that a database was made, and where: whoever meant another one sees it before anything is bought."""
    where = state.absolute()
    reporter(DatabaseCreated(text=f"a new database was made: {where}", state=where))


def report_other_keys(reporter: Reporter, jobs: int) -> None:
    """Warn of what can only be settled with a key that is not given."""
    if jobs:
        text = (
            f"{format_count(jobs, 'job')} under way or in doubt: submitted with another API key; its log can only be "
            "read with that one, so nothing of this is submitted again by itself"
        )
        reporter(Message(text=text, warning=True))


def report_destination(reporter: Reporter, output: str, before: str | None, *, resumed: bool) -> None:
    """Say where the videos of a resumed run go, and warn where that is not where those before it went."""
    if resumed:
        reporter(Message(text=f"videos go on in {output}"))
    if before is not None and before != output:
        text = f"earlier videos of this database went to {before}, those of this run go to {output}"
        reporter(Message(text=f"{text}; --output names the folder", warning=True))


def report_remembered(reporter: Reporter, options: Mapping[str, object]) -> None:
    """Say which options a resumed run has from the run before."""
    if options:
        told = ", ".join(_option(name, value) for name, value in options.items())
        reporter(Message(text=f"as the run before: {told}"))


def report_checking(reporter: Reporter, output: Destination, videos: int) -> None:
    """Say that many videos are read from one end to the other."""
    if videos >= WORTH_A_WORD:
        reporter(Message(text=f"checking {format_count(videos, 'video')} found in {output}, which this database lacks"))


def report_recovered(reporter: Reporter, output: Destination, found: Recovered) -> None:
    """Say what was taken in, what is asked for again, and what is bought all the same."""
    if found.unlisted is not None:
        text = f"{output} cannot be listed ({found.unlisted}): finished videos that this database lacks"
        reporter(Message(text=f"{text} are looked for by the names of the first {LOOKED_FOR} jobs", warning=True))
    if found.taken_in:
        text = f"took in {format_count(len(found.taken_in), 'finished video')} found in {output}; nothing is bought for"
        reporter(Message(text=f"{text} {'it' if len(found.taken_in) == 1 else 'them'}"))
    if found.refetched:
        shown = _shown([f"{job.name}: {flaw}" for job, flaw in found.refetched])
        text = f"{format_count(len(found.refetched), 'video')} damaged or missing in {output}, with a sidecar ({shown})"
        reporter(Message(text=f"{text}: fetched again by generation id, not bought", warning=True))
    if found.lost:
        shown = _shown([f"{job.name}: {flaw}" for job, flaw in found.lost])
        text = f"{format_count(len(found.lost), 'sidecar')} in {output} of no use ({shown})"
        reporter(Message(text=f"{text}; these videos are bought", warning=True))
    if found.others:
        text = f"{format_count(len(found.others), 'video')} of these jobs in {output} come from another kind of service"
        reporter(Message(text=f"{text} (the sandbox is none that is paid); they are left alone", warning=True))


def _option(name: str, value: object) -> str:
    if value is True:
        return name
    return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"


def _shown(items: list[str]) -> str:
    more = f", and {len(items) - SHOWN:,} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more
