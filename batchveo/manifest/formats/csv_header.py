"""The header of a CSV: which column is which field, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from batchveo.core.job_row import ENDS
from batchveo.manifest.problems import Fault, shown
from batchveo.manifest.read_options import META
from batchveo.manifest.synonyms import means

NameCheck = Callable[[str], tuple[str, ...] | Fault]
"""The fields that a column's name stands for (none: it is ignored), or what is wrong with the name."""


@dataclass(slots=True, kw_only=True)
class Header:
    """What the columns are: those whose cells are sent or read as keys, those carried along, those without a name.

    ``faults`` are of the names; a column with a fault is in none of the lists.
    """

    line: int
    width: int
    names: list[str]
    sent: list[tuple[int, str]] = field(default_factory=list)
    carried: list[tuple[int, str]] = field(default_factory=list)
    unnamed: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _counted: int | None = None

    def report_missing(self, required: Sequence[Sequence[str]]) -> Iterator[Fault]:
        """A fault for each group that is absent, unless a column that is refused already was meant to be it."""
        refused = [fault.field for fault in self.faults if fault.field]
        for group in self.find_absent(required):
            if not any(means(other, name) for other in refused for name in group):
                yield Fault(
                    f"the header has no column {' or '.join(group)}",
                    _suggest_column(group[0]),
                    line=self.line,
                    field=group[0],
                )

    def check_unnamed(self, row: list[str], line: int) -> Iterator[Fault]:
        """A fault for a column without a name whose cells say something; it is told once.

        The first column may count the rows, as a data frame's index does.
        """
        for column in self.unnamed.copy():
            cell = row[column].strip()
            if not cell or (column == 0 and self._counts_on(cell)):
                continue
            self.unnamed.remove(column)
            yield Fault(
                f"column {column + 1} has no name, and {shown(cell)} in line {line}",
                "name it (meta.NAME carries it along), or take it out",
                line=self.line,
            )

    def _counts_on(self, cell: str) -> bool:
        expected = self._counted
        if not (cell.isascii() and cell.isdigit()) or (expected is None and cell not in {"0", "1"}):
            return False
        if expected is not None and int(cell) != expected:
            return False
        self._counted = int(cell) + 1
        return True

    def find_absent(self, required: Sequence[Sequence[str]]) -> list[Sequence[str]]:
        """The groups of which there is no column."""
        known = {name for _, name in self.sent}
        return [group for group in required if not known & {*group}]


def header_of(names: Sequence[str], check: NameCheck, line: int) -> Header:
    """The header that these cells are."""
    header = Header(line=line, width=len(names), names=[name.strip(ENDS) for name in names])
    first: dict[str, int] = {}
    for column, name in enumerate(header.names):
        if not name:
            header.unnamed.append(column)
            continue
        found = check(name)
        for filled in [found] if isinstance(found, Fault) else found:
            fault = _add_column(header, column, filled, first)
            if fault is not None:
                fault.line, fault.field = line, fault.field or name
                header.faults.append(fault)
    return header


def _add_column(header: Header, column: int, found: str | Fault, first: dict[str, int]) -> Fault | None:
    """Let a column fill a field; what is wrong where it cannot."""
    if isinstance(found, Fault):
        return found
    if found in first:
        where = f"stands twice, in column {first[found] + 1} and in column {column + 1}"
        return Fault(f"the column {where}", "take one of them out")
    first[found] = column
    if found.startswith(META):
        header.carried.append((column, found.removeprefix(META)))
    else:
        header.sent.append((column, found))
    return None


def _suggest_column(name: str) -> str:
    return "add it; --set model=NAME gives one to every job" if name == "model" else "add it"
