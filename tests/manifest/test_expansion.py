"""Expansion: how many jobs, in which order, under which names and ids."""

from __future__ import annotations

import hashlib
import math
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from batchveo.core.errors import ManifestError
from batchveo.core.job_row import canonical_json
from batchveo.manifest import Manifests
from batchveo.manifest.job_register import JobIds, Place
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


def test_defaults(tmp_path: Path) -> None:
    """A job overrides a default, null unsets it, meta is merged."""
    found = jobs(
        tmp_path,
        f"defaults: {{model: {T2V}, seed: 1, duration: 4, meta: {{a: 1, b: 2}}}}\n"
        "jobs:\n- {prompt: A, seed: null, meta: {b: 3, c: 4}}\n- {prompt: B, duration: 6, meta: null}\n",
    )
    assert [job.request for job in found] == [
        {"model": T2V, "prompt": "A", "duration": 4},
        {"model": T2V, "prompt": "B", "duration": 6, "seed": 1},
    ]
    assert [job.meta for job in found] == [{"a": 1, "b": 3, "c": 4}, {}]


def test_a_bad_default_is_one_problem(tmp_path: Path) -> None:
    """A thousand jobs that inherit a mistake have one cause."""
    (tmp_path / "a.yaml").write_text(f"defaults: {{model: {T2V}, duration: 5}}\njobs:\n" + "- prompt: A\n" * 1000)
    [problem] = problems(tmp_path / "a.yaml")
    assert problem.field == "defaults.duration"


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


def test_prompts_file(tmp_path: Path) -> None:
    """A line is a template and a place; ``prompt:`` may take it in, literally then."""
    (tmp_path / "lines.txt").write_bytes("\ufeffA {style} cat\r\n\r\n  a dog\n".encode())
    (tmp_path / "braces.txt").write_text("{ a brace\n")
    found = jobs(
        tmp_path,
        f"- {{model: {T2V}, prompts_file: lines.txt, matrix: {{style: [tiny]}}}}\n"
        f"- {{model: {T2V}, prompts_file: braces.txt, prompt: 'Watch {{line}}'}}\n",
    )
    assert [job.request["prompt"] for job in found] == ["A tiny cat", "  a dog", "Watch { a brace"]
    assert [(Path(job.source).name, job.line) for job in found] == [
        ("lines.txt", 1),
        ("lines.txt", 3),
        ("braces.txt", 1),
    ]
    assert {Path(job.manifest).name for job in found} == {"a.yaml"}


def test_problems_of_a_prompts_file(tmp_path: Path) -> None:
    """Each bad line is named, in its own file."""
    (tmp_path / "lines.txt").write_bytes(b"good\nbad {\n{nope}\nbell \x07\n")
    (tmp_path / "a.yaml").write_text(f"- {{model: {T2V}, prompts_file: lines.txt, repeat: 3}}")
    found = problems(tmp_path / "a.yaml")
    assert [(Path(problem.file).name, problem.line) for problem in found] == [
        ("lines.txt", 2),
        ("lines.txt", 3),
        ("lines.txt", 4),
    ]


def test_lines_in_other_fields(tmp_path: Path) -> None:
    """A line may fill an address as well, and is named where that comes out wrong."""
    (tmp_path / "lines.txt").write_text("cat.png\nno such.png\n")
    (tmp_path / "a.yaml").write_text(
        "- model: google/veo-3.1-i2v\n  prompt: 'Move, {line}'\n  prompts_file: lines.txt\n"
        "  image_url: 'https://a.b/{line}'\n  repeat: 2\n"
    )
    [problem] = problems(tmp_path / "a.yaml")
    assert (Path(problem.file).name, problem.line, problem.field) == ("lines.txt", 2, "image_url")


def test_repeated_lines_are_jobs_of_their_own(tmp_path: Path) -> None:
    """The same line twice is two jobs, the second told apart by its number; and a note is made of it."""
    (tmp_path / "lines.txt").write_text("a\nb\na\na\n")
    (tmp_path / "a.yaml").write_text(
        f"- {{model: {T2V}, prompts_file: lines.txt, repeat: 2, name: '{{prompt}}-{{index}}'}}"
    )
    with Manifests([tmp_path / "a.yaml"]) as manifests:
        summary = manifests.check()
        names = [job.name for job in manifests.specs()]
    assert names == ["a-0", "a-1", "b-0", "b-1", "a-0 (2)", "a-1 (2)", "a-0 (3)", "a-1 (3)"]
    assert (summary.jobs, summary.repeated) == (8, 4)
    path = tmp_path / "lines.txt"
    assert summary.first_repeated == f"{path}:3 repeats {path}:1"


