"""Lists of prompts: as a manifest of their own, named by ``prompts_file``, and lines that are hardly prompts."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from batchveo.core.errors import ManifestError
from batchveo.manifest import Manifests, ReadOptions
from batchveo.manifest.formats.prompts import find_doubt
from tests.helpers.manifests import T2V, jobs, read, told

GIVEN = ReadOptions(sets={"model": T2V})
RAW = ReadOptions(sets={"model": T2V, "prompts_format": "raw"})


def test_a_text_file_is_a_manifest(tmp_path: Path) -> None:
    """A job for each line, and the options that any manifest takes."""
    path = tmp_path / "p.txt"
    path.write_bytes("\ufeffA cat\r\n\r\nA {index} dog\r\n".encode())
    options = ReadOptions(sets={"model": T2V, "repeat": "2", "seed": "{index}", "name": "{line_number:03d}-{index}"})
    found = read(path, options)
    assert [(job.name, job.request["prompt"], job.request["seed"], job.line) for job in found] == [
        ("001-0", "A cat", 0, 1),
        ("001-1", "A cat", 1, 1),
        ("003-0", "A 0 dog", 0, 3),
        ("003-1", "A 1 dog", 1, 3),
    ]
    assert {(job.manifest, job.source) for job in found} == {(str(path), str(path))}
    again = read(path, ReadOptions(sets={"model": T2V, "prompt": "{line}, cinematic", "name": "{line:.5}"}))
    assert [(job.name, job.request["prompt"]) for job in again] == [
        ("A cat", "A cat, cinematic"),
        ("A {in", "A {index} dog, cinematic"),
    ]


def test_it_comes_to_the_jobs_of_a_prompts_file(tmp_path: Path) -> None:
    """With the same ids."""
    (tmp_path / "p.txt").write_text("A cat\nA dog\n")
    listed = jobs(tmp_path, f"- {{model: {T2V}, prompts_file: p.txt}}")
    assert [job.id for job in read(tmp_path / "p.txt", GIVEN)] == [job.id for job in listed]


def test_without_a_model_one_problem_shows_the_command(tmp_path: Path) -> None:
    """However many lines there are."""
    path = tmp_path / "my prompts.txt"
    path.write_text("A cat\n" * 99)
    [problem] = told(path)
    assert problem.field == "model"
    assert f"batchveo run '{path}' --set model=google/veo" in (problem.suggestion or "")


@pytest.mark.parametrize(
    "first", ["A cat, a dog and a mouse", "cat", "一只猫", "In Paris; at night", "A cat: the movie is on"]
)
def test_standard_input_may_be_a_list(first: str) -> None:
    """Told by a first line with which no other format begins; it is read twice."""
    stream = io.BytesIO(f"{first}\nA dog\n".encode())
    with Manifests(["-"], options=GIVEN, stdin=stream) as manifests:
        assert manifests.check().jobs == 2
        assert [job.request["prompt"] for job in manifests.specs()] == [first, "A dog"]


@pytest.mark.parametrize(
    "content",
    [
        f"prompt,model\nA cat,{T2V}\n",
        f"Prompt;Model;meta.Product name\nA cat;{T2V};x\n",
        f"- {{model: {T2V}, prompt: A}}\n",
    ],
)
def test_other_formats_of_standard_input_are_no_lists(content: str) -> None:
    """No header and no YAML is bought as a prompt."""
    with Manifests(["-"], options=GIVEN, stdin=io.BytesIO(content.encode())) as manifests:
        assert manifests.check().jobs == 1


DOUBTFUL = [
    "# my shots",
    "#my shots",
    "// night",
    "; night",
    "<!-- night -->",
    "1. A dragon",
    "12) A dragon",
    "(3) A dragon",
    "[4] A dragon",
    "a) A dragon",
    "- A city",
    "* A city",
    "• A city",
    "> A city",
    "----",
    "=====",
    "***",
    "- - -",
    "negative: blurry",
    "Negative prompt: blurry",
    "prompt: A cat",
    '"prompt": "A cat"',
    "duration = 8",
    "prompt",
    "Caption",
    '"A cat"',
    "“A cat”",
    "'A cat'",
    '"A cat",',
    "A cat,",
    "1\tA cat",
    "A cat\t8",
    '{"prompt": "A cat"}',
    '["A cat",',
    "A cat --ar 16:9",
    "A cat --no text",
]
GOOD = [
    "A cat, a dog",
    "12:30 pm at the station",
    "3D render of a fox",
    "4k, a fox",
    "24 fps film of rain",
    "A. Smith walks home",
    "Slow motion: a drop falls",
    "Close-up: a bee",
    "Camera: slow pan over a lake",
    "In Tokyo, 2045: neon",
    "a -- b",
    "wind--swept hills",
    "...and then the sea",
    "'Twas the night before",
    "'Hello' and 'bye'",
    "“Hello,” she says, “run”",
    'A sign that says "open"',
    "{style} cat",
    "[cinematic] a cat",
    "(masterpiece:1.2), a cat",
    "🦊",
    "?",
    "5 cats",
    "C# written on a wall",
    "一只猫，电影感",
    "portrait",
    "Scene",
]


@pytest.mark.parametrize("line", DOUBTFUL)
def test_doubtful_lines_are_problems(line: str, tmp_path: Path) -> None:
    """With their line and what would make them prompts; raw they are prompts as they stand."""
    path = tmp_path / "p.txt"
    path.write_text(f"A fox\n{line}\nA hen\n")
    [problem] = told(path, GIVEN)
    assert (problem.line, problem.field) == (2, "prompt")
    assert "--set prompts_format=raw" in (problem.suggestion or "")
    assert [job.request["prompt"] for job in read(path, RAW)] == ["A fox", line, "A hen"]


@pytest.mark.parametrize("line", GOOD)
def test_other_lines_are_none(line: str) -> None:
    """Nobody is asked about a prompt that looks like one."""
    assert find_doubt(line) is None


def test_many_doubtful_lines_are_few_problems(tmp_path: Path) -> None:
    """One kind is told in a few words, each kind by itself."""
    (tmp_path / "p.txt").write_text("# one\n" + "".join(f"{n}. A cat\n" for n in range(300)))
    (tmp_path / "a.yaml").write_text(f"- {{model: {T2V}, prompts_file: p.txt}}")
    with Manifests([tmp_path / "a.yaml"]) as manifests, pytest.raises(ManifestError) as raised:
        manifests.check()
    assert raised.value.total == 301
    assert len(raised.value.problems) < 10
    assert "or with prompts_format: raw" in (raised.value.problems[0].suggestion or "")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("shots.csv", "prompt\nA cat\n", "name it as the manifest, or as rows_file"),
        ("shots.json", '["A cat"]', "name it as the manifest"),
        ("shots.yaml", "- prompt: A\n", "manifest of its own"),
        ("p.txt", '[\n"A cat",\n"A dog"\n]\n', "looks like JSON"),
        ("p.txt", '["A cat", "A dog"]\n', "looks like JSON"),
        ("p.txt", '{"a": "A cat"}\n', "looks like JSON"),
        ("p.txt", "name,prompt\none,A cat\n", "columns name, prompt"),
        ("p.txt", "id\tcaption\n1\tA cat\n", "columns id, caption"),
        ("p", "A cat\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_files_of_other_formats(name: str, content: str | bytes, said: str, tmp_path: Path) -> None:
    """One problem for the file, by its name or its look."""
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "m.yaml").write_text(f"- {{model: {T2V}, prompts_file: {name}}}")
    [problem] = told(tmp_path / "m.yaml")
    assert said in f"{problem.message} {problem.suggestion}"


@pytest.mark.parametrize("first", ["fox, snow, scene", "portrait, film grain, golden hour", "cat | time | rain"])
def test_a_first_line_of_short_words_is_no_header(first: str, tmp_path: Path) -> None:
    """One word that some call a column so is not enough."""
    (tmp_path / "p.txt").write_text(f"{first}\nA dog\n")
    assert read(tmp_path / "p.txt", GIVEN)[0].request["prompt"] == first


def test_raw_lines_are_no_templates(tmp_path: Path) -> None:
    """Braces stay; the format is a default too, and one of two words."""
    (tmp_path / "p.txt").write_text("- {a} {\n")
    for entry in ("defaults: {prompts_format: raw}\njobs:\n- ", "- prompts_format: raw\n  "):
        [job] = jobs(
            tmp_path,
            f"{entry}{{model: {T2V}, prompts_file: p.txt}}"
            if "defaults" in entry
            else f"{entry}model: {T2V}\n  prompts_file: p.txt",
        )
        assert job.request["prompt"] == "- {a} {"
    (tmp_path / "a.yaml").write_text(f"- {{model: {T2V}, prompts_file: p.txt, prompts_format: none}}")
    assert told(tmp_path / "a.yaml")[0].field == "prompts_format"
    (tmp_path / "a.yaml").write_text(f"- {{model: {T2V}, prompt: A, prompts_format: raw, names_file: p.txt}}")
    assert [problem.field for problem in told(tmp_path / "a.yaml")] == ["names_file", "prompts_format"]


def test_names_of_their_own(tmp_path: Path) -> None:
    """A second list, line for line; equal prompts need no numbers then."""
    (tmp_path / "p.txt").write_text("A cat\n\nA cat\nA dog\n")
    (tmp_path / "n.txt").write_text("one\ntwo\n\n three\n")
    base = f"model: {T2V}, prompts_file: p.txt, names_file: n.txt"
    assert [job.name for job in jobs(tmp_path, f"- {{{base}}}")] == ["one", "two", "three"]
    found = jobs(tmp_path, f"- {{{base}, name: '{{name_line}}-{{index}}', repeat: 2}}")
    assert [job.name for job in found] == ["one-0", "one-1", "two-0", "two-1", "three-0", "three-1"]
    for entry, said in [
        (f"- {{{base}, repeat: 2}}", "{name_line}-{index}"),
        (f"- {{{base}, name: x}}", "{name_line}"),
    ]:
        (tmp_path / "a.yaml").write_text(entry)
        assert said in (told(tmp_path / "a.yaml")[0].suggestion or "")


@pytest.mark.parametrize("names", ["one\n", "one\ntwo\nthree\n", None, ""])
def test_names_have_to_fit(names: str | None, tmp_path: Path) -> None:
    """As many as prompts, in a file that is there."""
    (tmp_path / "p.txt").write_text("A cat\nA dog\n")
    if names is not None:
        (tmp_path / "n.txt").write_text(names)
    (tmp_path / "a.yaml").write_text(f"\n- {{model: {T2V}, prompts_file: p.txt, names_file: n.txt}}")
    [problem] = told(tmp_path / "a.yaml")
    assert (problem.line, problem.field) == (2, "names_file")
    counted = 0 if not names else names.count("\n")
    assert ("no such file" if names is None else f"{counted} names for 2 prompts") in problem.message


def test_a_line_number_and_a_slice_in_any_field(tmp_path: Path) -> None:
    """Of the line in the file, blank ones counted."""
    (tmp_path / "p.txt").write_text("\nA cat on a mat\n")
    [job] = jobs(
        tmp_path,
        f"- model: {T2V}\n  prompts_file: p.txt\n  name: '{{line:.5}} {{prompt:.3}}'\n  seed: '{{line_number}}'\n"
        "  meta: {n: '{line_number}', p: '{line}'}\n",
    )
    assert (job.name, job.request["seed"], job.meta) == ("A cat A c", 2, {"n": 2, "p": "A cat on a mat"})
