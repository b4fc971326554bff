"""Figures of size: lines, lengths of functions, comments, test files."""

from __future__ import annotations

from collections.abc import Iterator

from tools.measure.figure import Figure, percent
from tools.measure.sources import Project, lines_of

LONG = 30
"""Lines from which on a function counts as long."""


def measure_size(project: Project) -> Iterator[Figure]:
    """Yield the figures of the package's lines and functions."""
    sources = project.sources
    functions = sorted(
        ((len(lines_of(function)), f"{source.path.as_posix()}:{function.lineno} {function.name}"))
        for source in sources
        for function in source.functions
    )
    long = [(lines, place) for lines, place in reversed(functions) if lines >= LONG]
    inside = sum(line in source.function_lines for source in sources for line in source.comments)
    yield Figure(
        key="comments",
        name="comments inside functions, per 100 lines",
        value=percent(inside, sum(len(source.function_lines) for source in sources)),
        goal="at least 2",
        how="Lines with a comment, at their end too, per 100 lines of functions, docstrings included. Comments for"
        " tools do not count (`noqa`, `type:`, `pragma:`, `fmt:`).",
    )
    yield Figure(
        key="lines",
        name="package lines (Python)",
        value=sum(source.lines for source in sources),
        goal="below 24,000",
        how="All lines, as `wc -l` counts them.",
    )
    yield Figure(
        key="code_lines",
        name="… without blank lines, comments and docstrings",
        value=sum(source.code_lines for source in sources),
        how="Lines with code; descriptions below attributes are docstrings.",
    )
    yield Figure(
        key="short_functions",
        name=f"functions under {LONG} lines",
        value=percent(len(functions) - len(long), len(functions)),
        unit=" %",
        goal="above 90 %",
        how="From `def` to the last statement, docstring included.",
        found=tuple(f"{place}: {lines} lines" for lines, place in long),
    )


def measure_tests(project: Project) -> Iterator[Figure]:
    """Yield the share of modules that have a test file."""
    tests = {path.relative_to(project.folder / "tests") for path in (project.folder / "tests").rglob("test_*.py")}
    untested = []
    for source in project.named_sources:
        path = source.path.relative_to(project.package)
        if path.with_name(f"test_{path.name}") not in tests:
            untested.append(source.path.as_posix())
    total = len(project.named_sources)
    yield Figure(
        key="tested_modules",
        name="modules with a test file of their name",
        value=percent(total - len(untested), total),
        unit=" %",
        goal="above 80 %",
        how="`tests/store/test_runs.py` for `store/runs.py`; `__init__` and `__main__` do not count.",
        found=tuple(untested),
    )
