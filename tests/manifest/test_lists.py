"""Lists of prompts and tables beside a manifest: what is not one, and what is to be written for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.manifests import T2V, problems


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
