"""What pyproject.toml says about dependencies is so; ``make lowest`` installs and runs what is derived here."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from batchveo import __version__

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
    more = [each for extra in ("cloud", "hub", "media", "notify", "parquet") for each in extras[extra]]
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


def test_ci_tests_every_python_and_platform_that_the_classifiers_name() -> None:
    """The lowest is the one that `requires-python` names."""
    content = project()
    matrix = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    matrix = matrix["jobs"]["tests"]["strategy"]["matrix"]
    classifiers = content["classifiers"]
    assert matrix["python"] == [found[1] for each in classifiers if (found := re.search(r":: (3\.\d+)$", each))]
    assert content["requires-python"] == f">={matrix['python'][0]}"
    systems = {
        "MacOS": "macos-latest",
        "Microsoft :: Windows": "windows-latest",
        "POSIX :: Linux": "ubuntu-latest",
    }
    prefix = "Operating System :: "
    named = {systems[each.removeprefix(prefix)] for each in classifiers if each.startswith(prefix)}
    assert named == set(matrix["os"])


def test_hooks_and_make_check_the_same() -> None:
    """Whatever a hook runs, `make lint` runs too."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook["entry"] for repo in config["repos"] for hook in repo["hooks"]]
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert lint
    tools = [line.split()[0].removeprefix("$(BIN)/") for line in lint[1].splitlines() if "$(BIN)/" in line]
    assert tools == [entry.split()[0] for entry in hooks]


def test_the_changelog_has_the_version_with_its_date() -> None:
    """In the form of Keep a Changelog: Unreleased first, then the newest, each with a date and a link."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, *released = re.findall(r"^## \[(.+?)\](.*)$", text, re.MULTILINE)
    assert first == ("Unreleased", "")
    assert released[0][0] == __version__
    dates = [date.fromisoformat(rest.removeprefix(" - ")) for _, rest in released]
    assert dates == sorted(dates, reverse=True)
    for version, _ in [first, *released]:
        assert len(re.findall(rf"^\[{re.escape(version)}\]: https://", text, re.MULTILINE)) == 1
