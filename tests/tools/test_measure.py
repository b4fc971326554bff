"""The figures of ``python -m tools.measure``, on small packages whose figures are known."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tools.measure import csv_row
from tools.measure.csv_row import NotTraced, measure_csv_row, trace_row
from tools.measure.figure import Figure, to_json, to_markdown
from tools.measure.imports import count_floors, find_circles, read_imports, top_level
from tools.measure.layout import measure_layout
from tools.measure.names import is_bare_word, is_gerund, measure_names
from tools.measure.prose import is_condition, measure_prose
from tools.measure.size import measure_size, measure_tests
from tools.measure.sources import Project

ROOT = Path(__file__).parents[2]

LAYERS = """
    [[tool.importlinter.contracts]]
    type = "layers"
    containers = ["batchveo"]
    layers = ["cli", "store | web", "core"]
"""


def make_project(folder: Path, files: dict[str, str]) -> Project:
    """A project of these files, by their paths."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return Project(folder=folder)


def by_key(figures: list[Figure]) -> dict[str, Figure]:
    """Figures by their key."""
    return {figure.key: figure for figure in figures}


def test_layout_counts_entries_arrows_and_floors(tmp_path: Path) -> None:
    """Imports inside functions and relative ones count; those for type checkers do not."""
    project = make_project(
        tmp_path,
        {
            "pyproject.toml": LAYERS,
            "batchveo/__init__.py": "from batchveo.cli import main",
            "batchveo/cli/__init__.py": "def main():\n    from ..store.jobs import find_job",
            "batchveo/store/__init__.py": "",
            "batchveo/store/jobs.py": """
                from typing import TYPE_CHECKING
                import batchveo.core
                from batchveo import web
                if TYPE_CHECKING:
                    from batchveo import cli
            """,
            "batchveo/core.py": "import os",
            "batchveo/web.py": "from . import core",
        },
    )
    figures = by_key(list(measure_layout(project)))
    assert figures["entries"].value == 4
    assert "(2 modules, 2 packages)" in figures["entries"].name
    assert figures["layers"].value == 3
    assert figures["arrows"].found == ("cli -> store", "store -> core", "store -> web", "web -> core")
    assert figures["floors"].value == 4
    assert figures["upward_arrows"].found == ("store -> web",)
    assert figures["circles"].value == 0


def test_circles_are_found_and_count_as_one_floor(tmp_path: Path) -> None:
    """Three modules that import each other in a ring, one above and one below."""
    project = make_project(
        tmp_path,
        {
            "batchveo/top.py": "import batchveo.a",
            "batchveo/a.py": "import batchveo.b",
            "batchveo/b.py": "import batchveo.c",
            "batchveo/c.py": "import batchveo.a, batchveo.low",
            "batchveo/low.py": "",
        },
    )
    graph = read_imports(project.sources)
    assert find_circles(graph) == [("batchveo.a", "batchveo.b", "batchveo.c")]
    assert count_floors(top_level(graph)) == 3


@pytest.mark.exhaustive
def test_the_graph_is_that_of_import_linter() -> None:
    """Every import of this package, and no other."""
    grimp = pytest.importorskip("grimp")
    linter = grimp.build_graph("batchveo", exclude_type_checking_imports=True, cache_dir=None)
    expected = {name: linter.find_modules_directly_imported_by(name) for name in linter.modules}
    assert read_imports(Project(folder=ROOT).sources) == expected


@pytest.mark.parametrize(
    ("name", "bare"), [("run", True), ("_run", True), ("run_", True), ("run_job", False), ("_run_job", False)]
)
def test_a_bare_word_has_no_underscore_inside(name: str, bare: bool) -> None:
    """Those at its ends are no words."""
    assert is_bare_word(name) is bare


@pytest.mark.parametrize(
    ("name", "gerund"),
    [
        ("holding", True),
        ("charting", True),
        ("settings", False),
        ("staging", False),
        ("missing_locks", False),
        ("ing", False),
    ],
)
def test_a_gerund_ends_a_name_and_is_no_noun(name: str, gerund: bool) -> None:
    """What only describes a noun is none."""
    assert is_gerund(name) is gerund


