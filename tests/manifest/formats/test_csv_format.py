"""CSV as spreadsheets and data frames write it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from batchveo.core.errors import ManifestError
from batchveo.manifest import Manifests
from batchveo.manifest.read_options import Extra, ReadOptions
from tests.helpers.manifests import T2V, jobs, problems, read, told


@pytest.mark.parametrize(
    "header",
    [
        "Model,Prompt,DURATION,Meta.Sku",
        " model , PROMPT\t,Duration ,META. Sku",
        '\ufeff"model","prompt\u200b","duration","meta.Sku"',
    ],
)
def test_names_in_any_case(header: str, tmp_path: Path) -> None:
    """Blanks and invisible marks around them make no difference; what is carried along keeps its case."""
    [job] = jobs(tmp_path, f"{header}\n{T2V},A,8,x\n", "a.csv")
    assert job.request == {"model": T2V, "prompt": "A", "duration": 8}
    assert job.meta == {"Sku": "x"}


def test_two_spellings_of_one_name(tmp_path: Path) -> None:
    """Which of them was meant nobody knows."""
    (tmp_path / "a.csv").write_text(f"model,prompt,Prompt\n{T2V},A,B\n")
    [problem] = problems(tmp_path / "a.csv")
    assert (problem.line, problem.field) == (1, "Prompt")
    assert "column 2 and in column 3" in problem.message


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "sep=;;;"])
def test_a_spreadsheets_word_for_its_separator(first: str, tmp_path: Path) -> None:
    """It is no row, and it is what tells the cells apart."""
    content = (
        f"{first}\r\nmodel;prompt, in words;meta.a\r\n".replace("prompt, in words", "prompt") + f"{T2V};A, b, c;1\r\n"
    )
    [job] = jobs(tmp_path, content, "a.csv")
    assert (job.request["prompt"], job.line) == ("A, b, c", 3)
    with Manifests(["-"], stdin=io.BytesIO(content.encode())) as manifests:
        assert manifests.check().jobs == 1


def test_any_separator_that_is_named(tmp_path: Path) -> None:
    """Also one that is not tried without its being named."""
    [job] = jobs(tmp_path, f"\nsep=|\n\nmodel|prompt\n{T2V}|A, b; c\n", "a.csv")
    assert (job.request["prompt"], job.line) == ("A, b; c", 5)


@pytest.mark.parametrize(
    "content",
    [
        f"model,prompt,,\n{T2V},A,,\n{T2V},B, ,\n",
        f"model,prompt\n{T2V},A,,\n{T2V},B,\n",
        f",model,prompt\n0,{T2V},A\n1,{T2V},B\n",
        f",model,prompt\n1,{T2V},A\n2,{T2V},B\n",
        f"model,,prompt\n{T2V},,A\n{T2V},,B\n",
    ],
)
def test_columns_without_a_name_that_say_nothing(content: str, tmp_path: Path) -> None:
    """The right edge of a spreadsheet, and the index of a data frame."""
    assert [job.request["prompt"] for job in jobs(tmp_path, content, "a.csv")] == ["A", "B"]


@pytest.mark.parametrize(
    ("content", "cell", "line"),
    [
        (f"model,prompt,,\n{T2V},A,,\n{T2V},B,,note\n{T2V},B,,more\n", "column 4 has no name, and 'note'", 3),
        (f",model,prompt\n0,{T2V},A\n2,{T2V},B\n", "column 1 has no name, and '2'", 3),
        (f",model,prompt\n7,{T2V},A\n", "column 1 has no name, and '7'", 2),
        (f"model,prompt,\n{T2V},A,0\n{T2V},A,1\n", "column 3 has no name, and '0'", 2),
    ],
)
def test_columns_without_a_name_that_say_something(content: str, cell: str, line: int, tmp_path: Path) -> None:
    """They are told once, with what is in them."""
    (tmp_path / "a.csv").write_text(content)
    [problem] = problems(tmp_path / "a.csv")
    assert (problem.line, problem.message) == (1, f"{cell} in line {line}")


def test_cells_beyond_the_header(tmp_path: Path) -> None:
    """Only where one of them is not empty."""
    (tmp_path / "a.csv").write_text(f"model,prompt\n{T2V},A,,x\n")
    [problem] = problems(tmp_path / "a.csv")
    assert "has 4 cells, the header has 2" in problem.message


def test_all_faults_of_a_header_at_once(tmp_path: Path) -> None:
    """With what is missing, and what is wrong in the rows."""
    (tmp_path / "a.csv").write_text("sku,duration\nx,5\n")
    assert [(problem.line, problem.field) for problem in problems(tmp_path / "a.csv")] == [
        (1, "sku"),
        (1, "model"),
        (1, "prompt"),
    ]
    (tmp_path / "b.csv").write_text(f"model,caption,duration\n{T2V},A,5\n{T2V},A,9\n")
    assert [(problem.line, problem.field) for problem in problems(tmp_path / "b.csv")] == [
        (1, "caption"),
        (2, "duration"),
        (3, "duration"),
    ]


def test_what_was_meant_is_not_missing_too(tmp_path: Path) -> None:
    """A column in other words is suggested, never taken in silence."""
    (tmp_path / "a.csv").write_text(f"modle,Prompt text\n{T2V},A\n")
    found = problems(tmp_path / "a.csv")
    assert [problem.field for problem in found] == ["modle", "Prompt text"]
    assert [
        "did you mean model?" in str(found[0].suggestion),
        "did you mean prompt?" in str(found[1].suggestion),
    ] == [
        True,
        True,
    ]


def test_other_columns_can_be_carried_along(tmp_path: Path) -> None:
    """Which is told for each of them."""
    (tmp_path / "a.csv").write_text(f"model,prompt,sku\n{T2V},A,7\n")
    [problem] = problems(tmp_path / "a.csv")
    assert problem.suggestion == "write meta.sku to carry it along, or --extra meta|ignore"


def test_a_row_of_ignored_columns_alone_is_a_row(tmp_path: Path) -> None:
    """Its prompt is missing, and the row is not left out without a word; a row without anything is."""
    path = tmp_path / "a.csv"
    path.write_text(f"model,prompt,sku\n{T2V},A,7\n,,8\n, ,\n")
    options = ReadOptions(sets={"model": T2V}, extra=Extra.IGNORE)
    with Manifests([path], options=options) as manifests, pytest.raises(ManifestError) as raised:
        manifests.check()
    [problem] = raised.value.problems
    assert (problem.line, problem.field) == (3, "prompt")


def test_csv_cells_are_typed_by_their_parameter(tmp_path: Path) -> None:
    """Numbers, booleans, lists, templates and carried columns; an empty cell is unset."""
    [job] = jobs(
        tmp_path,
        "model,prompt,generate_audio,image_urls,duration,seed,meta.split,meta.n,name\n"
        "google/veo-3.1-reference-to-video,12,No,https://a.b/1|https://a.b/2 ,8,,train,1,"
        "{meta.split}-{duration}\n",
        "a.csv",
    )
    assert job.request == {
        "model": "google/veo-3.1-reference-to-video",
        "prompt": "12",
        "generate_audio": False,
        "image_urls": ["https://a.b/1", "https://a.b/2"],
        "duration": 8,
    }
    assert job.meta == {"split": "train", "n": "1"}
    assert job.name == "train-8"


def test_csv_lines_are_counted_over_quoted_breaks(tmp_path: Path) -> None:
    """A row stands on the line it begins on."""
    found = jobs(tmp_path, f'\nmodel,prompt\n{T2V},"a\nb\n\nc"\n\n{T2V},d\n', "a.csv")
    assert [(job.line, job.request["prompt"]) for job in found] == [(3, "a\nb\n\nc"), (8, "d")]


def test_a_table_for_a_model_that_needs_no_prompt(tmp_path: Path) -> None:
    """The first row shows it, or the command; a row of another model that needs one is a problem of its own."""
    url = "https://a.example/1.png"
    model = "kling-video/v1/pro/image-to-video"
    [job] = jobs(tmp_path, f"model,image_url\n{model},{url}\n", "a.csv")
    assert job.request == {"model": model, "image_url": url}
    path = tmp_path / "a.csv"
    path.write_text(f"image_url\n{url}\n")
    [job] = read(path, ReadOptions(sets={"model": model}))
    assert job.request == {"model": model, "image_url": url}
    path.write_text(f"model,image_url\n{model},{url}\ngoogle/veo-3.1-i2v,{url}\n")
    [problem] = told(path)
    assert (problem.line, problem.field) == (3, "prompt")
    path.write_text(f"model,image_url\ngoogle/veo-3.1-i2v,{url}\n")
    [problem] = told(path)
    assert (problem.line, problem.message) == (1, "the header has no column prompt or prompts_file")
    assert "`batchveo init FILE` writes a manifest" in (problem.suggestion or "")
