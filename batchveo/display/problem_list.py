"""The problems of manifests for people: each with the line of its file, and a mark under what is wrong."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from batchveo.core.errors import ManifestError, Problem
from batchveo.core.formatting import blank_unprintable
from batchveo.display.source_spot import Spot, find_spot
from batchveo.display.wrapped_text import break_text, find_indent
from batchveo.manifest.problems import Fault
from batchveo.manifest.sources import open_text

Part = tuple[str, str]
"""A text and its style, as rich names it."""

LONGEST_LINE = 65_536
"""Bytes of a line that are read."""
PIPE_WIDTH = 100
"""Columns of a source line that are shown if there is no terminal."""
LEAST_WIDTH = 20
TABLES = (".csv", ".tsv")
SECRET = re.compile(r"(?i)key|token|secret|password|authorization")
"""Fields whose lines are not shown."""

_DATA_URI = re.compile(r"(data:[\w.+/;=-]{0,100},[\w+/=%-]{8})[\w+/=%-]+")


def print_problems(error: ManifestError, out: TextIO) -> None:
    """Print every problem below ``file:line: field: message``.

    At a terminal in colour, if it has colours, and long messages broken between words.
    """
    if not out.isatty():
        for parts in describe_problems(error, PIPE_WIDTH):
            out.write("".join(text for text, _ in parts) + "\n")
        return
    from rich.text import Text  # slow to import

    from batchveo.display.table import open_console

    console = open_console(out)
    for parts in describe_problems(error, console.width):
        text = Text.assemble(*parts)
        for row in break_text(text, console.width - 1, find_indent(text.plain)):
            console.print(row, soft_wrap=True)


def describe_problems(error: ManifestError, width: int) -> Iterator[list[Part]]:
    """The lines of the list; lines of the manifests are cut to ``width`` columns."""
    lines = _SourceLines(error.problems)
    for problem in error.problems:
        yield [(blank_unprintable(problem.place), "bold"), (blank_unprintable(f": {problem.text}"), "")]
        yield from _describe_line(lines, problem, width)
        if problem.others:
            yield [(f"  {problem.others}", "")]
    for text in error.totals:
        yield [(text, "")]


def _describe_line(lines: _SourceLines, problem: Problem, width: int) -> Iterator[list[Part]]:
    line = lines.find(problem)
    if line is None or SECRET.search(problem.field or ""):
        return
    gutter = f"{problem.line:>6} | "
    spot = find_spot(line, problem, lines.find_header(problem.file))
    line, (begin, end) = _cut_around(line, spot, max(width - len(gutter) - 1, LEAST_WIDTH))
    mark = " " * _count_cells(line[:begin]) + "^" * max(_count_cells(line[begin:end]), 1)
    yield [(gutter, "dim"), (line, "")]
    yield [("| ".rjust(len(gutter)), "dim"), (mark, "bold red")]


class _SourceLines:
    """The lines that problems name, without characters that control a terminal, and with short data URIs."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        wanted: defaultdict[str, set[int]] = defaultdict(set)
        for problem in problems:
            if problem.line is not None:
                wanted[problem.file].add(problem.line)
        self._lines = {file: dict(_read_lines(Path(file), numbers)) for file, numbers in wanted.items()}

    def find(self, problem: Problem) -> str | None:
        """The line of a problem, if it could be read and is not blank."""
        line = None if problem.line is None else self._lines[problem.file].get(problem.line)
        return line if line and not line.isspace() else None

    def find_header(self, file: str) -> str | None:
        """The line with the names of the columns, if the file is a table."""
        if Path(file).suffix.lower() not in TABLES:
            return None
        lines = self._lines[file].values()
        return next((line for line in lines if line.strip() and not line.lower().startswith(("sep=", '"sep='))), None)


def _read_lines(path: Path, wanted: set[int]) -> Iterator[tuple[int, str]]:
    """The wanted lines by their numbers, and of a table those up to its header; none if the file is gone."""
    last = max(wanted)
    is_table = path.suffix.lower() in TABLES
    try:
        with open_text(path) as stream:
            for number in range(1, last + 1):
                raw = rest = stream.readline(LONGEST_LINE)
                while rest and not rest.endswith(b"\n"):
                    rest = stream.readline(LONGEST_LINE)
                if number in wanted or (is_table and number <= 3):
                    text = raw.decode("utf-8-sig" if number == 1 else "utf-8", errors="replace").rstrip("\r\n")
                    yield number, _DATA_URI.sub(r"\1…", blank_unprintable(text))
    except (Fault, OSError):
        return


def _cut_around(line: str, spot: Spot, width: int) -> tuple[str, Spot]:
    """At most ``width`` characters of ``line`` around ``spot``, and where that is in them."""
    begin, end = spot
    line = line.rstrip()
    if len(line) <= width:
        return line, spot
    end = min(end, begin + width // 2)
    start = max(min((begin + end - width) // 2, len(line) - width), 0)
    part = line[start : start + width]
    if start:
        part = "…" + part[1:]
    if start + width < len(line):
        part = part[:-1] + "…"
    return part, (begin - start, end - start)


def _count_cells(text: str) -> int:
    """Columns of a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
