"""Names and identity of jobs: stable, and no two alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.errors import ManifestError
from batchveo.manifest import Manifests
from tests.helpers.chains import LITE
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


def test_entries_whose_jobs_wait_in_turns_have_one_clash_each(tmp_path: Path) -> None:
    """Jobs of both entries are made in turns, as their parents come."""
    waiting = "".join(
        f"- {{id: {name}, prompt: '{name} {{c}}', name: {name}, matrix: {{c: [x, y, z]}}, "
        "image_url: {frame: last, of: P}}\n"
        for name in ("a", "b")
    )
    (tmp_path / "a.yaml").write_text(
        f"defaults: {{model: {LITE}}}\njobs:\n{waiting}"
        "- {id: P, prompt: 'p {c}', name: 'p {c}', matrix: {c: [x, y, z]}, image_url: {frame: last, of: R}}\n"
        "- {id: R, prompt: 'r {c}', name: 'r {c}', matrix: {c: [x, y, z]}}\n"
    )
    assert [(problem.line, problem.field) for problem in problems(tmp_path / "a.yaml")] == [(3, "name"), (4, "name")]


def test_each_entry_whose_names_clash_is_a_problem(tmp_path: Path) -> None:
    """One for each, though several of its jobs clash: also if an entry is read into the memory of one before."""
    rows = "".join(f"A,{T2V},x,2\nB,{T2V},y{number}-{{index}},2\n" for number in range(100))
    (tmp_path / "a.csv").write_text(f"prompt,model,name,repeat\n{rows}")
    with pytest.raises(ManifestError) as error, Manifests([tmp_path / "a.csv"]) as manifests:
        manifests.check()
    assert error.value.total == 100
