"""Numbers that are rounded, and traces of missing values."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.manifest.scalars import EXACT, is_no_text
from tests.helpers.manifests import I2V, T2V, jobs, problems

NO_TEXTS = [
    "#NAME?",
    "#REF!",
    "#VALUE!",
    "#N/A",
    "#DIV/0!",
    "#NULL!",
    "#NUM!",
    "#SPILL!",
    "#CALC!",
    "#GETTING_DATA",
    "#BEZUG!",
    "#NV",
    "#ЗНАЧ!",
    "#NOM?",
    "Err:502",
    "#####",
    "NaN",
    "nan",
    "None",
    "null",
    "NULL",
    "N/A",
    "n/a",
    "<NA>",
    "NaT",
    "undefined",
    "[object Object]",
    " None ",
    "nil",
]


@pytest.mark.parametrize("seed", [EXACT + 1, -EXACT - 1, 2**60, 2**63 - 1])
@pytest.mark.parametrize("any_model", [False, True])
def test_numbers_that_would_be_rounded(seed: int, any_model: bool, tmp_path: Path) -> None:
    """A server that reads numbers as JavaScript does would make another video of it."""
    model = "kling/v9" if any_model else T2V
    for name, content in (
        ("a.csv", f"model,prompt,seed\n{model},A,{seed}\n"),
        ("a.jsonl", f'{{"model": "{model}", "prompt": "A", "seed": {seed}}}\n'),
        ("a.yaml", f"- {{model: {model}, prompt: A, matrix: {{seed: [1, {seed}]}}}}\n"),
    ):
        with pytest.raises(Exception, match=r"seed: .* is beyond 9007199254740991"):
            jobs(tmp_path, content, name, any_model=any_model)


@pytest.mark.parametrize("seed", [0, -1, EXACT, -EXACT])
def test_numbers_that_arrive(seed: int, tmp_path: Path) -> None:
    """To the last digit."""
    [job] = jobs(tmp_path, f"model,prompt,seed\n{T2V},A,{seed}\n", "a.csv")
    assert job.request["seed"] == seed


@pytest.mark.parametrize(
    ("cell", "value"), [("8.0", 8), (" 8 ", 8), ("8.", 8), ("8.000", 8), ("+8", 8), ("08", 8), ("8.0 ", 8)]
)
def test_whole_numbers_in_cells(cell: str, value: int, tmp_path: Path) -> None:
    """As spreadsheets and data frames write them."""
    [job] = jobs(tmp_path, f"model,prompt,duration,seed,repeat\n{T2V},A,{cell},{cell},{'1.0'}\n", "a.csv")
    assert (job.request["duration"], job.request["seed"]) == (value, value)
    assert type(job.request["duration"]) is int


@pytest.mark.parametrize("cell", ["8.5", "1e1", "4.2E+12", "0x8", "8,0", "8 0", "eight", "1_000", "٨"])
def test_no_whole_numbers(cell: str, tmp_path: Path) -> None:
    """Nothing is guessed: an exponent means that digits are gone."""
    (tmp_path / "a.csv").write_text(f'model,prompt,seed\n{T2V},A,"{cell}"\n', encoding="utf-8")
    [problem] = problems(tmp_path / "a.csv")
    assert (problem.field, repr(cell) in problem.message) == ("seed", True)


@pytest.mark.parametrize("name", ["a.yaml", "a.jsonl"])
def test_whole_numbers_with_a_point(name: str, tmp_path: Path) -> None:
    """8.0 is 8 and the same job; repeat too."""
    line = f'{{"model": "{T2V}", "prompt": "A", "duration": 8.0, "seed": 42.0, "repeat": 2.0}}\n'
    found = jobs(tmp_path, line if name == "a.jsonl" else f"- {line}", name)
    plain = jobs(tmp_path, line.replace(".0", ""), "b.jsonl")
    assert [job.id for job in found] == [job.id for job in plain]
    assert type(found[0].request["seed"]) is int


@pytest.mark.parametrize("text", NO_TEXTS)
def test_the_trace_of_a_missing_value_is_no_text(text: str, tmp_path: Path) -> None:
    """As a prompt it would be bought."""
    assert is_no_text(text)
    (tmp_path / "a.csv").write_text(f"model,prompt\n{T2V},A\n{T2V},{text}\n", encoding="utf-8")
    [problem] = problems(tmp_path / "a.csv")
    assert (problem.line, problem.field) == (3, "prompt")
    assert problem.suggestion


@pytest.mark.parametrize(
    "text",
    ["None of us", "A nan", "#1", "#sunset", "#Love!", "Nullarbor", "Na na na", "A #REF! sign", "#", "nothing"],
)
def test_texts_that_look_a_little_like_it(text: str) -> None:
    """They are somebody's words."""
    assert is_no_text(text) is (text == "#")


@pytest.mark.parametrize("field", ["negative_prompt", "name", "image_url"])
def test_other_fields_of_text(field: str, tmp_path: Path) -> None:
    """A file named nan, an image named None."""
    (tmp_path / "a.csv").write_text(f"model,prompt,{field}\n{I2V if field == 'image_url' else T2V},A,NaN\n")
    [problem] = problems(tmp_path / "a.csv")
    assert (problem.field, "'NaN' is" in problem.message) == (field, True)


def test_a_template_that_is_filled_with_it(tmp_path: Path) -> None:
    """What comes of it counts."""
    (tmp_path / "a.yaml").write_text(f"- {{model: {T2V}, prompt: '{{a}}', matrix: {{a: [A cat, NaN]}}}}\n")
    [problem] = problems(tmp_path / "a.yaml")
    assert "'NaN' is" in problem.message
