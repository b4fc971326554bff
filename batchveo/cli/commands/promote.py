"""``batchveo promote``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import click

from batchveo.cli.completions import complete_parameters
from batchveo.cli.option_types import PATH
from batchveo.cli.options import (
    catalogue_option,
    complete_models,
    option,
    read_catalogue,
    state_option,
    where_option,
)
from batchveo.cli.unknown_scores import note_unknown_scores
from batchveo.core.formatting import format_count
from batchveo.core.hints import format_command
from batchveo.engine.stages.clip_inspector import StoredClips
from batchveo.operations.promote import (
    STDOUT,
    Promotion,
    check_manifest_name,
    format_manifest,
    plan_promotion,
    write_manifest,
)
from batchveo.store import Store


@click.command("promote")
@state_option
@option(
    "--to",
    "new",
    metavar="NAME",
    required=True,
    envvar=None,
    shell_complete=complete_models,
    help="Model that the manifest is for.",
)
@option("--picked", is_flag=True, envvar=None, help="Promote the clips that people picked (default without --where).")
@where_option
@option(
    "--output",
    type=PATH,
    default=STDOUT,
    metavar="FILE",
    envvar=None,
    help="Manifest to write: .yaml or .jsonl; - prints YAML.",
)
@option(
    "--drop",
    multiple=True,
    metavar="FIELD",
    envvar=None,
    shell_complete=complete_parameters,
    help="Leave this parameter out of the new requests; may be given several times.",
)
@catalogue_option
def command(
    *,
    state: Path,
    new: str,
    picked: bool,
    where: str | None,
    output: Path,
    drop: tuple[str, ...],
    catalogue: Path | None,
) -> int:
    """Write a manifest of chosen clips for another model: same prompts, seeds and parameters.

    Names and meta are kept; meta.promoted_from is the id of each clip's job. Nothing is bought: `plan` and `run` take
    the manifest as any other.
    """
    check_manifest_name(output)
    with Store(state, writing=False) as store:
        note_unknown_scores(store, where)
        promotion = plan_promotion(
            store,
            new=new.strip(),
            picked=picked or where is None,
            where=where,
            drop=drop,
            catalog=read_catalogue(catalogue),
        )
        if output == STDOUT:
            click.echo(format_manifest(promotion), nl=False)
        else:
            anyio.run(write_manifest, store, promotion, output, StoredClips())
    for line in _describe(promotion, output, state):
        click.echo(line, err=True)
    return 0


def _describe(promotion: Promotion, output: Path, state: Path) -> Iterator[str]:
    place = "" if output == STDOUT else f" in {output}"
    yield f"{format_count(len(promotion.entries), 'job')} for {promotion.new}{place}"
    if promotion.same:
        yield f"{format_count(promotion.same, 'clip')} left out: the request is that of another chosen clip"
    if promotion.already:
        yield f"{format_count(promotion.already, 'clip')} left out: made by {promotion.new} already"
    if promotion.left_out:
        yield f"not promoted: {', '.join(f'{count:,} {reason}' for reason, count in promotion.left_out.items())}"
    yield from map(str, promotion.defaults)
    if output != STDOUT:
        yield f"next: {format_command('plan', str(output), state=state)}"
