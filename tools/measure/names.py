"""Figures of names: functions that are one word, modules that are a gerund."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tools.measure.figure import Figure, percent
from tools.measure.sources import Project, Source

NOUNS = frozenset(
    {
        "billing",
        "ceiling",
        "encoding",
        "formatting",
        "heading",
        "listing",
        "mapping",
        "naming",
        "pricing",
        "rating",
        "staging",
        "string",
        "timing",
        "warning",
    }
)
"""Words in -ing that name a thing, not what somebody does."""

_GERUND = re.compile(r"[a-z]+ing")


def function_names(sources: Iterable[Source]) -> list[str]:
    """The name of every function and method, once for each definition; without ``__init__`` and its like."""
    names = (function.name for source in sources for function in source.functions)
    return [name for name in names if not (name.startswith("__") and name.endswith("__"))]


def is_bare_word(name: str) -> bool:
    """Whether a name is one word: ``run`` and ``_run`` are, ``run_job`` is not."""
    return "_" not in name.strip("_")


def is_gerund(name: str) -> bool:
    """Whether the last word of a module's name ends in -ing and is not among ``NOUNS``: ``sql_charts``.

    In ``missing_locks`` such a word only describes the noun.
    """
    last = name.rpartition("_")[2]
    return last not in NOUNS and _GERUND.fullmatch(last) is not None


def measure_names(project: Project) -> Iterator[Figure]:
    """Yield the figures of the package's names."""
    names = function_names(project.sources)
    paths = [source.path for source in project.sources if is_gerund(source.module.rpartition(".")[2])]
    yield Figure(
        key="bare_words",
        name="function names that are one bare word",
        value=percent(sum(map(is_bare_word, names)), len(names)),
        unit=" %",
        goal="below 45 %",
        how="Functions and methods, public, private and nested, one for each `def`, without `__init__` and its"
        " like. A bare word has no underscore but at its ends.",
    )
    yield Figure(
        key="gerunds",
        name="modules and packages named by a gerund",
        value=len(paths),
        goal="0",
        how="The last word of the name ends in -ing and is not among the nouns of `tools/measure/names.py`.",
        found=tuple(path.as_posix() for path in paths),
    )
