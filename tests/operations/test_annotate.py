"""Tables of other tools become scores; all that is wrong in one is reported at once, and then nothing is written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from batchveo.core.errors import ManifestError, UsageError
from batchveo.core.gates import CheckPolicy
from batchveo.core.measures import CheckLevel, Measures
from batchveo.core.models import JobState
from batchveo.operations.annotate import Annotated, annotate_clips
from batchveo.store import Store
from tests.helpers.finished_jobs import Morning
from tests.helpers.store_rows import set_policy


@pytest.fixture
def morning(tmp_path: Path) -> Morning:
    morning = Morning(tmp_path)
    for name in "abc":
        morning.make(name)
    return morning


def write(morning: Morning, name: str, content: str | list[dict[str, Any]], *, encoding: str = "utf-8") -> Path:
    path = morning.folder / name
    if isinstance(content, str):
        path.write_text(content, encoding=encoding, newline="")
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(content), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in content), encoding=encoding)
    return path


def annotate(morning: Morning, path: Path, on: str = "name", **changes: Any) -> Annotated:
    with morning.store() as store:
        return annotate_clips(store, path, on=on, **changes)


def read_scores(morning: Morning) -> dict[str, dict[str, object]]:
    with morning.store(writing=False) as store:
        return {job.name: dict(store.facts.read_scores(job)) for job in store.jobs(JobState.SUCCEEDED)}


def list_problems(morning: Morning, path: Path, on: str = "name", **changes: Any) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        annotate(morning, path, on, **changes)
    assert read_scores(morning) == {"a": {}, "b": {}, "c": {}}
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


ROWS = [
    {"name": "a", "motion": 0.25, "label": "a dog, running", "count": 3, "good": True},
    {"name": "b", "motion": 4, "label": 'says "hi"', "count": None, "good": False},
]
SCORES: dict[str, dict[str, object]] = {
    "a": {"vbench.motion": 0.25, "vbench.label": "a dog, running", "vbench.count": 3, "vbench.good": True},
    "b": {"vbench.motion": 4, "vbench.label": 'says "hi"', "vbench.good": False},
    "c": {},
}
CSV = 'name,motion,label,count,good\na,0.25,"a dog, running",3,true\nb,4,"says ""hi""",,FALSE\n'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vbench.csv", CSV),
        ("vbench.csv", "\ufeff" + CSV.replace("\n", "\r\n")),
        ("vbench.csv", CSV.replace(",", ";").replace("dog;", "dog,")),
        ("vbench.tsv", CSV.replace(",", "\t").replace("dog\t", "dog,")),
        ("vbench.jsonl", ROWS),
        ("vbench.ndjson", [*ROWS, {"name": "c"}]),
        ("vbench.parquet", ROWS),
        ("vbench.json", json.dumps(ROWS)),
    ],
)
def test_every_format_gives_the_same_scores(name: str, content: Any, morning: Morning) -> None:
    result = annotate(morning, write(morning, name, content))
    assert read_scores(morning) == SCORES
    assert (result.clips, result.skipped) == (2, 0)
    assert result.names["vbench.motion"] == 2


def test_names_of_scores(morning: Morning) -> None:
    """The file's name before them, or another one; a column with a dot, and an object, stay as they are."""
    rows = [{"name": "a", "aesthetic": 5, "clip.score": 0.3, "vbench": {"motion": 1, "deep": {"x": 2}}, "prompt": "p"}]
    annotate(morning, write(morning, "my scores.jsonl", rows))
    given = {"my_scores.aesthetic": 5, "clip.score": 0.3, "vbench.motion": 1, "vbench.deep.x": 2}
    assert read_scores(morning)["a"] == given
    annotate(morning, write(morning, "t.jsonl", rows), source="laion", columns=["aesthetic", "prompt"])
    assert read_scores(morning)["a"] == {**given, "laion.aesthetic": 5, "laion.prompt": "p"}


def test_clips_by_id_and_by_file(morning: Morning) -> None:
    first, second, third = morning.jobs()
    annotate(morning, write(morning, "i.csv", f"id,x\n{first.id},1\n"), "id")
    paths = f"video_path,x\n{morning.videos}/a.mp4,1\nelsewhere/b.mp4,2\nc.mp4,3\n"
    annotate(morning, write(morning, "f.csv", paths), "file")
    annotate(morning, write(morning, "g.csv", f"clip,x\n{second.id},1\n"), "id=clip")
    assert read_scores(morning) == {"a": {"i.x": 1, "f.x": 1}, "b": {"f.x": 2, "g.x": 1}, "c": {"f.x": 3}}
    assert third.id


def test_all_problems_are_told_at_once(morning: Morning) -> None:
    rows: list[dict[str, Any]] = [
        {"name": "a", "x": 1},
        {"name": "nobody", "x": 1},
        {"name": "b", "x": [1, 2]},
        {"name": "a", "x": 2},
        {"x": 2},
        {"name": ["c"], "x": 2},
        {"name": "c", "x": "y" * 30_000},
    ]
    path = write(morning, "s.jsonl", rows)
    with path.open("a") as file:
        file.write('{"name": "c", "x": NaN}\nname: c\n')
    assert list_problems(morning, path) == [
        "2: no finished clip has the name 'nobody' (--skip-unknown leaves such rows out)",
        "3: x is a list, neither a number nor a text",
        "4: the clip of line 1 again (keep one row for each clip)",
        "5: name is empty, or no text (each row names its clip)",
        "6: name is empty, or no text (each row names its clip)",
        "7: x is a text of more than 20,000 characters",
        "8: NaN is not a finite number",
        "9: not valid JSON: Expecting value (column 1) (each line is a JSON object of its own)",
    ]


