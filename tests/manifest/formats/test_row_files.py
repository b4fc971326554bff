"""``rows_file``: a job for each row of a table, whose columns fill the templates of the entry."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from batchveo.core.models import JobSpec
from batchveo.manifest import Manifests, ReadOptions
from tests.helpers.manifests import T2V, read, told

I2V = "google/veo-3.1-i2v-fast"
ROWS = [
    {"Product name": "Mug", "image": "https://a.example.org/m.jpg", "sku": "M-1", "seconds": 4, "sound": False},
    {"Product name": "Boots", "image": "https://a.example.org/b.jpg", "sku": "B-2", "seconds": 8, "sound": True},
]
ENTRY = f"""
- rows_file: %s
  model: {I2V}
  prompt: "The {{Product name}} turns slowly"
  name: "{{sku}}"
  image_url: "{{image}}"
  duration: "{{seconds}}"
  generate_audio: "{{sound}}"
  meta: {{sku: "{{sku}}", seconds: "{{seconds}}", all: ["{{sku}}", {{name: "a {{Product name}}"}}]}}
"""


def table(folder: Path, name: str, rows: list[dict[str, object]] | None = None) -> Path:
    """A table of these rows in the format that its name says."""
    rows = ROWS if rows is None else rows
    path = folder / name
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return path
    delimiter = "\t" if path.suffix == ".tsv" else ","
    texts = {
        ".csv": lambda: "\n".join(
            delimiter.join(map(str, line)) for line in [rows[0], *(row.values() for row in rows)]
        ),
        ".jsonl": lambda: "\n".join(map(json.dumps, rows)),
        ".json": lambda: json.dumps(rows, indent=1),
    }
    text = texts[".csv" if path.suffix == ".tsv" else path.suffix]()
    path.write_text(text, encoding="utf-8")
    return path


def of(folder: Path, entry: str) -> list[JobSpec]:
    path = folder / "m.yaml"
    path.write_text(entry, encoding="utf-8")
    return read(path, ReadOptions())


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.json", "t.parquet"])
def test_every_format_fills_the_same_jobs(name: str, tmp_path: Path) -> None:
    """With the types that the models ask for; meta keeps those of the file."""
    table(tmp_path, name)
    found = of(tmp_path, ENTRY % name)
    assert [job.request for job in found] == [
        {
            "model": I2V,
            "prompt": f"The {row['Product name']} turns slowly",
            "image_url": row["image"],
            "duration": row["seconds"],
            "generate_audio": row["sound"],
        }
        for row in ROWS
    ]
    assert [job.name for job in found] == ["M-1", "B-2"]
    seconds = "4" if name.endswith("sv") else 4
    assert found[0].meta == {"sku": "M-1", "seconds": seconds, "all": ["M-1", {"name": "a Mug"}]}
    assert {Path(job.source).name for job in found} == {name}
    assert {Path(job.manifest).name for job in found} == {"m.yaml"}


def test_rows_have_their_lines(tmp_path: Path) -> None:
    """Quoted line breaks and blank rows counted."""
    (tmp_path / "t.csv").write_text('title\n"A\ncat"\n\nA dog\n')
    found = of(tmp_path, f"- {{rows_file: t.csv, model: {T2V}, prompt: 'x {{title}}'}}")
    assert [(job.line, job.request["prompt"]) for job in found] == [(2, "x A\ncat"), (5, "x A dog")]


def test_matrix_and_repeat_multiply(tmp_path: Path) -> None:
    """Row by row; a number of repeats may stand in the table."""
    (tmp_path / "t.csv").write_text("title,takes\nA cat,2\nA dog,\n")
    entry = f"""
- rows_file: t.csv
  model: {T2V}
  prompt: "{{title}}, {{style}}"
  name: "{{row_number}}-{{style}}-{{index}}"
  repeat: "{{takes}}"
  matrix: {{style: [dark, bright]}}
