"""The ``matrix`` of an entry, read from its form in the file."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeGuard

from batchveo.manifest.combinations import EXCLUDE, INCLUDE, Combinations, Values, make_combinations
from batchveo.manifest.problems import Fault, fault_without_field, shown, shown_bare
from batchveo.manifest.vocabulary import JOB_KEYS

_VARIABLE = re.compile(r"[^\W\d]\w*")
_NOT_VARIABLES = frozenset(JOB_KEYS) - {"model"} | {"index", "line"}


def read_matrix(value: object, report: Callable[[str, Fault], None], *, in_cell: bool = False) -> Combinations:
    """The combinations of a matrix.

    ``report`` gets what is wrong, with the part of the matrix, or an empty text for the whole. A variable that is
    wrong stays without values: its name is known, so that its placeholders are not reported as well.
    """
    if value is None:
        return Combinations()
    if not isinstance(value, dict) or not value:
        right = "rows cannot hold one; write the jobs out, or use YAML" if in_cell else "{style: [a, b]}"
        report("", Fault(f"must map names to lists, not {shown(value)}", right))
        return Combinations()
    axes: dict[str, list[object]] = {}
    items: dict[str, list[Values]] = {EXCLUDE: [], INCLUDE: []}
    is_good = True
    for name, values in value.items():
        try:
            # a list of texts is an axis of this name, as it was before there were such keys
            if name in items and _are_mappings(values):
                items[name] = _read_items(name, values)
            else:
                axes[name] = _read_axis(name, values)
        except Fault as fault:
            report(fault.field or name, fault_without_field(fault))
            axes[name] = []
            is_good = False
    found, faults = make_combinations(axes, items[EXCLUDE], items[INCLUDE])
    for field, wrong in faults if is_good else ():
        report(field, wrong)
    return found


def _read_axis(name: str, values: object) -> list[object]:
    """The values of a variable. Raises ``Fault``."""
    _check_variable(name)
    if not isinstance(values, list):
        raise Fault(f"must be a list, not {shown(values)}", f"write [{shown_bare(str(values))}]")
    if not values:
        raise Fault("is an empty list", "name at least one value, or take it out")
    for value in values:
        _check_value(value)
    seen = set()
    for value in values:
        if (type(value), value) in seen:
            raise Fault(f"holds {shown(value)} twice", "repeat: 2 makes the same job twice")
        seen.add((type(value), value))
    return values


def _are_mappings(values: object) -> TypeGuard[list[dict[str, object]]]:
    return isinstance(values, list) and bool(values) and all(isinstance(value, dict) for value in values)


def _read_items(name: str, items: list[dict[str, object]]) -> list[Values]:
    """The items of ``exclude`` or ``include``. Raises ``Fault`` with the part that is wrong as its field."""
    for index, item in enumerate(items):
        if not item:
            raise Fault("is empty", "name at least one variable", field=f"{name}[{index}]")
        for variable, value in item.items():
            try:
                _check_variable(variable)
                _check_value(value)
            except Fault as fault:
                fault.field = f"{name}[{index}].{variable}"
                raise
    return [*items]


def _check_variable(name: str) -> None:
    """Raise ``Fault`` for a name that no variable of a matrix can have."""
    if name in _NOT_VARIABLES or not _VARIABLE.fullmatch(name):
        raise Fault("cannot be the name of a variable", "letters, digits and _, and not a key of a job")


def _check_value(value: object) -> None:
    """Raise ``Fault`` for what cannot be a value of a matrix variable."""
    if not isinstance(value, str | int | float):
        raise Fault(f"{shown(value)} cannot be a value here", "text, numbers, true or false")
