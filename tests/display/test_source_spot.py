"""Where the wrong part of a line is."""

from __future__ import annotations

import pytest

from batchveo.core.errors import Problem
from batchveo.display.source_spot import find_spot

FLOW = "defaults: {model: veo2, resolution: 721p, duration: 9}"
HEADER = 'model,prompt,"long, name",duration'


def find_marked(line: str, field: str | None, message: str, header: str | None = None) -> str:
    problem = Problem(file="m", line=1, field=field, message=message)
    begin, end = find_spot(line, problem, header)
    return line[begin:end]


@pytest.mark.parametrize(
    ("line", "field", "message", "marked"),
    [
        ("    duration: 9", "duration", "9 is not among 4, 6, 8", "9"),
        (FLOW, "defaults.duration", "9 is not among 4, 6, 8", "9"),
        (FLOW, "defaults.resolution", "'721p' is not among 720p, 1080p", "721p"),
        ("  prompt: A dragon over the {place}", "prompt", "unknown placeholder {place}", "{place}"),
        ("  sede: 3", "sede", "veo2 takes no such parameter", "sede"),
        ("  - {sede: 3, prompt: sede}", "sede", "veo2 takes no such parameter", "sede"),
        ('{"a": 1, "duration": "nine"}', "duration", "must be a whole number, not 'nine'", "nine"),
        ('{"a": 1, "prmpt": "A"}', "prmpt", "no such parameter", '"prmpt"'),
        ("  matrix: {animal: 3}", "matrix.animal", "must be a list, not 3", "3"),
        ("  gates: [a < x]", "gates[0]", "character 5 of 'a < x': x is not a field", "x"),
        ('  - ""', "prompt", "is empty", '""'),
        ("    - A boat at 5", "image_url", "takes only an address", "A boat at 5"),
        ("    - {prompt: A}", "image_url", "takes only an address", "-"),
        ("  - 5", None, "a job must be a mapping, not 5", "5"),
        ("  what is this", None, "not valid YAML", "w"),
        ('{"model": ', None, "not valid JSON: Expecting value (column 5)", "d"),
        ("short", None, "not valid JSON (column 900)", "t"),
        ("  image_urls: [a]", "image_urls[0]", "must be a URL, not 'a'", "a"),
        ("  other: 1", "duration", "is missing", "o"),
    ],
)
def test_the_value_that_a_message_quotes_else_the_field(
    line: str, field: str | None, message: str, marked: str
) -> None:
    """In YAML, block and flow, and in JSON."""
    assert find_marked(line, field, message) == marked


@pytest.mark.parametrize(
    ("row", "field", "message", "marked"),
    [
        ('veo2,"A fox, red",x,9', "duration", "9 is not among 4, 6, 8", "9"),
        ('veo2,"A {animal}, red",x,9', "prompt", "unknown placeholder {animal}", "{animal}"),
        ('veo2,"A fox, red",x,9', "long, name", "is odd", "x"),
        ("veo2,,x,9", "prompt", "is missing", ","),
        (HEADER, "prompt", "is there twice", "prompt"),
        ("veo2,A", "duration", "is missing", "v"),
    ],
)
def test_the_cell_of_a_column(row: str, field: str, message: str, marked: str) -> None:
    """Cells may have quotes with separators in them, and a row may be too short."""
    assert find_marked(row, field, message, HEADER) == marked


def test_other_separators() -> None:
    """As spreadsheets of many countries write."""
    assert find_marked("veo2;A, b;9", "duration", "9 is odd", "model;prompt;duration") == "9"
    assert find_marked("veo2\tA, b\t9", "prompt", "is odd", "model\tprompt\tduration") == "A, b"
