"""A name is a parameter in the entries whose model takes it, and somebody's own word in all others."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.manifest import Extra, ReadOptions
from batchveo.manifest.vocabulary import COMMON, Vocabulary
from batchveo.provider.catalog import MODELS
from tests.helpers.manifests import T2V, jobs, read, told

PIXVERSE = "pixverse/v5/text-to-video"
META, IGNORE = ReadOptions(extra=Extra.META), ReadOptions(extra=Extra.IGNORE)


def test_common_names_are_those_of_veo() -> None:
    """A manifest for Veo means what it meant when there were no other models."""
    veo = {name for model in MODELS.values() if "veo" in model.id for name in model.params}
    assert veo - {"tail_image_url"} == COMMON


def test_names_of_some_models() -> None:
    """By the models of the entry; if a template names them, by any."""
    vocabulary = Vocabulary(MODELS)
    assert vocabulary.is_taken("style", [PIXVERSE])
    assert not vocabulary.is_taken("style", [T2V])
    assert vocabulary.is_taken("style", [T2V, PIXVERSE])
    assert vocabulary.is_taken("style", [])
    assert not vocabulary.is_taken("nothing", [])
    assert vocabulary.is_taken("duration", ["nobody/knows"])


@pytest.mark.parametrize("options", [META, IGNORE])
def test_a_column_belongs_to_the_models_that_take_it(options: ReadOptions, tmp_path: Path) -> None:
    """In the rows of other models it is carried along or left out, as any column is."""
    path = tmp_path / "a.csv"
    path.write_text(f"model,prompt,Style,loop\n{T2V},A,anime,x\n{PIXVERSE},B,anime,x\n{PIXVERSE},C,,\n")
    veo, styled, plain = read(path, options)
    assert veo.request == {"model": T2V, "prompt": "A"}
    assert styled.request == {"model": PIXVERSE, "prompt": "B", "style": "anime"}
    assert plain.request == {"model": PIXVERSE, "prompt": "C"}
    carried = options is META
    assert veo.meta == ({"Style": "anime", "loop": "x"} if carried else {})
    assert styled.meta == ({"loop": "x"} if carried else {})


@pytest.mark.parametrize("name", ["a.yaml", "a.json", "a.jsonl"])
def test_a_key_belongs_to_the_models_that_take_it(name: str, tmp_path: Path) -> None:
    """In all formats, and if the defaults name the model."""
    path = tmp_path / name
    lines = [f'{{"model": "{model}", "prompt": "A", "style": "anime"}}' for model in (T2V, PIXVERSE)]
    path.write_text("\n".join(lines) if name == "a.jsonl" else f"[{', '.join(lines)}]")
    veo, styled = read(path, META)
    assert (veo.request.get("style"), veo.meta) == (None, {"style": "anime"})
    assert (styled.request["style"], styled.meta) == ("anime", {})
    if name == "a.yaml":
        path.write_text(f"defaults: {{model: {PIXVERSE}}}\njobs: [{{prompt: A, style: anime}}]")
        assert read(path, META)[0].request["style"] == "anime"
    path = tmp_path / "b.csv"
    path.write_text("prompt,style\nA,anime\n")
    [job] = read(path, ReadOptions(extra=Extra.META, sets={"model": PIXVERSE}))
    assert job.request["style"] == "anime"


def test_without_the_option_it_is_a_problem_of_its_row(tmp_path: Path) -> None:
    """With both ways out."""
    path = tmp_path / "a.csv"
    path.write_text(f"model,prompt,style\n{PIXVERSE},A,anime\n{T2V},A,anime\n")
    [problem] = told(path)
    assert (problem.line, problem.field) == (3, "style")
    assert "meta.style" in str(problem.suggestion)
    assert "pixverse" in str(problem.suggestion)


def test_a_variable_of_the_matrix_that_fills_a_text_stays_one(tmp_path: Path) -> None:
    """Whether the model takes a parameter of that name or not."""
    for model in (T2V, PIXVERSE):
        found = jobs(tmp_path, f"- {{model: {model}, prompt: 'A {{style}} cat', matrix: {{style: [oil, ink]}}}}")
        assert [job.request for job in found] == [
            {"model": model, "prompt": f"A {style} cat"} for style in ("oil", "ink")
        ]
    found = jobs(tmp_path, f"- {{model: {PIXVERSE}, prompt: A, name: 'a-{{style}}', matrix: {{style: [clay, anime]}}}}")
    assert [(job.name, job.request["style"]) for job in found] == [("a-clay", "clay"), ("a-anime", "anime")]


def test_an_axis_that_only_some_of_the_models_take(tmp_path: Path) -> None:
    """The others would make the same job for each value: a problem, with what makes one of them."""
    text = f"- prompt: A\n  matrix: {{model: [{T2V}, {PIXVERSE}], style: [clay, anime]}}\n"
    path = tmp_path / "a.yaml"
    path.write_text(text)
    [problem, *_] = told(path)
    assert problem.field == "matrix.style"
    assert f"per_model: {{{T2V}: {{style: null}}}}" in str(problem.suggestion)
    found = jobs(tmp_path, f"{text}  per_model: {{{T2V}: {{style: null}}}}\n")
    assert [(job.model, job.request.get("style")) for job in found] == [
        (T2V, None),
        (PIXVERSE, "clay"),
        (PIXVERSE, "anime"),
    ]
