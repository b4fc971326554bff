"""The keys ``checks``, ``gates`` and ``prefer``: what is measured of a clip, and what decides about it; ``priority``.

They may be written at several places, from the defaults to a block for one model. Each place gives its keys, and the
policy and the priority of a job are made of those of all places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypedDict, cast

from batchveo.core.expressions import ExpressionError
from batchveo.core.gates import CheckPolicy, check_preference, read_gate
from batchveo.core.measures import CheckLevel
from batchveo.manifest.accepted_values import text
from batchveo.manifest.problems import Fault, join_faults, shown
from batchveo.manifest.scalars import resolve_scalar, whole_of

_ORDER = [*CheckLevel]
_ADVICE = {
    "{": "nothing is filled in here; meta.KEY and request.KEY are values of the job",
    "[": "in a text, join conditions by and",
    ";": "join conditions by and",
}
"""What is right, by the character that is wrong."""
PRIORITY_LIMIT = 1_000_000
"""The highest priority; with a minus the lowest."""
_SHOWN = 60
"""The most characters of a gate that a problem quotes."""


class CheckKeys(TypedDict, total=False):
    """The keys of one place. A key that is ``None`` is unset there."""

    checks: CheckLevel | None
    gates: tuple[str, ...] | None
    prefer: str | None
    priority: int | None


NO_KEYS = CheckKeys()


def read_check_keys(fields: Mapping[str, object], report: Callable[[str, Fault], None]) -> CheckKeys:
    """The keys among the ``fields`` of one place. ``report`` gets what is wrong, with its key; that is left out."""
    found: dict[str, object] = {}
    for key, read in _READERS.items():
        if key not in fields:
            continue
        value = fields[key]
        try:
            found[key] = None if value is None else read(value)
        except Fault as fault:
            report(key, fault)
    if found.get("checks") is CheckLevel.NONE:
        for key in ("gates", "prefer"):
            if found.pop(key, None):
                report(key, Fault("needs checks, which are none here", "checks: basic, or take it out"))
    return cast("CheckKeys", found)


def make_policy(places: Iterable[CheckKeys], least: CheckLevel = CheckLevel.NONE) -> CheckPolicy:
    """The policy of a job.

    ``places``: the keys of each place, the weakest first. Of each key the strongest counts; ``checks: none`` takes away
    all that weaker places give. ``least``: what is measured in any case.
    """
    joined = CheckKeys()
    for keys in places:
        joined = keys if keys.get("checks") is CheckLevel.NONE else {**joined, **keys}
    level = max(joined.get("checks") or CheckLevel.NONE, least, key=_ORDER.index)
    gates = joined.get("gates") or ()
    # it chooses among takes, and only gates make them
    prefer = joined.get("prefer") or "" if gates else ""
    return CheckPolicy(level=level, gates=gates, prefer=prefer)


def find_priority(places: Iterable[CheckKeys]) -> int:
    """The priority of a job, by the strongest place that has one; ``places`` begin with the weakest."""
    found = 0
    for keys in places:
        if "priority" in keys:
            found = keys["priority"] or 0
    return found


def _read_level(value: object) -> CheckLevel:
    try:
        return CheckLevel(str(value).strip().casefold())
    except ValueError:
        raise Fault(f"{shown(value)} is not among {', '.join(CheckLevel)}") from None


def _read_gates(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (_read_gate(value),)
    if not isinstance(value, list):
        raise Fault(f"must be a list of conditions, not {shown(value)}", "gates: [black_seconds < 0.5]")
    gates, faults = [], []
    for index, each in enumerate(value):
        try:
            gates.append(_read_gate(each))
        except Fault as fault:
            fault.path = (index,)
            faults.append(fault)
    if faults:
        raise join_faults(faults)
    return tuple(gates)


def _read_gate(value: object) -> str:
    written = text(value)
    try:
        return read_gate(written).text
    except ExpressionError as error:
        right = _ADVICE.get(written[error.place : error.place + 1])
        raise Fault(f"{_describe_place(written, error.place)}: {error}", right) from None


def _read_preference(value: object) -> str:
    try:
        return check_preference(text(value))
    except ExpressionError as error:
        raise Fault(str(error), "prefer: motion, or prefer: -motion if less is better") from None


def _read_priority(value: object) -> int:
    number = whole_of(resolve_scalar(value.strip()) if isinstance(value, str) else value)
    if number is None or abs(number) > PRIORITY_LIMIT:
        limits = f"from -{PRIORITY_LIMIT} to {PRIORITY_LIMIT}"
        raise Fault(f"must be a whole number {limits}, not {shown(value)}", "priority: 10 is before 0, the default")
    return number


_READERS: Mapping[str, Callable[[object], object]] = {
    "checks": _read_level,
    "gates": _read_gates,
    "prefer": _read_preference,
    "priority": _read_priority,
}


def _describe_place(written: str, place: int) -> str:
    """Where in a gate something is wrong, with what is around it."""
    first = max(min(place - _SHOWN // 2, len(written) - _SHOWN), 0)
    part = written[first : first + _SHOWN]
    quoted = f"{'…' if first else ''}{part}{'…' if first + _SHOWN < len(written) else ''}"
    where = "the end" if place >= len(written.rstrip()) else f"character {place + 1}"
    return f"{where} of {shown(quoted, 2 * _SHOWN)}"
