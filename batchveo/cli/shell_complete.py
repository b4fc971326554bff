"""What a shell offers when it completes a model or a file."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem


def models(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
    """Completes a model, by any part of its name."""
    from batchveo.provider.catalog import MODELS

    return [CompletionItem(name) for name in MODELS if word in name]


def files(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
    """Leaves it to the shell, which knows the files."""
    return [CompletionItem(word, type="file")]
