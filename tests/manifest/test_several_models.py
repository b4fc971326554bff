"""One manifest for several models: blocks for one model, defaults for those that take them, unchecked parameters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchveo.core.errors import Problem
from batchveo.manifest import Manifests, ReadOptions
from batchveo.provider.catalog import Catalog
from batchveo.provider.catalog.file_format import write_param
from batchveo.provider.catalog.openapi import read_document
from tests.helpers.manifests import PNG, T2V, jobs, read, told
from tests.helpers.openapi_documents import make_document

PIXVERSE = "pixverse/v5/text-to-video"
LUMA = "luma/ray-2"
SHORT = f"{{model: [{T2V}, {PIXVERSE}]}}"


def requests(folder: Path, content: str, name: str = "a.yaml") -> list[dict[str, object]]:
    """The requests of a manifest without their prompts."""
    found = [dict(job.request) for job in jobs(folder, content, name)]
    for request in found:
        request.pop("prompt", None)
    return found


def faults(folder: Path, content: str, name: str = "a.yaml") -> list[Problem]:
    """What is wrong in a manifest."""
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return told(path)


def test_a_block_for_one_model(tmp_path: Path) -> None:
    """Its values win over those of the job, and null leaves one out."""
    text = (
        f"- prompt: A\n  matrix: {SHORT}\n  resolution: 720p\n  duration: 8\n"
        f"  per_model:\n    {T2V}: {{resolution: 1080p, duration: null, seed: 3}}\n    {PIXVERSE}: {{style: clay}}\n"
    )
    assert requests(tmp_path, text) == [
        {"model": T2V, "resolution": "1080p", "seed": 3},
        {"model": PIXVERSE, "resolution": "720p", "duration": 8, "style": "clay"},
    ]


def test_a_block_in_the_defaults(tmp_path: Path) -> None:
    """It wins over the defaults for all, and the job's own keys win over it."""
    text = (
        f"defaults: {{duration: 8, per_model: {{{T2V}: {{duration: 4, seed: 1}}}}}}\n"
        f"jobs:\n- {{model: {T2V}, prompt: A}}\n- {{model: {T2V}, prompt: B, duration: 6}}\n"
        f"- {{model: {T2V}, prompt: C, seed: null}}\n- {{model: {PIXVERSE}, prompt: D}}\n"
        f"- {{model: {T2V}, prompt: E, per_model: {{{T2V}: {{duration: 6, seed: 9}}}}}}\n"
    )
    assert requests(tmp_path, text) == [
        {"model": T2V, "duration": 4, "seed": 1},
        {"model": T2V, "duration": 6, "seed": 1},
        {"model": T2V, "duration": 4},
        {"model": PIXVERSE, "duration": 8},
        {"model": T2V, "duration": 6, "seed": 9},
    ]


def test_a_block_takes_the_place_of_an_axis(tmp_path: Path) -> None:
    """One job in place of one for each value; the placeholder has the block's value."""
    text = (
        f"- prompt: '{{duration}} seconds'\n  name: '{{model}} {{duration}} {{seed}}'\n"
        f"  matrix: {{model: [{T2V}, {PIXVERSE}], duration: [5, 8], seed: [1, 2]}}\n"
        f"  per_model: {{{T2V}: {{duration: 4}}}}\n"
    )
    found = jobs(tmp_path, text)
    assert [(job.request["duration"], job.request["seed"], job.request["prompt"]) for job in found] == [
        (4, 1, "4 seconds"),
        (4, 2, "4 seconds"),
        (5, 1, "5 seconds"),
        (5, 2, "5 seconds"),
        (8, 1, "8 seconds"),
        (8, 2, "8 seconds"),
    ]


def test_include_and_exclude_by_model(tmp_path: Path) -> None:
    """A value is only judged for the models that it is combined with."""
    text = (
        f"- prompt: A\n  matrix:\n    model: [{T2V}, {PIXVERSE}]\n    duration: [4, 5]\n"
        f"    exclude: [{{model: {T2V}, duration: 5}}, {{model: {PIXVERSE}, duration: 4}}]\n"
        f"    include: [{{model: {PIXVERSE}, style: clay}}, {{model: {LUMA}, loop: true}}]\n"
    )
    assert requests(tmp_path, text) == [
        {"model": T2V, "duration": 4},
        {"model": PIXVERSE, "duration": 5, "style": "clay"},
        {"model": LUMA, "loop": True},
    ]