def test_names_are_counted_for_each_definition(tmp_path: Path) -> None:
    """Methods and nested functions too, ``__init__`` not; a package by its own name."""
    project = make_project(
        tmp_path,
        {
            "batchveo/planning/__init__.py": "",
            "batchveo/planning/looking.py": """
                class Plan:
                    def __init__(self): ...
                    def cost(self): ...
                    async def read_all(self):
                        def inner(): ...
                        def _at_last(): ...
            """,
        },
    )
    figures = by_key(list(measure_names(project)))
    assert figures["bare_words"].value == 50.0
    assert figures["gerunds"].found == ("batchveo/planning/__init__.py", "batchveo/planning/looking.py")


@pytest.mark.parametrize(
    ("sentence", "condition"),
    [
        ("``None`` where there is none.", True),
        ("Raises ``OSError`` where it cannot be read.", True),
        ("Exit status 1 where the log is longer than what is read.", True),
        ("Where nothing is known, it is left out.", True),
        ("The id, where there is one.", True),
        ("It says where the video is.", False),
        ("The folder where videos go.", False),
        ("Where the videos are.", False),
        ("Decided once, where it is read, and carried on.", False),
    ],
)
def test_where_is_a_condition_or_a_place(sentence: str, condition: bool) -> None:
    """By the words before and after it."""
    before, where, after = sentence.partition("where" if "where" in sentence else "Where")
    assert where
    assert is_condition(before, after) is condition


def test_prose_is_pages_without_code_and_docstrings(tmp_path: Path) -> None:
    """Per 1,000 words; each that was found with its surroundings."""
    project = make_project(
        tmp_path,
        {
            "README.md": "Zero where it has none.\n\n```sh\nnone where there is none\n```\n",
            "docs/guide/page.md": "One two three four five.\n",
            "batchveo/core.py": '''
                """Nothing here."""
                LIMIT = 3
                """None where none is."""
                text = "not where nobody reads"
            ''',
        },
    )
    figures = by_key(list(measure_prose(project)))
    assert figures["where_in_pages"].value == 100.0
    assert figures["where_in_pages"].found == ("README.md: …Zero where it has none.…",)
    assert figures["where_in_docstrings"].value == pytest.approx(1000 / 6)
    assert figures["where_in_docstrings"].found[0].startswith("batchveo/core.py:3: ")


def test_size_counts_lines_comments_and_functions(tmp_path: Path) -> None:
    """Code is what is neither blank nor comment nor docstring; comments count inside functions only."""
    project = make_project(
        tmp_path,
        {
            "batchveo/core.py": '''
                """One.

                Two."""

                # above

                def add(one, two):
                    """Add."""
                    # why
                    text = """a
                    b"""
                    return one + two  # at the end


                def skip():  # noqa: D103
                    return None
            ''',
            "batchveo/long.py": "def long_one():\n" + "    x = 1\n" * 29,
        },
    )
    figures = by_key(list(measure_size(project)))
    assert figures["lines"].value == 16 + 30
    assert figures["code_lines"].value == 4 + 2 + 30
    assert figures["comments"].value == pytest.approx(100 * 2 / (6 + 2 + 30))
    assert figures["short_functions"].value == pytest.approx(100 * 2 / 3)
    assert figures["short_functions"].found == ("batchveo/long.py:1 long_one: 30 lines",)


def test_a_tested_module_has_a_file_of_its_name_in_its_place(tmp_path: Path) -> None:
    """Not somewhere else; ``__init__`` needs none."""
    files = dict.fromkeys(["batchveo/__init__.py", "batchveo/store/runs.py", "batchveo/store/jobs.py"], "")
    project = make_project(tmp_path, {**files, "tests/store/test_runs.py": "", "tests/test_jobs.py": ""})
    (figure,) = measure_tests(project)
    assert figure.value == 50.0
    assert figure.found == ("batchveo/store/jobs.py",)


