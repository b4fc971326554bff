"""What the columns of somebody's table mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.errors import UsageError
from batchveo.operations.table_columns import Table, find_source
from batchveo.provider.catalog import MODELS


def read_table(folder: Path, content: str, name: str = "t.csv") -> Table:
    (folder / name).write_text(content, encoding="utf-8")
    found = find_source(folder / name)
    assert isinstance(found, Table)
    return found


@pytest.mark.parametrize(
    ("header", "field", "expected"),
    [
        ("prompt,caption", "prompt", ["prompt", "caption"]),
        ("Description,Video Prompt", "prompt", ["Video Prompt", "Description"]),
        ("sku,picture", "image_url", ["picture"]),
        ("sku,colour", "prompt", []),
    ],
)
def test_the_surest_column_comes_first(header: str, field: str, expected: list[str], tmp_path: Path) -> None:
    """By its own name, then by a name with that word in it, then by what others call it."""
    table = read_table(tmp_path, f"{header}\na,b\n")
    assert [column.name for column in table.find_meaning(field)] == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("title,sku\nMug,M1\nMug,M2\n", "sku"),
        ("title,sku\nMug,M1\nBoot,\n", "title"),
        ("title,sku\nMug,m1\nmug,M1\n", None),
        ("title,name\nMug,a\nBoot,a\n", "name"),
        (f"title\n{'long ' * 20}\n", None),
        ("id,title\n1,a\n2,b\n", "id"),
    ],
)
def test_rows_are_named_by_a_column_that_tells_them_apart(content: str, expected: str | None, tmp_path: Path) -> None:
    """Also in file systems that know no case; one that is called name is taken as it is."""
    found = read_table(tmp_path, content).find_name()
    assert (found and found.name) == expected


def test_a_column_says_what_is_in_it(tmp_path: Path) -> None:
    """In each format; a column that no placeholder can name is left out."""
    table = read_table(tmp_path, "a,b,a,c{1}\n ,2,3,4\n5,2,7,8\n")
    assert table.left_out == ["a", "c{1}"]
    (column,) = table.columns.values()
    assert (column.name, column.example, column.is_full, column.is_distinct) == ("b", "2", True, False)
    lines = read_table(tmp_path, '{"x": {"y": 1}}\n{"z": null}\n', "t.jsonl")
    assert lines.columns["x.y"].example == "1"
    assert not lines.columns["z"].is_full


@pytest.mark.parametrize(
    ("column", "hole"),
    [("title", "{title}"), ("Price (EUR)", "{Price (EUR)}"), ("prompt", "{row.prompt}"), ("meta.a", "{row.meta.a}")],
)
def test_the_placeholder_of_a_column(column: str, hole: str, tmp_path: Path) -> None:
    """With ``row.`` if the name may mean something else."""
    assert read_table(tmp_path, f"{column}\nx\n").columns[column].hole == hole


def test_models_and_images_are_those_of_each_row(tmp_path: Path) -> None:
    """A column that is empty in one row is not for all of them."""
    both = read_table(tmp_path, "model,image\nveo2,x.png\ngoogle/veo3,y.png\n")
    assert both.has_models(MODELS)
    assert both.has_images
    some = read_table(tmp_path, "model,image,n\nveo2,x.png,1\n,,2\n")
    assert not some.has_models(MODELS)
    assert not some.has_images
    assert not read_table(tmp_path, "model\nT-800\n").has_models(MODELS)  # of another kind


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.csv", None, "no such file"),
        ("m.yaml", "jobs: []", "is a manifest already"),
        ("t.csv", "a,b\n", "holds no rows"),
        ("t.csv", "a,b\n1,2,3\n", "t.csv:2: has 3 cells"),
        ("t.csv", "{a}\n1\n", "no column has a name"),
        ("t.docx", "x", "is no table"),
        ("t.csv", "a\0b", "not a text file"),
    ],
)
def test_what_is_no_source_is_refused(name: str, content: str | None, message: str, tmp_path: Path) -> None:
    """With the file and the reason."""
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        find_source(tmp_path / name)
