"""JSON Schema of manifests, for editors that complete and check while one types.

It checks what one file shows without others; ``batchveo plan`` is stricter.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from batchveo.core.links import FIRST, LAST
from batchveo.core.measures import CheckLevel
from batchveo.manifest.chains import LONGEST_CHAIN, NO_LINK_KEYS
from batchveo.manifest.check_keys import PRIORITY_LIMIT
from batchveo.manifest.merged_entry import NOT_IN_DEFAULTS, REPEAT_LIMIT, TRIES_LIMIT
from batchveo.manifest.vocabulary import JOB_KEYS
from batchveo.provider.catalog import MODELS, Catalog, Model, Rule
from batchveo.provider.catalog.continuations import is_address, takes_generation_id
from batchveo.provider.catalog.parameters import Media, Param, ParamType

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEMPLATE = {"type": "string", "pattern": r"\{[^{}]+\}"}
_SCALAR = {"type": ["string", "number", "boolean"]}
_TEXT = {"type": "string", "minLength": 1}
_LIST = {"type": "array", "minItems": 1, "items": _SCALAR}
_LINKS: dict[str, object] = {
    "properties": {
        "frame": {"anyOf": [{"enum": [FIRST, LAST]}, {"type": "number", "minimum": 0}]},
        "of": {"type": ["string", "integer"], "description": "The id of the job whose video this is from."},
    },
    "required": ["of"],
    "additionalProperties": False,
}
_ID_OF = {"id_of": {"type": ["string", "integer"], "description": "The id of the job whose generation this is."}}
_ALL_CHECKED = {"properties": {"unchecked": {"anyOf": [{"maxItems": 0}, {"type": "null"}]}}}
"""Holds for a job that leaves no parameter unchecked: in the others nobody knows which keys and values are right."""
_ITEMS = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "object", "minProperties": 1, "additionalProperties": _SCALAR},
}

_JOB_KEYS: dict[str, dict[str, object]] = {
    "id": {"type": ["string", "integer"], "description": "Your own id of the job, unique in the call."},
    "name": {"type": "string", "description": "Name of the job and stem of its file; may hold {placeholders}."},
    "prompts_file": {
        "type": "string",
        "description": "A text file with a prompt a line, relative to the manifest; {line} in prompt is the line.",
    },
    "prompts_format": {
        "enum": ["lines", "raw"],
        "description": "raw takes each line of prompts_file as it is; lines (default) refuses doubtful ones.",
    },
    "names_file": {
        "type": "string",
        "description": "A text file with a name for each line of prompts_file; {name_line} in name.",
    },
    "rows_file": {
        "type": "string",
        "description": "A table (CSV, TSV, JSON, JSON Lines, Parquet): a job for each row; {column} in templates.",
    },
    "chain": {
        "type": "array",
        "minItems": 1,
        "maxItems": LONGEST_CHAIN,
        "items": {"anyOf": [_TEXT, {"$ref": "#/$defs/link"}]},
        "description": "Prompts, or jobs, that each continue the video of the one before.",
    },
    "extend": {
        "type": "integer",
        "minimum": 1,
        "maximum": LONGEST_CHAIN,
        "description": "How often the video is extended, each time by a job of its own.",
    },
    "then": {
        "$ref": "#/$defs/link",
        "description": "What the links of a chain have after the first one, such as another model.",
    },
    "matrix": {
        "type": "object",
        "minProperties": 1,
        "properties": {
            "exclude": {"anyOf": [_LIST, _ITEMS], "description": "Combinations to leave out, by some of their values."},
            "include": {
                "anyOf": [_LIST, _ITEMS],
                "description": "More values for the combinations that have these, or more combinations.",
            },
        },
        "additionalProperties": _LIST,
        "description": "Names with lists of values: a job for each combination, the first name slowest.",
    },
    "per_model": {
        "type": "object",
        "additionalProperties": {"type": "object", "minProperties": 1},
        "description": "For each of these models, parameters, checks, gates, prefer and priority in place of those of "
        "the job; null leaves one out.",
    },
    "unchecked": {
        "type": "array",
        "items": {"type": "string", "minLength": 1},
        "description": "Parameters that are sent as they are written, whatever the catalogue says of them.",
    },
    "tries": {
        "type": "integer",
        "minimum": 1,
        "maximum": TRIES_LIMIT,
        "description": "How often the job is made in all if its generation fails and was not charged.",
    },
    "checks": {
        "enum": [*map(str, CheckLevel)],
        "description": "What is measured of the finished clip; gates imply basic, or all if they name such a measure.",
    },
    "gates": {
        "anyOf": [_TEXT, {"type": "array", "items": _TEXT}],
        "description": "Conditions that the finished clip must meet, such as black_seconds < 0.5; else it is rejected, "
        "and with tries made again.",
    },
    "prefer": {
        **_TEXT,
        "description": "The number that chooses among several accepted takes: the highest, or with - before it the "
        "lowest.",
    },
    "priority": {
        "type": "integer",
        "minimum": -PRIORITY_LIMIT,
        "maximum": PRIORITY_LIMIT,
        "description": "Jobs with a higher priority are submitted first; the default is 0.",
    },
    "repeat": {
        "anyOf": [{"type": "integer", "minimum": 1, "maximum": REPEAT_LIMIT}, _TEMPLATE],
        "description": "The same request this many times; {index} counts from 0.",
    },
    "meta": {"type": "object", "description": "Carried into exports, not sent."},
}


def manifest_schema(catalog: Catalog = MODELS) -> dict[str, object]:
    """The schema of a YAML manifest for these models, in the 2020-12 dialect."""
    job = _job_object(catalog, required=False)
    jobs = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/job"}}
    return {
        "$schema": _DIALECT,
        "title": "batchveo manifest",
        "$defs": {
            "job": job,
            "link": _link_object(catalog),
            "defaults": _defaults_object(catalog),
            "where_taken": _where_taken_object(catalog),
        },
        "anyOf": [
            jobs,
            {
                "type": "object",
                "properties": {
                    "defaults": {"$ref": "#/$defs/defaults"},
                    "defaults_where_taken": {"$ref": "#/$defs/where_taken"},
                    "jobs": jobs,
                    "budget": {
                        "type": ["number", "string"],
                        "exclusiveMinimum": 0,
                        "pattern": "[0-9]",
                        "description": "The most that this manifest may cost, in US dollars: 25, $25 or 25 USD.",
                    },
                    "filename": {
                        "type": "string",
                        "minLength": 1,
                        "description": "Folders and name of each video in the output folder, such as "
                        "'{model}/{meta.style}/{name}'; write it above jobs.",
                    },
                },
                "required": ["jobs"],
                "additionalProperties": False,
            },
        ],
    }


def job_schema(catalog: Catalog = MODELS) -> dict[str, object]:
    """The schema of one line of a JSON Lines manifest, which has no defaults."""
    job = _job_object(catalog, required=True)
    return {"$schema": _DIALECT, "title": "batchveo job", "$defs": {"link": _link_object(catalog)}, **job}


def _job_object(catalog: Catalog, *, required: bool) -> dict[str, object]:
    properties = {name: _or_null(part) for name, part in _list_properties(catalog).items()}
    schema: dict[str, object] = {
        "type": "object",
        # for editors, which complete by them
        "properties": {name: {"description": part["description"]} for name, part in properties.items()},
        "if": _ALL_CHECKED,
        "then": {"properties": properties, "additionalProperties": False},
        "else": {"properties": {name: properties[name] for name in JOB_KEYS}},
        "allOf": [_if_model(model, required=required) for model in catalog.values()],
    }
    if required:
        schema["anyOf"] = _ways_to_give("model")
    return schema


def _link_object(catalog: Catalog) -> dict[str, object]:
    """What one link of a chain has of its own; by its keys editors complete, whatever the model."""
    keys = {name: {"description": part["description"]} for name, part in _list_properties(catalog).items()}
    return {"type": "object", "minProperties": 1, "properties": {**keys, **dict.fromkeys(NO_LINK_KEYS, False)}}


def _defaults_object(catalog: Catalog) -> dict[str, object]:
    properties = {name: part for name, part in _list_properties(catalog).items() if name not in NOT_IN_DEFAULTS}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _where_taken_object(catalog: Catalog) -> dict[str, object]:
    properties = {name: part for name, part in _list_properties(catalog).items() if name not in JOB_KEYS}
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "description": "Defaults for the jobs of those models that take the parameter.",
    }


def _list_properties(catalog: Catalog) -> dict[str, dict[str, object]]:
    """Every key of a job, whatever its model: a parameter takes what any model takes."""
    found: dict[str, list[Param]] = {}
    for model in catalog.values():
        for name, param in model.params.items():
            found.setdefault(name, []).append(param)
    names = [name for model in catalog.values() for name in model.names]
    model_key: dict[str, object] = {
        "anyOf": [{"enum": names}, _TEMPLATE],
        "description": "The model that makes the video.",
    }
    return {
        **_JOB_KEYS,
        "model": model_key,
        **{name: _parameter_schema(name, params) for name, params in found.items()},
    }


def _if_model(model: Model, *, required: bool) -> dict[str, object]:
    """What holds for the jobs of one model: its keys alone, its values, and what it needs."""
    keys: list[object] = [*JOB_KEYS, *model.params]
    then: dict[str, object] = {
        "properties": {name: _or_null(_parameter_schema(name, [param])) for name, param in model.params.items()},
        "propertyNames": {"enum": keys},
    }
    conditions = [_rule_schema(model, rule, required=required) for rule in model.rules]
    if required:
        conditions += [{"anyOf": _ways_to_give(name)} for name in model.required]
    conditions = [condition for condition in conditions if condition]
    if conditions:
        then["allOf"] = conditions
    names: object = {"const": model.id} if not model.aliases else {"enum": [*model.names]}
    return {"if": {"properties": {"model": names}, "required": ["model"], "allOf": [_ALL_CHECKED]}, "then": then}


def _rule_schema(model: Model, rule: Rule, *, required: bool) -> dict[str, object]:
    """A condition between fields; with ``required`` also on what must be there, which defaults may give elsewhere."""
    then: list[dict[str, object]] = [{"not": _is_given([name])} for name in rule.excludes]
    for name, values in rule.only.items():
        allowed: list[object] = [*values, None]
        then.append({"properties": {name: {"enum": allowed}}})
        if required and model.params[name].default not in values:
            then.append({"anyOf": _ways_to_give(name)})
    if rule.any_of and required:
        then.append({"anyOf": [way for name in rule.any_of for way in _ways_to_give(name)]})
    return {"if": _is_given(rule.given), "then": {"allOf": then}} if then else {}


def _is_given(names: Sequence[str]) -> dict[str, object]:
    """Whether a job gives all of these; null is nothing."""
    properties: dict[str, object] = {name: {"not": {"type": "null"}} for name in names}
    return {"required": [*names], "properties": properties}


def _ways_to_give(name: str) -> list[dict[str, object]]:
    """The ways of giving a key: by itself, by the matrix, a prompt by a file of them."""
    ways: list[dict[str, object]] = [
        {"required": [name]},
        {"required": ["matrix"], "properties": {"matrix": {"required": [name]}}},
    ]
    return [*ways, {"required": ["prompts_file"]}, {"required": ["chain"]}] if name == "prompt" else ways


def _parameter_schema(name: str, params: list[Param]) -> dict[str, object]:
    """One parameter as several models take it."""
    schemas: list[dict[str, object]] = []
    for param in params:
        if (schema := _value_schema(param)) not in schemas:
            schemas.append(schema)
    if takes_generation_id(name, params[0]):
        schemas.append({"type": "object", "required": ["id_of"], "additionalProperties": False, "properties": _ID_OF})
    if all("enum" in schema for schema in schemas):
        schemas = [{"enum": list(dict.fromkeys(chain.from_iterable(map(_list_choices, params))))}]
    if not all(param.is_free_text or param.media for param in params):  # a text with placeholders is a text
        schemas.append({**_TEMPLATE})
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {**schema, "description": _describe_parameter(params)}


def _value_schema(param: Param) -> dict[str, object]:
    """What a value may be, by the description of its parameter."""
    if param.alternatives:
        schema: dict[str, object] = {"anyOf": [_value_schema(each) for each in param.alternatives]}
    elif param.choices:
        schema = {"enum": _list_choices(param)}
    elif is_address(param) and param.media is not Media.AUDIO:
        schema = {"type": ["string", "object"], **_list_bounds(param), **_LINKS}
    else:
        schema = {} if param.type is ParamType.ANY else {"type": param.type.value}
        schema |= _list_bounds(param)
        if param.items is not None:
            schema["items"] = _value_schema(param.items)
        if param.fields:
            schema |= {
                "properties": {name: _value_schema(part) for name, part in param.fields.items()},
                "required": [name for name, part in param.fields.items() if part.required],
                "additionalProperties": False,
            }
    return {"anyOf": [schema, {"type": "null"}]} if param.nullable else schema


def _list_choices(param: Param) -> list[object]:
    """The choices; those of text in each case that a manifest may write."""
    if param.type is ParamType.STRING:
        return [*_list_spellings([*map(str, param.choices)])]
    return [*param.choices]


def _list_bounds(param: Param) -> dict[str, object]:
    suffix = "Items" if param.type is ParamType.ARRAY else "Length"
    needs_one = param.required and param.type in {ParamType.STRING, ParamType.ARRAY}
    least = max(param.min_length or 0, int(needs_one or param.address is not None))
    bounds = {
        "minimum": param.minimum,
        "maximum": param.maximum,
        f"min{suffix}": least or None,
        f"max{suffix}": param.max_length,
    }
    return {keyword: value for keyword, value in bounds.items() if value is not None}


def _describe_parameter(params: list[Param]) -> str:
    described = next((param.description for param in params if param.description), "")
    defaults = {str(param.default) for param in params if param.default is not None}
    said = f" The service assumes {defaults.pop()}." if len(defaults) == 1 else ""
    return (described + said).strip()


def _list_spellings(choices: list[str]) -> list[str]:
    """The choices, and the same in the other cases that are taken as well."""
    return list(
        dict.fromkeys(
            spelling for choice in choices for spelling in (choice, choice.lower(), choice.upper(), choice.capitalize())
        )
    )


def _or_null(schema: dict[str, object]) -> dict[str, object]:
    """The schema, or null: that unsets a default."""
    description = schema.get("description", "")
    rest = {key: value for key, value in schema.items() if key != "description"}
    return {"anyOf": [rest, {"type": "null"}], "description": description}
