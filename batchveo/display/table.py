"""Tables and texts by rich: laid out for the width of a terminal; whole values without colours in a pipe or file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TextIO, TypeVar

from batchveo.core.formatting import blank_unprintable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

Row = TypeVar("Row")
PAGE_ROWS = 200
"""Rows that are laid out together: a long list appears at once and takes little memory."""
GAP = 2
"""Blanks between two columns."""
UNLIMITED = 1_000_000
"""Cells of a line in a pipe or file."""


class Column(NamedTuple):
    """A column of a terminal's table.

    ``width``: cells; ``None`` fits the values, 0 takes the rest of the row. ``from_width``: narrower terminals do
    not show the column. ``whole``: the other columns wrap first. In a pipe every column is written.
    ``indented``: blanks before a text are kept. ``cut``: a longer value is cut in its middle instead of wrapped.
    """

    title: str
    width: int | None = None
    right: bool = False
    from_width: int = 0
    whole: bool = False
    style: str = ""
    indented: bool = False
    cut: bool = False


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str]], out: TextIO) -> None:
    """Write ``rows`` to ``out``; each row has a value for each column.

    A pipe or file gets lines of whole values with tabs between them and no header, for ``grep`` and ``cut``.
    """
    if not out.isatty():
        for row in rows:
            out.write("\t".join(map(flatten_text, row)) + "\n")
        return
    console = open_console(out)
    shown = [n for n, column in enumerate(columns) if column.from_width <= console.width]
    for number, page in enumerate(_split_pages(rows)):
        cells = [[row[n] for n in shown] for row in page]
        print_lines(console, make_table([columns[n] for n in shown], cells, header=number == 0))


def print_list(columns: Sequence[Column], rows: Iterable[tuple[Sequence[str], str]], out: TextIO) -> None:
    """Write rows to a terminal, a line each: one column takes the rest of it, the others have a width.

    Each row comes with a note, which is written below it if it is not empty. The column that takes the rest is as wide
    as the values of the first page need; what is left then goes to the other columns that would be cut.
    """
    console = open_console(out)
    shown = [n for n, column in enumerate(columns) if column.from_width <= console.width]
    fitted: list[Column] = []
    for page in _split_pages(rows):
        cells = [[row[n] for n in shown] for row, _ in page]
        header = not fitted
        fitted = fitted or _fit_rest([columns[n] for n in shown], cells, console.width)
        with console.capture() as capture:
            console.print(make_table(fitted, cells, header=header))
        lines = capture.get().splitlines()
        out.write("".join(f"{line.rstrip()}\n" for line in lines[: len(lines) - len(page)]))
        for line, (_, note) in zip(lines[len(lines) - len(page) :], page, strict=True):
            out.write(f"{line.rstrip()}\n")
            if note:
                print_lines(console, _make_note(note))


def _fit_rest(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> list[Column]:
    """The columns with widths that together are at most ``width``; the one of width 0 comes first."""
    from rich.cells import cell_len

    left = width - sum(column.width or 0 for column in columns) - GAP * (len(columns) - 1)
    widths = [column.width or 0 for column in columns]
    for n in sorted((n for n, column in enumerate(columns) if column.cut), key=lambda n: widths[n] > 0):
        longest = max(cell_len(flatten_text(row[n])) for row in cells)
        more = min(max(left, int(widths[n] == 0)), max(longest - widths[n], 0))
        widths[n] += more
        left -= more
    return [column._replace(width=cells) for column, cells in zip(columns, widths, strict=True)]


def _make_note(note: str) -> RenderableType:
    from rich.padding import Padding
    from rich.text import Text

    return Padding(Text(flatten_text(note), style="dim", overflow="fold"), (0, 0, 0, GAP))


def flatten_text(text: str) -> str:
    """``text`` on one line, without characters that control a terminal."""
    return " ".join(blank_unprintable(text).split())


def cut_middle(text: str, cells: int) -> str:
    """``text`` in at most ``cells`` cells, cut in its middle: names and prompts often differ at their ends."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= cells:
        return text
    tail = max((cells - 1) // 2, 0)
    return f"{set_cell_size(text, cells - 1 - tail)}…{set_cell_size(text[::-1], tail)[::-1]}"


def fit_middle(text: str, cells: int) -> str:
    """``text`` on one line in exactly ``cells`` cells, cut in its middle or filled up with blanks."""
    from rich.cells import set_cell_size

    return set_cell_size(cut_middle(flatten_text(text), cells), cells)


def open_console(out: TextIO) -> Console:
    """A console on ``out``; in a pipe or file its width is unlimited and it writes no colours."""
    from rich.console import Console  # slow to import, and not needed for tables in a pipe

    if out.isatty():
        return Console(file=out, highlight=False)
    return Console(file=out, highlight=False, width=UNLIMITED, color_system=None)


def make_table(columns: Sequence[Column], rows: Iterable[Sequence[str]], *, header: bool = True) -> Table:
    """A table of rich whose cells have no markup and wrap between words."""
    from rich.table import Table

    table = Table(
        box=None,
        pad_edge=False,
        padding=(0, GAP, 0, 0),
        show_header=header,
        header_style="bold",
        expand=any(column.width == 0 for column in columns),
    )
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            width=column.width or None,
            min_width=len(column.title),  # so that all pages of short values have the same columns
            ratio=1 if column.width == 0 else None,
            overflow="fold",
            no_wrap=column.whole,
            style=column.style,
        )
    for row in rows:
        table.add_row(*(_make_cell(column, value) for column, value in zip(columns, row, strict=True)))
    return table


def _make_cell(column: Column, value: str) -> RenderableType:
    from rich.padding import Padding
    from rich.text import Text

    text = flatten_text(value)
    if column.cut and column.width:
        text = cut_middle(text, column.width)
    # an indented cell keeps the blanks before its text on each of its lines
    return Padding(Text(text), (0, 0, 0, len(value) - len(value.lstrip(" ")))) if column.indented else Text(text)


def print_lines(console: Console, content: RenderableType) -> None:
    """Print without the blanks that rich puts at the end of lines: they would wrap in a window made narrower."""
    with console.capture() as capture:
        console.print(content)
    console.file.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


def _split_pages(rows: Iterable[Row]) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while page := list(islice(remaining, PAGE_ROWS)):
        yield page
