"""Figures of the way of a CSV row to its request, seen in a run of one row on the sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.measure import row_trace
from tools.measure.figure import Figure
from tools.measure.sources import Project

_SECONDS = 60  # a run takes about one; a machine with other work, ten
_ROW = f"prompt,model,name\nA {row_trace.TEXT} sings,google/veo-3.1-t2v-fast,{row_trace.TEXT}-1\n"


class NotTraced(Exception):
    """The run failed; the text is what it printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowWay:
    """Package files, without the sandbox, and classes of records, each sorted.

    ``executed``: files with a function that ran between the start of the command and the request.
    ``handed``: those with a function that was given the row, or returned it.
    ``working``: those, and the files of all functions that these called, directly or not.
    ``records``: the dataclasses and named tuples that held the row.
    """

    executed: tuple[str, ...]
    handed: tuple[str, ...]
    working: tuple[str, ...]
    records: tuple[str, ...]


def trace_row(project: Project) -> RowWay:
    """Run ``batchveo run one.csv --sandbox`` of ``project`` and follow its row. Raises ``NotTraced``."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BATCHVEO_", "AIMLAPI"))}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "one.csv").write_text(_ROW, encoding="utf-8")
        result = folder / "trace.json"
        script = [sys.executable, "-P", row_trace.__file__, str(project.folder / project.package), str(result)]
        done = subprocess.run(
            [*script, "run", "one.csv", "--sandbox", "--yes"],
            cwd=folder,
            env={**environment, "PYTHONPATH": str(project.folder), "HOME": name},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if not result.exists():
            raise NotTraced(done.stderr.strip() or f"exit status {done.returncode}")
        return RowWay(**{key: tuple(found) for key, found in json.loads(result.read_text(encoding="utf-8")).items()})


_WORKING = (
    "A run of one row is traced until the sandbox receives its prompt. A file counts if one of its functions is"
    " given the row (prompt, name or job id, in any record or collection), returns it, or is called by a function"
    " that is given it. Files of the sandbox do not count."
)
_RECORDS = "Dataclasses and named tuples of the package that hold the row on that way."
_HANDED = "Those of the files above that see the row itself."
_EXECUTED = "Files of which any function runs from the start of the command on: start, lock, prices and display too."

_FIGURES = (
    ("working", "files that work on a CSV row until its request is sent", "below 45", _WORKING),
    ("records", "shapes that a CSV row takes until then", "below 9", _RECORDS),
    ("handed", "files that are given the row, or return it", "", _HANDED),
    ("executed", "files that run until then", "", _EXECUTED),
)


def measure_csv_row(project: Project) -> Iterator[Figure]:
    """Yield the figures of the row's way."""
    way, trouble = None, ""
    try:
        way = trace_row(project)
    except (NotTraced, subprocess.TimeoutExpired) as error:
        trouble = str(error)
    for field, name, goal, how in _FIGURES:
        found: tuple[str, ...] = getattr(way, field) if way else (trouble,)
        yield Figure(key=f"row_{field}", name=name, value=len(found) if way else None, goal=goal, how=how, found=found)
