"""``batchveo check``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click
from click.core import ParameterSource

from batchveo.cli.job_choice import jobs_argument
from batchveo.cli.option_types import DURATION
from batchveo.cli.options import json_option, option, state_option, where_option
from batchveo.cli.progress import Count
from batchveo.cli.unknown_scores import note_unknown_scores
from batchveo.core.errors import UsageError
from batchveo.core.formatting import blank_unprintable, format_count, shorten_text
from batchveo.core.hints import address_options, format_command
from batchveo.core.measures import describe_measures
from batchveo.operations.check_clips import Checked, CheckedClip, check, find_near_copies
from batchveo.operations.score_clips import BATCH, Scored, score_clips
from batchveo.operations.scoring_program import ScoringProgram
from batchveo.storage.stored_video import video_at
from batchveo.store import Store

_SHOWN = 20
"""Groups of near copies that are printed, and names of each."""


@click.command("check")
@jobs_argument
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
@option("--again", is_flag=True, envvar=None, help="Measure, or score, also clips that are measured or scored already.")
@option(
    "--with",
    "program",
    envvar=None,
    metavar="COMMAND",
    help="Let this program score the clips: JSON Lines of clips on its standard input, JSON Lines of scores back.",
)
@option(
    "--as",
    "source",
    envvar=None,
    metavar="NAME",
    help="With --with: what the names of the scores begin with (default: the program's name).",
)
@option(
    "--batch",
    type=click.IntRange(min=1),
    default=BATCH,
    envvar=None,
    metavar="N",
    help="With --with: clips for one start of the program.",
)
@option(
    "--timeout", type=DURATION, default="10m", envvar=None, metavar="TIME", help="With --with: most time for a batch."
)
@json_option
def command(jobs: tuple[str, ...], state: Path, *, as_json: bool, **options: Any) -> int:
    """Measure and judge finished clips: those of JOBs, or all that are not measured yet.

    Each clip is recorded at once: after Ctrl-C the same command resumes. A clip that fails a gate is rejected; if its
    manifest allows more tries, another take is added, which the next `run` or `resume` buys. This command buys
    nothing. --json prints a line for each chosen clip, also for those that were measured before.

    With --with COMMAND nothing is measured; the program gets the clips that it has not scored yet.

    Exit status 1 if a chosen clip is rejected and has no take that is accepted or open, if one cannot be read or
    decoded, or if one has no score of the program.
    """
    if options["program"] is None:
        _refuse_options()
    work = _measure if options["program"] is None else _score
    count = Count("clips")
    try:
        with Store.existing(state) as store:
            note_unknown_scores(store, options["where"])
            return work(store, jobs, options, count, as_json=as_json)
    except KeyboardInterrupt:
        count.end()
        click.echo("what was found is recorded; the same command resumes", err=True)
        raise


def _refuse_options() -> None:
    context = click.get_current_context()
    for name, word in (("source", "--as"), ("batch", "--batch"), ("timeout", "--timeout")):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"{word} needs --with COMMAND")


def _measure(store: Store, jobs: tuple[str, ...], options: dict[str, Any], count: Count, *, as_json: bool) -> int:
    def show(clip: CheckedClip, done: int, total: int) -> None:
        trouble = _find_trouble(clip)
        if trouble and not as_json:
            count.end()
            click.echo(blank_unprintable(f"{clip.video}: {trouble}"))
        count.show(done, total)

    result = check(store, jobs, level=options["level"], where=options["where"], again=options["again"], seen=show)
    count.end()
    if as_json:
        _print_rows(store, result)
    else:
        for line in _describe_groups(store, result):
            click.echo(line)
    for line in _describe_result(store, result):
        click.echo(line, err=True)
    return 1 if result.still_rejected or result.unreadable else 0


def _score(store: Store, jobs: tuple[str, ...], options: dict[str, Any], count: Count, *, as_json: bool) -> int:
    program = ScoringProgram(options["program"], source=options["source"], timeout=options["timeout"])
    work = partial(
        score_clips,
        store,
        program,
        jobs,
        batch=options["batch"],
        where=options["where"],
        again=options["again"],
        seen=count.show,
    )
    result = anyio.run(work)
    count.end()
    if as_json:
        result.judged.near_copies = find_near_copies(store, result.judged.clips)
        _print_rows(store, result.judged)
    for line in _describe_scored(store, result):
        click.echo(line, err=True)
    return 1 if result.problem_count or result.judged.still_rejected else 0


def _describe_scored(store: Store, result: Scored) -> Iterator[str]:
    for problem in result.problems:
        yield shorten_text(problem, 500)
    if result.problem_count > len(result.problems):
        yield f"... and {result.problem_count - len(result.problems):,} more problems"
    before = len(result.judged.clips) - result.sent
    known = f", {before:,} had scores or cannot be read" if before else ""
    yield f"{result.scored:,} of {format_count(result.sent, 'clip')} scored{known}"
    yield from describe_judged(store, result.judged)


def _find_trouble(clip: CheckedClip) -> str | None:
    judgement = clip.judgement
    if clip.problem is not None and not (judgement and judgement.gate):
        return clip.problem
    if judgement is None or not judgement.gate:
        return None
    return shorten_text(judgement.sentence, 300)


def _print_rows(store: Store, result: Checked) -> None:
    for row in _make_rows(store, result):
        click.echo(json.dumps(row, ensure_ascii=False))


def _make_rows(store: Store, result: Checked) -> Iterator[dict[str, object]]:
    firsts = {seq: group[0] for group in result.near_copies for seq in group}
    for seq in result.clips:
        job = store.queries.read_job(seq)
        measures = store.facts.read_measures(job)
        judgement = store.verdicts.read_verdict(job) if job.verdict else None
        first = firsts.get(seq)
        yield {
            "id": job.id,
            "name": job.name,
            "file": str(video_at(job)),
            "take": job.take,
            "verdict": job.verdict,
            "gate": None if judgement is None else judgement.gate or None,
            "found": {} if judgement is None else dict(judgement.values),
            "checks": None if measures is None else describe_measures(job.request, measures),
            "scores": store.facts.read_scores(job),
            "near_copy_group": None if first is None else store.queries.read_job(first).id,
        }


def _describe_groups(store: Store, result: Checked) -> Iterator[str]:
    for group in result.near_copies[:_SHOWN]:
        names = [shorten_text(store.queries.read_job(seq).name, 60) for seq in group[:_SHOWN]]
        more = f" and {len(group) - _SHOWN:,} more" if len(group) > _SHOWN else ""
        yield f"near copies: {', '.join(names)}{more}"
    if len(result.near_copies) > _SHOWN:
        yield f"near copies: {len(result.near_copies) - _SHOWN:,} more groups; --json has all of them"


def _describe_result(store: Store, result: Checked) -> Iterator[str]:
    unreadable = f", {result.unreadable:,} unreadable" if result.unreadable else ""
    yield f"{format_count(len(result.clips), 'clip')}, {result.measured:,} measured now{unreadable}"
    yield from describe_judged(store, result)
    if len(result.still_rejected) > result.rejected.total():  # what was rejected before decides the exit status too
        listing = format_command("jobs", "--where", 'verdict == "rejected"', state=store.path)
        yield f"{format_count(len(result.still_rejected), 'clip')} rejected in all; `{listing}` lists them"
    if result.near_copies:
        clips = sum(map(len, result.near_copies))
        yield f"{clips:,} clips look like others, in {format_count(len(result.near_copies), 'group')}"


def describe_judged(store: Store, result: Checked) -> Iterator[str]:
    """Lines on the verdicts of a check, and on the takes that followed from them."""
    counts = {"accepted": result.accepted, "rejected": result.rejected.total(), "open": result.open}
    if any(counts.values()):
        yield ", ".join(f"{number:,} {word}" for word, number in counts.items() if number)
    for gate, clips in result.rejected.most_common():
        yield f"  {clips:,} rejected by {gate}"
    if result.left:
        yield (
            f"{format_count(result.left, 'rejected clip')} with tries left: another run is active, so the next one "
            "judges them and makes them again"
        )
    if result.added:
        again = format_command("resume", state=store.path, service=address_options(store.runs.list_services()))
        yield f"{format_count(result.added, 'take')} added; `{again}` buys them"