def test_default_names(tmp_path: Path) -> None:
    """Readable in every script, and never alike."""
    found = jobs(
        tmp_path,
        f"- {{model: {T2V}, prompt: 'A dragon, over the tallest mountain of all the mountains!', repeat: 2}}\n"
        f"- {{model: {T2V}, prompt: हिन्दी में एक बिल्ली}}\n- {{model: {T2V}, prompt: 静止的画面}}\n"
        f"- {{model: {T2V}, prompt: '!?'}}\n",
    )
    assert [job.name.removesuffix(job.id[:8]) for job in found] == [
        "a-dragon-over-the-tallest-mountain-of-all-the-",
        "a-dragon-over-the-tallest-mountain-of-all-the-",
        "हिन्दी-में-एक-बिल्ली-",
        "静止的画面-",
        "",
    ]


def test_ids_are_pinned() -> None:
    """The id of a job must never change: it is what keeps a job from being bought again."""
    request = canonical_json({"prompt": "A café", "model": "google/veo3", "seed": 1})
    canonical = rb'{"index":2,"request":{"model":"google/veo3","prompt":"A caf\u00e9","seed":1}}'
    again = canonical.replace(b'"request"', b'"occurrence":1,"request"')
    ids, first = JobIds(), Place("a.csv", 2)
    assert ids.assign_id(request, 2, None, first) == (hashlib.sha256(canonical).hexdigest()[:20], None)
    assert ids.assign_id(request, 2, None, Place("b.csv", 7)) == (hashlib.sha256(again).hexdigest()[:20], first)


def test_identity(tmp_path: Path) -> None:
    """Name, meta, order of keys and place change nothing; request, index, id and occurrence do."""
    base = jobs(tmp_path, f"- {{model: {T2V}, prompt: A, seed: 1}}")[0].id
    same = jobs(tmp_path, f"\n- {{seed: 1, prompt: A, model: {T2V}, name: x, meta: {{a: 1}}}}")[0].id
    twice = jobs(tmp_path, f"- {{model: {T2V}, prompt: A, seed: 1}}\n" * 2)
    given_id = jobs(tmp_path, f"- {{model: {T2V}, prompt: A, seed: 1, id: 7}}")[0].id
    default = jobs(tmp_path, f"- {{model: {T2V}, prompt: A, seed: 1, duration: 8}}")[0].id
    assert base == same == twice[0].id
    assert len({base, twice[1].id, given_id, default}) == 4


def test_the_same_manifest_twice_adds_nothing(tmp_path: Path) -> None:
    """Neither the same file by two names, nor the same row in two files."""
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text(f'{{"model": "{T2V}", "prompt": "A", "name": "x"}}\n')
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "a.jsonl")
    with Manifests([tmp_path / name for name in ("a.jsonl", "link.jsonl", "b.jsonl")]) as manifests:
        assert manifests.check().jobs == 1


def test_names_clash_over_files(tmp_path: Path) -> None:
    """Two jobs with one name in two files: both places are named."""
    for name, prompt in (("a.jsonl", "A"), ("b.jsonl", "B")):
        (tmp_path / name).write_text(f'\n{{"model": "{T2V}", "prompt": "{prompt}", "name": "x"}}\n')
    [problem] = problems(tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert (problem.file, problem.line) == (str(tmp_path / "b.jsonl"), 2)
    assert f"{tmp_path / 'a.jsonl'}:2" in problem.message


def test_budgets_add_up(tmp_path: Path) -> None:
    """Each manifest brings its own."""
    for name, budget in (("a.yaml", "2.5"), ("b.yaml", "4")):
        (tmp_path / name).write_text(f"budget: {budget}\njobs: [{{model: {T2V}, prompt: {name}}}]")
    with Manifests([tmp_path / "a.yaml", tmp_path / "b.yaml"]) as manifests:
        assert manifests.check().budget == 6.5


def test_unknown_models_on_request(tmp_path: Path) -> None:
    """With the switch anything else goes through as it is."""
    [job] = jobs(
        tmp_path,
        "model,image_urls,motion,loop,n,note\nkling/v2,https://a.b/1|x,0.5,true,3,1e\n",
        "a.csv",
        any_model=True,
    )
    assert job.request == {
        "model": "kling/v2",
        "image_urls": ["https://a.b/1", "x"],
        "motion": 0.5,
        "loop": True,
        "n": 3,
        "note": "1e",
    }


def test_a_manifest_that_goes_wrong_later(tmp_path: Path) -> None:
    """What changes between check and use is noticed at the end."""
    path = tmp_path / "a.jsonl"
    good = f'{{"model": "{T2V}", "prompt": "A"}}\n'
    path.write_text(good)
    with Manifests([path]) as manifests:
        manifests.check()
        path.write_text(good + "{}\n")
        found = manifests.specs()
        assert next(found).request["prompt"] == "A"
        with pytest.raises(ManifestError):
            next(found)


@settings(max_examples=60)
@given(matrix=MATRICES, repeat=st.integers(1, 3))
def test_expansion(matrix: dict[str, list[object]], repeat: int) -> None:
    """As many jobs as the product says, in one order, with ids and names of their own, time and again."""
    numbers = {**matrix, "seed": list(range(len(matrix["seed"])))} if "seed" in matrix else matrix
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
