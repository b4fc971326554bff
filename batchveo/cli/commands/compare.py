"""``batchveo compare``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from batchveo.cli.options import json_option, option, state_option
from batchveo.core.expressions import write_text
from batchveo.core.formatting import format_duration, format_usd
from batchveo.core.preferences import LEAST_DUELS, LEAST_PROMPTS, WinRate
from batchveo.display.table import Column, print_table
from batchveo.operations.compare import Compared, compare_clips
from batchveo.store import Store

NONE = "(none)"
FIGURES = (
    Column("clips", right=True),
    *(Column(title, right=True, from_width=80) for title in ("success", "rejected")),
    Column("mostly by", from_width=120),
    Column("a clip", right=True),
    Column("a second", right=True, from_width=110),
    *(Column(title, right=True, from_width=100) for title in ("median", "90% within")),
    Column("picked", right=True),
    Column("win rate", right=True, whole=True),
)
TOO_FEW = (
    f"* too few votes to tell: a win rate needs {LEAST_DUELS} comparisons on {LEAST_PROMPTS} prompts with clips of "
    "different values"
)


@click.command("compare")
@state_option
@option(
    "--by", default="model", envvar=None, metavar="FIELD", help="Field to compare by, such as model, meta.KEY or seed."
)
@json_option
def command(state: Path, *, by: str, as_json: bool) -> int:
    """Compare models, or the values of any other field, by what came of them.

    Shows the finished clips, the part of jobs that succeeded, how many clips the gates rejected (and which gate most),
    what a clip and a second of it cost, how long a generation takes, how many clips people picked, and the win rate:
    the chance that a clip is preferred to one of another value on the same prompt, with the interval that holds it in
    95 of 100 cases. --json prints one JSON object per line.
    """
    with Store(state, writing=False) as store:
        rows = compare_clips(store, by)
    if as_json:
        for row in rows:
            click.echo(json.dumps({"by": by, **row.make_row()}, ensure_ascii=False))
        return 0
    columns = (Column(by, width=0 if sys.stdout.isatty() else None), *FIGURES)
    print_table(columns, map(_make_cells, rows), sys.stdout)
    if any(row.win_rate is not None and not row.win_rate.is_enough for row in rows):
        click.echo(TOO_FEW, err=True)
    return 0


def _make_cells(row: Compared) -> tuple[str, ...]:
    return (
        NONE if row.value is None else write_text(row.value),
        f"{row.clips:,}",
        f"{row.success_rate:.0%}",
        f"{row.rejected:,}",
        next(iter(row.rejected_by), ""),
        "" if row.usd_per_clip is None else format_usd(row.usd_per_clip),
        "" if row.usd_per_second is None else f"${row.usd_per_second:.3f}",
        "" if row.median_seconds is None else format_duration(row.median_seconds),
        "" if row.p90_seconds is None else format_duration(row.p90_seconds),
        f"{row.picked:,}",
        "" if row.win_rate is None else _describe_rate(row.win_rate),
    )


def _describe_rate(win: WinRate) -> str:
    between = "" if win.low is None or win.high is None else f" ({win.low:.0%}–{win.high:.0%})"
    return f"{win.rate:.0%}{between}{'' if win.is_enough else ' *'}"
