"""Expressions over the fields of a job: ``black_seconds < 0.5 and not (model == "a" or meta.split in ["test"])``.

One small language for gates, and for every option and field of the page that chooses jobs. It has comparisons, ``and``,
``or``, ``not``, ``in``, names of fields, texts, numbers, ``true``, ``false`` and ``null``: no calls, no arithmetic, no
templates. An unknown value makes a comparison unknown, as NULL does in SQL: ``black_seconds < 0.5`` is neither true
nor false of a clip that was not measured. ``x == null`` asks for that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, assert_never

Value = str | float | int | bool | None
"""What a field or a literal holds; ``None``: unknown."""

MOST_CHARACTERS = 4_000
LONGEST_NUMBER = 40
MOST_DEPTH = 20
"""Parentheses and ``not`` inside of each other: SQLite's parser may refuse 25."""
MOST_CONDITIONS = 500
"""SQLite takes up to 1,000 in a row."""


class ExpressionError(ValueError):
    """An expression that cannot be read. ``place``: the character, from 0; ``str()`` says what would be right."""

    def __init__(self, message: str, place: int = 0) -> None:
        self.place = place
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that the expression gives."""

    value: Value
    place: int = 0


@dataclass(frozen=True, slots=True)
class FieldRef:
    """The name of a field, perhaps with dots."""

    name: str
    place: int = 0


Operand = Literal | FieldRef


@dataclass(frozen=True, slots=True)
class Comparison:
    """``left operator right``; ``operator`` is one of ``== != < <= > >=``."""

    left: Operand
    operator: str
    right: Operand


@dataclass(frozen=True, slots=True)
class Membership:
    """``item in choices``: one of a list of values."""

    item: Operand
    choices: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Contains:
    """``part in text``: the text has this part, in any case of its letters."""

    part: Operand
    text: FieldRef


@dataclass(frozen=True, slots=True)
class Truth:
    """A field or literal that is a condition by itself: ``has_sound``."""

    operand: Operand


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition."""

    condition: Expression