def test_defaults_where_taken(tmp_path: Path) -> None:
    """For the models that have the parameter; what a job or the defaults give wins."""
    text = (
        "defaults: {negative_prompt: blur}\ndefaults_where_taken: {style: clay, seed: 3, negative_prompt: fog}\n"
        f"jobs:\n- {{model: {T2V}, prompt: A}}\n- {{model: {PIXVERSE}, prompt: B, seed: null}}\n"
        f"- {{model: {LUMA}, prompt: C, negative_prompt: null}}\n"
    )
    assert requests(tmp_path, text) == [
        {"model": T2V, "negative_prompt": "blur", "seed": 3},
        {"model": PIXVERSE, "negative_prompt": "blur", "style": "clay"},
        {"model": LUMA},
    ]


def test_unchecked_parameters_are_sent_as_they_are(tmp_path: Path) -> None:
    """A value that the catalogue refuses, a parameter that it does not know, and one that it demands."""
    text = (
        f"- {{model: {T2V}, prompt: A, resolution: 4k, fps: 60, unchecked: [resolution, fps]}}\n"
        f"- {{model: {T2V}, unchecked: [prompt]}}\n"
    )
    assert requests(tmp_path, text) == [{"model": T2V, "resolution": "4k", "fps": 60}, {"model": T2V}]
    path = tmp_path / "a.csv"
    path.write_text(f"model,prompt,resolution\n{T2V},A,4k\n{T2V},B,8k\n")
    found = read(path, ReadOptions(sets={"unchecked": "resolution|seed"}))
    assert [job.request["resolution"] for job in found] == ["4k", "8k"]


@pytest.mark.parametrize(
    ("text", "line", "field", "message"),
    [
        (f"- prompt: A\n  matrix: {SHORT}\n  per_model:\n    {T2V}:\n      duration: 5\n", 5,
         f"per_model.{T2V}.duration", "not among"),
        (f"- prompt: A\n  model: {T2V}\n  per_model:\n    {PIXVERSE}: {{style: clay}}\n", 4,
         f"per_model.{PIXVERSE}", "this entry does not have"),
        (f"- prompt: A\n  model: {T2V}\n  per_model: {{veo4: {{seed: 1}}}}\n", 3, "per_model.veo4", "not a known"),
        (f"- prompt: A\n  model: {T2V}\n  per_model: {{{T2V}: {{name: x}}}}\n", 3, f"per_model.{T2V}", "no parameter"),
        (f"- prompt: A\n  model: {T2V}\n  per_model: [x]\n", 3, "per_model", "must map models"),
        ("- prompt: A\n  model: veo2\n  per_model: {veo2: {seed: 1}, google/veo-2.0-generate-001: {seed: 2}}\n",
         3, "per_model.google/veo-2.0-generate-001", "veo2 names, too"),
        (f"- prompt: A\n  model: {T2V}\n  unchecked: [name]\n", 3, "unchecked", "not sent"),
        (f"- prompt: A\n  model: {T2V}\n  unchecked: [keyframes.frame0]\n", 3, "unchecked", "a part of"),
        (f"- prompt: A\n  model: {T2V}\n  unchecked: resolution\n", 3, "unchecked", "must be a list"),
        (f"- prompt: A\n  matrix:\n    model: [{T2V}]\n    exclude: [{{modle: {T2V}}}]\n", 4,
         "matrix.exclude[0]", "no axis"),
        (f"- prompt: A\n  matrix:\n    model: [{T2V}]\n    include: [{{name: x}}]\n", 4,
         "matrix.include[0].name", "cannot be the name"),
        (f"- prompt: A\n  matrix:\n    model: [{T2V}]\n    include: [{{model: {PIXVERSE}, style: [clay]}}]\n", 4,
         "matrix.include[0].style", "cannot be a value"),
        (f"defaults_where_taken:\n  sed: 1\njobs: [{{model: {T2V}, prompt: A}}]\n", 2,
         "defaults_where_taken.sed", "no model takes"),
        (f"defaults_where_taken:\n  name: x\njobs: [{{model: {T2V}, prompt: A}}]\n", 2,
         "defaults_where_taken.name", "no parameter"),
        (f"jobs: [{{model: {T2V}, prompt: A}}]\ndefaults_where_taken:\n  style: clay\n  seed: x\n", 4,
         "defaults_where_taken.seed", "whole number"),
        (f"defaults:\n  per_model:\n    {T2V}:\n      duration: 5\njobs: [{{model: {T2V}, prompt: A}}]\n", 4,
         f"defaults.per_model.{T2V}.duration", "not among"),
    ],
)  # fmt: skip
def test_problems_name_the_place(text: str, line: int, field: str, message: str, tmp_path: Path) -> None:
    """The line and the path of what is wrong."""
    path = tmp_path / "a.yaml"
    path.write_text(text)
    [problem] = told(path)
    assert (problem.line, problem.field) == (line, field)
    assert message in problem.message


