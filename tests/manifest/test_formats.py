"""The file formats: what each of them may look like and what it comes to."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from batchveo.core.errors import ManifestError
from batchveo.manifest import Manifests
from batchveo.manifest.formats import text
from tests.helpers.manifests import T2V, jobs, problems

ONE = {"model": T2V, "prompt": "A cat, and a dog"}
SPELLINGS = {
    "a.yaml": f"jobs:\n- model: {T2V}\n  prompt: A cat, and a dog\n",
    "a.yml": f"- {{model: {T2V}, prompt: 'A cat, and a dog'}}",
    "a.json": json.dumps([ONE]),
    "b.json": json.dumps({"jobs": [ONE]}, indent="\t"),
    "a.jsonl": json.dumps(ONE),
    "a.ndjson": "\ufeff" + json.dumps(ONE) + "\r\n",
    "a.csv": f'model,prompt\r\n{T2V},"A cat, and a dog"\r\n',
    "b.csv": f"\ufeff\nprompt;model\nA cat, and a dog;{T2V}\n;\n",
    "c.csv": f"prompt\tmodel\nA cat, and a dog\t{T2V}\n",
    "a.tsv": f"prompt\tmodel\nA cat, and a dog\t{T2V}",
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_format_says_the_same(name: str, tmp_path: Path) -> None:
    """The same job in any format is the same job."""
    [job] = jobs(tmp_path, SPELLINGS[name], name)
    [other] = jobs(tmp_path, SPELLINGS["a.jsonl"], "z.jsonl")
    assert job.request == ONE
    assert job.id == other.id


@pytest.mark.parametrize("name", SPELLINGS)
def test_standard_input_tells_its_format(name: str) -> None:
    """What comes through a pipe is told by its beginning, and can be read twice."""
    with Manifests(["-"], stdin=io.BytesIO(SPELLINGS[name].encode())) as manifests:
        assert manifests.check().jobs == 1
        [job] = manifests.specs()
    assert (job.source, job.request) == ("<stdin>", ONE)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("16:9", "16:9"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("2024-01-01", "2024-01-01"),
        ("0777", 777),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-7", -7),
        ("True", True),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("1_000", "1_000"),
        ("=", "="),
        ("[a, ~]", ["a", None]),
        ("{a: {b: 1}}", {"a": {"b": 1}}),
    ],
)
def test_yaml_scalars_are_those_of_yaml_1_2(written: str, value: object, tmp_path: Path) -> None:
    """No surprises of YAML 1.1: what looks like text is text."""
    [job] = jobs(tmp_path, f"- model: {T2V}\n  prompt: A\n  meta:\n    x: {written}\n")
    assert job.meta == {"x": value}
    assert type(job.meta["x"]) is type(value)


def test_yaml_anchors_and_merges(tmp_path: Path) -> None:
    """Aliases and ``<<`` work; what a job says itself wins."""
    content = f"- &a {{model: {T2V}, prompt: A, seed: 1}}\n- <<: *a\n  seed: 2\n- <<: [{{seed: 3}}, *a]\n"
    assert [job.request["seed"] for job in jobs(tmp_path, content)] == [1, 2, 3]


def test_yaml_alias_bomb(tmp_path: Path) -> None:
    """A billion laughs are counted, not told."""
    levels = "".join(f"    l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 12))
    path = tmp_path / "a.yaml"
    path.write_text(f"- model: {T2V}\n  prompt: A\n  meta:\n    l0: &l0 [x]\n{levels}")
    [problem] = problems(path)
    assert "more than 100,000 values" in problem.message


def test_one_bad_job_does_not_hide_the_next(tmp_path: Path) -> None:
    """Reading goes on after each of these, and everything is told in one go."""
    path = tmp_path / "a.yaml"
    path.write_text("- prompt: !x y\n- prompt: *z\n- [1]\n- {seed: 1, seed: 2, model: google/veo3, prompt: A}\n")
    assert [problem.line for problem in problems(path)] == [1, 2, 3, 4]


def test_everything_in_one_go(tmp_path: Path) -> None:
    """One job may be wrong in many ways, even where its model is not known."""
    path = tmp_path / "a.yaml"
    path.write_text("- model: nope\n  promt: A\n  repeat: x\n  matrix:\n    a: []\n")
    assert {(problem.line, problem.field) for problem in problems(path)} == {
        (1, "model"),
        (2, "promt"),
        (3, "repeat"),
        (5, "matrix.a"),
    }


def test_defaults_after_jobs(tmp_path: Path) -> None:
    """Where the defaults stand makes no difference."""
    [job] = jobs(tmp_path, f"jobs:\n- prompt: A\ndefaults: {{model: {T2V}, seed: 4}}\n")
    assert job.request == {"model": T2V, "prompt": "A", "seed": 4}


@pytest.mark.parametrize("lead", range(30))
def test_json_surrogate_pairs(lead: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Emoji as ``json.dump`` writes them survive, wherever a piece of the file ends."""
    read = text.YamlText.read
    monkeypatch.setattr(text.YamlText, "read", lambda self, size: read(self, 7))
    prompt = "x" * lead + "🐈\\ud83d\\\\🐕 \"'\n\t/ é"
    [job] = jobs(tmp_path, json.dumps([{"model": T2V, "prompt": prompt}]), "a.json")
    assert job.request["prompt"] == prompt


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


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_endless_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line without an end is not read into memory."""
    monkeypatch.setattr(text, "LINE_LIMIT", 1000)
    (tmp_path / name).write_text("model,prompt\n" + "x" * 5000)
    assert any("longer than" in problem.message for problem in problems(tmp_path / name))


def test_endless_yaml_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One job of a YAML file is bounded, many are not."""
    monkeypatch.setattr(text, "ITEM_LIMIT", 100_000)
    jobs(tmp_path, f"defaults: {{model: {T2V}}}\njobs:\n" + "- prompt: A cat\n" * 20_000)
    (tmp_path / "b.yaml").write_text("- prompt: " + "x" * 300_000)
    [problem] = problems(tmp_path / "b.yaml")
    assert "one job takes more than" in problem.message


def test_files_that_are_none(tmp_path: Path) -> None:
    """A missing file, a folder and a pipe say what they are, all in one go."""
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.yaml").mkdir()
    found = problems(*(tmp_path / name for name in ("no.yaml", "folder.yaml", "pipe.csv")))
    assert [problem.message for problem in found] == [
        "no such file",
        "is a folder",
        "is not a regular file, and has to be read twice",
    ]


def test_hundred_problems_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    """A file that is wrong all over does not fill the memory, or the screen."""
    (tmp_path / "a.jsonl").write_text("".join(f'{{"key{chr(97 + n)}": 1, "model": "x"}}\n' for n in range(250)))
    with Manifests([tmp_path / "a.jsonl"]) as manifests, pytest.raises(ManifestError) as raised:
        list(manifests.specs())
    shown = sum(1 + problem.more for problem in raised.value.problems)
    assert (len(raised.value.problems), raised.value.total) == (100, 750)
    assert f"... and {750 - shown} more" in str(raised.value)
