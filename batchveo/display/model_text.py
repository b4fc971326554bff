"""Models in words: rows of their parameters, the rules between these, and what differs between two catalogues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import NamedTuple

from batchveo.core.formatting import format_count, write_value
from batchveo.provider.catalog import Catalog, Model, Rule
from batchveo.provider.catalog.changes import Change, ChangeKind, walk_parts
from batchveo.provider.catalog.parameters import Param, Value, describe_param
from batchveo.provider.retirement import Retirement


class ParameterRow(NamedTuple):
    """One parameter or part of one, for a table."""

    path: str
    values: str
    default: str
    required: str
    description: str


def list_parameter_rows(model: Model) -> Iterator[ParameterRow]:
    """The parameters of a model and their parts, each under its path, such as ``keyframes.frame0.url``."""
    for name, param in model.params.items():
        yield _make_row(name, param)
        parts: dict[str, list[Param]] = {}
        for path, part in _walk_all(name, param):
            parts.setdefault(path, []).append(part)
        for path, same in parts.items():
            # alternatives may have parts of one name
            values = " or ".join(dict.fromkeys(map(_write_values, same)))
            yield _make_row(path, same[0])._replace(values=values)


def _walk_all(path: str, param: Param) -> Iterator[tuple[str, Param]]:
    for below, part in walk_parts(path, param):
        own = below.partition("|")[0]  # an alternative has no path of its own
        if own != path and not (own.endswith("[]") and _is_said_by_list(part)):
            yield own, part
        yield from _walk_all(own, part)


def _is_said_by_list(item: Param) -> bool:
    """Whether the words about a list say all about its items."""
    limits = (item.choices, item.alternatives, item.minimum, item.maximum, item.min_length, item.max_length)
    return not any(limit not in (None, ()) for limit in limits)


def _make_row(path: str, param: Param) -> ParameterRow:
    local = f"A local {param.data_uri} can be given." if param.data_uri else ""
    default = "" if param.default is None else write_value(param.default)
    return ParameterRow(
        path=path,
        values=_write_values(param),
        default=f"{default} (not documented)" if default and param.is_assumed else default,
        required="yes" if param.required else "",
        description=" ".join(filter(None, (param.description, local))),
    )


def _write_values(param: Param) -> str:
    return ", ".join(map(write_value, param.choices)) or describe_param(param)


def describe_rule(rule: Rule) -> str:
    """What a rule demands: ``last_image_url needs image_url``, ``with last_image_url, duration must be 8``."""
    given = " and ".join(rule.given)
    parts = []
    if rule.any_of:
        needed = " or ".join(rule.any_of)
        parts.append(f"{given} needs {needed}" if given else f"{needed} is needed")
    if rule.excludes:
        parts.append(f"{given} does not go with {' or '.join(rule.excludes)}")
    for name, values in rule.only.items():
        must = f"{name} must be {' or '.join(map(write_value, values))}"
        parts.append(f"with {given}, {must}" if given else must)
    return "; ".join(parts)


def describe_in_short(retirement: Retirement) -> str:
    """``withdrawn 2026-06-30, use google/veo-3.1-t2v``: short, for a column."""
    day: date | None = retirement.shutdown_at or retirement.deprecated_at
    instead = f", use {' or '.join(retirement.replaced_by)}" if retirement.replaced_by else ""
    return f"{retirement.status}{f' {day}' if day else ''}{instead}"


def describe_changes(changes: Sequence[Change], new: Catalog) -> Iterator[str]:
    """Lines about what changed: new models, gone ones, then the parameters of each other model."""
    for kind, title in ((ChangeKind.NEW_MODEL, "new"), (ChangeKind.GONE_MODEL, "gone")):
        names = [change.model for change in changes if change.kind is kind]
        if names:
            yield f"{title}: {format_count(len(names), 'model')}"
            yield from (f"  {name}" for name in names)
    whole = {ChangeKind.NEW_MODEL, ChangeKind.GONE_MODEL}
    inner = [change for change in changes if change.kind not in whole]
    for model, group in groupby(inner, key=lambda change: change.model):
        yield model
        params = new[model].params
        yield from (f"  {_describe_change(change, params)}" for change in group)


_FIELDS = {
    "type": "its type",
    "default": "the default",
    "minimum": "the least value",
    "maximum": "the largest value",
    "min_length": "the least length",
    "max_length": "the largest length",
    "media": "what it leads to",
}
_FLAGS = {
    "required": ("is now required", "is no longer required"),
    "nullable": ("now takes null", "no longer takes null"),
    "takes_data": ("now takes data URIs", "no longer takes data URIs"),
    "any_case": ("is now taken in any case", "is no longer taken in any case"),
    "is_assumed": ("has a default that is not documented", "has a documented default"),
}


def _describe_change(change: Change, params: Mapping[str, Param]) -> str:
    if change.kind is ChangeKind.NEW_PARAMETER:
        known = params.get(str(change.parameter))
        return f"+ {change.parameter}" + (f": {describe_param(known)}" if known else "")
    if change.kind is ChangeKind.GONE_PARAMETER:
        return f"- {change.parameter}"
    return f"{change.parameter}: {_describe_field(str(change.field), change.old, change.new)}"


def _describe_field(field: str, old: Value, new: Value) -> str:
    if field in _FLAGS:
        return _FLAGS[field][0 if new else 1]
    if field == "choices" and isinstance(old, list) and isinstance(new, list):
        more, less = [each for each in new if each not in old], [each for each in old if each not in new]
        words = [("now also takes", more), ("no longer takes", less)]
        found = [f"{text} {', '.join(map(write_value, values))}" for text, values in words if values]
        return "; ".join(found) or "its choices have another order"
    if field == "choices":
        return f"now takes only {', '.join(map(write_value, new))}" if isinstance(new, list) else "now takes any value"
    before, after = ("none" if value is None else write_value(value) for value in (old, new))
    return f"{_FIELDS.get(field, field)} is {after}, was {before}"
