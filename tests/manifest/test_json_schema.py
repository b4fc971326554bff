"""The JSON Schema of manifests: valid itself, and of one mind with the program."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from batchveo.manifest import Manifests
from batchveo.manifest.json_schema import job_schema, manifest_schema

EXAMPLES = Path(__file__).parents[2] / "manifests"
COUNTS = {
    "quickstart.yaml": 6,
    "products.csv": 3,
    "prompts.jsonl": 5,
    "vbench-style.yaml": 20,
    "shots.yaml": 6,
    "film.yaml": 8,
}
LITE = "google/veo-3-1-lite-generate-preview"
JOB = {"model": "google/veo-3.1-t2v", "prompt": "A cat"}


@cache
def validator(make_schema: Callable[[], dict[str, object]]) -> Draft202012Validator:
    """A schema of half a megabyte, made once."""
    return Draft202012Validator(make_schema())


@pytest.mark.parametrize(
    "make_schema",
    # the first has all parts of the second
    [manifest_schema, pytest.param(job_schema, marks=pytest.mark.exhaustive)],
)
def test_schemas_are_schemas(make_schema: Callable[[], dict[str, object]]) -> None:
    """They are valid in their dialect, and plain JSON."""
    schema = make_schema()
    Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_example_manifests(path: Path) -> None:
    """Every YAML example passes."""
    text = path.read_text(encoding="utf-8")
    text = text.replace("aspect_ratio: 16:9", "aspect_ratio: '16:9'")  # a number to PyYAML, text to editors
    validator(manifest_schema).validate(yaml.safe_load(text))


def test_example_lines() -> None:
    """Every line of the JSON Lines example passes."""
    for line in (EXAMPLES / "prompts.jsonl").read_text(encoding="utf-8").splitlines():
        validator(job_schema).validate(json.loads(line))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.[cyj]*")), ids=lambda path: path.name)
def test_examples_are_manifests(path: Path) -> None:
    """The program takes them all, and makes as many jobs as one would count by hand."""
    with Manifests([path]) as manifests:
        summary = manifests.check()
    assert summary.jobs == COUNTS[path.name]
    assert summary.repeated == 0


@pytest.mark.parametrize(
    "job",
    [
        {**JOB, "duration": 5},
        {**JOB, "duration": "8"},
        {**JOB, "resolution": "4k"},
        {**JOB, "image_url": "https://a.b/c"},
        {**JOB, "pormpt": "A"},
        {**JOB, "seed": "x"},
        {**JOB, "repeat": 0},
        {**JOB, "repeat": "two"},
        {**JOB, "prompts_format": "csv"},
        {**JOB, "rows_file": ["a.csv"]},
        {**JOB, "prompt": 7},
        {**JOB, "model": "google/veo-9"},
        {**JOB, "matrix": {"style": "a"}},
        {**JOB, "checks": "some"},
        {**JOB, "gates": {"black_seconds": 0.5}},
        {**JOB, "gates": ["has_sound", 7]},
        {**JOB, "prefer": ["motion"]},
        {"model": LITE, "chain": ["a", 5]},
        {"model": LITE, "chain": ["a", {"prompt": "b", "matrix": {"x": [1]}}]},
        {"model": LITE, "chain": ["a"], "then": 3},
        {"model": LITE, "prompt": "a", "image_url": {"frame": "middle", "of": "a"}},
        {"model": LITE, "prompt": "a", "image_url": {"frame": "last"}},
        {"model": "google/veo-3.1-reference-to-video", "prompt": "A", "image_urls": "https://a.b/c"},
    ],
)
def test_typical_errors(job: dict[str, object]) -> None:
    """What an editor should underline, in a YAML manifest as in a line of JSON."""
    assert not validator(manifest_schema).is_valid({"jobs": [job]})
    assert not validator(job_schema).is_valid(job)


@pytest.mark.parametrize(
    "job",
    [
        JOB,
        {**JOB, "seed": "{index}", "repeat": 3, "name": "{prompt}-{index}"},
        {**JOB, "resolution": "720P", "provider": "Google"},
        {"prompt": "A {x}", "matrix": {"x": [1, "a", True], "model": ["google/veo3", "veo2"]}},
        {"model": "google/veo3", "prompts_file": "a.txt", "meta": {"any": ["thing"]}},
        {"model": "google/veo-3.1-i2v", "prompt": "A", "matrix": {"image_url": ["https://a.b/c"]}},
        {"model": "google/veo3", "prompts_file": "a.txt", "names_file": "n.txt", "prompts_format": "raw"},
        {"model": "{m}", "prompt": "{p}", "rows_file": "a.csv", "repeat": "{n}", "id": "{k}"},
        {
            **JOB,
            "rows_file": "a.csv",
            "duration": "{seconds}",
            "resolution": "{r}",
            "generate_audio": "{sound}",
            "meta": {"sku": "{sku}"},
        },
        {"model": "google/veo-3.1-reference-to-video", "prompt": "A", "image_urls": "{images}"},
        {**JOB, "checks": "all", "gates": ["black_seconds < 0.5", "has_sound"], "prefer": "-motion", "tries": 3},
        {**JOB, "checks": None, "gates": "has_sound"},
        {
            "model": LITE,
            "chain": ["a", {"prompt": "b", "duration": 4}],
            "then": {"model": "veo2"},
            "matrix": {"x": [1]},
        },
        {"model": LITE, "prompt": "a", "extend": 2},
        {"model": LITE, "prompt": "a", "image_url": {"frame": 2.5, "of": 7}, "last_image_url": "first of b"},
    ],
)
def test_right_jobs(job: dict[str, object]) -> None:
    """What the program takes, the schema takes."""
    validator(job_schema).validate(job)
    validator(manifest_schema).validate([job])


def test_only_lines_need_everything() -> None:
    """In a line nothing comes from defaults, so what the model needs is required."""
    for job in ({"prompt": "A"}, {"model": "veo2"}, {"model": "google/veo-3.1-i2v", "prompt": "A"}):
        assert not validator(job_schema).is_valid(job)
        assert validator(manifest_schema).is_valid({"defaults": {}, "jobs": [job]})
