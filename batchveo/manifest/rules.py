"""What each parameter of a model takes: functions from the value written to the value sent."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeGuard

from batchveo.core.formatting import write_value
from batchveo.manifest import media
from batchveo.manifest.accepted_values import FileReader, accept_part, accept_words
from batchveo.manifest.entries import plain
from batchveo.manifest.links import LinkTo, is_link, read_free_link
from batchveo.manifest.media import LocalFiles, list_models
from batchveo.manifest.problems import Fault, shown
from batchveo.manifest.scalars import EXACT, LONGEST, check_exact, is_no_text, read_whole, resolve_scalar
from batchveo.manifest.synonyms import carry_along, meant_by, suggest_key
from batchveo.manifest.templates import (
    Blank,
    NestedBlank,
    Template,
    parse_list,
    parse_nested_blank,
    parse_template,
    to_text,
)
from batchveo.manifest.vocabulary import COMMON, JOB_KEYS
from batchveo.provider.catalog import Catalog, Model
from batchveo.provider.catalog.parameters import Param, ParamType, describe_param

_VARIED = frozenset(("prompt", "negative_prompt", "seed"))
_JSON = re.compile(r"\s*(?:\{\s*\"|\[\s*[\[{])")
_LIKE_JSON = re.compile(r"\s*(?:\{|\[\s*[\[{\"])")
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_FLOATING: Mapping[str, tuple[object, str]] = {
    "auto_fix": (True, "lets the service rewrite the prompt"),
    "enhance_prompt": (True, "lets the service rewrite the prompt"),
    "enable_prompt_expansion": (True, "lets the service rewrite the prompt"),
    "provider": ("auto", "leaves open who makes the video"),
}
"""For each parameter: the value that leaves something open, and what that does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one parameter is treated.

    ``accept`` turns a written value into the one sent (or an ``InputFile``), ``read`` turns text (a cell, a
    filled template) into a value to accept; both raise ``Fault``. ``varied`` values are seldom the same in two
    jobs. ``takes_json`` takes text that is JSON as it is, braces and all. ``is_nested``: the texts inside a list or a
    mapping may hold placeholders. ``lengths`` bound a text, in characters. ``whole`` numbers are sent as they are.
    """

    accept: Callable[[object], object]
    read: Callable[[str], object] = str
    varied: bool = False
    takes_json: bool = False
    is_list: bool = False
    is_nested: bool = False
    is_text: bool = False
    lengths: tuple[int, float] = (0, math.inf)
    whole: range = range(0)

    def read_written(self, value: object, *, in_cell: bool, columns: frozenset[str] = frozenset()) -> object:
        """What a value as written comes to: an accepted one, or a ``Blank`` to be filled. Raises ``Fault``."""
        if isinstance(value, str):
            if ("{" in value or "}" in value) and (blank := self._parse_blank(value, columns, in_cell=in_cell)):
                return blank
            if in_cell:
                value = self.read(value)
        if self.is_list and (blank_list := parse_list(value, columns)):
            return blank_list
        # a link to another job is a mapping, also for a parameter that is one text
        if (self.is_nested or _holds_mapping(value)) and not in_cell and (nested := parse_nested_blank(value, columns)):
            return nested
        return self.accept(value)

    def _parse_blank(self, value: str, columns: frozenset[str], *, in_cell: bool) -> Template | None:
        """The template that a text with braces is; ``None`` if it is none to be filled as a whole."""
        # braces of JSON are no placeholders; only unknown models may take it
        if self.takes_json and _JSON.match(value):
            return None
        if not self.is_list:
            return parse_template(value, columns)
        if in_cell:
            return None  # a list of texts, each a template
        whole = parse_template(value, columns)
        return whole if len(whole.parts) == len(whole.names) == 1 else None

    def read_filled(self, blank: Blank, values: Mapping[str, object]) -> object:
        """The accepted value that a blank makes with these values; ``None`` if nothing fills it.

        Raises ``Fault``.
        """
        value = blank.value(values)
        # an empty cell for the job that a link names unsets the link
        is_unset = isinstance(blank, NestedBlank) and is_link(blank.parts) and not is_link(value)
        if value is None or is_unset:
            return None
        if self.is_text and not isinstance(value, str | dict):
            value = to_text(value)
        return self.accept(self.read(value) if isinstance(value, str) else value)


class Rules:
    """The rules of one model of ``catalog``; of any other name, those of a model that nobody knows.

    ``unchecked`` parameters are sent as they are written, whatever the catalogue says of them. ``inputs`` reads local
    files, whose paths are relative to ``folder``.
    """

    def __init__(
        self, name: str, catalog: Catalog, folder: Path, inputs: LocalFiles, *, unchecked: frozenset[str] = frozenset()
    ) -> None:
        self.model = model = catalog.get(name)
        self.name = name
        self.unchecked = unchecked
        self._catalog = catalog
        self.required = tuple(name for name in model.required if name not in unchecked) if model else ()
        params = model.params if model else {}
        files = partial(FileReader, name, folder=folder, inputs=inputs, catalog=catalog)
        self._by_name = {
            **{name: _make_rule(name, param, files(name)) for name, param in params.items() if name not in unchecked},
            **{name: _make_free_rule(name) for name in unchecked},
        }

    @property
    def own_name(self) -> str:
        """The model's own name, however the request names it."""
        return self.model.id if self.model else self.name

    @property
    def takes(self) -> Collection[str]:
        """The parameters that the model is known to take."""
        return self.model.params if self.model else ()

    def get(self, name: str) -> Rule | None:
        """The rule of a parameter; ``None`` if the model has no such one."""
        rule = self._by_name.get(name)
        if rule is None and self.model is None:
            rule = self._by_name[name] = _make_free_rule(name)
        return rule

    def takes_choice(self, name: str) -> bool:
        """Whether the model takes other values of a parameter than other models may: anything but free text."""
        param = self.model.params.get(name) if self.model else None
        return param is not None and not param.is_free_text

    def tighten(self, tightened: Callable[[str, Rule], Rule]) -> None:
        """Put what ``tightened`` makes of each rule in its place."""
        self._by_name = {name: tightened(name, rule) for name, rule in self._by_name.items()}

    def refuse_unknown(self, name: str, *, renamable: bool = False, column: bool = False) -> Fault:
        """What to say about a key that the model does not take; ``renamable`` keys may be named by ``--map``.

        ``column``: the key is the name of a column.
        """
        message = f"{self.name} takes no such parameter"
        if name.startswith("meta."):
            return Fault("is no key of a job", f"write meta: {{{name.removeprefix('meta.')}: …}}")
        others = self._catalog.list_takers(name)
        if name in COMMON:
            return Fault(message, f"taken by {list_models(others, self.name)}" if others else None)
        if not others or meant_by(name) in self._by_name:
            right = suggest_key(name, (*self._by_name, *JOB_KEYS), renamable=renamable, column=column)
        else:  # it is somebody's parameter, so it is not mistyped
            right = carry_along(name, renamable=renamable, column=column)
        return Fault(message, f"{right}; taken by {list_models(others, self.name)}" if others else right)

    def check_together(self, request: dict[str, object]) -> None:
        """Raise ``Fault``, with its field, for values that are right alone and wrong together."""
        if self.model is None or not self.model.rules:
            return
        for broken in self.model.find_broken_rules(request):
            if self.unchecked.isdisjoint(broken.names):
                message, right = self.model.describe_broken(broken, request)
                raise Fault(message, right, field=broken.find_field(request))

    def depends_on_values(self, request: Mapping[str, object]) -> bool:
        """Whether a condition between fields looks at the values of this request, not only at which it has."""
        rules = self.model.rules if self.model else ()
        return any(rule.only and all(name in request for name in rule.given) for rule in rules)