@dataclass(frozen=True, slots=True)
class And:
    """All conditions hold."""

    conditions: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one condition holds."""

    conditions: tuple[Expression, ...]


Expression = Comparison | Membership | Contains | Truth | Not | And | Or


def parse_expression(text: str) -> Expression:
    """Parse an expression; raises ``ExpressionError``."""
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(f"longer than {MOST_CHARACTERS:,} characters")
    if broken := _NO_CHARACTER.search(text):  # no database stores it
        raise ExpressionError(f"{broken[0]!a} is no character", broken.start())
    parser = _Parser(text)
    expression = parser.parse_or()
    parser.expect_end()
    return expression


def list_fields(expression: Expression) -> Iterator[FieldRef]:
    """Every field that the expression names, in its order; one that is named twice comes twice."""
    match expression:
        case Comparison(left=left, right=right):
            operands: tuple[Operand, ...] = (left, right)
        case Membership(item=item):
            operands = (item,)
        case Contains(part=part, text=text):
            operands = (part, text)
        case Truth(operand=operand):
            operands = (operand,)
        case Not(condition=condition):
            yield from list_fields(condition)
            return
        case And(conditions=conditions) | Or(conditions=conditions):
            for each in conditions:
                yield from list_fields(each)
            return
        case _:
            assert_never(expression)
    yield from (operand for operand in operands if isinstance(operand, FieldRef))


# -- evaluation

Getter = Callable[[str], Value]
"""The value of a field; ``None`` if it is not known."""


def evaluate(expression: Expression, get: Getter) -> bool | None:
    """Whether the expression is true; ``None`` if that depends on a value that is not known."""
    match expression:
        case And(conditions=conditions):
            return _combine((evaluate(each, get) for each in conditions), decisive=False)
        case Or(conditions=conditions):
            return _combine((evaluate(each, get) for each in conditions), decisive=True)
        case Not(condition=condition):
            truth = evaluate(condition, get)
            return None if truth is None else not truth
        case Truth(operand=operand):
            value = _read_operand(operand, get)
            return None if value is None else is_true(value)
        case Comparison(left=left, operator=operator, right=right):
            return _evaluate_comparison(left, operator, right, get)
        case Membership(item=item, choices=choices):
            value = _read_operand(item, get)
            if value is None:
                return None
            return is_among(value, [choice.value for choice in choices])
        case Contains(part=part, text=text):
            needle, hay = _read_operand(part, get), _read_operand(text, get)
            if needle is None or hay is None:
                return None
            return is_part(needle, hay)
        case _:
            assert_never(expression)


def _combine(truths: Iterator[bool | None], *, decisive: bool) -> bool | None:
    """``decisive`` if any truth is that, else unknown if any is unknown."""
    unknown = False
    for truth in truths:
        if truth is decisive:
            return decisive
        unknown = unknown or truth is None
    return None if unknown else not decisive


def _read_operand(operand: Operand, get: Getter) -> Value:
    return operand.value if isinstance(operand, Literal) else get(operand.name)


def is_null(operand: Operand) -> bool:
    """Whether an operand is the word ``null``."""
    return isinstance(operand, Literal) and operand.value is None


def _evaluate_comparison(left: Operand, operator: str, right: Operand, get: Getter) -> bool | None:
    first, second = _read_operand(left, get), _read_operand(right, get)
    if is_null(left) or is_null(right):  # asks whether the value is known
        both = first is None and second is None
        return both if operator == "==" else not both
    if first is None or second is None:
        return None
    return compare_values(first, operator, second)


def compare_values(first: Value, operator: str, second: Value) -> bool | None:
    """Numbers with numbers, also if one is written as a text; texts with texts; else unknown for an order."""
    numbers = read_number(first), read_number(second)
    a: float | str
    b: float | str
    if numbers[0] is not None and numbers[1] is not None and not (isinstance(first, str) and isinstance(second, str)):
        a, b = numbers[0], numbers[1]
    elif isinstance(first, str) and isinstance(second, str):
        a, b = first, second
    elif operator in ("==", "!="):
        return operator == "!="
    else:
        return None
    return _OPERATORS[operator](a, b)


def is_among(value: Value, choices: Iterable[Value]) -> bool:
    """Whether a value is equal to one of the ``choices``."""
    return any(compare_values(value, "==", choice) is True for choice in choices)


def is_part(part: Value, text: Value) -> bool:
    """Whether a text has a part, in any case of its letters; of numbers that is asked of how they are written."""
    return write_text(part).lower() in write_text(text).lower()


_OPERATORS: dict[str, Callable[[float | str, float | str], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,  # type: ignore[operator]
    "<=": lambda a, b: a <= b,  # type: ignore[operator]
    ">": lambda a, b: a > b,  # type: ignore[operator]
    ">=": lambda a, b: a >= b,  # type: ignore[operator]
}
ORDERING = frozenset(("<", "<=", ">", ">="))

_NO_CHARACTER = re.compile(r"[\ud800-\udfff]")
"""Halves of characters; what is not UTF-8 on a command line becomes these."""
_NUMBER_TEXT = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*", re.ASCII)


def read_number(value: Value) -> float | None:
    """A number, also one that is written as a text (a cell of CSV), or ``true`` as 1; ``None`` if it is none."""
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, str) and len(value) <= LONGEST_NUMBER and _NUMBER_TEXT.fullmatch(value):
        return float(value)
    return None


def is_true(value: Value) -> bool:
    """Whether a value is a condition that holds: true, a number that is not zero, a text that is not empty."""
    if isinstance(value, str):
        return value.strip().lower() not in ("", "0", "false", "no")
    return bool(value)


def write_text(value: Value) -> str:
    """A value as a text: whole numbers without a point, and ``true`` as 1, which it is in a database."""
    if isinstance(value, float):
        return f"{value:.15g}"
    return str(int(value)) if isinstance(value, bool) else "" if value is None else str(value)


# -- parsing


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)(?![\w.])
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<name>[^\W\d][\w-]*(?:\.(?:[\w-]+|"(?:[^"\\]|\\.)*"))*)
    |(?P<operator>==|!=|<=|>=|<|>)
    |(?P<mark>[()\[\],])""",
    re.VERBOSE | re.DOTALL,
)
_WORDS = frozenset(("and", "or", "not", "in"))
_LITERALS: dict[str, Value] = {"true": True, "false": False, "null": None, "none": None}
_INSTEAD = {
    "=": "==",
    "&&": "and",
    "||": "or",
    "!": "not",
    "<>": "!=",
    "=>": ">=",
    "=<": "<=",
    "is": "==",
    "contains": '"text" in FIELD',
    "like": '"text" in FIELD',
    "between": "1 <= FIELD <= 2",
}
_WRONG = re.compile(r"&&|\|\||<>|=>|=<|=|!")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def _split_tokens(text: str) -> Iterator[_Token]:
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        wrong = _WRONG.match(text, place)
        if wrong is not None and (found is None or len(wrong[0]) > len(found[0])):
            raise ExpressionError(f"{wrong[0]} is not known here: write {_INSTEAD[wrong[0]]}", place)
        if found is None:
            raise ExpressionError(_explain_character(text, place), place)
        kind = str(found.lastgroup)
        if kind == "name" and found[0].lower() in _WORDS:
            kind = "word"
        if kind != "space":
            yield _Token(kind, found[0], place)
        place = found.end()
    yield _Token("end", "", len(text))


def _explain_character(text: str, place: int) -> str:
    """Why no token begins at the ``place``."""
    character = text[place]
    if character in "\"'":
        return "the quotation mark is not closed"
    if word := re.compile(r"[+-]?[\d.][\w.]*").match(text, place):
        return f"{word[0]} is no number"
    return f"{character!r} is not known here{': there is no arithmetic' if character in '+-*/%' else ''}"


