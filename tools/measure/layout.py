"""Figures of the layout: entries, layers, floors, arrows, circles."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

from tools.measure.figure import Figure
from tools.measure.imports import count_floors, find_circles, read_imports, read_layers, top_level
from tools.measure.sources import Project


def measure_layout(project: Project) -> Iterator[Figure]:
    """Yield the figures of what lies directly under the package, and of the imports between these entries."""
    entries = sorted({source.path.parts[1] for source in project.sources} - {"__init__.py", "__main__.py"})
    modules = sum(entry.endswith(".py") for entry in entries)
    settings = tomllib.loads((project.folder / "pyproject.toml").read_text(encoding="utf-8"))
    layers = read_layers(settings, project.package)
    graph = read_imports(project.sources)
    top = top_level(graph)
    arrows = sorted((importer, imported) for importer, others in top.items() for imported in others)
    upward = [arrow for arrow in arrows if not layers.allows(*arrow)]
    circles = find_circles(graph)
    yield Figure(
        key="entries",
        name=f"entries directly under `{project.package}/` ({modules} modules, {len(entries) - modules} packages)",
        value=len(entries),
        goal="12 packages",
        how="Modules, and packages that hold Python files, without `__init__` and `__main__`.",
        found=tuple(entries),
    )
    yield Figure(
        key="layers",
        name="layers of imports",
        value=len(layers.lines),
        goal="7",
        how="Lines of the import-linter contract in `pyproject.toml` that orders these entries.",
    )
    yield Figure(
        key="floors",
        name="floors",
        value=count_floors(top),
        goal="7",
        how="Entries on the longest chain of imports; entries that import each other count as one.",
    )
    yield Figure(
        key="arrows",
        name="arrows between entries",
        value=len(arrows),
        goal="about 57",
        how="Pairs of which one imports the other, inside functions too; without imports for type checkers only.",
        found=tuple(map(" -> ".join, arrows)),
    )
    yield Figure(
        key="upward_arrows",
        name="arrows that do not go down",
        value=len(upward),
        goal="0",
        how="Arrows that go up in that contract, or along a line of it.",
        found=tuple(map(" -> ".join, upward)),
    )
    yield Figure(
        key="circles",
        name="circles of modules",
        value=len(circles),
        goal="0",
        how="Groups of modules that import each other, directly or not.",
        found=tuple(map(" - ".join, circles)),
    )