def is_plain(value: object) -> TypeGuard[str]:
    """Whether this is text that every rule for text takes as it is: printable, not blank, without braces."""
    return (
        type(value) is str
        and value.isprintable()
        and "{" not in value
        and "}" not in value
        and not value.isspace()
        and value != ""
        and (len(value) > LONGEST or not is_no_text(value))
    )


def _make_rule(name: str, param: Param, files: FileReader) -> Rule:
    varied = name in _VARIED
    accept = partial(accept_part, param, files=files)
    match param.type:
        case ParamType.STRING if param.media is not None:
            return Rule(accept=accept, read=partial(_read_address, param), varied=True, takes_json=True)
        case ParamType.STRING:
            lengths = (param.min_length or 0, math.inf if param.max_length is None else param.max_length)
            return Rule(accept=accept, varied=varied, is_text=not param.choices, lengths=lengths)
        case ParamType.INTEGER:
            return Rule(accept=accept, read=read_whole, varied=varied, whole=_list_whole(param))
        case ParamType.NUMBER:
            return Rule(accept=accept, read=_read_free, varied=varied)
        case ParamType.BOOLEAN:
            return Rule(accept=accept, read=_read_boolean)
        case ParamType.ARRAY if param.is_address_list:
            return Rule(accept=accept, read=_read_list, varied=True, is_list=True)
        case _:
            return Rule(accept=accept, read=partial(_read_nested, param), varied=True, takes_json=True, is_nested=True)


