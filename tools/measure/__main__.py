"""Print the figures of layout, names, size and prose that we watch: ``python -m tools.measure``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.measure.csv_row import measure_csv_row
from tools.measure.figure import Figure, to_explanation, to_json, to_markdown
from tools.measure.layout import measure_layout
from tools.measure.names import measure_names
from tools.measure.prose import measure_prose
from tools.measure.size import measure_size, measure_tests
from tools.measure.sources import Project

MEASURES: tuple[Callable[[Project], Iterator[Figure]], ...] = (
    measure_layout,
    measure_names,
    measure_csv_row,
    measure_prose,
    measure_size,
    measure_tests,
)


def main() -> None:
    """Measure a project and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tools.measure", description="Measure the code of the package.")
    parser.add_argument(
        "--project",
        type=Path,
        default=Path(__file__).parents[2],
        metavar="DIR",
        help="folder with batchveo/, tests/ and docs/ [default: this repository]",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, with everything that was counted")
    form.add_argument("--how", action="store_true", help="print below the table what each figure counts")
    arguments = parser.parse_args()
    project = Project(folder=arguments.project.resolve())
    if not project.sources:
        parser.error(f"there is no {project.package}/ in {project.folder}")
    figures = [figure for measure in MEASURES for figure in measure(project)]
    if arguments.json:
        print(to_json(figures))
        return
    print(to_markdown(figures))
    if arguments.how:
        print(f"\n{to_explanation(figures)}")


if __name__ == "__main__":
    main()
