"""``batchveo check``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from batchveo.cli.options import json_option, option, state_option, where_option
from batchveo.core.formatting import format_count, shorten_text
from batchveo.core.hints import address_options, format_command
from batchveo.engine.clip_judgement import describe_measures
from batchveo.operations.check_clips import Checked, CheckedClip, check
from batchveo.storage.stored_video import video_at
from batchveo.store import Store

_SHOWN = 20
"""Groups of near copies that are printed, and names of each."""
_SECONDS = 0.5


@click.command("check")
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@state_option
@option(
    "--checks",
    "level",
    type=click.Choice(["basic", "all"]),
    default="basic",
    envvar=None,
    help="What is measured at least; all also measures blur, which takes longer.",
)
@where_option
@option("--again", is_flag=True, envvar=None, help="Measure also clips that are measured already.")
@json_option
def command(jobs: tuple[str, ...], state: Path, *, level: str, where: str | None, again: bool, as_json: bool) -> int:
    """Measure and judge finished clips: those of JOBs, or all that are not measured yet.

    Each clip is recorded at once: after Ctrl-C the same command resumes. A clip that fails a gate is rejected; if its
    manifest allows more tries, another take is added, which the next `run` or `resume` buys. This command buys
    nothing. --json prints a line for each chosen clip, also for those that were measured before.

    Exit status 1 if a chosen clip is rejected and has no other take that is accepted.
    """
    with Store.existing(state) as store:
        show = _Progress(quiet=as_json)
        result = check(store, jobs, level=level, where=where, again=again, seen=show.add_clip)
        show.end()
        if as_json:
            for row in _make_rows(store, result):
                click.echo(json.dumps(row, ensure_ascii=False))
        else:
            for line in _describe_groups(store, result):
                click.echo(line)
        for line in _describe_result(store, result):
            click.echo(line, err=True)
    return 1 if result.still_rejected else 0


class _Progress:
    """Prints what is wrong with a clip, and shows a person at a terminal, twice a second, how far it is."""

    def __init__(self, *, quiet: bool) -> None:
        self._is_quiet = quiet
        self._at_terminal = sys.stderr.isatty()
        self._shown = time.monotonic()
        self._is_open = False

    def add_clip(self, clip: CheckedClip, done: int, total: int) -> None:
        """Show a clip."""
        trouble = _find_trouble(clip)
        if trouble and not self._is_quiet:
            self.end()
            click.echo(f"{clip.video}: {trouble}")
        now = time.monotonic()
        if self._at_terminal and now - self._shown >= _SECONDS:
            self._shown, self._is_open = now, True
            click.echo(f"\r\x1b[K{done:,} of {total:,} clips", nl=False, err=True)

    def end(self) -> None:
        """Take the count away."""
        if self._is_open:
            click.echo("\r\x1b[K", nl=False, err=True)
            self._is_open = False


def _find_trouble(clip: CheckedClip) -> str | None:
    judgement = clip.judgement
    if clip.problem is not None and not (judgement and judgement.gate):
        return clip.problem
    if judgement is None or not judgement.gate:
        return None
    return shorten_text(judgement.sentence, 300)


def _make_rows(store: Store, result: Checked) -> Iterator[dict[str, object]]:
    firsts = {seq: group[0] for group in result.near_copies for seq in group}
    for seq in result.clips:
        job = store.queries.read_job(seq)
        measures = store.checks.read_measures(job)
        judgement = store.checks.read_verdict(job) if job.verdict else None
        first = firsts.get(seq)
        yield {
            "id": job.id,
            "name": job.name,
            "file": str(video_at(job)),
            "take": job.take,
            "verdict": job.verdict,
            "gate": None if judgement is None else judgement.gate or None,
            "found": {} if judgement is None else dict(judgement.values),
            "checks": None if measures is None else describe_measures(job, measures),
            "scores": store.checks.read_scores(job),
            "near_copy_of": None if first is None else store.queries.read_job(first).id,
        }


def _describe_groups(store: Store, result: Checked) -> Iterator[str]:
    for group in result.near_copies[:_SHOWN]:
        names = [shorten_text(store.queries.read_job(seq).name, 60) for seq in group[:_SHOWN]]
        more = f" and {len(group) - _SHOWN:,} more" if len(group) > _SHOWN else ""
        yield f"near copies: {', '.join(names)}{more}"
    if len(result.near_copies) > _SHOWN:
        yield f"near copies: {len(result.near_copies) - _SHOWN:,} more groups; --json has all of them"


def _describe_result(store: Store, result: Checked) -> Iterator[str]:
    parts = [f"{format_count(len(result.clips), 'clip')}, {result.measured:,} measured now"]
    counts = {"accepted": result.accepted, "rejected": result.rejected.total(), "open": result.open}
    parts += [f"{number:,} {word}" for word, number in counts.items() if number]
    parts += [f"{result.unreadable:,} unreadable"] if result.unreadable else []
    yield ", ".join(parts)
    for gate, clips in result.rejected.most_common():
        yield f"  {clips:,} rejected by {gate}"
    if result.near_copies:
        clips = sum(map(len, result.near_copies))
        yield f"{clips:,} clips look like others, in {format_count(len(result.near_copies), 'group')}"
    if result.left:
        yield (
            f"{format_count(result.left, 'rejected clip')} with tries left: another run is active, so the next one "
            "judges them and makes them again"
        )
    if result.added:
        again = format_command("resume", state=store.path, service=address_options(store.runs.list_services()))
        yield f"{format_count(result.added, 'take')} added; `{again}` buys them"
