"""Who imports whom within a package, and how that agrees with the layers of import-linter."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from tools.measure.sources import Source

Graph = Mapping[str, frozenset[str]]
"""From each name to those it imports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """The lines of a contract, from the top down: the names on each, without the package."""

    lines: tuple[frozenset[str], ...]

    def level(self, name: str) -> int | None:
        """The number of the line that holds ``name``, 0 at the top; ``None`` if it is on none."""
        return next((number for number, line in enumerate(self.lines) if name in line), None)

    def allows(self, importer: str, imported: str) -> bool:
        """Whether this arrow goes down, or concerns a name that the contract does not."""
        upper, lower = self.level(importer), self.level(imported)
        return upper is None or lower is None or upper < lower


def read_layers(settings: Mapping[str, object], package: str) -> Layers:
    """The layers of ``package`` in the content of a ``pyproject.toml``; no lines if it has no such contract."""
    found: object = settings
    for key in ("tool", "importlinter", "contracts"):
        found = found.get(key, {}) if isinstance(found, Mapping) else {}
    for contract in found if isinstance(found, list) else []:
        if contract["type"] == "layers" and contract.get("containers", [package]) == [package]:
            lines = [re.sub(rf"[()\s]|\b{package}\.", "", line) for line in contract["layers"]]
            return Layers(lines=tuple(frozenset(re.split(r"[|:]", line)) for line in lines))
    return Layers(lines=())


def read_imports(sources: Iterable[Source]) -> Graph:
    """The imports between modules, those inside functions too, without those for type checkers only."""
    by_name = {source.module: source for source in sources}
    return {name: frozenset(_imported(source, by_name) - {name}) for name, source in by_name.items()}


def _imported(source: Source, known: Mapping[str, Source]) -> set[str]:
    found: set[str] = set()
    for node in _walk(source.tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            base = _base(source, node)
            names = {f"{base}.{alias.name}" for alias in node.names}
            found |= {name if name in known else base for name in names}
    return found & known.keys()


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but the bodies of ``if TYPE_CHECKING``."""
    yield node
    skipped: list[ast.stmt] = []
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        skipped = node.body
    for child in ast.iter_child_nodes(node):
        if child not in skipped:
            yield from _walk(child)


def _base(source: Source, node: ast.ImportFrom) -> str:
    """The absolute name of the module that a ``from … import`` names."""
    if not node.level:
        return node.module or ""
    package = source.module.split(".")
    above = node.level - (source.path.stem == "__init__")
    return ".".join([*package[: len(package) - above], *([node.module] if node.module else [])])


def top_level(graph: Graph) -> Graph:
    """The imports between what lies directly under the package; its ``__init__`` is left out."""
    arrows: dict[str, set[str]] = {}
    for importer, imported in graph.items():
        names = {name.split(".")[1] for name in imported if "." in name}
        if "." in importer:
            own = importer.split(".")[1]
            arrows.setdefault(own, set()).update(names - {own})
    return {name: frozenset(others) for name, others in arrows.items()}


def find_circles(graph: Graph) -> list[tuple[str, ...]]:
    """The groups of names that import each other, directly or not, each sorted."""
    reached = {name: _reachable(graph, name) for name in graph}
    mutual: dict[str, set[str]] = {}
    for one, other in combinations(sorted(graph), 2):
        if other in reached[one] and one in reached[other]:
            mutual.setdefault(one, {one}).add(other)
    seen: set[str] = set()
    circles = []
    for one, group in mutual.items():
        if one not in seen:
            circles.append(tuple(sorted(group)))
            seen |= group
    return circles


def count_floors(graph: Graph) -> int:
    """The number of names on the longest chain of imports; a circle counts as one name."""
    group = {name: name for name in graph} | {name: circle[0] for circle in find_circles(graph) for name in circle}
    below: dict[str, set[str]] = {}
    for name, others in graph.items():
        below.setdefault(group[name], set()).update(group[other] for other in others if group[other] != group[name])
    heights: dict[str, int] = {}

    def height(name: str) -> int:
        if name not in heights:
            heights[name] = 1 + max(map(height, below[name]), default=0)
        return heights[name]

    return max(map(height, below), default=0)


def _reachable(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for other in graph[waiting.pop()] - seen:
            seen.add(other)
            waiting.append(other)
    return seen
