"""Templates fill every field, and keep the type of what fills them."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.manifest import ReadOptions
from tests.helpers.manifests import T2V, jobs, read, told


def test_matrix_variables_fill_every_field(tmp_path: Path) -> None:
    """Whole numbers, switches and choices."""
    found = jobs(
        tmp_path,
        f"- model: {T2V}\n  prompt: A cat\n  name: '{{ratio}} {{seconds}} {{sound}}'\n"
        "  aspect_ratio: '{ratio}'\n  duration: '{seconds}'\n  generate_audio: '{sound}'\n  seed: '1{seconds}'\n"
        "  matrix: {ratio: ['16:9', '9:16'], seconds: [4, 8], sound: [true, false]}\n",
    )
    assert len(found) == 8
    assert found[0].request == {
        "model": T2V,
        "prompt": "A cat",
        "aspect_ratio": "16:9",
        "duration": 4,
        "generate_audio": True,
        "seed": 14,
    }
    assert found[-1].name == "9:16 8 false"


def test_it_is_the_same_job_as_one_written_out(tmp_path: Path) -> None:
    """Its id is that of the request, whatever filled it."""
    [filled] = jobs(tmp_path, f"- {{model: {T2V}, prompt: A, duration: '{{s}}', matrix: {{s: [8]}}}}")
    [written] = jobs(tmp_path, f"- {{model: {T2V}, prompt: A, duration: 8}}")
    assert filled.id == written.id


def test_meta_fills_fields_and_is_filled(tmp_path: Path) -> None:
    """By variables, once; texts without a variable to fill them stay as they are."""
    [job] = jobs(
        tmp_path,
        f"- model: {T2V}\n  prompt: A {{meta.kind}}\n  duration: '{{meta.n}}'\n"
        "  meta: {n: 4, kind: '{pet} {n}', deep: [{a: '{pet}'}]}\n  matrix: {pet: [cat], n: [7]}\n",
    )
    assert job.request["duration"] == 4
    assert job.request["prompt"] == "A cat 7"
    assert job.meta == {"n": 4, "kind": "cat 7", "deep": [{"a": "cat"}]}
    [job] = jobs(tmp_path, f"- {{model: {T2V}, prompt: A, meta: {{a: '{{x}} {{'}}}}")
    assert job.meta == {"a": "{x} {"}
    [job] = jobs(tmp_path, f"model,prompt,meta.a\n{T2V},A,{{x}}\n", "a.csv")
    assert job.meta == {"a": "{x}"}


def test_a_model_may_be_filled(tmp_path: Path) -> None:
    """By a variable of any name."""
    found = jobs(tmp_path, f"- {{model: '{{m}}', prompt: A, matrix: {{m: [{T2V}, google/veo3]}}}}")
    assert [job.model for job in found] == [T2V, "google/veo3"]


@pytest.mark.parametrize(
    ("entry", "field", "message"),
    [
        ("duration: '{s}', matrix: {s: [8, 5]}", "duration", "5 is not among 4, 6, 8 (filled from {s})"),
        ("duration: '{s}', matrix: {s: [true]}", "duration", "must be a whole number, not True (filled from {s})"),
        ("duration: '{s} s', matrix: {s: [4]}", "duration", "'4 s' is not a whole number (filled from {s})"),
        ("generate_audio: '{s}', matrix: {s: [maybe]}", "generate_audio", "'maybe' is neither true nor false"),
        (
            "aspect_ratio: '{r}', matrix: {r: ['1:1']}",
            "aspect_ratio",
            "'1:1' is not among 16:9, 9:16 (filled from {r})",
        ),
        ("resolution: '{nope}'", "resolution", "unknown placeholder {nope}"),
        ("duration: '{'", "duration", "is alone"),
        ("meta: {a: '{nope}'}, matrix: {seed: [1]}", "meta.a", "unknown placeholder {nope}"),
        ("matrix: {seed: [1]}, meta: {a: 'b {'}", "meta.a", "is alone"),
        ("repeat: '{s}', matrix: {seed: [1]}", "repeat", "must be a whole number"),
    ],
)
def test_problems_name_entry_and_variable(entry: str, field: str, message: str, tmp_path: Path) -> None:
    """After filling, at the line of the entry."""
    (tmp_path / "a.yaml").write_text(f"\n- {{model: {T2V}, prompt: A, {entry}}}")
    [problem] = told(tmp_path / "a.yaml")
    assert (problem.line, problem.field) == (2, field)
    assert message in problem.message


def test_a_number_in_a_text_field_is_text(tmp_path: Path) -> None:
    """As it always was."""
    [job] = jobs(tmp_path, f"- {{model: {T2V}, prompt: '{{n}}', name: '{{n}}', matrix: {{n: [7]}}}}")
    assert (job.request["prompt"], job.name) == ("7", "7")


def test_cells_may_hold_templates_too(tmp_path: Path) -> None:
    """Of meta and index; in a list each item."""
    found = jobs(tmp_path, f"model,prompt,duration,repeat,seed,meta.s\n{T2V},A,{{meta.s}},2,{{index}},8\n", "a.csv")
    assert [(job.request["duration"], job.request["seed"]) for job in found] == [(8, 0), (8, 1)]


def test_json_texts_of_unknown_models_stay_as_they_are(tmp_path: Path) -> None:
    """Braces of JSON are no placeholders; others are filled there as well."""
    [job] = jobs(
        tmp_path,
        '- {model: kling/v9, prompt: A, camera: \'{"zoom": 1}\', cfg: "{x}", note: "a {x}", matrix: {x: [0.5]}}',
        any_model=True,
    )
    assert (job.request["camera"], job.request["cfg"], job.request["note"]) == ('{"zoom": 1}', 0.5, "a 0.5")


def test_slices(tmp_path: Path) -> None:
    """The first characters of a text; VBench's names are cut like this."""
    [job] = jobs(tmp_path, f"- {{model: {T2V}, prompt: 'Ein Füchslein', name: '{{prompt:.7}}-{{index}}'}}")
    assert job.name == "Ein Füc-0"
    for bad in ("{prompt:.0}", "{prompt:180}", "{prompt:.12345}"):
        (tmp_path / "a.yaml").write_text(f"- {{model: {T2V}, prompt: A, name: '{bad}'}}")
        assert len(told(tmp_path / "a.yaml")) == 1


def test_set_may_be_a_template(tmp_path: Path) -> None:
    """Like a default."""
    (tmp_path / "a.csv").write_text("prompt,meta.s\nA,8\n")
    [job] = read(tmp_path / "a.csv", ReadOptions(sets={"model": T2V, "duration": "{meta.s}", "name": "n-{meta.s}"}))
    assert (job.name, job.request["duration"]) == ("n-8", 8)
