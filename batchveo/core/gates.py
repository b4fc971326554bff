"""Gates: the conditions that a finished clip must meet, and the verdict that follows from its measures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from batchveo.core.expressions import ExpressionError, Value, evaluate, list_fields, parse_expression
from batchveo.core.fields import Condition, Kind, find_level, get_field, parse_condition
from batchveo.core.job_row import canonical_json
from batchveo.core.measures import CheckLevel, find_highest_level


class Verdict(StrEnum):
    """What the gates say of a clip. ``open``: they name a value that is not known, such as a score to come."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPolicy:
    """What is measured of a job's clip, and what decides about it.

    ``gates`` must all hold. ``prefer`` names the number that chooses among several accepted takes: the highest, or
    with ``-`` before it the lowest; empty: the first take.
    """

    level: CheckLevel = CheckLevel.NONE
    gates: tuple[str, ...] = ()
    prefer: str = ""

    @property
    def needed_level(self) -> CheckLevel:
        """The level that its gates and its preference need, at least that of ``checks``."""
        named = [find_level(gate) for gate in map(read_gate, self.gates)]
        if self.prefer:
            named.append(find_level(read_gate(f"{self.prefer.lstrip('-')} != null")))
        if named:
            named.append(CheckLevel.BASIC)
        return find_highest_level([self.level, *named])

    def to_json(self) -> str | None:
        """The policy as it is stored; ``None`` if nothing is checked."""
        if self == CheckPolicy():
            return None
        return canonical_json({"checks": self.level.value, "gates": self.gates, "prefer": self.prefer})


@lru_cache(maxsize=256)
def parse_policy(text: str | None) -> CheckPolicy:
    """The policy that ``CheckPolicy.to_json`` wrote."""
    if text is None:
        return CheckPolicy()
    content = json.loads(text)
    return CheckPolicy(
        level=CheckLevel(content["checks"]), gates=tuple(content["gates"]), prefer=str(content["prefer"])
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict, with the gate that decided it (empty if all hold) and the values of the fields that it names."""

    verdict: Verdict
    gate: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The verdict in words, with its reason."""
        if not self.gate:
            return "accepted by its gates"
        values = ", ".join(f"{name} = {_show_value(value)}" for name, value in self.values.items())
        word = "rejected by" if self.verdict is Verdict.REJECTED else "not decided:"
        return f"{word} {self.gate} ({values})"


def _show_value(value: Value) -> str:
    """A value as a condition has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "unknown" if value is None else str(value)


@lru_cache(maxsize=1024)
def read_gate(text: str) -> Condition:
    """A gate as a checked condition; raises ``ExpressionError``."""
    return parse_condition(text, in_gate=True)


def check_preference(text: str) -> str:
    """``FIELD`` or ``-FIELD`` of a number; raises ``ExpressionError``."""
    name = text.strip().removeprefix("-").strip()
    try:
        named = [ref.name for ref in list_fields(parse_expression(f"{name} != null"))]
    except ExpressionError:
        named = []
    if named != [name]:
        raise ExpressionError(f"{text!r} is not the name of a field, with - before it if less is better")
    read_gate(f"{name} != null")
    known = get_field(name)
    if known is not None and known.kind not in (Kind.NUMBER, Kind.ANY):
        raise ExpressionError(f"{name} is not a number: nothing is more or less of it")
    return f"-{name}" if text.strip().startswith("-") else name


def judge_clip(gates: Sequence[str], get: Callable[[str], Value]) -> Judgement:
    """The verdict of ``gates`` on a clip; ``get`` has the values of its fields.

    A gate that does not hold decides, whatever others leave open: no value to come can save the clip.
    """
    undecided: Judgement | None = None
    for gate in gates:
        condition = read_gate(gate)
        truth = evaluate(condition.expression, get)
        if truth is True:
            continue
        verdict = Verdict.OPEN if truth is None else Verdict.REJECTED
        values = {ref.name: get(ref.name) for ref in list_fields(condition.expression)}
        judgement = Judgement(verdict=verdict, gate=gate, values=values)
        if verdict is Verdict.REJECTED:
            return judgement
        undecided = undecided or judgement
    return undecided or Judgement(verdict=Verdict.ACCEPTED)


def rank_takes(prefer: str, values: Sequence[Value]) -> int:
    """The place of the best of several takes by ``prefer``; the first one if nothing is preferred, or known."""
    if not prefer:
        return 0
    sign = -1.0 if prefer.startswith("-") else 1.0
    known = [(sign * float(value), -place) for place, value in enumerate(values) if isinstance(value, int | float)]
    return -max(known)[1] if known else 0
