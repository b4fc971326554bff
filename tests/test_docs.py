"""The docs name everything there is, and their examples work."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from batchveo.cli import COMMANDS, batchveo, dotenv, status_of
from batchveo.core.models import JobState
from batchveo.manifest import Manifests

ROOT = Path(__file__).parents[1]
COMMANDS_MD = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def command(name: str) -> click.Command:
    found = batchveo.get_command(click.Context(batchveo), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    """In docs/commands.md, under a heading of its own or the one it refers to."""
    assert re.search(rf"^## {name}\b", COMMANDS_MD, re.MULTILINE)
    for parameter in command(name).params:
        for option in parameter.opts:
            assert not option.startswith("--") or option in COMMANDS_MD, f"{name} {option}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme(name: str) -> None:
    """By its name."""
    assert f"`{name}`" in README


def test_every_state_and_exit_status_is_documented() -> None:
    """In the words of the program."""
    for state in JobState:
        assert f"`{state.value}`" in COMMANDS_MD
        assert state.sentence.split(";")[0].rstrip(".").lower() in COMMANDS_MD.lower()
    for status in ("0", "1", "2", "3", "4", "130"):
        assert re.search(rf"^\| {status}\b", COMMANDS_MD, re.MULTILINE)


def test_every_option_with_a_variable_has_its_own() -> None:
    """--settle is BATCHVEO_SETTLE, and no two options share one within a command."""
    for name in COMMANDS:
        variables = [p.envvar for p in command(name).params if isinstance(p, click.Option) and p.envvar]
        assert len(variables) == len(set(map(str, variables)))
        assert all(str(variable).startswith("BATCHVEO_") for variable in variables)


ONCE = {
    "adopt": {"--job", "--manifest", "--from-log", "--key"},
    "cancel": {"--all"},
    "doctor": {"--notify-test"},
    "resolve": {"--all", "--held", "--state-is", "--resubmit", "--generation-id", "--fail", "--yes"},
    "retry": {"--state-is"},
    "verify": {"--refetch"},
}
"""Options for one call alone, which a variable left over from yesterday must not choose."""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_other_option_has_its_variable(name: str) -> None:
    """Named after its long form; flags and options that may be given several times too."""
    for parameter in command(name).params:
        if isinstance(parameter, click.Option):
            long = next(option for option in parameter.opts if option.startswith("--"))
            variable = "BATCHVEO_" + long.removeprefix("--").replace("-", "_").upper()
            assert parameter.envvar == (None if long in ONCE.get(name, ()) else variable), f"{name} {long}"


@pytest.mark.usefixtures("_quick_sandbox")
def test_flags_and_several_values_come_from_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As docs/ecosystem.md writes them."""
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text("jobs:\n  - {model: veo2, prompt: A dragon}\n", encoding="utf-8")
    monkeypatch.setenv("BATCHVEO_SANDBOX", "1")
    assert status_of(["run", "m.yaml"]) == 0
    monkeypatch.setenv("BATCHVEO_STATE_IS", "succeeded in_doubt")
    monkeypatch.setenv("BATCHVEO_JSON", "1")
    assert status_of(["jobs"]) == 0
    assert '"succeeded"' in capsys.readouterr().out
    monkeypatch.setenv("BATCHVEO_STATE_IS", "failed in_doubt")
    assert status_of(["jobs"]) == 0
    assert capsys.readouterr().out == ""


