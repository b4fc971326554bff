"""Problems of manifests with the lines of their files."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from batchveo.core.errors import ManifestError, Problem
from batchveo.display.problem_list import LONGEST_LINE, PIPE_WIDTH, print_problems


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def list_lines(*problems: Problem, total: int | None = None, out: io.StringIO | None = None) -> list[str]:
    out = out or io.StringIO()
    print_problems(ManifestError(problems, total), out)
    return out.getvalue().splitlines()


def make_problem(line: int | None, field: str | None, message: str, *, file: str = "m.yaml", more: int = 0) -> Problem:
    return Problem(file=file, line=line, field=field, message=message, more=more)


def test_each_problem_has_its_line_and_a_mark() -> None:
    """Below a line that editors can parse, which is the same as without them."""
    Path("m.yaml").write_text("jobs:\n  - prompt: A fox\n    duration: 9\n")
    first = make_problem(3, "duration", "9 is not among 4, 6, 8", more=2)
    assert list_lines(first, make_problem(None, None, "names no model"), total=9) == [
        str(first),
        "     3 |     duration: 9",
        "       |               ^",
        "  and 2 more like this",
        "m.yaml: names no model",
        "... and 5 more",
        "9 problems; nothing was written or bought",
    ]


@pytest.mark.parametrize("content", [None, b"\0\1", b"jobs:\n", b"\n\n\n"])
def test_without_the_line_there_is_no_mark(content: bytes | None) -> None:
    """A file that is gone, is no text, is shorter by now, or a blank line."""
    if content is not None:
        Path("m.yaml").write_bytes(content)
    assert list_lines(make_problem(3, "duration", "is odd")) == [
        "m.yaml:3: duration: is odd",
        "1 problem; nothing was written or bought",
    ]


def test_a_long_line_is_cut_around_the_mark() -> None:
    """The mark stays below what it marks."""
    prompt = "x" * 5000
    Path("m.jsonl").write_text(f'{{"prompt": "{prompt}", "duration": 9, "meta": "{prompt}"}}\n')
    _, line, mark, _ = list_lines(make_problem(1, "duration", "9 is odd", file="m.jsonl"))
    assert len(line) <= PIPE_WIDTH
    assert line[mark.index("^")] == "9"
    assert line.endswith("…")
    assert "| …" in line


def test_a_line_without_end_is_read_in_part() -> None:
    """And the next line is the next one."""
    Path("m.jsonl").write_text(f'{{"prompt": "{"x" * 3 * LONGEST_LINE}"}}\n{{"duration": 9}}\n')
    lines = list_lines(make_problem(2, "duration", "9 is odd", file="m.jsonl"))
    assert lines[1] == '     2 | {"duration": 9}'


def test_wide_characters_take_two_columns() -> None:
    """The mark is below what it marks on a terminal."""
    Path("m.yaml").write_text("- {prompt: 龍が飛ぶ, duration: 9}\n")
    _, line, mark, _ = list_lines(make_problem(1, "duration", "9 is odd"))
    assert mark.index("^") == line.index("9") + 4


def test_characters_that_control_a_terminal_are_blanks() -> None:
    """In the line, the message and the name of the file."""
    Path("m\x1b.yaml").write_text("- prompt: \x1b[31m\tred\x07, duration 9\n")
    text = "\n".join(list_lines(make_problem(1, "prompt", "9 is \x1b odd", file="m\x1b.yaml")))
    assert all(character.isprintable() or character == "\n" for character in text)
    assert text.splitlines()[2].index("^") == text.splitlines()[1].index("9")


def test_data_uris_are_shortened_and_secrets_not_shown() -> None:
    """An image in a cell hides the rest, and a key must not get into a log."""
    Path("m.csv").write_text(f'model,image_url,api_key\nveo2,"data:image/png;base64,{"iVBORw0K" * 50}",sk-secret\n')
    lines = list_lines(make_problem(2, "image_url", "is odd", file="m.csv"))
    assert 'data:image/png;base64,iVBORw0K…"' in lines[1]
    assert "sk-secret" not in "".join(list_lines(make_problem(2, "api_key", "no such parameter", file="m.csv")))


def test_cells_of_tables_are_found_by_the_header() -> None:
    """Also behind the line with which spreadsheets name their separator."""
    Path("m.csv").write_text("sep=;\nmodel;prompt;duration\nveo2;A, b;9\n")
    _, line, mark, _ = list_lines(make_problem(3, "duration", "9 is odd", file="m.csv"))
    assert line[mark.index("^")] == "9"


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_colours_unless_it_refuses_them(
    no_color: str, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And lines of its own width."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("NO_COLOR", no_color)
    Path("m.yaml").write_text(f"- {{duration: 9, prompt: {'x' * 80}}}\n")
    lines = list_lines(make_problem(1, "duration", "9 is odd"), out=Terminal())
    assert any("\x1b[1;31m" in line for line in lines) is coloured
    plain = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in lines]
    assert plain[0] == "m.yaml:1: duration: 9 is odd"
    assert len(plain) == 4
    assert len(plain[1]) < 50
    assert plain[2].endswith("|              ^")


def test_a_terminal_gets_long_messages_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the following rows indented; the line of the file and its mark are as in a pipe."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    Path("m.yaml").write_text("- {model: veo, colour: red}\n", encoding="utf-8")
    problem = make_problem(1, "colour", "veo takes no such parameter; did you mean another one of those that it takes?")
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in list_lines(problem, out=Terminal())]
    assert lines == [
        "m.yaml:1: colour: veo takes no such parameter; did you mean",
        "  another one of those that it takes?",
        "     1 | - {model: veo, colour: red}",
        "       |                ^^^^^^",
        "1 problem; nothing was written or bought",
    ]