"""
    assert [job.name for job in of(tmp_path, entry)] == [
        "1-dark-0",
        "1-dark-1",
        "1-bright-0",
        "1-bright-1",
        "2-dark-0",
        "2-bright-0",
    ]


def test_an_empty_cell(tmp_path: Path) -> None:
    """Unsets a field that is only its placeholder, and is a problem within a text; NaN is empty too."""
    rows: list[dict[str, object]] = [
        {"t": "A", "s": 8, "n": 1.5},
        {"t": "B", "s": None, "n": float("nan")},
        {"t": "C", "s": 4, "n": 2.5},
    ]
    table(tmp_path, "t.parquet", rows)
    entry = (
        f"- {{rows_file: t.parquet, model: {T2V}, prompt: '{{t}}', seed: '{{row_number}}', duration: '{{s}}', "
        "meta: {n: '{n}'}}"
    )
    found = of(tmp_path, entry)
    assert [job.request.get("duration") for job in found] == [8, None, 4]
    assert [job.meta for job in found] == [{"n": 1.5}, {}, {"n": 2.5}]
    (tmp_path / "t.csv").write_text("t,s\nA,x\nB, \n")
    (tmp_path / "m.yaml").write_text(f"\n- {{rows_file: t.csv, model: {T2V}, prompt: '{{t}} and {{s}}'}}")
    [problem] = told(tmp_path / "m.yaml")
    assert (Path(problem.file).name, problem.line, problem.field) == ("t.csv", 3, "prompt")
    assert "{s}" in problem.message
    assert "m.yaml:2" in problem.message


def test_problems_name_row_entry_and_column(tmp_path: Path) -> None:
    """All of a row's, and those of every row."""
    (tmp_path / "t.csv").write_text("t,s,r\nA,8,720p\nB,5,8k\nC,x,720p\n")
    (tmp_path / "m.yaml").write_text(
        f"- {{rows_file: t.csv, model: {T2V}, prompt: '{{t}}', duration: '{{s}}', resolution: '{{r}}'}}"
    )
    found = told(tmp_path / "m.yaml")
    assert [(Path(problem.file).name, problem.line, problem.field) for problem in found] == [
        ("t.csv", 3, "duration"),
        ("t.csv", 3, "resolution"),
        ("t.csv", 4, "duration"),
    ]
    assert "5 is not among 4, 6, 8 (filled from {s}) for the entry in" in found[0].message
    assert found[0].message.endswith("m.yaml:1")


def test_a_required_field_that_a_row_leaves_empty(tmp_path: Path) -> None:
    """Is missing in that row."""
    (tmp_path / "t.csv").write_text("p,i\nA,https://a.b/c\nB,\n")
    (tmp_path / "m.yaml").write_text(f"- {{rows_file: t.csv, model: {I2V}, prompt: '{{p}}', image_url: '{{i}}'}}")
    [problem] = told(tmp_path / "m.yaml")
    assert (problem.line, problem.field) == (3, "image_url")
    assert "needs it" in problem.message


def test_what_programs_write_for_nothing_is_refused(tmp_path: Path) -> None:
    """In a column that is used; the others are nobody's business."""
    (tmp_path / "t.csv").write_text("p,q\nA,#REF!\n#NAME?,x\n")
    (tmp_path / "m.yaml").write_text(f"- {{rows_file: t.csv, model: {T2V}, prompt: 'see {{p}}'}}")
    [problem] = told(tmp_path / "m.yaml")
    assert problem.line == 3
    assert "'#NAME?'" in problem.message


def test_values_that_only_parquet_has(tmp_path: Path) -> None:
    """Dates and decimals are written out; bytes are refused where they are used."""
    moment = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
    rows: list[dict[str, object]] = [
        {"p": "A", "when": moment, "n": Decimal("8"), "image": {"bytes": b"x", "path": "y"}}
    ]
    table(tmp_path, "t.parquet", rows)
    base = f"rows_file: t.parquet, model: {T2V}, prompt: '{{p}}'"
    [job] = of(tmp_path, f"- {{{base}, duration: '{{n}}', meta: {{when: '{{when}}'}}}}")
    assert job.request["duration"] == 8
    assert str(job.meta["when"]).startswith("2026-11-27T03:00")
    (tmp_path / "m.yaml").write_text(f"- {{{base}, meta: {{i: '{{image}}'}}}}")
    [problem] = told(tmp_path / "m.yaml")
    assert (problem.line, "image.bytes holds bytes" in problem.message) == (1, True)


def test_a_model_that_is_a_list(tmp_path: Path) -> None:
    """Is a problem of the row, not of the program."""
    table(tmp_path, "t.json", [{"p": "A", "m": [T2V]}])
    (tmp_path / "m.yaml").write_text("- {rows_file: t.json, model: '{m}', prompt: '{p}'}")
    [problem] = told(tmp_path / "m.yaml")
    assert "must be text" in problem.message