def test_the_example_config_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By each command, as it stands there."""
    monkeypatch.chdir(tmp_path)
    (example,) = blocks("docs/ecosystem.md", "toml")
    Path("batchveo.toml").write_text(example, encoding="utf-8")
    for name in COMMANDS:
        assert status_of([name, "--help"]) == 0, capsys.readouterr().err
    status_of(["run", "--help"])
    assert "[default: 30/min]" in " ".join(capsys.readouterr().out.split())


def test_the_example_dotenv_is_read(tmp_path: Path) -> None:
    """Each line of it."""
    (example,) = blocks("docs/ecosystem.md", "sh")
    (tmp_path / ".env").write_text(example, encoding="utf-8")
    assert dotenv.read(tmp_path / ".env") == {
        "AIMLAPI_API_KEY": "the key",
        "BATCHVEO_BUDGET": "150",
        "BATCHVEO_OUTPUT": "my videos",
    }


def test_commands_in_the_docs_exist() -> None:
    """With every option that they are given there."""
    found = 0
    for path in ("README.md", "docs/ecosystem.md"):
        for block in blocks(path, "console"):
            for name, rest in re.findall(r"\bbatchveo ([a-z][a-z-]*)((?: [^|>#\n)]*)?)", block):
                if name in COMMANDS:
                    known = {option for p in command(name).params for option in (*p.opts, *p.secondary_opts)}
                    assert set(re.findall(r"(?<= )--[a-z-]+", rest)) <= known, (name, rest)
                    found += 1
    assert found > 10


def test_files_that_the_docs_link_to_exist() -> None:
    """Relative links of every page."""
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page.name, target)


def blocks(path: str, language: str) -> list[str]:
    text = (ROOT / path).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize(
    ("path", "language", "suffix"),
    [
        ("README.md", "yaml", ".yaml"),
        ("docs/manifest.md", "yaml", ".yaml"),
        ("docs/manifest.md", "csv", ".csv"),
        ("docs/manifest.md", "json", ".jsonl"),
    ],
)
def test_manifests_in_the_docs_are_valid(path: str, language: str, suffix: str, tmp_path: Path) -> None:
    """Each as it stands there."""
    examples = blocks(path, language)
    assert examples
    (tmp_path / "prompts.txt").write_text("A cat\n", encoding="utf-8")
    row = "Mug,M-1,https://shop.example.org/m.jpg,4"
    (tmp_path / "shots.csv").write_text(f"Product name,sku,image,seconds\n{row}\n", encoding="utf-8")
    for example in examples:
        file = tmp_path / f"m{suffix}"
        file.write_text(example, encoding="utf-8")
        with Manifests([file]) as reading:
            assert reading.check().jobs > 0


def test_tests_named_in_the_guarantees_exist() -> None:
    """A guarantee without its test is none."""
    text = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    for name in re.findall(r"`(test_[a-z_0-9]+)…?`", text):
        assert f"def {name}" in tests, name
    for path in re.findall(r"`(tests/[a-z_/.]+)`", text):
        assert (ROOT / path).exists(), path
    for point in re.findall(r"`((?:before|after|during|mid)-[a-z-]+)`", text):
        assert f'"{point}"' in tests, point


def test_example_manifests_are_valid() -> None:
    """Every file in manifests/."""
    for path in sorted((ROOT / "manifests").iterdir()):
        if path.is_file() and path.suffix != ".txt":
            with Manifests([path]) as reading:
                assert reading.check().jobs > 0


def test_the_readme_python_example_names_what_exists() -> None:
    """Every `batchveo.NAME` in it."""
    import batchveo as package

    for example in blocks("README.md", "python"):
        for name in re.findall(r"batchveo\.([A-Za-z_]+)", example):
            assert hasattr(package, name)


def test_every_public_name_is_in_the_library_reference() -> None:
    """In backticks; a new one is documented with it."""
    import batchveo as package

    reference = (ROOT / "docs/library.md").read_text(encoding="utf-8")
    for name in package.__all__:
        assert f"`{name}`" in reference, name


def test_every_room_stands_in_the_architecture() -> None:
    """In backticks, by the name that it has among the layers."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "batchveo").iterdir()):
        if (path.suffix == ".py" or path.is_dir()) and not path.name.startswith("_"):
            assert f"`{path.stem}`" in text, path.name


def test_ci_runs_the_readmes_test_command() -> None:
    """What stands in the README is what is checked."""
    assert "make test" in README.split("```")[1]
    assert "make test" in (ROOT / ".ci/run").read_text(encoding="utf-8")
