"""Print the lowest version of each dependency in pyproject.toml as a pin, a line each, for ``pip --constraint``.

Arguments are the names of extras that count as well: ``python .ci/lowest.py all``.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

OURSELVES = "batchveo"
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[(?P<extras>[^\]]*)\])?(?P<versions>[^;]*)")
_LOWEST = re.compile(r">=\s*([\w.]+)")


def lowest(project: dict[str, object], extras: list[str]) -> dict[str, str]:
    """The lowest version of each direct dependency, by name. Raises ``ValueError`` for one without a bound."""
    optional: dict[str, list[str]] = project["optional-dependencies"]  # type: ignore[assignment]
    required: list[str] = project["dependencies"]  # type: ignore[assignment]
    waiting = [*required, *(requirement for extra in extras for requirement in optional[extra])]
    pins: dict[str, str] = {}
    while waiting:
        requirement = waiting.pop(0)
        found = _REQUIREMENT.match(requirement)
        if found and found["name"] == OURSELVES:  # an extra that is made of others
            waiting += [part for extra in found["extras"].split(",") for part in optional[extra.strip()]]
            continue
        bound = _LOWEST.search(found["versions"]) if found else None
        if not found or not bound:
            raise ValueError(f"pyproject.toml: {requirement!r} has no lower bound; write it as name>=version")
        pins[found["name"]] = bound[1]
    return pins


def main() -> None:
    """Print the pins."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, version in lowest(project, sys.argv[1:]).items():
        sys.stdout.write(f"{name}=={version}\n")


if __name__ == "__main__":
    main()
