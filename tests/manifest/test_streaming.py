"""Large manifests: memory does not grow with them, save for a few bytes a job."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from batchveo.manifest import Manifests
from tests.helpers.manifests import T2V

MIB = 1024 * 1024


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


@pytest.mark.parametrize(("make", "name", "few", "many"), [(_csv, "a.csv", 2500, 25_000), (_yaml, "a.yaml", 500, 5000)])
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