def test_deep_objects(tmp_path: Path) -> None:
    """Are no way to exhaust the stack."""
    deep = '{"a": ' * 900 + "1" + "}" * 900
    (tmp_path / "t.jsonl").write_text(f'{{"p": "A", "d": {deep}}}\n')
    [job] = of(tmp_path, f"- {{rows_file: t.jsonl, model: {T2V}, prompt: '{{p}}'}}")
    assert job.request["prompt"] == "A"


def test_lists_and_nested_columns(tmp_path: Path) -> None:
    """A list fills a list, also by items; objects are reached by dots."""
    rows: list[dict[str, object]] = [
        {"p": "A", "images": ["https://a.b/1", "https://a.b/2"], "info": {"text": "deep", "extra": None}},
        {"p": "B", "images": ["https://a.b/3"], "info": {"text": "deeper", "extra": "https://a.b/4"}},
    ]
    table(tmp_path, "t.json", rows)
    found = of(
        tmp_path,
        "- model: google/veo-3.1-reference-to-video\n  rows_file: t.json\n  prompt: '{p} {info.text:.4}'\n"
        "  image_urls: ['{images}', '{info.extra}']\n"
        "- {model: google/veo-3.1-reference-to-video, rows_file: t.json, prompt: '{p}', image_urls: '{images}'}\n",
    )
    assert [job.request["image_urls"] for job in found] == [
        ["https://a.b/1", "https://a.b/2"],
        ["https://a.b/3", "https://a.b/4"],
        ["https://a.b/1", "https://a.b/2"],
        ["https://a.b/3"],
    ]
    assert [job.request["prompt"] for job in found[:2]] == ["A deep", "B deep"]
    (tmp_path / "m.yaml").write_text(f"- {{rows_file: t.json, model: {T2V}, prompt: 'x {{images}}'}}")
    assert "is no text" in told(tmp_path / "m.yaml")[0].message


def test_a_row_may_name_its_model_and_id(tmp_path: Path) -> None:
    """Each model by its own rules; an id twice is a clash."""
    (tmp_path / "t.csv").write_text(f"m,p,k,r\n{T2V},A,one,720P\ngoogle/veo3,B,two,720P\n")
    entry = "- {rows_file: t.csv, model: '{m}', prompt: '{p}', id: '{k}', resolution: '{r}'}"
    found = of(tmp_path, entry)
    assert [(job.model, job.request["resolution"]) for job in found] == [(T2V, "720p"), ("google/veo3", "720P")]
    (tmp_path / "t.csv").write_text(f"m,p,k,r\n{T2V},A,one,720P\ngoogle/veo9,B,two,720P\n{T2V},C,one,\n")
    found_problems = told(tmp_path / "m.yaml")
    assert [(problem.line, problem.field) for problem in found_problems] == [(3, "model"), (4, "id")]


def test_odd_and_ambiguous_columns(tmp_path: Path) -> None:
    """Any name may stand in braces; what may mean two things has to be said in full."""
    (tmp_path / "t.csv").write_text("price: €,a.b,x y:z,index\n7,q,r,9\n")
    prompt = "{price: €} {a.b} {x y:z} {x y:z:.1} {row.index}"
    entry = f"- {{rows_file: t.csv, model: {T2V}, prompt: '{prompt}'}}"
    assert of(tmp_path, entry)[0].request["prompt"] == "7 q r r 9"
    for bad, said in [
        ("prompt: '{a.b} {index}'", "count of repeats"),
        ("prompt: '{nope}'", "unknown placeholder {nope}"),
        ("prompt: '{a.b} {nope}'", "unknown placeholder {nope}"),
        ("prompt: '{index}', matrix: {index: [1]}", "cannot be the name"),
        ("prompt: 'A cat'", "no template uses a column"),
        ("prompt: '{a.b}', prompts_file: x.txt", "cannot be combined with prompts_file"),
    ]:
        (tmp_path / "m.yaml").write_text(f"- {{rows_file: t.csv, model: {T2V}, {bad}}}")
        assert said in " ".join(problem.message for problem in told(tmp_path / "m.yaml")), bad


def test_a_variable_of_the_matrix_with_the_name_of_a_column(tmp_path: Path) -> None:
    """Is one or the other, not silently the first; unused columns clash with nothing."""
    (tmp_path / "t.csv").write_text("title,style,duration\nA,old,9\n")
    base = f"rows_file: t.csv, model: {T2V}"
    (tmp_path / "m.yaml").write_text(f"- {{{base}, prompt: '{{title}} {{style}}', matrix: {{style: [new]}}}}")
    assert "{row.style} is the column" in (told(tmp_path / "m.yaml")[0].suggestion or "")
    [job] = of(tmp_path, f"- {{{base}, prompt: '{{title}} {{row.style}} {{s}}', matrix: {{s: [new], duration: [4]}}}}")
    assert (job.request["prompt"], job.request["duration"]) == ("A old new", 4)


