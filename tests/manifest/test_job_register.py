"""Ids and names of jobs: stable, and no two alike."""

from __future__ import annotations

import hashlib
from pathlib import Path

from batchveo.core.job_row import canonical_json
from batchveo.manifest import Manifests
from batchveo.manifest.job_register import FirstPlaces, JobIds, Place
from tests.helpers.manifests import PNG, T2V, jobs, problems


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


def test_a_text_is_never_a_reference_to_a_file(tmp_path: Path) -> None:
    """A prompt that looks like the place of an input file is a problem; a file that is one is none."""
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "a.yaml").write_text(
        f"- {{model: {T2V}, prompt: 'batchveo-input:abc'}}\n"
        "- {model: google/veo-3.1-first-last-image-to-video, prompt: 'batchveo-input:abc', image_url: https://a.org/a, "
        "last_image_url: a.png}\n"
        f"- {{model: {T2V}, prompt: 'of a batchveo-input:abc'}}\n"
    )
    found = problems(tmp_path / "a.yaml")
    assert [(problem.line, problem.field) for problem in found] == [(1, "prompt"), (2, "prompt")]
    assert "stands for a local file" in found[0].message


def test_names_clash_over_files(tmp_path: Path) -> None:
    """Two jobs with one name in two files: both places are named."""
    for name, prompt in (("a.jsonl", "A"), ("b.jsonl", "B")):
        (tmp_path / name).write_text(f'\n{{"model": "{T2V}", "prompt": "{prompt}", "name": "x"}}\n')
    [problem] = problems(tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert (problem.file, problem.line) == (str(tmp_path / "b.jsonl"), 2)
    assert f"{tmp_path / 'a.jsonl'}:2" in problem.message


def test_ids_of_whole_jobs_are_pinned(tmp_path: Path) -> None:
    """As they have been from the first version: an id that changes is a video paid twice."""
    fox = f"- {{model: {T2V}, prompt: A fox, seed: 7, duration: 8}}\n"
    mine = f"""- {{model: {T2V}, prompt: 'Füchse, 狐 and 🦊: "quoted" \\ back', repeat: 2, id: mine}}\n"""
    pets = f"- {{model: {T2V}, prompt: 'A {{pet}}', matrix: {{pet: [cat, dog]}}}}\n"
    assert [job.id for job in jobs(tmp_path, fox * 3 + mine + pets)] == [
        "0ca8685ffc1d2f631112",
        "d31847a6e3c8254a1a37",
        "a33c91affdcd83036735",
        "6c21d2718ff45850dc9e",
        "0bc94dfe5aab99afd3ff",
        "7df1a3368ba09d86f9f9",
        "72814ebacea714ffcf94",
    ]


def test_the_first_place_of_each_of_many_keys() -> None:
    """Also of keys that meet in one slot, and at both ends of the table; files take turns."""
    places = FirstPlaces()
    keys = [
        *range(1, 1000),
        *(number << 20 for number in range(1, 1000)),
        *(2**60 - number for number in range(1, 1000)),
    ]
    first = [Place("ab"[number // 100 % 2], number + 1) for number in range(len(keys))]
    assert [places.take_key(key, place) for key, place in zip(keys, first, strict=True)] == [None] * len(keys)
    assert [places.take_key(key, Place("c", 1)) for key in keys] == first
