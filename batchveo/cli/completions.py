"""What a shell is offered for the values of options: fields of conditions, parameters, faults, commands.

A word that is being typed must not fail, so what cannot be read is not offered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_LAST_NAME = re.compile(r"(?:[A-Za-z_][\w.]*)?\Z")


def complete_condition(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
    """Completes the last field of a condition, such as ``black_seconds > 0.5 and mod``."""
    from batchveo.core.fields import FIELDS

    return _offer_fields(word, FIELDS)


def complete_known_beforehand(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
    """The same, with the fields that are known before a job is submitted."""
    from batchveo.core.fields import BEFOREHAND, FIELDS

    return _offer_fields(word, (name for name in FIELDS if name in BEFOREHAND))


def complete_sort_field(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
    """Completes a field to sort by; not ``-FIELD``, which click takes for the beginning of an option."""
    from batchveo.core.fields import FIELDS, SHORT_NAMES

    return _offer((*SHORT_NAMES, *FIELDS), word)


def complete_parameters(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
    """Completes the name of a parameter that a model of the service takes."""
    from batchveo.provider.catalog import MODELS

    return _offer(sorted(MODELS.list_parameters()), word)


def complete_faults(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
    """Completes the name of a fault of the sandbox."""
    from batchveo.sandbox import FAULTS

    return _offer(FAULTS, word)


def complete_commands(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
    """Completes the name of a command."""
    root = context.find_root()
    return _offer(root.command.list_commands(root) if isinstance(root.command, click.Group) else (), word)


def _offer_fields(word: str, names: Iterable[str]) -> list[CompletionItem]:
    if word.count('"') % 2:  # within a text
        return []
    before = _LAST_NAME.sub("", word)
    return _offer((f"{before}{name}" for name in names), word)


def _offer(words: Iterable[str], word: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(each) for each in words if each.startswith(word)]