class _Parser:
    """Recursive descent: one method a level of precedence."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_split_tokens(text))
        self._next = 0
        self._depth = 0
        self._conditions = 0

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, kind: str, *texts: str) -> _Token | None:
        token = self._token
        if token.kind != kind or (texts and token.text.lower() not in texts):
            return None
        self._next += 1
        return token

    def expect_end(self) -> None:
        """Raise ``ExpressionError`` if something follows."""
        if self._token.kind == "end":
            return
        if instead := _INSTEAD.get(self._token.text.lower()):
            raise ExpressionError(f"{self._token.text} is not known here: write {instead}", self._token.place)
        raise ExpressionError(f"{self._token.text} is not expected here: and, or, or the end", self._token.place)

    def parse_or(self) -> Expression:
        """Conditions joined by ``or``."""
        conditions = [self._parse_and()]
        while self._take("word", "or"):
            conditions.append(self._parse_and())
        return conditions[0] if len(conditions) == 1 else Or(tuple(conditions))

    def _parse_and(self) -> Expression:
        conditions = [self._parse_not()]
        while self._take("word", "and"):
            conditions.append(self._parse_not())
        return conditions[0] if len(conditions) == 1 else And(tuple(conditions))

    def _parse_not(self) -> Expression:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise ExpressionError(f"more than {MOST_DEPTH} conditions inside of each other", self._token.place)
        try:
            if self._take("word", "not"):
                return Not(self._parse_not())
            if self._take("mark", "("):
                inside = self.parse_or()
                if not self._take("mark", ")"):
                    raise ExpressionError("a closing parenthesis is missing", self._token.place)
                return inside
            return self._parse_condition()
        finally:
            self._depth -= 1

    def _parse_condition(self) -> Expression:
        self._count_condition()
        operand = self._parse_operand()
        if is_null(operand) and self._token.text.lower() in ("in", "not"):
            raise ExpressionError("null is compared by == or != only", self._token.place)
        if self._take("word", "in"):
            return self._parse_in(operand)
        if self._token.kind == "word" and self._token.text.lower() == "not":
            self._next += 1
            if not self._take("word", "in"):
                raise ExpressionError("not is followed by in here: write x not in [...]", self._token.place)
            return Not(self._parse_in(operand))
        comparisons: list[Expression] = []
        while operator := self._take("operator"):
            right = self._parse_operand()
            if (is_null(operand) or is_null(right)) and operator.text in ORDERING:
                raise ExpressionError("null is compared by == or != only", operator.place)
            if comparisons:
                self._count_condition()
            comparisons.append(Comparison(operand, operator.text, right))
            operand = right
        if not comparisons:
            return Truth(operand)
        return comparisons[0] if len(comparisons) == 1 else And(tuple(comparisons))

    def _count_condition(self) -> None:
        self._conditions += 1
        if self._conditions > MOST_CONDITIONS:
            raise ExpressionError(f"more than {MOST_CONDITIONS} conditions", self._token.place)

    def _parse_in(self, item: Operand) -> Expression:
        opening = self._take("mark", "[", "(")
        if opening is None:
            text = self._parse_operand()
            if isinstance(text, Literal):
                raise ExpressionError("in is followed by a list, [a, b], or a field", text.place)
            return Contains(item, text)
        closing = "]" if opening.text == "[" else ")"
        choices: list[Literal] = []
        while not self._take("mark", closing):
            choice = self._parse_operand()
            if not isinstance(choice, Literal) or choice.value is None:
                name = choice.name if isinstance(choice, FieldRef) else "null"
                raise ExpressionError(f'a list has values only: write "{name}" for a text', choice.place)
            choices.append(choice)
            if not self._take("mark", ",") and self._token.text != closing:
                raise ExpressionError(f"a comma or {closing} is missing in the list", self._token.place)
        if not choices:
            raise ExpressionError("the list is empty", opening.place)
        return Membership(item, tuple(choices))

    def _parse_operand(self) -> Operand:
        token = self._token
        if token.kind == "number":
            number = float(token.text)
            value: Value = int(token.text) if re.fullmatch(r"[+-]?\d{1,15}", token.text) else number
        elif token.kind == "text":
            value = _ESCAPE.sub(r"\1", token.text[1:-1])
        elif token.kind == "name" and token.text.lower() in _LITERALS:
            value = _LITERALS[token.text.lower()]
        elif token.kind == "name":
            self._next += 1
            return FieldRef(token.text, token.place)
        else:
            found = token.text or "the end"
            raise ExpressionError(f"a field, a number or a text is missing before {found}", token.place)
        self._next += 1
        return Literal(value, token.place)


def split_name(name: str) -> tuple[str, ...]:
    """The parts of a field's name between its dots; a part in quotation marks may have any characters."""
    parts = re.findall(r'(?s:"(?:[^"\\]|\\.)*"|[^.]+)', name)
    return tuple(_ESCAPE.sub(r"\1", part[1:-1]) if part.startswith('"') else part for part in parts)


def point_at(text: str, error: ExpressionError) -> str:
    """The error with the expression and a caret below the place that is wrong."""
    line = " ".join(text.splitlines()) if "\n" in text else text
    return f"{error}\n  {line}\n  {' ' * error.place}^"
