"""The manifests of one call: what stands in several of them, and large ones."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from batchveo.core.errors import ManifestError
from batchveo.core.models import JobSpec
from batchveo.manifest import Manifests, Summary
from tests.helpers.manifests import T2V, jobs

FOX = {"model": T2V, "prompt": "A fox"}
MIB = 1024 * 1024


def read(folder: Path, *files: list[dict[str, object]]) -> tuple[Summary, list[JobSpec]]:
    """What manifests of these entries come to, in a call for all of them."""
    paths = [folder / f"{number}.jsonl" for number in range(len(files))]
    for path, entries in zip(paths, files, strict=True):
        path.write_text("".join(json.dumps({**FOX, **entry}) + "\n" for entry in entries))
    with Manifests(paths) as manifests:
        summary = manifests.check()
        specs = list(manifests.specs())
    assert summary.jobs == len(specs)
    return summary, specs


def test_one_request_by_two_names_is_two_jobs(tmp_path: Path) -> None:
    """As within one file, and a note says that both are paid for."""
    summary, specs = read(tmp_path, [{"name": "one", "meta": {"a": 1}}], [{"name": "two", "meta": {"b": 2}}])
    assert [(job.name, job.meta) for job in specs] == [("one", {"a": 1}), ("two", {"b": 2})]
    assert len({job.id for job in specs}) == 2
    assert (summary.repeated, summary.shared) == (1, 0)
    assert summary.first_repeated == f"{tmp_path / '1.jsonl'}:1 repeats {tmp_path / '0.jsonl'}:1"


@pytest.mark.parametrize("names", [("x", "x"), (None, None)])
def test_one_request_by_one_name_is_one_job(names: tuple[str | None, ...], tmp_path: Path) -> None:
    """And a note names both places: the meta of the second is not kept."""
    entries: list[dict[str, object]] = [
        {"meta": {"n": n}, **({"name": name} if name else {})} for n, name in enumerate(names)
    ]
    summary, [job] = read(tmp_path, *([entry] for entry in entries))
    assert job.meta == {"n": 0}
    assert (summary.repeated, summary.shared) == (0, 1)
    assert summary.first_shared == f"{tmp_path / '1.jsonl'}:1 is the same as {tmp_path / '0.jsonl'}:1"
    assert summary.shared_note is not None
    assert summary.first_shared in summary.shared_note


def test_named_and_not_named(tmp_path: Path) -> None:
    """A name tells it from one without."""
    _, specs = read(tmp_path, [{"name": "one"}], [{}])
    assert len(specs) == 2


def test_ids_of_ones_own(tmp_path: Path) -> None:
    """They have always been jobs of their own."""
    summary, specs = read(tmp_path, [{"id": "a"}], [{"id": "b"}])
    assert (len(specs), summary.repeated, summary.shared) == (2, 0, 0)


def test_each_name_finds_its_own(tmp_path: Path) -> None:
    """However often a request stands in either file, by whatever names."""
    first: list[dict[str, object]] = [{"name": "a"}, {}, {}, {"name": "b"}]
    second: list[dict[str, object]] = [{}, {"name": "c"}, {"name": "b"}, {}, {}]
    summary, specs = read(tmp_path, first, second)
    own = [job.name if len(job.name) == 1 else "" for job in specs]
    assert own == ["a", "", "", "b", "c", ""]
    assert (summary.shared, len({job.id for job in specs})) == (3, 6)
    assert summary.first_shared == f"{tmp_path / '1.jsonl'}:1 is the same as {tmp_path / '0.jsonl'}:2"


def test_the_first_place_is_that_of_the_same_name(tmp_path: Path) -> None:
    """Not that of another job with the same request."""
    summary, _ = read(tmp_path, [{"name": "a"}, {"name": "b"}], [{"name": "b"}])
    assert summary.first_shared == f"{tmp_path / '1.jsonl'}:1 is the same as {tmp_path / '0.jsonl'}:2"


def test_a_file_named_again_keeps_its_first_place(tmp_path: Path) -> None:
    """The jobs come in the order in which the files were named first, and so does the meta that is kept."""
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    for path in one, two:
        path.write_text(json.dumps({**FOX, "meta": {"from": path.stem}}) + "\n")
    with Manifests([one, two, tmp_path / "." / "one.jsonl"]) as manifests:
        [job] = manifests.specs()
    assert job.meta == {"from": "one"}


def test_reading_them_again_gives_the_same_ids(tmp_path: Path) -> None:
    """What is bought once is known the next time, also from one of the files alone."""
    files: list[list[dict[str, object]]] = [[{"name": "one"}], [{"name": "two"}], [{"name": "three"}]]
    _, specs = read(tmp_path, *files)
    _, again = read(tmp_path, *files)
    assert specs == again
    [alone] = read(tmp_path, files[2])[1]
    assert alone.id in {job.id for job in specs}


def test_blanks_do_not_tell_two_files_apart(tmp_path: Path) -> None:
    """A request is the same if only a blank at the end of a text differs."""
    summary, [job] = read(tmp_path, [{"prompt": "A fox "}], [{"prompt": "A fox"}])
    assert (job.request["prompt"], summary.shared) == ("A fox ", 1)


def _peak(path: Path) -> int:
    tracemalloc.start()
    try:
        with Manifests([path]) as manifests:
            for _ in manifests.specs():
                pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _csv(path: Path, rows: int) -> Path:
    lines = (f'{T2V},"A cat, number {row}, {"walks " * 20}",cat-{row}\n' for row in range(rows))
    path.write_text("model,prompt,name\n" + "".join(lines))
    return path


def _yaml(path: Path, jobs: int) -> Path:
    lines = (f"- prompt: A cat, number {job}, {'walks ' * 20}\n" for job in range(jobs))
    path.write_text(f"jobs:\n{''.join(lines)}defaults: {{model: {T2V}}}\n")
    return path


@pytest.mark.parametrize(("make", "name", "few", "many"), [(_csv, "a.csv", 500, 5000), (_yaml, "a.yaml", 500, 5000)])
def test_memory(make, name: str, few: int, many: int, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Ten times the jobs add less than 300 bytes each, a good deal less than the jobs themselves."""
    small = _peak(make(tmp_path / f"few-{name}", few))
    large = _peak(make(tmp_path / f"many-{name}", many))
    assert large - small < 300 * (many - few)
    assert large < 12 * MIB


def test_first_jobs_come_before_the_end_is_read(tmp_path: Path) -> None:
    """A large family is not made before it is asked for."""
    path = tmp_path / "a.yaml"
    path.write_text(f"- {{model: {T2V}, prompt: 'A {{index}}', repeat: 100000}}\n" * 9)
    with Manifests([path]) as manifests:
        specs = manifests.specs()
        assert next(specs).request["prompt"] == "A 0"


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
