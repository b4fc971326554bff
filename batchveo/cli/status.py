"""``batchveo status``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from batchveo.cli.options import json_option, option, state_option
from batchveo.models import JobState
from batchveo.report.rows import status_row
from batchveo.store import Store

WATCH_SECONDS = 2.0
LEAST_USD = 0.005


@click.command("status")
@state_option
@json_option
@option("--watch", is_flag=True, help="Show it again every two seconds until Ctrl-C.")
def command(state: Path, *, as_json: bool, watch: bool) -> int:
    """Count the jobs by state; show spend, speed and what is in doubt."""
    with Store(state, writing=False) as store:
        _show(store, as_json=as_json)
        while watch:
            time.sleep(WATCH_SECONDS)
            if not as_json:
                click.clear()
            _show(store, as_json=as_json)
    return 0


def _show(store: Store, *, as_json: bool) -> None:
    row = status_row(store)
    click.echo(json.dumps(row, ensure_ascii=False) if as_json else _text(row))


def _text(row: dict[str, Any]) -> str:
    lines = [f"{row['state']}: {row['total']} jobs" + (", a run is going on" if row["running"] else "")]
    counts = [(state, row["counts"][state.value]) for state in JobState if row["counts"][state.value]]
    lines += [f"  {state.value.replace('_', ' '):12} {n:>8}  {state.sentence}" for state, n in counts]
    unknown = f" and {row['price_unknown']} videos of unknown price" if row["price_unknown"] else ""
    ahead = row["committed_usd"] - row["spend_usd"]
    flying = f", ${ahead:.2f} more in flight or in doubt" if ahead > LEAST_USD else ""
    lines.append(f"spent ${row['spend_usd']:.2f}{unknown}{flying}")
    if row["running"] and row["videos_per_hour"]:
        eta = f", about {row['eta_seconds'] / 60:.0f} min left" if row["eta_seconds"] else ""
        lines.append(f"{row['videos_per_hour']:.0f} videos an hour{eta}")
    for doubt in row["in_doubt"][:10]:
        word = "held in doubt" if doubt["held"] else "in doubt, being looked up"
        lines.append(f"{word}: {doubt['name']} ({doubt['client_request_id']})")
    return "\n".join(lines)
