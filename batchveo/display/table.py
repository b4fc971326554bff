"""Rows as a table: wrapped under a header at a terminal, lines of whole values with tabs between them elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TextIO

from batchveo.display.columns import line_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PAGE_ROWS = 200
"""Rows that are laid out together: a long list appears at once and takes little memory."""


class Column(NamedTuple):
    """A column of a terminal's table.

    ``width``: cells; ``None`` fits the values, 0 takes the rest of the row. ``from_width``: narrower terminals do
    not show the column. ``whole``: the other columns wrap first. In a pipe every column is written.
    """

    title: str
    width: int | None = None
    right: bool = False
    from_width: int = 0
    whole: bool = False


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str]], out: TextIO) -> None:
    """Write ``rows`` to ``out``; each row has a value for each column.

    A pipe or file gets no header, no colours and no cut values, so that ``grep`` and ``cut`` work.
    """
    if out.isatty():
        _print_wrapped(columns, rows, out)
    else:
        for row in rows:
            out.write("\t".join(map(line_of, row)) + "\n")


def _print_wrapped(columns: Sequence[Column], rows: Iterable[Sequence[str]], out: TextIO) -> None:
    from rich.console import Console  # slow to import, and not needed in a pipe
    from rich.text import Text

    console = Console(file=out, highlight=False)
    shown = [n for n, column in enumerate(columns) if column.from_width <= console.width]
    for number, page in enumerate(_split_pages(rows)):
        table = _make_table([columns[n] for n in shown], header=number == 0)
        for row in page:
            table.add_row(*(Text(line_of(row[n])) for n in shown))
        _print_lines(console, table, out)


def _split_pages(rows: Iterable[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    remaining = iter(rows)
    while page := list(islice(remaining, PAGE_ROWS)):
        yield page


def _make_table(columns: Sequence[Column], *, header: bool) -> Table:
    from rich.table import Table

    table = Table(
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        show_header=header,
        header_style="bold",
        expand=any(column.width == 0 for column in columns),
    )
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            width=column.width or None,
            min_width=len(column.title),  # page after page the same, if the values are short
            ratio=1 if column.width == 0 else None,
            overflow="fold",
            no_wrap=column.whole,
        )
    return table


def _print_lines(console: Console, table: Table, out: TextIO) -> None:
    """Without the blanks that rich puts at the end of each line: they would wrap in a window made narrower."""
    with console.capture() as capture:
        console.print(table)
    out.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))