def _list_whole(param: Param) -> range:
    """The whole numbers that a parameter takes; none if it has choices."""
    if param.choices:
        return range(0)
    lowest, highest = param.minimum, param.maximum
    return range(
        -EXACT if lowest is None else max(-EXACT, math.ceil(lowest)),
        (EXACT if highest is None else min(EXACT, math.floor(highest))) + 1,
    )


def _make_free_rule(name: str) -> Rule:
    if name in {"prompt", "negative_prompt"}:
        return Rule(accept=accept_words, varied=True, is_text=True)
    if name.endswith("_urls"):
        return Rule(accept=_accept_free_urls, read=_read_list, varied=True, is_list=True)
    if name.endswith("_url"):
        return Rule(accept=_accept_free_urls, read=_read_free, varied=True)
    accept = _accept_free_id if name.endswith("_id") else _accept_free
    return Rule(accept=accept, read=_read_free, varied=name == "seed", takes_json=True)


def _read_free(cell: str) -> object:
    return resolve_scalar(cell.strip())


def _accept_free(value: object) -> object:
    """What is sent to a model that is not in the catalogue: as it is, but for numbers that would be rounded."""
    if isinstance(value, LinkTo):
        return value
    check_exact(value)
    return plain(value)


def _accept_free_urls(value: object) -> object:
    if isinstance(value, list):
        return [_accept_free_urls(item) for item in value]
    if isinstance(value, str):
        media.check_reachable(value.strip())
    return read_free_link(value) if isinstance(value, dict) and is_link(value) else _accept_free(value)


def _accept_free_id(value: object) -> object:
    return read_free_link(value) if isinstance(value, dict) and is_link(value) else _accept_free(value)


def _read_boolean(cell: str) -> bool:
    try:
        return _WORDS[cell.strip().lower()]
    except KeyError:
        raise Fault(f"{shown(cell)} is neither true nor false", "true, false, yes, no, 1 or 0") from None


def _refuse_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON; raises ``Fault`` for a key that it has twice."""
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in table if names.count(name) > 1)
        raise Fault(f"has the key {shown(twice)} twice", "keep one of the two")
    return table


def _read_nested(param: Param, cell: str) -> object:
    """A nested value in a cell: JSON; a list of texts may have ``|`` between them. Anything else is judged as it is.

    Raises ``Fault`` for what begins like JSON and is none.
    """
    try:
        return json.loads(cell, object_pairs_hook=_refuse_twice)
    except (ValueError, RecursionError) as error:
        if _LIKE_JSON.match(cell):
            where = f": {error.msg} at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
            raise Fault(f"is no valid JSON{where}", f"the value is {describe_param(param)}") from None
        is_list = param.type is ParamType.ARRAY and param.items is not None and param.items.type is ParamType.STRING
        return _read_list(cell) if is_list else cell.strip()


def _read_address(param: Param, cell: str) -> object:
    """An address in a cell, or a link to another job in JSON."""
    return _read_nested(param, cell) if _LIKE_JSON.match(cell) else cell


def _holds_mapping(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value))


def _read_list(cell: str) -> list[str]:
    return [part.strip() for part in cell.split("|") if part.strip()]


def make_strict(model: Model | None, name: str, rule: Rule) -> Rule:
    """The rule, but refusing a value that leaves open what makes the video."""
    if name not in _FLOATING or model is None or name not in model.params:
        return rule
    return replace(rule, accept=_refuse_floating(name, model.params[name], rule.accept))


def find_floating(model: Model | None) -> Iterator[tuple[str, Fault]]:
    """The parameters that a request to this model must give, to leave nothing open, with the fault of their absence."""
    if model is None:
        yield (
            "model",
            Fault(
                "is not in the catalogue: nobody knows what it does to a prompt",
                "name a model that batchveo models lists",
            ),
        )
        return
    for name, (value, harm) in _FLOATING.items():
        param = model.params.get(name)
        if param is None or param.default not in (value, None):
            continue
        known = "its default" if param.default == value else "no document states its default:"
        assumed = f"{known} {write_value(value)} {harm}"
        yield name, Fault(f"is absent, and {assumed}", _suggest_fixed(name, param))


def _suggest_fixed(name: str, param: Param) -> str:
    """The values that leave nothing open."""
    value, _ = _FLOATING[name]
    fixed = [choice for choice in param.choices or (False,) if choice != value]
    return "write " + ", or ".join(f"{name}: {write_value(choice)}" for choice in fixed)


def _refuse_floating(name: str, param: Param, accept: Callable[[object], object]) -> Callable[[object], object]:
    value, harm = _FLOATING[name]

    def accept_fixed(written: object) -> object:
        accepted = accept(written)
        if accepted == value:
            raise Fault(f"{write_value(value)} {harm}", _suggest_fixed(name, param))
        return accepted

    return accept_fixed