def test_a_column_that_stands_twice(tmp_path: Path) -> None:
    """Matters only to who uses it."""
    (tmp_path / "t.csv").write_text("a,b,b,\nx,y,z,\n")
    assert of(tmp_path, f"- {{rows_file: t.csv, model: {T2V}, prompt: '{{a}}'}}")[0].request["prompt"] == "x"
    (tmp_path / "m.yaml").write_text(f"- {{rows_file: t.csv, model: {T2V}, prompt: '{{a}} {{b}}'}}")
    assert "two columns b" in told(tmp_path / "m.yaml")[0].message


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.csv", None, "no such file"),
        ("t.csv", b"", "no header"),
        ("t.csv", b"a,b\n", "holds no rows"),
        ("t.txt", b"a cat\n", "prompts_file"),
        ("t.xlsx", b"PK", "save it as CSV"),
        ("t.csv", "a\nb\n".encode("utf-16"), "UTF-16"),
        ("t.jsonl", b'{"title": "A"}\n{"title": \n', "not valid JSON"),
        ("t.json", b'[{"title": "A"}, {"title" 3}]', "not valid"),
        ("t.parquet", b"PAR1 no", "cannot be read as Parquet"),
        ("t.csv", b"title,b\nA,x\nB\n", "has 1 cell, the header has 2"),
    ],
)
def test_files_that_cannot_be_read(name: str, content: bytes | None, said: str, tmp_path: Path) -> None:
    """One problem that says why, and no false ones of placeholders."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    (tmp_path / "m.yaml").write_text(f"- {{rows_file: {name}, model: {T2V}, prompt: '{{title}}{{a}}'}}")
    if said in {"holds no rows", "has 1 cell, the header has 2", "not valid JSON", "not valid"}:
        column = "a" if said == "holds no rows" else "title"
        (tmp_path / "m.yaml").write_text(f"- {{rows_file: {name}, model: {T2V}, prompt: '{{{column}}}'}}")
    [problem] = told(tmp_path / "m.yaml")
    assert said in f"{problem.message} {problem.suggestion}"


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install."""
    table(tmp_path, "t.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "m.yaml").write_text(ENTRY % "t.parquet")
    [problem] = told(tmp_path / "m.yaml")
    assert "batchveo[parquet]" in (problem.suggestion or "")


def test_json_of_other_shapes(tmp_path: Path) -> None:
    """A mapping of texts has the columns key and value, what stands under a key has it in key."""
    (tmp_path / "t.json").write_text('{"one": "A cat", "two": "A dog"}')
    found = of(tmp_path, f"- {{rows_file: t.json, model: {T2V}, prompt: '{{value}}', name: '{{key}}'}}")
    assert [(job.name, job.request["prompt"]) for job in found] == [("one", "A cat"), ("two", "A dog")]
    (tmp_path / "t.json").write_text('{"x": [{"t": "A"}, {"t": "B"}], "y": {"t": "C"}, "z": ["D"]}')
    found = of(tmp_path, f"- {{rows_file: t.json, model: {T2V}, prompt: '{{key}}', meta: {{t: '{{t}}'}}}}")
    assert [(job.request["prompt"], job.meta) for job in found] == [
        ("x", {"t": "A"}),
        ("x", {"t": "B"}),
        ("y", {"t": "C"}),
        ("z", {}),
    ]


def test_rows_are_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first job is there before the last row is read."""
    with (tmp_path / "t.csv").open("w") as file:
        file.write("title\n" + "A cat\n" * 100_000 + '"open')
    (tmp_path / "m.yaml").write_text(f"- {{rows_file: t.csv, model: {T2V}, prompt: '{{title}}'}}")
    with Manifests([tmp_path / "m.yaml"]) as manifests:
        assert next(iter(manifests.specs())).request["prompt"] == "A cat"


def test_defaults_cannot_hold_it(tmp_path: Path) -> None:
    """It belongs to an entry."""
    (tmp_path / "m.yaml").write_text(f"defaults: {{rows_file: t.csv}}\njobs: [{{model: {T2V}, prompt: A}}]")
    [problem] = told(tmp_path / "m.yaml")
    assert problem.field == "defaults.rows_file"
