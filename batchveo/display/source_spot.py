"""Where in a line of a manifest the wrong part is, found by the field and the message of a problem."""

from __future__ import annotations

import re
from collections.abc import Iterator

from batchveo.core.errors import Problem

Spot = tuple[int, int]
"""Where a part of a line begins and ends."""

_COLUMN = re.compile(r"\(column (\d+)\)")
_CHARACTER = re.compile(r"character (\d+) of ")
_ITEM = re.compile(r"\s*- +(?=[^\s{])")
_INDEX = re.compile(r"\[\d+\]")
# what a message quotes: the value, or the part of it that is wrong
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)+)'|\"((?:[^\"\\]|\\.)+)\"|(\{\w+\})|(?<![\w.])(-?\d+(?:\.\d+)?)(?![\w.])")


def find_spot(line: str, problem: Problem, header: str | None = None) -> Spot:
    """The part of ``line`` that is wrong: what the message quotes of the field's value, else the field itself.

    ``header``: the line with the names of the columns, if the file is a table. The first character that is not blank
    if nothing is found.
    """
    if match := _COLUMN.search(problem.message):
        at = min(int(match[1]) - 1, max(len(line) - 1, 0))
        return at, at + 1
    place = _find_field(line, problem.field) if header is None else _find_cell(line, problem.field, header)
    field, value = place or (_find_item(line), (0, len(line)))
    return _find_quoted(line, value, problem.message) or field


def _find_field(line: str, field: str | None) -> tuple[Spot, Spot] | None:
    """The key of ``field`` in YAML or JSON, and what comes after it; the innermost key that the line has."""
    if field is None:
        return None
    for name in reversed(_INDEX.sub("", field).split(".")):
        key = re.search(rf"(?<![\w.-])([\"']?){re.escape(name)}\1(?=\s*:)", line)
        if key is not None:
            return key.span(), (key.end(), len(line))
    return None


def _find_item(line: str) -> Spot:
    """The value that a line of a list has, such as a prompt of a chain; else the first character that is not blank."""
    item = _ITEM.match(line)
    begin = item.end() if item else len(line) - len(line.lstrip())
    return begin, len(line.rstrip()) if item else begin + 1


def _find_cell(line: str, field: str | None, header: str) -> tuple[Spot, Spot] | None:
    """The cell of the column ``field``, twice: it is the field, and its value."""
    separator = max(",;\t", key=header.count)
    names = [header[begin:end].strip(' "') for begin, end in _split_cells(header, separator)]
    column = field if field in names else _INDEX.sub("", field or "").split(".")[0]
    cells = list(_split_cells(line, separator))
    if column not in names or names.index(column) >= len(cells):
        return None
    begin, end = cells[names.index(column)]
    spot = (begin, max(end, begin + 1))
    return spot, spot


def _split_cells(line: str, separator: str) -> Iterator[Spot]:
    """The cells of a row, with their quotes."""
    begin, is_quoted = 0, False
    for at, character in enumerate(line):
        if character == '"':
            is_quoted = not is_quoted
        elif character == separator and not is_quoted:
            yield begin, at
            begin = at + 1
    yield begin, len(line)


def _find_quoted(line: str, within: Spot, message: str) -> Spot | None:
    """The longest text that the message quotes and that is in this part of the line."""
    found = [
        (begin, begin + len(text))
        for match in _QUOTED.finditer(message)
        if (text := next(filter(None, match.groups())))
        if (begin := line.find(text, *within)) >= 0
    ]
    if not found:
        return None
    begin, end = max(found, key=lambda spot: spot[1] - spot[0])
    if match := _CHARACTER.match(message):  # of a condition
        begin = min(begin + int(match[1]) - 1, end - 1)
        return begin, begin + 1
    return begin, end
