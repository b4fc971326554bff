"""Conditions over the fields of a job as SQL, with every value from outside as a parameter.

The meaning is that of ``core.expressions.evaluate``: NULL is unknown. Fields whose kind depends on the job (values of
the manifest, scores) are compared by the same Python function as there.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import assert_never

from batchveo.core.expressions import (
    And,
    Comparison,
    Contains,
    Expression,
    FieldRef,
    Literal,
    Membership,
    Not,
    Operand,
    Or,
    Truth,
    Value,
    compare_values,
    is_among,
    is_null,
    is_part,
    is_true,
    split_name,
)
from batchveo.core.fields import (
    FIELDS,
    META,
    MISMATCHES,
    REQUEST,
    REQUEST_FIELDS,
    Condition,
    Kind,
    find_in,
    format_utc,
    read_cause,
)
from batchveo.core.measures import MEASURES
from batchveo.core.models import find_prompt
from batchveo.store.blocked_jobs import BLOCKED
from batchveo.store.votes import PICKED

_TIMES = {
    **{name: f"jobs.{name}" for name, field in FIELDS.items() if field.is_time},
    "time": "coalesce(jobs.finished_at, jobs.submitted_at, jobs.created_at)",
}
"""The seconds of each time."""
_IS_BLOCKED = f"jobs.seq IN ({BLOCKED} SELECT seq FROM blocked)"
_COLUMNS = {
    "repeat": "jobs.repeat_index",
    "generation_seconds": "(jobs.completed_at - jobs.submitted_at)",
    "prompt": "coalesce(json_extract(jobs.request, '$.prompt'), CAST(find_prompt(jobs.request) AS TEXT))",
    "cause": "read_cause(jobs.error, jobs.state)",
    **{name: f"format_utc({column})" for name, column in _TIMES.items()},
    "chain": "(SELECT first.id FROM jobs AS first WHERE first.seq = jobs.chain)",
    "link": "iif(jobs.chain IS NULL, NULL, jobs.link)",
    "parent": """(SELECT group_concat(id, ' ') FROM (SELECT parents.id FROM links
        CROSS JOIN jobs AS parents ON parents.seq = links.parent WHERE links.child = jobs.seq ORDER BY parents.seq))""",
    "waiting": f"(jobs.state = 'pending' AND jobs.waits > 0 AND NOT {_IS_BLOCKED})",
    "blocked": f"({_IS_BLOCKED})",
    "picked": f"(jobs.seq IN ({PICKED}))",
    "rating": "(SELECT rating FROM standings WHERE job = jobs.seq)",
}
_AS_ONE = {"==": "IS", "!=": "IS NOT"}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_EPOCH = datetime.fromtimestamp(0, UTC)
_START = "0000-01-01T00:00:00.000000"
"""The end of a text that completes a part of a time to the first moment that it may mean."""


class CompiledCondition:
    """A condition on rows of ``jobs``: ``sql``, and ``params`` by their names."""

    _prefix = "where"

    def __init__(self, condition: Condition) -> None:
        self.params: dict[str, Value] = {}
        self.sql = self._compile(condition.expression)

    def _compile(self, expression: Expression) -> str:
        match expression:
            case And(conditions=conditions):
                return f"({' AND '.join(map(self._compile, conditions))})"
            case Or(conditions=conditions):
                return f"({' OR '.join(map(self._compile, conditions))})"
            case Not(condition=condition):
                return f"NOT {self._compile(condition)}"
            case Truth(operand=operand):
                if _kind_of(operand) in (Kind.NUMBER, Kind.BOOLEAN):
                    return self._operand(operand)
                return f"is_true({self._as_bytes(operand)})"
            case Comparison(left=left, operator=operator, right=right):
                return self._compare(left, operator, right)
            case Membership(item=item, choices=choices):
                return self._is_among(item, choices)
            case Contains(part=part, text=text):
                return f"contains({self._as_bytes(part)}, {self._as_bytes(text)})"
            case _:
                assert_never(expression)

    def _compare(self, left: Operand, operator: str, right: Operand) -> str:
        if is_null(left) or is_null(right):
            return f"({self._operand(left)} {_AS_ONE[operator]} {self._operand(right)})"
        if (limit := _find_limit(left, operator, right)) is not None:  # twenty times faster than texts of all times
            name, operator, micros = limit
            seconds = f"CAST(jobs.{name} AS INTEGER)"  # apart, as in datetime: the product of all would be rounded
            found = f"{seconds} * 1000000 + CAST(round((jobs.{name} - {seconds}) * 1e6) AS INTEGER)"
            return f"({found} {operator} {self._param(micros)})"
        if _are_alike(left, right):
            return f"({self._operand(left)} {operator} {self._operand(right)})"
        return f"compare({self._as_bytes(left)}, {self._param(operator)}, {self._as_bytes(right)})"

    def _is_among(self, item: Operand, choices: tuple[Literal, ...]) -> str:
        if _are_alike(item, *choices):
            return f"({self._operand(item)} IN ({', '.join(map(self._operand, choices))}))"
        values = self._param(json.dumps([choice.value for choice in choices]))
        return f"is_among({self._as_bytes(item)}, {values})"

    def _operand(self, operand: Operand) -> str:
        return self._param(operand.value) if isinstance(operand, Literal) else self._field(operand)

    def _as_bytes(self, operand: Operand) -> str:
        """The value with texts as bytes, as values of the manifest are already."""
        value = self._operand(operand)
        is_plain = value.startswith("find_in(") or (isinstance(operand, Literal) and not isinstance(operand.value, str))
        return value if is_plain else f"iif(typeof({value}) = 'text', CAST({value} AS BLOB), {value})"

    def _param(self, value: Value) -> str:
        name = f"{self._prefix}{len(self.params)}"
        self.params[name] = int(value) if isinstance(value, bool) else value
        return f":{name}"

    def _field(self, ref: FieldRef) -> str:
        parts = split_name(ref.name)
        if ref.name in MEASURES or ref.name == MISMATCHES:
            column = "mismatched" if ref.name == MISMATCHES else ref.name
            return f"(SELECT {column} FROM measures WHERE job = jobs.seq AND sha256 = jobs.sha256)"
        if len(parts) > 1 and parts[0] not in (META, REQUEST):
            name = self._param(".".join(parts))
            return f"(SELECT value FROM scores WHERE job = jobs.seq AND name = {name})"
        if len(parts) > 1:
            return self._json_value(f"jobs.{parts[0]}", parts[1:])
        if ref.name in REQUEST_FIELDS:
            return self._json_value("jobs.request", parts)
        return _COLUMNS.get(ref.name, f"jobs.{FIELDS[ref.name].name}")

    def _json_value(self, column: str, parts: tuple[str, ...]) -> str:
        """The plain value at a path; a key with dots in its name is found as well."""
        if len(parts) == 1 and '"' not in parts[0] and "\\" not in parts[0]:  # several times faster than in Python
            path, whole = self._param(f'$."{parts[0]}"'), self._param(json.dumps(parts))
            # not what SQLite reads otherwise than Python: NaN, which is no JSON, true and false, numbers beyond 64 bits
            return (
                f"CASE WHEN NOT json_valid({column}) THEN find_in({column}, {whole})"
                f" WHEN json_type({column}, {path}) IN ('object', 'array') THEN NULL"
                f" WHEN json_type({column}, {path}) IN ('true', 'false') OR (json_type({column}, {path}) = 'integer'"
                f" AND typeof(json_extract({column}, {path})) != 'integer') THEN find_in({column}, {whole})"
                f" ELSE json_extract({column}, {path}) END"
            )
        path = self._param(json.dumps(parts))
        return f"find_in({column}, {path})"


def compile_where(db: sqlite3.Connection, where: Condition | None) -> tuple[str, dict[str, Value]]:
    """A condition on rows of ``jobs`` as SQL for this connection, with its parameters; ``None`` is true for all."""
    if where is None:
        return "1", {}
    compiled = CompiledCondition(where)
    register_functions(db)
    return compiled.sql, compiled.params


class CompiledField(CompiledCondition):
    """The value of one field of rows of ``jobs``: ``sql``, whose texts are bytes, and ``params`` by their names.

    ``order``: what rows are sorted by, which is faster.
    """

    _prefix = "field"

    def __init__(self, name: str) -> None:
        self.params = {}
        self.sql = self._as_bytes(FieldRef(name))
        plain = _kind_of(FieldRef(name)) in (Kind.TEXT, Kind.NUMBER)
        self.order = _TIMES.get(name) or (self._field(FieldRef(name)) if plain else self.sql)


def register_functions(db: sqlite3.Connection) -> None:
    """Give a connection the functions that compiled conditions call."""
    for name, arguments, function in (
        ("compare", 3, _compare),
        ("contains", 2, _contains),
        ("is_among", 2, _is_among),
        ("is_true", 1, lambda value: None if value is None else is_true(text_of(value))),
        ("find_prompt", 1, lambda request: _encode(find_prompt(json.loads(request)))),
        ("find_in", 2, _find_in),
        ("format_utc", 1, format_utc),
        ("read_cause", 2, read_cause),
    ):
        db.create_function(name, arguments, function, deterministic=True)  # type: ignore[arg-type]


def _compare(first: object, operator: str, second: object) -> bool | None:
    a, b = text_of(first), text_of(second)
    return None if a is None or b is None else compare_values(a, operator, b)


def _contains(part: object, text: object) -> bool | None:
    needle, hay = text_of(part), text_of(text)
    return None if needle is None or hay is None else is_part(needle, hay)


def _is_among(item: object, choices: str) -> bool | None:
    value = text_of(item)
    return None if value is None else is_among(value, json.loads(choices))


def _find_in(content: str, path: str) -> object:
    value = find_in(json.loads(content), tuple(json.loads(path)))
    return _encode(value) if isinstance(value, str) else value


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def text_of(value: object) -> Value:
    """A value from SQL; texts come as bytes, since texts out of JSON may have halves of characters."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value  # type: ignore[return-value]