KEYFRAMES = "keyframes:\n    frame0: {type: image, url: https://a.example/1.png}\n    frame1:\n      type: image\n"


def test_nested_values(tmp_path: Path) -> None:
    """In YAML, in JSON Lines, in a cell; filled by placeholders; a local file anywhere in them."""
    whole = {"frame0": {"type": "image", "url": "https://a.example/1.png"}}
    assert requests(tmp_path, f"- model: {LUMA}\n  prompt: A\n  keyframes:\n    frame0: {whole['frame0']}\n") == [
        {"model": LUMA, "keyframes": whole}
    ]
    cell = '"{""frame0"": {""type"": ""image"", ""url"": ""https://a.example/1.png""}}"'
    assert requests(tmp_path, f"model,prompt,keyframes\n{LUMA},A,{cell}\n", "a.csv") == [
        {"model": LUMA, "keyframes": whole}
    ]
    found = requests(
        tmp_path,
        f"- model: {LUMA}\n  prompt: A\n  matrix: {{n: [1, 2]}}\n"
        "  keyframes: {frame0: {type: image, url: 'https://a.example/{n}.png'}}\n",
    )
    assert [request["keyframes"]["frame0"]["url"] for request in found] == [  # type: ignore[index]
        "https://a.example/1.png",
        "https://a.example/2.png",
    ]


def test_a_nested_problem_has_its_path_and_line(tmp_path: Path) -> None:
    """Of the part that is wrong."""
    path = tmp_path / "a.yaml"
    path.write_text(f"- model: {LUMA}\n  prompt: A\n  {KEYFRAMES}      url: http://a.example/2.png\n")
    [problem] = told(path)
    assert (problem.line, problem.field) == (7, "keyframes.frame1.url")
    path.write_text(f"- model: {LUMA}\n  prompt: A\n  {KEYFRAMES}")
    [problem] = told(path)
    assert (problem.line, problem.field) == (5, "keyframes.frame1.url")
    assert "missing" in problem.message


def test_a_text_that_is_too_long_in_a_later_row(tmp_path: Path) -> None:
    """The rows of one shape are read in a shorter way, by the same bounds."""
    model = "gen3a_turbo"
    url = "https://a.example/1.png"
    path = tmp_path / "a.csv"
    path.write_text(f"model,prompt,image_url\n{model},A,{url}\n{model},{'x' * 1001},{url}\n{model},B,{url}\n")
    [problem] = told(path)
    assert (problem.line, problem.field) == (3, "prompt")
    assert "1,001 characters" in problem.message


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        (
            f"defaults: {{duration: 5}}\njobs:\n- {{model: {PIXVERSE}, prompt: A}}\n- {{model: {T2V}, prompt: A}}\n",
            "defaults.duration",
            f"5 is not among 4, 6, 8 (for {T2V})",
        ),
        (f"- {{prompt: A, matrix: {SHORT}, duration: 5}}\n", "duration", f"5 is not among 4, 6, 8 (for {T2V})"),
        (f"- {{model: {T2V}, prompt: A, duration: 5}}\n", "duration", "5 is not among 4, 6, 8"),
    ],
)
def test_a_problem_of_one_of_several_models_names_it(tmp_path: Path, text: str, field: str, said: str) -> None:
    """If the line has no model, or several."""
    (problem,) = faults(tmp_path, text)
    assert (problem.field, problem.message) == (field, said)


def test_what_one_of_several_models_lacks_says_where_to_write_it(tmp_path: Path) -> None:
    """In a block for the model that takes it."""
    (problem,) = faults(tmp_path, f"- prompt: A\n  matrix: {SHORT}\n  style: clay\n")
    assert problem.suggestion == f"write it in per_model: {{{PIXVERSE}: {{style: …}}}}, or in defaults_where_taken"


def test_all_faults_of_a_nested_value_are_reported(tmp_path: Path) -> None:
    """Each with its path, and those of unknown and missing fields too."""
    frames = "{frame0: {type: image, ur: x}, frame1: {type: img, url: x}, frame2: {}}"
    found = faults(tmp_path, f"- model: {LUMA}\n  prompt: A\n  keyframes: {frames}\n")
    assert [(problem.field, problem.message) for problem in found] == [
        ("keyframes.frame0.url", "is missing; it is an image URL"),
        ("keyframes.frame0.ur", "is no field here"),
        ("keyframes.frame1.type", "'img' is not among image, generation"),
        ("keyframes.frame2", "is no field here"),
    ]


