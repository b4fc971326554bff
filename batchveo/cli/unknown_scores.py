"""A note if a condition names a score that no clip has."""

from __future__ import annotations

import click

from batchveo.core.expressions import list_fields, split_name
from batchveo.core.fields import META, REQUEST, Condition, read_where
from batchveo.core.hints import suggest_closest
from batchveo.store import Store


def note_unknown_scores(store: Store, where: str | Condition | None) -> None:
    """Print the scores in the condition ``where`` that no clip of ``store`` has, with the nearest ones.

    No error: a script may ask before the first clip is scored.
    """
    condition = read_where(where)
    for ref in () if condition is None else list_fields(condition.expression):
        parts = split_name(ref.name)
        if len(parts) > 1 and parts[0] not in (META, REQUEST) and not store.facts.has_score(".".join(parts)):
            meant = suggest_closest(ref.name, store.facts.list_score_names())
            click.echo(f"no clip has the score {ref.name}{f'; {meant}' if meant else ''}", err=True)
