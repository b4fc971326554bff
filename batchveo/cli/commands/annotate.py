"""``batchveo annotate``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from batchveo.cli.commands.check import describe_judged
from batchveo.cli.option_types import PATH
from batchveo.cli.options import json_option, option, state_option
from batchveo.cli.progress import Count
from batchveo.core.formatting import format_count
from batchveo.operations.annotate import Annotated, annotate_clips
from batchveo.store import Store

_NAMES_SHOWN = 20


@click.command("annotate")
@click.argument("file", type=PATH, metavar="FILE")
@state_option
@option(
    "--on",
    required=True,
    envvar=None,
    metavar="id|name|file[=COLUMN]",
    help="What names the clip of a row, and the column that has it, if that is called otherwise.",
)
@option(
    "--as",
    "source",
    envvar=None,
    metavar="NAME",
    help="What the names of the scores begin with (default: the file's name).",
)
@option(
    "--column",
    "columns",
    multiple=True,
    envvar=None,
    metavar="NAME",
    help="Take only this column as a score; may be given several times.",
)
@option("--skip-unknown", is_flag=True, envvar=None, help="Leave out rows whose clip is not in the database.")
@json_option
def command(
    file: Path,
    state: Path,
    *,
    on: str,
    source: str | None,
    columns: tuple[str, ...],
    skip_unknown: bool,
    as_json: bool,
) -> int:
    """Join the scores that another tool wrote to the finished clips.

    FILE is CSV, TSV, JSON Lines, JSON or Parquet, with a row for each clip. Its columns become scores such as
    vbench.motion, for gates and --where; a column name with a dot stays as it is. All problems are reported at once,
    and then nothing is written.
    """
    with Store.existing(state) as store:
        count = Count("clips")
        result = annotate_clips(
            store,
            file,
            on=on,
            source=source,
            columns=columns,
            skip_unknown=skip_unknown,
            seen=count.show,
        )
        count.end()
        if as_json:
            click.echo(json.dumps(_make_row(result), ensure_ascii=False))
        for line in _describe_result(store, result):
            click.echo(line, err=True)
    return 0


def _make_row(result: Annotated) -> dict[str, object]:
    judged = result.judged
    return {
        "clips": result.clips,
        "skipped": result.skipped,
        "scores": dict(result.names),
        "accepted": judged.accepted,
        "rejected": judged.rejected.total(),
        "open": judged.open,
        "takes": judged.added,
    }


def _describe_result(store: Store, result: Annotated) -> Iterator[str]:
    skipped = f", {format_count(result.skipped, 'row')} skipped" if result.skipped else ""
    yield f"{format_count(result.clips, 'clip')} with scores{skipped}"
    for name, clips in result.names.most_common(_NAMES_SHOWN):
        yield f"  {name}: {clips:,}"
    if len(result.names) > _NAMES_SHOWN:
        yield f"  and {len(result.names) - _NAMES_SHOWN:,} other scores"
    yield from describe_judged(store, result.judged)
