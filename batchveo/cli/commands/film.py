"""``batchveo film``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import anyio
import click

from batchveo.cli.grouped_help import GroupedCommand
from batchveo.cli.job_choice import complete_jobs
from batchveo.cli.option_types import PATH
from batchveo.cli.options import json_option, option, state_option
from batchveo.cli.progress import Count
from batchveo.core.errors import UsageError
from batchveo.core.formatting import format_count, format_duration, shorten_text, state_words
from batchveo.core.hints import format_command
from batchveo.core.models import JobState
from batchveo.dataset.film_plans import FilmPlan, list_films
from batchveo.dataset.films import FOLDER, MadeFilm, make_films
from batchveo.operations.manage import name_job, select_jobs
from batchveo.store import Store


@click.command("film", cls=GroupedCommand)
@click.argument("chains", nargs=-1, metavar="[CHAIN]...", shell_complete=complete_jobs)
@state_option
@option("--all", "every", is_flag=True, envvar=None, help="Make the films of all chains that are finished.")
@option(
    "--partial", "begun", is_flag=True, envvar=None, help="Also make films of unfinished chains: of the clips so far."
)
@option("--output", type=PATH, default=Path(FOLDER), metavar="DIR", envvar=None, help="Folder of the films.")
@json_option
def command(chains: tuple[str, ...], state: Path, output: Path, *, every: bool, begun: bool, as_json: bool) -> int:
    """Join the clips of each CHAIN to a film, with chapters and subtitles; run again to add new films.

    CHAIN is any job of the chain: a name, an id or the beginning of an id. A chain that branches makes one film for
    each of its ends, and a job in a branch names the film of that branch. A film has the name of its last clip.

    Exit status 1 if a film could not be made because a clip is missing or damaged, 3 if the folder cannot be written;
    the same command resumes.
    """
    if bool(chains) == every:
        raise UsageError("name a chain by one of its jobs, or give --all for all of them")
    with Store(state, writing=False) as store:
        plans = list_films(store) if every else _list_named(store, chains)
        if not plans:
            raise UsageError(f"no jobs of {state} are linked to each other, so there are no chains")
        chosen = _choose_finished(store, plans, every=every, begun=begun)
    count = Count("films")
    made = anyio.run(make_films, output, chosen, count.show)
    count.end()
    for film in made:
        if as_json:
            click.echo(json.dumps(_make_row(film), ensure_ascii=False))
        elif film.problem:
            click.echo(f"{film.path}: not made: {shorten_text(film.problem, 300)}")
        else:
            click.echo(f"{film.path}: {describe_film(film)}")
    if left := len(plans) - len(chosen):
        films = format_count(left, "film")
        click.echo(f"{films} left out: a clip is not made yet; --partial joins those so far", err=True)
    return 1 if any(film.problem for film in made) else 0


def _list_named(store: Store, chains: Sequence[str]) -> list[FilmPlan]:
    """The films of these chains, each once. Raises ``UsageError`` for a job that is in none."""
    plans: dict[str, FilmPlan] = {}
    for job in select_jobs(store, chains):
        found = list_films(store, job)
        if not found:
            raise UsageError(f"{job.name!r} is not in a chain: its film would be its video alone")
        plans |= {plan.stem: plan for plan in found}
    return list(plans.values())


def _choose_finished(store: Store, plans: Sequence[FilmPlan], *, every: bool, begun: bool) -> list[FilmPlan]:
    """The plans of which all clips are there, and the ``begun`` ones up to the first that is not.

    Raises ``UsageError`` for an unfinished chain that was named.
    """
    if begun:
        return [cut for plan in plans if (cut := plan.cut_to_begun()).shots]
    unfinished = next((plan for plan in plans if plan.missing), None)
    if unfinished is not None and not every:
        missing, end = unfinished.missing[0].job, unfinished.shots[-1].job
        hint = format_command("film", name_job(store, end), "--partial", state=store.path)
        why = state_words(missing.state) if missing.state is not JobState.SUCCEEDED else "rejected"
        raise UsageError(f"the film is not finished: {missing.name!r} is {why}; `{hint}` joins the clips so far")
    return [plan for plan in plans if not plan.missing]


def describe_film(film: MadeFilm) -> str:
    """What a film holds, and how it was made."""
    if film.film is None:
        raise ValueError(film)
    parts = [format_count(len(film.plan.shots), "clip"), format_duration(film.film.seconds)]
    parts += [] if film.plan.is_whole else ["unfinished"]
    return ", ".join([*parts, ("copied" if film.film.is_copied else "encoded anew") if film.is_new else "was there"])


def _make_row(made: MadeFilm) -> dict[str, object]:
    film = made.film
    return {
        "name": made.plan.shots[-1].job.name,
        "file": None if film is None else str(made.path),
        "clips": [shot.clip.id for shot in made.plan.shots if shot.clip is not None],
        "begins_at": None if film is None else list(film.begins),
        "seconds": None if film is None else film.seconds,
        "frames": None if film is None else film.frames,
        "copied": None if film is None else film.is_copied,
        "complete": made.plan.is_whole,
        "new": made.is_new,
        "problem": made.problem,
    }
