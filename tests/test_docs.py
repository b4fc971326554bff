"""The docs name everything there is, and their examples work."""

from __future__ import annotations

import ast
import html
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.machinery import SourceFileLoader
from itertools import chain
from pathlib import Path
from types import CodeType

import click
import pytest

from batchveo.cli import COMMANDS, batchveo, dotenv, status_of
from batchveo.core.fields import FIELDS, parse_condition
from batchveo.core.models import JobState
from batchveo.manifest import Manifests

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OUTPUT = (ROOT / "docs/reference/output.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
LARGEST_PICTURE = 200_000
"""Bytes: a page with several pictures has to open at once."""
needs_mkdocs = pytest.mark.skipif(
    importlib.util.find_spec("mkdocs_click") is None or importlib.util.find_spec("mkdocstrings") is None,
    reason="the docs extra is not installed",
)


def command(name: str) -> click.Command:
    found = batchveo.get_command(click.Context(batchveo), name)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, built as ``make docs`` does: a warning or a broken link is an error."""
    folder = tmp_path_factory.mktemp("site")
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(build, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@needs_mkdocs
@pytest.mark.exhaustive
@pytest.mark.xdist_group("site")  # so that it is built once
def test_every_command_and_option_is_in_the_built_reference(site: Path) -> None:
    """Each command under a heading of its own, with all of its options and their help."""
    page = html.unescape((site / "reference/commands.html").read_text(encoding="utf-8"))
    parts = re.split(r'<h3 id="batchveo-([a-z-]+)">', page)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    for name in COMMANDS:
        section = words(sections[name])
        for parameter in command(name).params:
            if isinstance(parameter, click.Option):
                assert all(option in section for option in parameter.opts), f"{name} {parameter.opts}"
                assert words(parameter.help or "") in section, f"{name} {parameter.opts}"


def words(text: str) -> str:
    """Text without tags and marks of HTML and Markdown, and with single blanks."""
    return " ".join(re.sub(r"<[^>]+>|[`*\\]", "", text).split())


@needs_mkdocs
@pytest.mark.exhaustive
@pytest.mark.xdist_group("site")  # so that it is built once
def test_every_public_name_is_in_the_built_reference(site: Path) -> None:
    """With an anchor that other pages can link to."""
    import batchveo as package

    page = (site / "reference/python.html").read_text(encoding="utf-8")
    for name in package.__all__:
        assert f'id="batchveo.{name}"' in page or f"batchveo.{name}<" in page, name


@needs_mkdocs
@pytest.mark.exhaustive
@pytest.mark.xdist_group("site")  # so that it is built once
def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    """No fonts, scripts, styles or pictures of other hosts."""
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(PAGES) - 2
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert re.findall(r'<(?:script|img|link)\b[^>]*(?:src|href)="(https?:[^"]*)"', text) == [], page.name


def list_pictures(text: str) -> list[str]:
    """The pictures of a page, in Markdown and in HTML."""
    found = re.findall(r'!\[[^\]]+\]\(([^)]+)\)|(?:src|srcset)="([^"]+)"', text)
    return [first or second for first, second in found]


def test_the_readme_is_short_and_shows_a_run_and_its_page() -> None:
    """At most a hundred lines."""
    assert len(README.splitlines()) <= 100
    pictures = {"docs/images/run.svg", "docs/images/page-light.jpg", "docs/images/page-dark.jpg"}
    assert {*list_pictures(README)} == pictures


def test_every_picture_is_there_and_small() -> None:
    """Each is on a page, has another one for dark screens, and loads nothing from elsewhere."""
    used = set()
    for page in PAGES:
        for picture in list_pictures(page.read_text(encoding="utf-8")):
            path = (page.parent / picture).resolve()
            assert 1_000 < path.stat().st_size <= LARGEST_PICTURE, path
            used.add(path)
    assert used == {*(ROOT / "docs/images").resolve().iterdir()}
    for path in used:
        if path.suffix == ".svg":
            assert "@font-face" not in path.read_text(encoding="utf-8")
        else:
            assert path.with_name(path.name.replace("light", "dark")) in used


def test_every_state_and_exit_status_is_documented() -> None:
    """In the words of the program."""
    for state in JobState:
        assert f"| `{state.value}` |" in OUTPUT
        assert state.sentence.split(";")[0].rstrip(".").lower() in OUTPUT.lower()
    for status in ("0", "1", "2", "3", "4", "130"):
        assert re.search(rf"^\| {status}\b", OUTPUT, re.MULTILINE)


def test_no_page_uses_the_old_words() -> None:
    """One word for one thing, by docs/glossary.md: a run is no night, a database no state."""
    for page in PAGES:
        text = re.sub(r"(?s)<!-- results -->.*<!-- end of results -->", "", page.read_text(encoding="utf-8"))
        text = re.sub(r"(?s)```.*?```|`[^`]*`|\]\([^)]*\)|<!--.*?-->", "", text)
        if page.name not in {"changelog.md", "glossary.md"}:
            found = re.findall(r"(?i)\b(?:(?<!simulated )(?<!every )nights?|the state file|goes on|go on)\b", text)
            assert found == [], page.name


def test_every_option_with_a_variable_has_its_own() -> None:
    """--settle is BATCHVEO_SETTLE, and no two options share one within a command."""
    for name in COMMANDS:
        variables = [p.envvar for p in command(name).params if isinstance(p, click.Option) and p.envvar]
        assert len(variables) == len(set(map(str, variables)))
        assert all(str(variable).startswith("BATCHVEO_") for variable in variables)


ONCE = {
    "annotate": {"--on", "--as", "--column", "--skip-unknown"},
    "adopt": {"--job", "--manifest", "--from-log", "--key"},
    "cancel": {"--all", "--model", "--where"},
    "check": {"--checks", "--where", "--again", "--with", "--as", "--batch", "--timeout"},
    "compare": {"--by"},
    "doctor": {"--notify-test"},
    "export": {
        "--where",
        "--picked",
        "--pairs",
        "--include-rejected",
        "--films",
        "--push-to-hub",
        "--private",
        "--revision",
    },
    "init": {"--model", "--prompt", "--output"},
    "jobs": {"--model", "--where", "--sort", "--limit", "--csv"},
    "open": {"--folder"},
    "models": {"--refresh", "--force"},
    "promote": {"--to", "--picked", "--where", "--output", "--drop"},
    "pick": {"--reject", "--rate", "--over", "--undo", "--by", "--from"},
    "plan": {"--where", "--diff"},
    "resolve": {
        "--all",
        "--held",
        "--state-is",
        "--model",
        "--where",
        "--resubmit",
        "--generation-id",
        "--fail",
        "--yes",
    },
    "retry": {
        "--model",
        "--where",
        "--state-is",
        "--all",
        "--cause",
        "--prompt",
        "--takes",
        "--with-children",
        "--to",
        "--drop",
        "--dry-run",
        "--yes",
    },
    "run": {"--where"},
    "film": {"--all", "--partial", "--output"},
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
    """As docs/reference/configuration.md writes them."""
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
    (example,) = blocks("docs/reference/configuration.md", "toml")
    Path("batchveo.toml").write_text(example, encoding="utf-8")
    for name in COMMANDS:
        assert status_of([name, "--help"]) == 0, capsys.readouterr().err
    status_of(["run", "--help"])
    assert "[default: 30/min]" in " ".join(capsys.readouterr().out.split())


def test_the_example_dotenv_is_read(tmp_path: Path) -> None:
    """Each line of it."""
    example, *_ = blocks("docs/reference/configuration.md", "sh")
    (tmp_path / ".env").write_text(example, encoding="utf-8")
    assert dotenv.read_dotenv(tmp_path / ".env") == {
        "AIMLAPI_API_KEY": "the key",
        "BATCHVEO_BUDGET": "150",
        "BATCHVEO_OUTPUT": "my videos",
    }


def test_files_that_the_docs_link_to_exist() -> None:
    """Relative links of every page; `make docs` checks anchors too, but does not see the README."""
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page.name, target)


def blocks(path: str, language: str) -> list[str]:
    text = (ROOT / path).read_text(encoding="utf-8")
    return re.findall(rf"```{language}(?: [^\n]*)?\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize(
    ("path", "language", "suffix"),
    [
        ("README.md", "yaml", ".yaml"),
        ("docs/reference/manifest.md", "yaml", ".yaml"),
        ("docs/reference/manifest.md", "csv", ".csv"),
        ("docs/reference/manifest.md", "json", ".jsonl"),
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


def test_every_field_of_conditions_is_documented() -> None:
    """In the words of the program: its kind, its unit, and whether gates may name it."""
    page = (ROOT / "docs/reference/conditions.md").read_text(encoding="utf-8")
    table = page.partition("## Fields")[2].partition("Fields with names of your own")[0]
    rows = [row for row in table.splitlines() if row.startswith("| `")]
    assert rows == [
        f"| `{field.name}`{'' if field.in_gates else '*'} | {field.kind} | {field.unit} | {field.meaning} |"
        for field in FIELDS.values()
    ]


def test_every_example_of_a_condition_is_one() -> None:
    """In the table of operators, and at the head of the page."""
    page = (ROOT / "docs/reference/conditions.md").read_text(encoding="utf-8")
    head, _, rest = page.partition("## Operators")
    cells = [row.split(" | ")[1] for row in rest.partition("\n\n- ")[0].splitlines() if row.startswith("| `")]
    examples = [*re.findall(r"`([^`]+)`", " ".join(cells)), head.split("`")[1]]
    assert len(examples) > 8
    for example in examples:
        parse_condition(example)


def test_tests_named_in_the_evidence_exist() -> None:
    """A guarantee without its test is none."""
    text = (ROOT / "docs/explanation/evidence.md").read_text(encoding="utf-8")
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


def test_every_public_name_is_in_the_python_reference() -> None:
    """One block a name, which mkdocstrings fills; and none that is not public."""
    import batchveo as package

    reference = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
    assert sorted([*re.findall(r"^::: batchveo\.(\w+)$", reference, re.MULTILINE), "__version__"]) == sorted(
        package.__all__
    )


def test_messages_in_the_troubleshooting_exist() -> None:
    """Each heading, part by part: what stands between two ``…`` is a text of the program."""
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^### `(.*)`$", page, re.MULTILINE)
    assert len(messages) > 30
    for message in messages:
        for part in filter(None, map(str.strip, message.split("…"))):
            assert any(part in text for text in texts()), (part, message)


@cache
def texts() -> frozenset[str]:
    """Every text in the package's code."""
    return frozenset(text for path in (ROOT / "batchveo").rglob("*.py") for text in list_texts(read_code(path)))


def read_code(path: Path) -> CodeType:
    """A module as Python keeps it compiled: that is read ten times as fast as its text is parsed."""
    code = SourceFileLoader(path.stem, str(path)).get_code(path.stem)
    assert code is not None
    return code


def list_texts(constant: object) -> Iterator[str]:
    """The texts among the constants of some code, or within one of them."""
    match constant:
        case str():
            yield constant
        case CodeType():
            yield from chain.from_iterable(map(list_texts, constant.co_consts))
        case tuple() | frozenset():
            yield from chain.from_iterable(map(list_texts, constant))


def test_every_package_is_in_the_architecture() -> None:
    """The table names what is there, and nothing else."""
    table = ARCHITECTURE.partition("## The packages")[2].partition("\n## ")[0]
    modules = (ROOT / "batchveo").glob("[a-z]*.py")
    packages = (path.parent for path in (ROOT / "batchveo").glob("*/__init__.py"))
    there = {path.stem for path in (*modules, *packages)}
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == there


def test_functions_named_in_the_architecture_exist() -> None:
    """Each step of a way, and each place beside them, names a function or class and the file that defines it."""
    section = ARCHITECTURE.partition("## The way through the code")[2].partition("\n## ")[0]
    section = re.sub(r"(?s)<!--.*?-->", "", section)
    ways = section.split("\n### ")[1:]
    assert len(ways) == 5
    for way in ways:
        steps = re.findall(r"^\d+\. `([\w.]+)` \(`([\w/]+\.py)`\)", way, re.MULTILINE)
        assert steps, way
        for name, file in steps:
            assert name.split(".") == defined(ROOT / file, name.split(".")), (name, file)


def defined(file: Path, names: list[str]) -> list[str]:
    """As many of the nested names as the file defines."""
    body: list[ast.stmt] = ast.parse(file.read_text(encoding="utf-8")).body
    found = []
    for name in names:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        match = next((node for node in body if isinstance(node, kinds) and node.name == name), None)
        if match is None:
            break
        found.append(name)
        body = match.body
    return found


def test_ci_runs_the_readmes_test_command() -> None:
    """What stands in the README is what is checked."""
    assert any("\nmake test " in block for block in README.split("```")[1::2])
    assert "make test" in (ROOT / ".ci/run").read_text(encoding="utf-8")
