"""``batchveo report``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from batchveo.cli.option_types import PATH
from batchveo.cli.options import option, state_option, videos_option
from batchveo.core.destination import Destination
from batchveo.core.formatting import format_count


@click.command("report")
@state_option
@option("--output", type=PATH, metavar="FILE", help="File to write (default: report.html beside the videos).")
@option("--posters/--no-posters", default=True, help="Include a small picture of each video.")
@option("--previews/--no-previews", default=False, help="Include a small silent copy of each video, up to 30 MB.")
@videos_option
def command(state: Path, *, output: Path | None, posters: bool, previews: bool, videos: Destination | None) -> int:
    """Write the web page as one HTML file that opens offline and can be mailed.

    It links to the videos with relative paths, so that file and videos can be moved together.
    """
    from batchveo.store import Store
    from batchveo.web.static_report import choose_output, write_report
    from batchveo.web.thumbnails import has_media_extra

    with Store(state, writing=False) as store:
        target = output or choose_output(store, videos)
        written = write_report(store, target, now=time.time(), posters=posters, previews=previews, videos=videos)
    jobs = format_count(written.total, "job")
    if written.jobs < written.total:
        jobs = f"{written.jobs:,} of {jobs}"
    megabytes = written.bytes / 1e6
    held = [format_count(written.posters, "poster")]
    if previews:
        held.append(format_count(written.previews, "preview"))
    click.echo(f"{jobs}, {', '.join(held)}, {megabytes:.1f} MB", err=True)
    if written.unlinked:
        videos_words = format_count(written.unlinked, "video")
        click.echo(
            f"note: {videos_words} not linked, since the links would show local paths; "
            "without --output the report is written beside the videos",
            err=True,
        )
    if (posters or previews) and not has_media_extra():
        click.echo("note: posters and previews need an extra: pip install 'batchveo[media]'", err=True)
    click.echo(str(written.path))
    return 0
