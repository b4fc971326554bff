"""The results as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.rows import Row

HEADINGS = ("what", "figure", "must reach", "", "how")
_UNMEASURED = "–"


def text_table(rows: Sequence[Row]) -> str:
    """Columns for a terminal, the details on a line of their own."""
    cells = [_cells(row) for row in rows]
    widths = [max((len(row[column]) for row in cells), default=0) for column in range(4)]
    lines: list[str] = []
    for row in cells:
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip())
        if row[4]:
            lines.append(f"    {row[4]}")
    return "\n".join(lines)


def markdown_table(rows: Sequence[Row], facts: Mapping[str, object]) -> str:
    """A Markdown table under the facts of the machine it was measured on."""
    lines = [f"- {name}: {value}" for name, value in facts.items()]
    lines += ["", _markdown_line(HEADINGS), _markdown_line(["---"] * len(HEADINGS))]
    return "\n".join([*lines, *(_markdown_line(_cells(row)) for row in rows)]) + "\n"


def as_json(rows: Sequence[Row], facts: Mapping[str, object]) -> str:
    """Everything, unrounded."""
    listed = [{**asdict(row), "reached": row.reached} for row in rows]
    return json.dumps({"machine": dict(facts), "rows": listed}, ensure_ascii=False, indent=2) + "\n"


def write(rows: Sequence[Row], facts: Mapping[str, object], file: Path) -> list[Path]:
    """Write ``file`` as JSON and its neighbour with the suffix ``.md`` as Markdown; returns both."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(as_json(rows, facts), encoding="utf-8")
    beside = file.with_suffix(".md")
    beside.write_text(markdown_table(rows, facts), encoding="utf-8")
    return [file, beside]


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    target = _UNMEASURED if row.target is None else f"{row.target.sense} {short(row.target.value)}"
    verdict = {True: "yes", False: "NO", None: ""}[row.reached]
    return row.name, f"{short(row.figure)} {row.unit}".rstrip(), target, verdict, row.details


def short(number: float) -> str:
    """Three significant digits, whole numbers whole, thousands set apart."""
    if number == int(number) or abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def _markdown_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
