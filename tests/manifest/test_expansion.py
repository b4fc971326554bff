"""Expansion: how many jobs, in which order, under which names and ids."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from batchveo.manifest import Manifests
from tests.helpers.manifests import T2V, jobs, problems

WORDS = st.text(st.characters(categories=["L", "N", "Zs"]), min_size=1, max_size=8).filter(str.strip)
MATRICES = st.dictionaries(
    st.sampled_from(["animal", "place", "style", "seed"]),
    st.lists(WORDS | st.integers(0, 99), min_size=1, max_size=4, unique_by=lambda value: (type(value), value)),
    min_size=1,
    max_size=3,
)


def test_matrix_order_and_repeat(tmp_path: Path) -> None:
    """The first variable is the slowest, the index the fastest."""
    found = jobs(
        tmp_path,
        f'- model: {T2V}\n  prompt: "A {{a}} in {{b}}"\n  repeat: 2\n  name: "{{a}}{{b}}{{index:02d}}"\n'
        "  matrix: {a: [cat, fox], b: [Rome, Kyoto]}\n",
    )
    assert [job.name for job in found] == [
        f"{a}{b}0{index}" for a in ("cat", "fox") for b in ("Rome", "Kyoto") for index in (0, 1)
    ]
    assert found[0].request["prompt"] == "A cat in Rome"
    assert [job.index for job in found[:2]] == [0, 1]


def test_matrix_sets_parameters(tmp_path: Path) -> None:
    """A variable named like a parameter, or model, sets it; each model is checked by its own rules."""
    found = jobs(
        tmp_path,
        "defaults: {resolution: 1080P, duration: 8}\njobs:\n"
        f'- prompt: "{{duration}} seconds"\n  name: "{{model}} {{resolution}} {{duration}}"\n'
        f"  matrix: {{model: [{T2V}, google/veo3], duration: [4, 6]}}\n",
    )
    assert [job.name for job in found] == [
        f"{T2V} 1080p 4",
        f"{T2V} 1080p 6",
        "google/veo3 1080P 4",
        "google/veo3 1080P 6",
    ]
    assert found[1].request == {"model": T2V, "prompt": "6 seconds", "resolution": "1080p", "duration": 6}


def test_one_bad_template_is_one_problem(tmp_path: Path) -> None:
    """What is wrong for every combination is told once, every bad value of a matrix by itself."""
    (tmp_path / "a.yaml").write_text(
        f"- model: {T2V}\n  prompt: A\n  seed: 'x{{index}}'\n  repeat: 500\n"
        f"- model: {T2V}\n  prompt: A {{nope}} {{a}}\n  matrix: {{a: [1, 2], duration: [3, 4, 5]}}\n"
        f"- prompt: ' '\n  matrix: {{model: [{T2V}, google/veo3]}}\n"
    )
    assert [problem.field for problem in problems(tmp_path / "a.yaml")] == [
        "seed",
        "prompt",
        "matrix.duration",
        "matrix.duration",
        "prompt",
    ]


def test_seed_from_index(tmp_path: Path) -> None:
    """A template may make a number."""
    found = jobs(tmp_path, f'- {{model: {T2V}, prompt: A, seed: "1{{index}}", repeat: 2}}')
    assert [job.request["seed"] for job in found] == [10, 11]


def test_values_are_not_expanded_again(tmp_path: Path) -> None:
    """Braces in a value stay braces; doubled ones in a template become single."""
    [job] = jobs(
        tmp_path,
        f"- model: {T2V}\n  prompt: 'A {{a}} {{{{b}}}}'\n  name: '{{prompt}}'\n  matrix: {{a: ['{{index}}']}}\n",
    )
    assert job.name == job.request["prompt"] == "A {index} {b}"


def test_urls_are_templates(tmp_path: Path) -> None:
    """Image addresses may hold placeholders, in lists as well."""
    [one, two] = jobs(
        tmp_path,
        "- model: google/veo-3.1-reference-to-video\n  prompt: A {pet}\n"
        '  image_urls: ["https://a.b/{pet}", "https://a.b/c"]\n  matrix: {pet: [cat, dog]}\n',
    )
    assert one.request["image_urls"] == ["https://a.b/cat", "https://a.b/c"]
    assert two.request["image_urls"] == ["https://a.b/dog", "https://a.b/c"]


@given(matrix=MATRICES, repeat=st.integers(1, 3))
def test_expansion(matrix: dict[str, list[object]], repeat: int) -> None:
    """As many jobs as the product says, in one order, with ids and names of their own, time and again."""
    numbers: dict[str, list[object]] = (
        {**matrix, "seed": list(range(len(matrix["seed"])))} if "seed" in matrix else matrix
    )
    entry = {
        "model": T2V,
        "prompt": " ".join(["A", *(f"{{{name}}}" for name in numbers)]),
        "matrix": numbers,
        "repeat": repeat,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.yaml"
        path.write_text(yaml.safe_dump([entry], allow_unicode=True))
        with Manifests([path]) as manifests:
            once, again = list(manifests.specs()), list(manifests.specs())
    assert once == again
    count = repeat * math.prod(map(len, numbers.values()))
    assert len(once) == len({job.id for job in once}) == len({job.name for job in once}) == count
    assert [job.index for job in once] == list(range(repeat)) * (count // repeat)