def test_broken_json_in_a_cell_is_called_so(tmp_path: Path) -> None:
    """With the character at which reading ends."""
    text = f'model,prompt,keyframes\n{LUMA},A,"{{""frame0"": {{""type"": ""image""}}"\n'
    (problem,) = faults(tmp_path, text, "a.csv")
    assert (problem.field, problem.line) == ("keyframes", 2)
    assert problem.message == "is no valid JSON: Expecting ',' delimiter at character 29"


def test_fields_that_exclude_each_other_are_named(tmp_path: Path) -> None:
    """The problem is at one of the two."""
    text = "- {model: klingai/video-v3-pro-text-to-video, prompt: A, duration: 5, multi_prompt: [B, C]}\n"
    (problem,) = faults(tmp_path, text)
    assert (problem.field, problem.message) == ("multi_prompt", "prompt does not go with multi_prompt")


def test_a_placeholder_that_some_combinations_leave_open(tmp_path: Path) -> None:
    """An included value is not there in the other combinations."""
    text = "- {model: veo2, prompt: 'A {a}, {b}', matrix: {a: [1, 2], include: [{a: 2, b: x}]}}\n"
    (problem,) = faults(tmp_path, text)
    assert problem.message.startswith("nothing fills {b} here: its cell is empty, or the combination has none")


def test_two_names_of_one_model_are_named(tmp_path: Path) -> None:
    """Their jobs are different ones, so that each would be bought."""
    path = tmp_path / "a.yaml"
    path.write_text(
        "- {prompt: A, matrix: {model: [veo2, google/veo-2.0-generate-001]}}\n- {prompt: B, model: google/veo3}\n"
    )
    with Manifests([path]) as manifests:
        summary = manifests.check()
    assert summary.spellings == (("veo2", "google/veo-2.0-generate-001"),)
    [note] = summary.notes
    assert "bought twice" in note


def test_the_command_wins_over_a_block_in_the_defaults(tmp_path: Path) -> None:
    """As it does over all defaults."""
    path = tmp_path / "a.yaml"
    path.write_text(f"defaults: {{per_model: {{{T2V}: {{duration: 4}}}}}}\njobs: [{{model: {T2V}, prompt: A}}]\n")
    [job] = read(path, ReadOptions(sets={"duration": "6"}))
    assert job.request["duration"] == 6


def test_a_name_that_nothing_has_is_not_left_unchecked(tmp_path: Path) -> None:
    """It is mistyped; in the defaults it may be meant for others."""
    path = tmp_path / "a.yaml"
    path.write_text(f"- {{model: {T2V}, prompt: A, unchecked: [durations]}}\n")
    [problem] = told(path)
    assert "durations is in no request" in problem.message
    path.write_text(f"defaults: {{unchecked: [style]}}\njobs: [{{model: {T2V}, prompt: A}}]\n")
    assert len(read(path, ReadOptions())) == 1


def test_a_key_that_a_cell_has_twice(tmp_path: Path) -> None:
    """The last one would win without a word."""
    path = tmp_path / "a.csv"
    path.write_text(f'model,prompt,keyframes\n{LUMA},A,"{{""frame0"": null, ""frame0"": null}}"\n')
    [problem] = told(path)
    assert problem.message == "has the key 'frame0' twice"


def test_a_local_file_anywhere_in_a_request(tmp_path: Path) -> None:
    """In an object of a list, if the model takes data there; its content becomes an input of the job."""
    address = {"type": "string", "format": "uri", "description": "A URL or a Base64 data URI."}
    shot = {"type": "object", "properties": {"image_url": address}, "required": ["image_url"]}
    document = read_document(make_document("maker/shots", {"shots": {"type": "array", "items": shot}}, ()))
    params = {name: write_param(param) for name, param in document.params.items()}
    content = json.dumps({"format": 1, "made": "2026-11-01", "models": {document.model: {"params": params}}})
    (tmp_path / "a.png").write_bytes(PNG)
    path = tmp_path / "a.yaml"
    path.write_text("- model: maker/shots\n  shots: [{image_url: a.png}, {image_url: https://a.example/b.png}]\n")
    with Manifests([path], catalog=Catalog(content.encode)) as manifests:
        [job] = manifests.specs()
    [file] = job.inputs
    assert job.request["shots"] == [{"image_url": file.reference}, {"image_url": "https://a.example/b.png"}]
