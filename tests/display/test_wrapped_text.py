"""Lines that are broken between words."""

from __future__ import annotations

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.display.wrapped_text import count_cells, find_breaks, wrap_line


class Tty(io.StringIO):
    """A stream that is a terminal of so many columns."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 7


@pytest.fixture
def tty(monkeypatch: pytest.MonkeyPatch) -> Tty:
    monkeypatch.setattr(os, "get_terminal_size", lambda fd: os.terminal_size((31, 24)))
    return Tty()


def test_words_stay_whole_and_rows_are_indented(tty: Tty) -> None:
    """The first row keeps its own blanks."""
    text = "  1 failed: withheld by the safety filters (fox)"
    assert wrap_line(text, tty).splitlines() == ["  1 failed: withheld by the", "    safety filters (fox)"]
    assert wrap_line("short", tty) == "short"


def test_a_command_to_copy_is_not_broken(tty: Tty) -> None:
    """Pasted with a line break in it, it would be two commands."""
    command = "`batchveo resolve fox-1 --resubmit --state night.db`"
    rows = wrap_line(f"one is held: {command} submits it again", tty).splitlines()
    assert rows == ["one is held:", f"  {command}", "  submits it again"]


def test_a_pipe_gets_whole_lines() -> None:
    """For grep."""
    text = "word " * 50
    assert wrap_line(text, io.StringIO()) == text


@given(st.text(st.sampled_from("ab` 狐e\u0301"), max_size=200), st.integers(1, 60), st.integers(0, 12))
def test_no_row_is_too_wide_unless_it_is_one_word(text: str, width: int, indent: int) -> None:
    """And nothing is lost."""
    breaks = find_breaks(text, width, indent)
    pieces = [text[a:b] for a, b in zip([0, *breaks], [*breaks, len(text)], strict=True)]
    assert "".join(pieces) == text
    for number, piece in enumerate(pieces if breaks else []):
        room = width - (indent if number else 0)
        words = piece.strip(" ")
        assert count_cells(piece.rstrip(" ")) <= room or " " not in words or "`" in words
