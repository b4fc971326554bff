"""What pyproject.toml says about dependencies is so; ``make lowest`` installs and runs what is derived here."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def lowest() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lowest", ROOT / ".ci/lowest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def project() -> dict[str, Any]:
    content: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return content


def test_every_dependency_of_users_is_pinned_at_its_bound(lowest: ModuleType) -> None:
    """Those of all extras that a machine of one person has, each with a version that exists in the text."""
    content = project()
    pins = lowest.lowest(content, ["all"])
    extras = content["optional-dependencies"]
    more = [each for extra in ("cloud", "media", "notify", "parquet") for each in extras[extra]]
    named = [*content["dependencies"], *more]
    assert len(pins) == len(named)
    for name, version in pins.items():
        assert any(requirement.startswith(f"{name}>={version}") for requirement in named), name


def test_a_dependency_without_a_lower_bound_is_told(lowest: ModuleType) -> None:
    """Nobody knows what it works with."""
    with pytest.raises(ValueError, match=r"'rich<15' has no lower bound"):
        lowest.lowest({"dependencies": ["click>=8", "rich<15"], "optional-dependencies": {}}, [])


def test_markers_and_upper_bounds_are_no_versions(lowest: ModuleType) -> None:
    """Nor are the extras of a dependency."""
    dependencies = ["a[x,y]>=1.2, <3", 'b >=2; python_version>="3.12"']
    content = {"dependencies": dependencies, "optional-dependencies": {}}
    assert lowest.lowest(content, []) == {"a": "1.2", "b": "2"}


def test_ci_runs_it_before_the_closing_line() -> None:
    """The last line stays that of the tests."""
    lines = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert "make lowest" in lines
    assert lines[-1].startswith("tail -n 1")
