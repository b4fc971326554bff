"""``batchveo init``."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
import click
from click.core import ParameterSource

from batchveo.cli.option_types import PATH
from batchveo.cli.options import (
    base_url_option,
    catalogue_option,
    complete_files,
    complete_models,
    option,
    read_catalogue,
)
from batchveo.cli.run_command import is_person_there
from batchveo.core.errors import UsageError
from batchveo.core.formatting import blank_unprintable, format_usd, shorten_text
from batchveo.core.hints import format_command
from batchveo.display.wrapped_text import wrap_line
from batchveo.operations.first_manifest import (
    Draft,
    FirstManifest,
    Suggestion,
    check_new,
    draft_example,
    draft_list,
    draft_prompts,
    draft_table,
    find_model,
    suggest_models,
    write_first_manifest,
)
from batchveo.operations.table_columns import SOURCE_SUFFIXES, Table, find_source
from batchveo.provider.catalog import Catalog
from batchveo.provider.client import BASE_URL, ApiClient, check_base_url

USUAL_NAME = "videos"
"""The manifest of typed prompts, and of the example."""
TRIAL_STATE, TRIAL_OUTPUT = Path("trial/batchveo.db"), "trial/videos"
"""The database and the videos of a rehearsal: no database mixes play and money."""
EXPLANATION = """\
The first shows the price and buys nothing. The second is a rehearsal at no cost.
The third buys the videos; it needs your key in AIMLAPI_API_KEY."""


@click.command("init")
@click.argument("source", required=False, type=PATH, metavar="[SOURCE]", shell_complete=complete_files)
@option("--model", metavar="NAME", envvar=None, shell_complete=complete_models, help="Model of the videos.")
@option(
    "--prompt",
    metavar="TEXT",
    envvar=None,
    help="Prompt with columns of the table in braces, such as 'The {title} on a plinth'; {line} for a list.",
)
@option("--output", type=PATH, metavar="FILE", envvar=None, help="Manifest to write (default: named after SOURCE).")
@catalogue_option
@base_url_option
def command(
    source: Path | None,
    *,
    model: str | None,
    prompt: str | None,
    output: Path | None,
    catalogue: Path | None,
    base_url: str | None,
) -> int:
    """Write a first manifest: of a table, of a list of prompts, or of what you type.

    SOURCE is a CSV, TSV, JSON Lines, JSON or Parquet file with one video per row, or a .txt file with one prompt per
    line. Without it, init asks at a terminal, and otherwise writes an example. A file is never replaced.
    """
    catalog, url = read_catalogue(catalogue), check_base_url(base_url or BASE_URL)
    asks = is_person_there()
    if output is not None:
        check_new(output)
    if model is not None:
        find_model(model, catalog)
    prompts: list[str] = []
    if source is None and asks:
        source, prompts = _ask_videos()
    if source is None and prompt is not None:
        raise UsageError("--prompt is for the rows of a table or the lines of a list: name that file too")
    found = None if source is None else find_source(source)
    path = output or _name_manifest(source, typed=bool(prompts))
    check_new(path)
    table = found if isinstance(found, Table) else None
    chosen: Suggestion | None = None
    if asks:
        if prompt is None and table is not None and not table.find_meaning("prompt"):
            prompt = _ask_prompt(table)
        if model is None and not (table is not None and table.has_models(catalog)):
            chosen = _ask_model(url, table, catalog)
            model = chosen.model
    draft = _make_draft(found, prompts, catalog, model=model, prompt=prompt)
    written = write_first_manifest(draft, path, catalog)
    usd = None if chosen is None or chosen.usd is None else chosen.usd * written.summary.jobs
    _print_next(written, usd, _find_service_options(base_url))
    return 0


def _name_manifest(source: Path | None, *, typed: bool) -> Path:
    """The name by default; typed prompts must not be lost because it is taken."""
    stem = USUAL_NAME if source is None else source.stem
    names = (Path(f"{stem}.yaml"), *(Path(f"{stem}-{number}.yaml") for number in range(2, 100)))
    return next((path for path in names if not path.exists()), names[0]) if typed else names[0]


def _make_draft(
    found: Table | Path | None, prompts: Sequence[str], catalog: Catalog, *, model: str | None, prompt: str | None
) -> Draft:
    if isinstance(found, Table):
        return draft_table(found, catalog, model=model, prompt=prompt)
    if found is not None:
        return draft_list(found, catalog, model=model, prompt=prompt)
    return draft_prompts(prompts, catalog, model=model) if prompts else draft_example(catalog, model=model)


def _find_service_options(base_url: str | None) -> tuple[str, ...]:
    """The address of the service, if another command in the same shell would not know it."""
    source = click.get_current_context().get_parameter_source("base_url")
    return ("--base-url", base_url) if base_url and source is ParameterSource.COMMANDLINE else ()


def _print_next(written: FirstManifest, usd: float | None, service: Sequence[str]) -> None:
    budget = () if usd is None else ("--budget", str(math.ceil(usd)))
    for line in (written.describe(), *(f"note: {note}" for note in written.notes)):
        click.echo(blank_unprintable(line))  # names of files and columns may come from strangers
    click.echo("\nNext:")
    for line in (
        format_command("plan", str(written.path), service=service, state=None),
        format_command("run", str(written.path), "--output", TRIAL_OUTPUT, service=["--sandbox"], state=TRIAL_STATE),
        format_command("run", str(written.path), *budget, service=service, state=None),
    ):
        click.echo(f"  {line}")
    click.echo()
    for line in EXPLANATION.splitlines():
        click.echo(wrap_line(line, sys.stdout, indent=0))


# -- questions


def _ask_videos() -> tuple[Path | None, list[str]]:
    """A file, or the prompts that were typed; neither if the first answer is empty."""
    _print_lines(
        "What should the videos show? Type a prompt a line, and an empty line at the end.\n"
        "Or type the name of a file: a table (.csv, .tsv, .jsonl) or a list of prompts (.txt)."
    )
    prompts: list[str] = []
    while answer := _ask(f"{len(prompts) + 1}"):
        path = Path(answer).expanduser()
        if prompts or path.suffix.lower() not in SOURCE_SUFFIXES:
            prompts.append(answer)
        elif path.is_file():
            return path, []
        else:
            _print_lines(f"there is no file {answer}")
    return None, prompts


def _ask_prompt(table: Table) -> str:
    """A prompt with columns in braces; the name of a column alone is that column."""
    _print_lines(f"No column of {table.path.name} is called prompt. Its columns, each with its first value:")
    for column in table.columns.values():
        _print_lines(f"  {column.hole}  {shorten_text(column.example)}")
    some = next(iter(table.columns.values())).hole
    _print_lines(f"Type the prompt of a video, with columns in braces, such as: The {some} turns on a plinth")
    while not (answer := _ask("Prompt")):
        pass
    return table.columns[answer].hole if answer in table.columns else answer


def _ask_model(url: str, table: Table | None, catalog: Catalog) -> Suggestion:
    """One of the suggested models by its number, or any by its name."""

    async def ask() -> list[Suggestion]:
        async with ApiClient(None, base_url=url) as api:
            return await suggest_models(api, table, catalog)

    offered = anyio.run(ask)
    _print_lines("\nWhich model? The price is that of one video, by what the model assumes.")
    width = max(len(each.model) for each in offered)
    for number, each in enumerate(offered, 1):
        price = "" if each.usd is None else format_usd(each.usd)
        _print_lines(f"  {number}  {each.model:{width}}  {price}".rstrip())
    _print_lines("`batchveo models --prices` lists all.")
    while True:
        answer = _ask("Number or name", default="1")
        if answer.isdecimal() and 1 <= int(answer) <= len(offered):
            return offered[int(answer) - 1]
        try:
            return Suggestion(model=find_model(answer, catalog).id, usd=None)
        except UsageError as error:
            _print_lines(str(error))


def _print_lines(text: str) -> None:
    """Lines for the person at the terminal, who answers there."""
    for line in text.split("\n"):
        click.echo(wrap_line(blank_unprintable(line), sys.stderr), err=True)


def _ask(question: str, default: str = "") -> str:
    answer: str = click.prompt(question, default=default, show_default=bool(default), err=True)
    return answer.strip()
