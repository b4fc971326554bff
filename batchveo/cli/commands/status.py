"""``batchveo status``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from batchveo.cli.options import json_option, option, state_option
from batchveo.core.formatting import format_count, format_usd, shorten_text
from batchveo.core.models import JobState
from batchveo.display.table import UNLIMITED
from batchveo.operations.chain_rows import describe_blocked
from batchveo.operations.clip_rows import make_verdict_row
from batchveo.operations.status import (
    Snapshot,
    SnapshotReader,
    describe_open_wait,
    describe_time_left,
    make_snapshot_row,
)
from batchveo.store import Store
from batchveo.store.waiting_jobs import BlockedCount

WATCH_SECONDS = 2.0
LEAST_USD = 0.005
WAITS = {
    "waiting": "Need the video of another job first.",
    "blocked": "Need a video that is not made: its job failed, was cancelled or was rejected.",
}
VERDICTS = {
    "accepted": "Clips that meet all their gates.",
    "rejected": "Clips that fail a gate.",
    "open": "Clips whose gates name a value that is not known.",
}


@click.command("status")
@state_option
@json_option
@option("--watch", is_flag=True, help="Refresh until the run ends, or until q or Ctrl-C.")
def command(state: Path, *, as_json: bool, watch: bool) -> int:
    """Count the jobs by state; show spending, speed and jobs in doubt."""
    with Store(state, writing=False) as store:
        if watch and not as_json and _watch_drawn(store):
            return 0
        was_running, is_running = False, _print_status(store, as_json=as_json)
        while watch and (is_running or not was_running):
            time.sleep(WATCH_SECONDS)
            was_running, is_running = is_running, _print_status(store, as_json=as_json)
    return 0


def _watch_drawn(store: Store) -> bool:
    """Watch at a terminal that can be drawn on; elsewhere return ``False``."""
    from batchveo.display.reporter import can_draw

    if not can_draw(sys.stdout):
        return False
    from batchveo.display.live_view import watch_database

    watch_database(store, sys.stdout, sys.stdin)
    return True


def _print_status(store: Store, *, as_json: bool) -> bool:
    """Print one snapshot; returns whether a run is in progress."""
    shot = SnapshotReader(store=store).read_snapshot(time.time())
    row = {**make_snapshot_row(store, shot), **make_verdict_row(store)}
    click.echo(json.dumps(row, ensure_ascii=False) if as_json else _describe_status(row, _describe_wait(shot)))
    return shot.going


def _describe_wait(shot: Snapshot) -> str | None:
    """For which late rows of the usage log a run only waits; ``None`` if it does not."""
    if not shot.going or shot.waits_since is None:
        return None
    return f"{describe_open_wait(shot)}; Ctrl-C is safe, `{shot.resume}` continues"


def _describe_status(row: dict[str, Any], wait: str | None = None) -> str:
    lines = [
        f"{row['state']}: {format_count(row['total'], 'job')}" + (", a run is in progress" if row["running"] else "")
    ]
    for state in JobState:
        if number := row["counts"][state.value]:
            lines.append(f"  {state.value.replace('_', ' '):12} {number:>9,}  {state.sentence}")
        if state is JobState.PENDING:
            lines += [f"    {word:10} {row[word]:>9,}  {meaning}" for word, meaning in WAITS.items() if row[word]]
    lines += [f"  {describe_blocked(BlockedCount(**each))}" for each in row["blocked_by"]]
    lines += _list_verdicts(row)
    lines.append(_describe_spending(row))
    if row["running"] and row["videos_per_hour"]:
        lines.append(f"{row['videos_per_hour']:,.0f} videos/h · {format_usd(row['usd_per_hour'])}/h")
    ahead = describe_time_left(row)
    if row["running"] and ahead:
        lines.append(f"{ahead} left")
    lines += [
        f"{format_count(n, 'job')} put aside: {shorten_text(words, 200)}" for words, n in row["put_aside"].items()
    ]
    if wait is not None:
        lines.append(wait)
    for doubt in row["in_doubt"][:10]:
        word = "held in doubt" if doubt["held"] else "in doubt, waiting for the usage log"
        name = shorten_text(doubt["name"], 60 if sys.stdout.isatty() else UNLIMITED)
        lines.append(f"{word}: {name} ({doubt['client_request_id']})")
    return "\n".join(lines)


def _list_verdicts(row: dict[str, Any]) -> Iterator[str]:
    for verdict, clips in row["verdicts"].items():
        if clips:
            yield f"  {verdict:12} {clips:>9,}  {VERDICTS[verdict]}"
    for gate, clips in row["rejected_by"].items():
        yield f"  rejected by {shorten_text(gate, 200)}: {clips:,}"
    if row["takes"]:
        yield f"{format_count(row['takes'], 'take')} added for rejected clips"


def _describe_spending(row: dict[str, Any]) -> str:
    budget = f" of {format_usd(row['budget_usd'])}" if row["budget_usd"] is not None else ""
    unknown = f" and {row['price_unknown']} videos of unknown price" if row["price_unknown"] else ""
    ahead = row["committed_usd"] - row["spend_usd"]
    flying = f", {format_usd(ahead)} more in flight or in doubt" if ahead > LEAST_USD else ""
    return f"spent {format_usd(row['spend_usd'])}{budget}{unknown}{flying}"
