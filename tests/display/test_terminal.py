"""What a person sees after each painting."""

from __future__ import annotations

from batchveo.display.terminal import Line, Painter
from tests.helpers.terminal_screen import Screen


def lines(*texts: str) -> list[Line]:
    return [Line(text, len(text)) for text in texts]


def test_a_block_replaces_the_one_before() -> None:
    """Longer or shorter, and what stood above stays; in the end nothing of it is left."""
    screen = Screen(20)
    screen.write("$ batchveo run\n")
    painter = Painter(screen.write)
    painter.paint(lines("one", "two", "three"), width=20)
    painter.paint(lines("four"), width=20, above=lines("a warning that is longer than a row"))
    kept = "$ batchveo run\na warning that is lo\nnger than a row"
    assert screen.text == f"{kept}\nfour"
    painter.paint(lines("five", "six"), width=20)
    painter.erase(width=20)
    painter.erase(width=20)
    screen.write("done\n")
    assert screen.text == f"{kept}\ndone"
    assert not screen.modes


def test_what_has_not_changed_is_not_painted() -> None:
    """A calm terminal, and little to send through ssh."""
    written: list[str] = []
    painter = Painter(written.append)
    painter.paint(lines("one"), width=20)
    painter.paint(lines("one"), width=20)
    assert len(written) == 1


def test_a_window_made_narrower_leaves_no_rest() -> None:
    """Rows that the terminal has wrapped are counted."""
    screen = Screen(20)
    painter = Painter(screen.write)
    painter.paint(lines("x" * 19, "y"), width=20)
    screen.width, screen.rows, screen.row = 10, ["x" * 10, "x" * 9, "y", ""], 3
    painter.paint(lines("z"), width=10)
    assert screen.text == "z"


def test_a_line_wider_than_was_reckoned_does_not_wrap() -> None:
    """Terminals differ on the width of some scripts; frames must not slip for it. What stays above may wrap."""
    screen = Screen(20)
    painter = Painter(screen.write)
    wider = Line("नमस्ते-दुनिया-एक-लोमड़ी-take", 19)
    painter.paint([wider, *lines("first")], width=20, above=lines("kept, on as many rows as it takes"))
    painter.paint([wider, *lines("second")], width=20)
    rows = screen.text.splitlines()
    assert rows[:2] == ["kept, on as many row", "s as it takes"]
    assert len(rows) == 4
    assert rows[-1] == "second"
    assert screen.wraps
