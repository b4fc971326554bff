"""Commands that score clips: what their scores are called, and what is none."""

from __future__ import annotations

import pytest

from batchveo.core.errors import UsageError
from batchveo.operations.scoring_program import ScoringProgram


@pytest.mark.parametrize(
    ("command", "source"),
    [
        ("python3 -u tools/clip-score.py --fast", "clip-score"),
        ("/opt/bin/vbench.sh", "vbench"),
        ("node 'my score.js'", "my_score"),
        ("uv run --with torch aesthetic.py", "aesthetic"),
        ("python -m vbench", "vbench"),
    ],
)
def test_the_scores_have_the_name_of_the_program(command: str, source: str) -> None:
    assert ScoringProgram(command).source == source


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("", "names no program"),
        ("a 'b", "No closing quotation"),
        ("./blur.py", "blur is the name of a field: choose another name for the tool; --as NAME"),
        ("./9.py", "cannot be the name of a tool"),
    ],
)
def test_commands_that_cannot_be_one(command: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ScoringProgram(command)
