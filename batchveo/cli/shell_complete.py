"""What a shell offers when it completes a word: looked up quickly, and never an error."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from batchveo.core.errors import BatchveoError
from batchveo.core.models import JobState

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_PLAIN = re.compile(r"[\w.,+@%=/][\w.,+@%=/~-]*")
"""Names that every shell takes as one word; another job is offered by its id."""


def jobs_in(*states: JobState) -> Completer:
    """Completes a job by its name, or by its id where the name has blanks and the like."""

    def complete(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
        from batchveo.store import Store

        state = context.params.get("state")
        try:
            with Store(Path(state or "state/batchveo.db"), writing=False) as store:
                found = store.beginning_with(word, *states)
        except (BatchveoError, sqlite3.Error, OSError):
            return []
        return [_item(job_id, name) for job_id, name in found]

    return complete


def models(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
    """Completes a model, by any part of its name."""
    from batchveo.provider.catalog import MODELS

    return [CompletionItem(name) for name in MODELS if word in name]


def files(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
    """Leaves it to the shell, which knows the files."""
    return [CompletionItem(word, type="file")]


def _item(job_id: str, name: str) -> CompletionItem:
    if _PLAIN.fullmatch(name):
        return CompletionItem(name)
    return CompletionItem(job_id[:16], help="".join(c if c.isprintable() else " " for c in name)[:60])
