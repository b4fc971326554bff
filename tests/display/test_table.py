"""Tables at a terminal and in a pipe."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from batchveo.display.table import PAGE_ROWS, Column, cut_middle, print_table

COLUMNS = (
    Column("id", width=8),
    Column("cost", right=True),
    Column("model", width=20, from_width=100),
    Column("job", 0),
)
HOSTILE = ("g\x1b]0;x\x07", "1.5", "m", "狐\ty\n[red]z")


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(*rows: tuple[str, ...]) -> list[str]:
    screen = Screen()
    print_table(COLUMNS, rows, screen)
    return screen.getvalue().splitlines()


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("LINES", "50")  # rich takes COLUMNS of a dumb terminal only with it
    monkeypatch.setenv("COLUMNS", "60")


def test_a_pipe_gets_whole_values_with_tabs_between_them() -> None:
    """No header, no cut, nothing that steers a terminal or adds a column or a line."""
    out = io.StringIO()
    long = "a" * 500
    print_table(COLUMNS, [HOSTILE, ("i", "", "m", long)], out)
    first, second = out.getvalue().splitlines()
    assert first == "g ]0;x\t1.5\tm\t狐 y [red]z"
    assert second == f"i\t\tm\t{long}"


def test_a_terminal_gets_one_header_however_long_the_list_is() -> None:
    """All rows have the same columns, page after page."""
    lines = printed(*[("i", "1", "m", f"job {n}") for n in range(PAGE_ROWS + 1)])
    assert len(lines) == PAGE_ROWS + 2
    assert lines[0].split() == ["id", "cost", "job"]
    assert {line.index("job") for line in lines} == {lines[0].index("job")}


def test_wide_terminals_show_more_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is room for them."""
    monkeypatch.setenv("COLUMNS", "100")
    assert printed(HOSTILE)[0].split() == ["id", "cost", "model", "job"]


@given(st.text(max_size=300))
def test_no_line_is_wider_than_the_terminal(text: str) -> None:
    """In any script, without control characters."""
    for line in printed(("i", "1", "m", text)):
        assert cell_len(line) <= 60
        assert line.isprintable()


def test_a_whole_column_wraps_last() -> None:
    """An id can be copied as long as it fits."""
    screen = Screen()
    print_table((Column("words"), Column("id", whole=True)), [("word " * 40, "i" * 40)], screen)
    lines = screen.getvalue().splitlines()
    assert lines[1].endswith(" " + "i" * 40)
    assert max(map(len, lines)) <= 60


@given(st.text(max_size=200), st.integers(2, 80))
def test_a_text_that_is_cut_keeps_both_ends(text: str, cells: int) -> None:
    """In any script it takes no more cells than it may; a text that fits stays as it is."""
    cut = cut_middle(text, cells)
    assert cell_len(cut) <= cells
    assert (cut == text) == (cell_len(text) <= cells)


def test_names_that_differ_at_their_ends_stay_apart() -> None:
    """Half of the cells are for the end."""
    assert cut_middle("a red fox in fresh snow-watercolour", 21) == "a red fox …atercolour"
