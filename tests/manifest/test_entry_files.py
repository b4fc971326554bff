"""The files that an entry names: lists of prompts, and tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.manifest import Manifests
from tests.helpers.manifests import T2V, jobs, problems


def test_prompts_file(tmp_path: Path) -> None:
    """A line is a template and a place; ``prompt:`` may take it in, literally then."""
    (tmp_path / "lines.txt").write_bytes("\ufeffA {style} cat\r\n\r\n  a dog\n".encode())
    (tmp_path / "braces.txt").write_text("{ a brace\n")
    found = jobs(
        tmp_path,
        f"- {{model: {T2V}, prompts_file: lines.txt, matrix: {{style: [tiny]}}}}\n"
        f"- {{model: {T2V}, prompts_file: braces.txt, prompt: 'Watch {{line}}'}}\n",
    )
    assert [job.request["prompt"] for job in found] == ["A tiny cat", "  a dog", "Watch { a brace"]
    assert [(Path(job.source).name, job.line) for job in found] == [
        ("lines.txt", 1),
        ("lines.txt", 3),
        ("braces.txt", 1),
    ]
    assert {Path(job.manifest).name for job in found} == {"a.yaml"}


def test_problems_of_a_prompts_file(tmp_path: Path) -> None:
    """Each bad line is named, in its own file."""
    (tmp_path / "lines.txt").write_bytes(b"good\nbad {\n{nope}\nbell \x07\n")
    (tmp_path / "a.yaml").write_text(f"- {{model: {T2V}, prompts_file: lines.txt, repeat: 3}}")
    found = problems(tmp_path / "a.yaml")
    assert [(Path(problem.file).name, problem.line) for problem in found] == [
        ("lines.txt", 2),
        ("lines.txt", 3),
        ("lines.txt", 4),
    ]


def test_lines_in_other_fields(tmp_path: Path) -> None:
    """A line may fill an address as well, and is named where that comes out wrong."""
    (tmp_path / "lines.txt").write_text("cat.png\nno such.png\n")
    (tmp_path / "a.yaml").write_text(
        "- model: google/veo-3.1-i2v\n  prompt: 'Move, {line}'\n  prompts_file: lines.txt\n"
        "  image_url: 'https://a.b/{line}'\n  repeat: 2\n"
    )
    [problem] = problems(tmp_path / "a.yaml")
    assert (Path(problem.file).name, problem.line, problem.field) == ("lines.txt", 2, "image_url")


def test_repeated_lines_are_jobs_of_their_own(tmp_path: Path) -> None:
    """The same line twice is two jobs, the second told apart by its number; and a note is made of it."""
    (tmp_path / "lines.txt").write_text("a\nb\na\na\n")
    (tmp_path / "a.yaml").write_text(
        f"- {{model: {T2V}, prompts_file: lines.txt, repeat: 2, name: '{{prompt}}-{{index}}'}}"
    )
    with Manifests([tmp_path / "a.yaml"]) as manifests:
        summary = manifests.check()
        names = [job.name for job in manifests.specs()]
    assert names == ["a-0", "a-1", "b-0", "b-1", "a-0 (2)", "a-1 (2)", "a-0 (3)", "a-1 (3)"]
    assert (summary.jobs, summary.repeated) == (8, 4)
    path = tmp_path / "lines.txt"
    assert summary.first_repeated == f"{path}:3 repeats {path}:1"


def said(folder: Path, file: str, content: str, key: str = "prompts_file") -> list[str]:
    """What is told of an entry that names a file with this content."""
    (folder / file).write_text(content)
    (folder / "a.yaml").write_text(f"- {{model: {T2V}, {key}: {file}}}\n")
    return [f"{problem.message} ({problem.suggestion})" for problem in problems(folder / "a.yaml")]


@pytest.mark.parametrize(
    ("first", "name"),
    [
        ("%PDF-1.4", "PDF"),
        ("{\\rtf1 A cat}", "RTF"),
        ("<!DOCTYPE html>", "HTML"),
        ("<html>", "HTML"),
        ("<?xml version='1.0'?>", "XML"),
        ("WEBVTT", "subtitles"),
    ],
)
def test_another_format_by_its_look(first: str, name: str, tmp_path: Path) -> None:
    """Under the name of a list: it is said once, for the file."""
    [problem] = said(tmp_path, "a.txt", f"{first}\nA cat\n")
    assert f"looks like {name}, not like a list of prompts (save it as plain text" in problem


@pytest.mark.parametrize("line", ["<p>A cat</p>", "</div>", "00:00:01,000 --> 00:00:02,000", "12", "1.5"])
def test_a_line_of_another_format(line: str, tmp_path: Path) -> None:
    """It is a problem of that line alone."""
    [problem] = said(tmp_path, "a.txt", f"A cat\n{line}\n")
    assert "is it a prompt?" in problem
    assert "prompts_format: raw" in problem


def test_a_table_whose_column_is_to_be_the_prompt(tmp_path: Path) -> None:
    """A column is never taken by itself: what fills the prompt is shown, with the columns in their order."""
    [problem] = said(tmp_path, "a.csv", "sku,caption,image\n7,A cat,x\n", "rows_file")
    assert problem.endswith('(write prompt: "{caption}"; the columns are sku, caption, image)')


def test_a_table_that_breaks_off(tmp_path: Path) -> None:
    """What is wrong is told of the table, not of the manifest."""
    (tmp_path / "a.csv").write_text('a,b\n1,2,3\n"x\n')
    (tmp_path / "a.yaml").write_text(f"- {{model: {T2V}, rows_file: a.csv, prompt: '{{a}}'}}\n")
    found = [(problem.file, problem.line) for problem in problems(tmp_path / "a.yaml")]
    assert found == [(str(tmp_path / "a.csv"), 2), (str(tmp_path / "a.csv"), 3)]