SMALL_RUN = {
    "batchveo/__init__.py": "",
    "batchveo/__main__.py": """
        from batchveo.engine import run_all
        run_all()
    """,
    "batchveo/engine.py": """
        import csv, threading
        from batchveo import clock, prices, records, sender
        def run_all():
            clock.read_now()
            with open("one.csv") as file:
                rows = [records.make_job(row) for row in csv.DictReader(file)]
            thread = threading.Thread(target=sender.send, args=(rows[0].id,))
            thread.start()
            thread.join()
    """,
    "batchveo/records.py": """
        from dataclasses import dataclass
        from typing import NamedTuple
        from batchveo import prices
        class Entry(NamedTuple):
            prompt: str
        @dataclass
        class Job:
            id: str
            entries: list[Entry]
        @dataclass
        class Limit:
            seconds: int = 3
        def make_job(row):
            prices.find_price()
            Limit()
            return Job("0123456789", [Entry(row["prompt"])])
    """,
    "batchveo/prices.py": "def find_price():\n    return 1",
    "batchveo/clock.py": "def read_now():\n    return 2",
    "batchveo/sender.py": """
        from batchveo.sandbox import service
        def send(job):
            service.answer_health()
            service.receive(f"a zebrafinch {job}")
    """,
    "batchveo/sandbox/__init__.py": "",
    "batchveo/sandbox/service.py": """
        import sys
        from batchveo import late
        def answer_health(): ...
        def receive(body):
            late.record(body)
    """,
    "batchveo/late.py": "def record(body): ...",
}


def test_a_row_is_followed_into_records_threads_and_what_works_for_it(tmp_path: Path) -> None:
    """By its text and its id, until the sandbox has it: ``late`` is after that, ``clock`` is not for the row."""
    way = trace_row(make_project(tmp_path, SMALL_RUN))
    assert way.handed == ("records.py", "sender.py")
    assert way.working == ("prices.py", "records.py", "sender.py")
    assert way.executed == ("clock.py", "engine.py", "prices.py", "records.py", "sender.py")
    assert way.records == ("batchveo.records.Entry", "batchveo.records.Job")


def test_a_run_that_fails_leaves_its_figures_open(tmp_path: Path) -> None:
    """The others are still of use."""
    project = make_project(tmp_path, {**SMALL_RUN, "batchveo/prices.py": "raise OSError('no disk')"})
    with pytest.raises(NotTraced, match="no disk"):
        trace_row(project)
    figures = list(measure_csv_row(project))
    assert {figure.text for figure in figures} == {"not measured"}
    assert all("no disk" in figure.found[0] for figure in figures)


def test_a_run_that_hangs_leaves_its_figures_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended after a minute."""
    monkeypatch.setattr(csv_row, "_SECONDS", 0)
    (first, *_) = measure_csv_row(make_project(tmp_path, SMALL_RUN))
    assert first.value is None
    assert "timed out" in first.found[0]


def test_figures_are_printed_as_markdown_and_json() -> None:
    """A column for the goal; JSON has all that was counted."""
    share = Figure(key="share", name="a share", value=66.13, unit=" %", goal="below 45 %", how="Counted.", found=("a",))
    lines = Figure(key="lines", name="lines", value=36582, how="Counted.")
    assert to_markdown([share, lines]).splitlines() == [
        "| measure | now | goal |",
        "| --- | --- | --- |",
        "| a share | 66.1 % | below 45 % |",
        "| lines | 36,582 |  |",
    ]
    content = json.loads(to_json([share, lines]))
    assert content["share"]["found"] == ["a"]
    assert content["lines"]["value"] == 36582


@pytest.mark.exhaustive
def test_the_row_of_this_package_is_followed() -> None:
    """It reaches the sandbox, in records, and more files work for it than are given it."""
    figures = by_key(list(measure_csv_row(Project(folder=ROOT))))
    assert all(figure.value for figure in figures.values()), figures["row_working"].found
    assert set(figures["row_handed"].found) < set(figures["row_working"].found) < set(figures["row_executed"].found)


def run_tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """``python -m tools.measure``, as developers and CI call it."""
    command = [sys.executable, "-m", "tools.measure", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_prints_a_table_and_json(tmp_path: Path) -> None:
    """With the same figures; ``--how`` says below the table what each counts."""
    make_project(tmp_path, {**SMALL_RUN, "pyproject.toml": LAYERS})
    table = run_tool("--project", str(tmp_path), "--how")
    figures = json.loads(run_tool("--project", str(tmp_path), "--json").stdout)
    assert all(figure["value"] is not None for figure in figures.values())
    for figure in figures.values():
        assert f"| {figure['name']} | " in table.stdout
        assert f"- **{figure['name']}**: {figure['how']}" in table.stdout


def test_a_folder_without_the_package_is_refused(tmp_path: Path) -> None:
    """With the usual status of wrong usage."""
    done = run_tool("--project", str(tmp_path))
    assert done.returncode == 2
    assert "there is no batchveo/" in done.stderr
