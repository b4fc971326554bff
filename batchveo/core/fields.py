"""The fields that an expression may name: facts of a job, measures of its clip, scores that other tools gave."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from batchveo.core.errors import UsageError
from batchveo.core.expressions import (
    ORDERING,
    And,
    Comparison,
    Contains,
    Expression,
    ExpressionError,
    FieldRef,
    Literal,
    Membership,
    Value,
    list_fields,
    parse_expression,
    point_at,
    read_number,
    split_name,
)
from batchveo.core.failure_causes import find_cause
from batchveo.core.hints import suggest_closest
from batchveo.core.measures import MEASURES, CheckLevel, Measures, compare_request, find_highest_level
from batchveo.core.models import Job, JobState


class Kind(StrEnum):
    """What a field holds; ``any``: that depends on the job."""

    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field that expressions may name.

    ``unit`` is that of its number; ``in_gates``: a gate may name it. ``choices``: all values that it may have.
    ``is_time``: its text is a time, as ``format_utc`` writes it.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    in_gates: bool = True
    choices: tuple[str, ...] = ()
    is_time: bool = False


META, REQUEST = "meta", "request"
"""The first parts of the names of values that the manifest carries along, and of parameters that are sent."""

REQUEST_FIELDS = ("seed", "duration", "resolution", "aspect_ratio", "generate_audio", "negative_prompt")
"""Parameters that a name alone means, without ``request.``."""

BEFOREHAND = frozenset(("id", "name", "model", "prompt", "manifest", "repeat", "priority", *REQUEST_FIELDS))
"""Fields that are known before a job is submitted, beside values of ``meta`` and parameters."""

MISMATCHES = "mismatches"
_OTHER_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
"""What YAML reads as true and false."""
_LARGEST_INTEGER = 2**63 - 1
_PART_OF_TIME = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d(\.\d{1,6})?)?)?)?)?)?")
"""A time in UTC, to any exactness; with an offset it would not be ordered as a text."""
_KINDS: Mapping[type, Kind] = {bool: Kind.BOOLEAN, str: Kind.TEXT, int: Kind.NUMBER, float: Kind.NUMBER}
SHORT_NAMES = {"cost": "cost_usd", **{name: f"{name}_at" for name in ("created", "submitted", "completed", "finished")}}
"""What people write for the name of a field by which they sort."""
_JOB_FIELDS = (
    Field(name="id", kind=Kind.TEXT, meaning="the job's id", in_gates=False),
    Field(name="name", kind=Kind.TEXT, meaning="its name"),
    Field(
        name="state",
        kind=Kind.TEXT,
        meaning="its state, such as succeeded",
        in_gates=False,
        choices=tuple(state.value for state in JobState),
    ),
    Field(name="held", kind=Kind.BOOLEAN, meaning="whether it is held in doubt", in_gates=False),
    Field(name="model", kind=Kind.TEXT, meaning="its model"),
    Field(name="prompt", kind=Kind.TEXT, meaning="its prompt"),
    Field(name="manifest", kind=Kind.TEXT, meaning="the file that asks for it"),
    Field(name="repeat", kind=Kind.NUMBER, meaning="which repeat of its request it is, from 0"),
    Field(name="priority", kind=Kind.NUMBER, meaning="its priority; higher ones are submitted first"),
    Field(name="take", kind=Kind.NUMBER, meaning="which take it is, from 1"),
    Field(name="chain", kind=Kind.TEXT, meaning="the id of the first job of its chain", in_gates=False),
    Field(name="link", kind=Kind.NUMBER, meaning="its place in its chain, from 1", in_gates=False),
    Field(name="parent", kind=Kind.TEXT, meaning="the ids of the jobs of whose videos it is made", in_gates=False),
    Field(name="waiting", kind=Kind.BOOLEAN, meaning="whether it waits for the video of another job", in_gates=False),
    Field(
        name="blocked",
        kind=Kind.BOOLEAN,
        meaning="whether what it waits for failed, was cancelled or was rejected",
        in_gates=False,
    ),
    Field(name="attempts", kind=Kind.NUMBER, meaning="how often it was submitted"),
    Field(name="cost_usd", kind=Kind.NUMBER, meaning="what it was charged", unit="USD"),
    Field(name="bytes", kind=Kind.NUMBER, meaning="the size of its file", unit="bytes"),
    Field(name="generation_seconds", kind=Kind.NUMBER, meaning="from submit to completion", unit="s"),
    *(
        Field(name=name, kind=Kind.TEXT, meaning=meaning, unit="UTC", in_gates=False, is_time=True)
        for name, meaning in (
            ("time", "when it finished; else when it was submitted, or added"),
            ("created_at", "when it was added to the database"),
            ("submitted_at", "when it was last submitted"),
            ("completed_at", "when its generation was completed"),
            ("finished_at", "when it succeeded or failed"),
        )
    ),
    Field(name="error", kind=Kind.TEXT, meaning="why it failed, or is put aside", in_gates=False),
    Field(
        name="cause",
        kind=Kind.TEXT,
        meaning="its error with N, ID and URL in place of what differs from job to job",
        in_gates=False,
    ),
    Field(
        name="verdict",
        kind=Kind.TEXT,
        meaning="accepted, rejected or open",
        in_gates=False,
        choices=("accepted", "rejected", "open"),
    ),
    Field(name="picked", kind=Kind.BOOLEAN, meaning="whether a person picked it", in_gates=False),
    Field(name="rating", kind=Kind.NUMBER, meaning="the mean of people's ratings, 1 to 5", in_gates=False),
)
FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        *_JOB_FIELDS,
        *(Field(name=name, kind=Kind.ANY, meaning=f"the parameter {name} that is sent") for name in REQUEST_FIELDS),
        *(
            Field(name=each.name, kind=_KINDS[each.type], meaning=each.meaning, unit=each.unit)
            for each in MEASURES.values()
        ),
        Field(name=MISMATCHES, kind=Kind.NUMBER, meaning="how many parameters came otherwise than they were asked for"),
    )
}
"""Every field that has a name of its own. Others: ``meta.KEY``, ``request.KEY``, and scores as ``SOURCE.NAME``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A checked expression, with the text that a person wrote."""

    text: str
    expression: Expression

    def __str__(self) -> str:
        return self.text


def parse_condition(text: str, *, in_gate: bool = False) -> Condition:
    """Parse an expression and check the names and kinds of its fields; raises ``ExpressionError``."""
    expression = parse_expression(text)
    for ref in list_fields(expression):
        _check_name(ref, in_gate=in_gate)
    for node in _walk(expression):
        _check_kinds(node)
    return Condition(text=text.strip(), expression=expression)


def join_conditions(*conditions: Condition) -> Condition:
    """The condition that all of these are true."""
    text = " and ".join(f"({condition.text})" for condition in conditions)
    return Condition(text=text, expression=And(tuple(condition.expression for condition in conditions)))


def check_known_beforehand(condition: Condition) -> None:
    """Raise ``ExpressionError`` if the condition names what is not known before a job is submitted."""
    for ref in list_fields(condition.expression):
        if ref.name not in BEFOREHAND and split_name(ref.name)[0] not in (META, REQUEST):
            raise ExpressionError(f"{ref.name} is not known before the clip is made", ref.place)


def read_where(text: str | Condition | None) -> Condition | None:
    """The condition of ``--where``; raises ``UsageError`` that points at what is wrong in it."""
    if not isinstance(text, str):
        return text
    try:
        return parse_condition(text)
    except ExpressionError as error:
        raise UsageError(f"--where: {point_at(text, error)}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class SortOrder:
    """Jobs are sorted by ``field``, the largest value first if ``descending``."""

    field: str
    descending: bool = False


def read_sort_order(text: str) -> SortOrder:
    """``FIELD``, or ``-FIELD`` for the largest value first; raises ``UsageError``."""
    name = text.strip().removeprefix("-").strip()
    name = SHORT_NAMES.get(name, name)
    try:
        refs = list_fields(parse_condition(f"{name} != null").expression)
    except ExpressionError as error:
        raise UsageError(f"--sort {text}: {error}") from None
    if [ref.name for ref in refs] != [name]:
        raise UsageError(f"--sort {text}: give the name of one field, with - before it for the largest first")
    return SortOrder(field=name, descending=text.strip().startswith("-"))


def find_level(condition: Condition) -> CheckLevel:
    """The least level of checks that measures what the condition names."""
    named = {ref.name for ref in list_fields(condition.expression)}
    levels = [MEASURES[name].level for name in named & MEASURES.keys()]
    if MISMATCHES in named:
        levels.append(CheckLevel.BASIC)
    return find_highest_level(levels)


def _check_name(ref: FieldRef, *, in_gate: bool) -> None:
    parts = split_name(ref.name)
    known = FIELDS.get(ref.name)
    if known is not None:
        if in_gate and not known.in_gates:
            raise ExpressionError(
                f"a gate cannot name {ref.name}: it is not known before the clip is judged", ref.place
            )
        return
    if len(parts) > 1 and parts[0] not in FIELDS:  # of meta, of the request, or a score
        return
    others = f'meta.{ref.name} would be of the manifest, SOURCE.{ref.name} a score, "{ref.name}" a text'
    if word := _OTHER_WORDS.get(ref.name.lower()):
        raise ExpressionError(f"{ref.name} is not a field; did you mean {word}?", ref.place)
    meant = suggest_closest(ref.name, [field.name for field in FIELDS.values() if field.in_gates or not in_gate])
    raise ExpressionError(f"{ref.name} is not a field{f'; {meant}' if meant else ''} ({others})", ref.place)


def _walk(expression: Expression) -> Iterator[Expression]:
    yield expression
    for inner in (*getattr(expression, "conditions", ()), *filter(None, [getattr(expression, "condition", None)])):
        yield from _walk(inner)


def _check_kinds(node: Expression) -> None:
    match node:
        case Comparison(left=FieldRef() as ref, operator=operator, right=Literal() as literal):
            _check_literal(ref, literal, ordered=operator in ORDERING)
        case Comparison(left=Literal() as literal, operator=operator, right=FieldRef() as ref):
            _check_literal(ref, literal, ordered=operator in ORDERING)
        case Contains(text=text):
            _check_text(text)
        case Membership(item=FieldRef() as ref, choices=choices):
            for choice in choices:
                _check_literal(ref, choice, ordered=False)
        case _:
            pass


def _check_literal(ref: FieldRef, literal: Literal, *, ordered: bool) -> None:
    field, value = FIELDS.get(ref.name), literal.value
    if field is None or value is None:
        return
    if field.kind is Kind.NUMBER and (isinstance(value, bool) or read_number(value) is None):
        unit = f" of {field.unit}" if field.unit else ""
        raise ExpressionError(f"{ref.name} is a number{unit}: compare it with a number", literal.place)
    if field.kind is Kind.BOOLEAN and not isinstance(value, bool):
        raise ExpressionError(f"{ref.name} is true or false", literal.place)
    if field.kind is Kind.TEXT and not isinstance(value, str):
        raise ExpressionError(f'{ref.name} is a text: write "{value}"', literal.place)
    if field.choices and not ordered and value not in field.choices:
        raise ExpressionError(f"{ref.name} is one of {', '.join(field.choices)}", literal.place)
    if field.is_time and not _PART_OF_TIME.fullmatch(str(value)):
        raise ExpressionError(f'{ref.name} is a time in UTC, such as "2026-11-27T21:05"', literal.place)
    if field.kind is Kind.BOOLEAN and ordered:
        raise ExpressionError(f"{ref.name} is true or false: compare it by == or !=", ref.place)


def _check_text(ref: FieldRef) -> None:
    field = FIELDS.get(ref.name)
    if field is not None and field.kind in (Kind.NUMBER, Kind.BOOLEAN):
        what = "a number" if field.kind is Kind.NUMBER else "true or false"
        raise ExpressionError(f"{ref.name} is {what}: nothing is a part of it", ref.place)


# -- values


def read_field(
    name: str,
    job: Job,
    measures: Measures | None = None,
    scores: Mapping[str, Value] | None = None,
    *,
    verdict: str | None = None,
    picked: bool = False,
    rating: float | None = None,
) -> Value:
    """The value of a field of ``job``; ``None`` if it is not known, or follows from other jobs."""
    if name in MEASURES:
        return None if measures is None else _plain(getattr(measures, name))
    if name == MISMATCHES:
        return None if measures is None or not measures.is_decoded else len(compare_request(job.request, measures))
    parts = split_name(name)
    if len(parts) > 1:
        if parts[0] == META:
            return find_in(job.meta, parts[1:])
        if parts[0] == REQUEST:
            return find_in(job.request, parts[1:])
        return (scores or {}).get(".".join(parts))
    if name in REQUEST_FIELDS:
        return find_in(job.request, (name,))
    known: dict[str, Value] = {
        "state": job.state.value,
        "repeat": job.index,
        "priority": job.priority,
        "generation_seconds": _generation_seconds(job),
        "prompt": job.prompt,
        "cause": read_cause(job.error, job.state.value),
        "verdict": verdict,
        "picked": picked,
        "rating": rating,
        "link": None if job.chain is None else job.link,
        # only the database knows other jobs
        **dict.fromkeys(("chain", "parent")),
        **dict.fromkeys(("waiting", "blocked"), None if job.waits else False),
    }
    if name in known:
        return known[name]
    if FIELDS[name].is_time:
        return format_utc(getattr(job, name))
    return _plain(getattr(job, name))


def _plain(value: object) -> Value:
    return value if isinstance(value, bool | int | float | str) else None


def find_in(values: Mapping[str, object], path: tuple[str, ...]) -> Value:
    """The plain value at ``path`` in nested mappings; a key with dots in its name is found as well.

    A number is one that a database can have: of 64 bits, or a float; ``NaN`` is not known.
    """
    if not path:
        return None
    whole = values.get(".".join(path))
    if isinstance(whole, bool | int | float | str):
        return _fit_number(whole)
    inner = values.get(path[0])
    return find_in(inner, path[1:]) if isinstance(inner, Mapping) else None


def _fit_number(value: Value) -> Value:
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, int) and not -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER:
        try:
            return float(value)
        except OverflowError:
            return math.copysign(math.inf, value > 0 or -1)
    return value


def _generation_seconds(job: Job) -> float | None:
    if job.completed_at is None or job.submitted_at is None:
        return None
    return job.completed_at - job.submitted_at


def read_cause(error: str | None, state: str) -> str | None:
    """The cause of a job's error; a job that failed has one also if no reason was given."""
    return None if error is None and state != JobState.FAILED.value else find_cause(error)


def format_utc(at: float | None) -> str | None:
    """Seconds since the epoch as ``2026-11-27T21:05:00.250000``: a time in UTC that is ordered as a text."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")[:26]


def get_field(name: str) -> Field | None:
    """The field of this name; ``None`` for values of ``meta`` and the request, and for scores."""
    return FIELDS.get(name)