def test_unknown_rows_may_be_left_out(morning: Morning) -> None:
    path = write(morning, "s.csv", "name,x\nnobody,1\na,2\nnobody else,3\n")
    assert len(list_problems(morning, path)) == 2
    result = annotate(morning, path, skip_unknown=True)
    assert (result.clips, result.skipped) == (1, 2)
    assert read_scores(morning)["a"] == {"s.x": 2}
    path = write(morning, "t.csv", "name,x\nnobody,1\na,2\na,3\n")
    with pytest.raises(ManifestError, match="line 3 again"):
        annotate(morning, path, skip_unknown=True)


def test_a_name_of_two_clips_and_a_file_of_two_folders(morning: Morning) -> None:
    with morning.store() as store:
        store.connection.db.execute("UPDATE jobs SET name = 'a' WHERE name = 'b'")
        store.connection.db.execute("UPDATE jobs SET file = 'sub/a.mp4' WHERE file = 'b.mp4'")
    path = write(morning, "s.csv", "name,file,x\na,a.mp4,1\n")
    with pytest.raises(ManifestError, match=r"s\.csv:2: 'a' is the name of 2 clips \(use --on id\)"):
        annotate(morning, path)
    with pytest.raises(ManifestError, match=r"s\.csv:2: 'a\.mp4' is the file of 2 clips"):
        annotate(morning, path, "file")
    annotate(morning, write(morning, "s.csv", "file,x\nsub/a.mp4,1\n"), "file")
    with morning.store() as store:
        assert [store.facts.read_scores(job) for job in store.jobs()] == [{}, {"s.x": 1}, {}]


@pytest.mark.parametrize(("column", "words"), [("xs", "did you mean x?"), ("score", "it has name, x")])
def test_a_column_that_is_not_there_is_said(morning: Morning, column: str, words: str) -> None:
    path = write(morning, "s.csv", "name,x\na,1\n")
    with pytest.raises(UsageError, match=re.escape(f"has no column {column} ({words})")):
        annotate(morning, path, columns=[column])


@pytest.mark.parametrize(
    ("name", "content", "on", "words"),
    [
        ("s.csv", "nam,x\na,1\n", "name", r"has no column name \(did you mean nam\?\); --on name=COLUMN"),
        ("s.csv", "name,x\na,1\n", "name=nome", "has no column nome"),
        ("s.csv", "name,x\na,1\n", "seed", "--on seed: id, name or file"),
        ("s.csv", "name,prompt\na,1\n", "name", "has no column of scores beside name"),
        ("motion.csv", "name,x\na,1\n", "name", "motion is the name of a field.*--as NAME gives another"),
        ("s.csv", "name,x,x\na,1,2\n", "name", "has two columns x"),
        ("s.csv", "", "name", "holds no header"),
        ("s.csv", "name,x\na,1,2\n", "name", "s.csv:2: has 3 cells, the header has 2"),
        ("s.xlsx", "name,x\n", "name", "is no table"),
        ("s.csv", "name,meta.x\na,1\n", "name", "meta is the name of a field"),
        ("s.parquet", "nothing", "name", "cannot be read as Parquet"),
    ],
)
def test_tables_that_cannot_be_used(name: str, content: str, on: str, words: str, morning: Morning) -> None:
    with pytest.raises(UsageError, match=words):
        annotate(morning, write(morning, name, content), on)
    assert read_scores(morning) == {"a": {}, "b": {}, "c": {}}


def test_a_file_that_is_not_there(morning: Morning) -> None:
    with pytest.raises(UsageError, match="no such file"):
        annotate(morning, morning.folder / "s.csv")


def test_open_verdicts_are_decided(morning: Morning) -> None:
    with morning.store() as store:
        jobs = list(store.jobs())
        set_policy(store, jobs, CheckPolicy(gates=("laion.score >= 5",)))
        for job in jobs:
            store.facts.record_measures(job, Measures(level=CheckLevel.BASIC, frames=9), now=1.0)
    result = annotate(morning, write(morning, "laion.csv", "name,score\na,4\nb,6\n"))
    assert (dict(result.judged.rejected), result.judged.accepted) == ({"laion.score >= 5": 1}, 1)
    assert [job.verdict for job in morning.jobs()] == ["rejected", "accepted", "open"]


def test_many_rows_take_little_memory(tmp_path: Path) -> None:
    """A table of which nearly all rows are of no clip here: each is looked at twice, and none is kept."""
    import tracemalloc

    morning = Morning(tmp_path)
    morning.make("a")
    path = tmp_path / "s.csv"
    with path.open("w") as file:
        file.write("name,x\na,1\n")
        file.writelines(f"job {n},{n}\n" for n in range(20_000))
    tracemalloc.start()
    try:
        result = annotate(morning, path, skip_unknown=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (result.clips, result.skipped) == (1, 20_000)
    assert peak < 2_000_000


def test_a_database_without_clips(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("name,x\na,1\n")
    with Store(tmp_path / "b.db") as store, pytest.raises(ManifestError, match="no finished clip"):
        annotate_clips(store, path, on="name")


def test_a_row_that_cannot_be_read_is_no_missing_column(morning: Morning) -> None:
    """Python writes NaN into JSON, which has none."""
    path = write(morning, "t.jsonl", '{"name": "a", "score": NaN}\n')
    [problem] = list_problems(morning, path)
    assert problem.startswith("1: ")
    assert "NaN" in problem