def _are_alike(*operands: Operand) -> bool:
    """Whether SQLite compares these as Python does, so that an index may serve them."""
    kinds = set(map(_kind_of, operands))
    return kinds <= {Kind.NUMBER, Kind.BOOLEAN} or kinds == {Kind.TEXT}


def _find_limit(left: Operand, operator: str, right: Operand) -> tuple[str, str, int] | None:
    """A comparison of a time with a text as a field, an operator and millionths of a second since the epoch.

    A part of a time is less than every time that begins with it, and equal to none.
    """
    if isinstance(left, Literal):
        left, operator, right = right, _MIRRORED[operator], left
    field = FIELDS.get(left.name) if isinstance(left, FieldRef) else None
    if field is None or not field.is_time or not isinstance(right, Literal) or not isinstance(right.value, str):
        return None
    text = right.value
    if len(text) < len(_START):
        operator = {">": ">=", "<=": "<"}.get(operator, operator)
        if operator in _AS_ONE:
            return None
    try:
        start = datetime.fromisoformat(text + _START[len(text) :]).replace(tzinfo=UTC)
    except ValueError:  # such as a month 13, which has its place among texts
        return None
    return field.name, operator, (start - _EPOCH) // timedelta(microseconds=1)


def _kind_of(operand: Operand) -> Kind:
    if isinstance(operand, FieldRef):
        field = FIELDS.get(operand.name)
        return Kind.ANY if field is None else field.kind
    if isinstance(operand.value, str):
        return Kind.TEXT
    return Kind.BOOLEAN if isinstance(operand.value, bool) else Kind.NUMBER
