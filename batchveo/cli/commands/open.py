"""``batchveo open``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from batchveo.cli.job_choice import job_argument
from batchveo.cli.options import option, state_option, videos_option
from batchveo.core.destination import Destination
from batchveo.core.errors import UsageError
from batchveo.core.formatting import state_words
from batchveo.core.hints import format_command
from batchveo.operations.manage import name_job, select_jobs
from batchveo.storage.stored_video import StoredVideo, video_at
from batchveo.store import Store


@click.command("open")
@job_argument
@state_option
@videos_option
@option("--folder", is_flag=True, envvar=None, help="Show the video in its folder instead.")
def command(job: str, state: Path, videos: Destination | None, *, folder: bool) -> int:
    """Open the video of JOB in the system's program for it; without a display, print where it is.

    JOB is a name, an id or the beginning of an id.
    """
    with Store(state, writing=False) as store:
        video = _find_video(store, job, videos)
    # a bucket has no folder that the system knows
    if not _has_display() or click.launch(str(video), locate=folder and isinstance(video, Path)):
        click.echo(str(video.parent if folder and isinstance(video, Path) else video))
    return 0


def _find_video(store: Store, key: str, videos: Destination | None) -> StoredVideo:
    (job,) = select_jobs(store, [key])
    if job.file is None:
        show = format_command("show", name_job(store, job), state=store.path)
        raise UsageError(f"{job.name!r} is {state_words(job.state)} and has no video; `{show}` shows why")
    video = video_at(job, videos)
    if isinstance(video, Path) and not video.is_file():
        refetch = format_command("verify", "--refetch", state=store.path)
        raise UsageError(f"{video} is not there; --videos names another place, `{refetch}` lets the next run fetch it")
    return video


def _has_display() -> bool:
    """Whether a program can show a window here."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
