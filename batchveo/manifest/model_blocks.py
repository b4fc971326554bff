"""The ``per_model`` of an entry or of the defaults: parameters, and what is checked, for one model each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from batchveo.core.hints import suggest_closest
from batchveo.manifest.check_keys import NO_KEYS, CheckKeys, read_check_keys
from batchveo.manifest.problems import Fault, shown
from batchveo.manifest.vocabulary import CHECK_KEYS, JOB_KEYS, Vocabulary


class ModelBlock(NamedTuple):
    """What ``per_model`` gives to one model; ``name`` is how the model is written there."""

    name: str
    params: Mapping[str, object]
    checks: CheckKeys = NO_KEYS


NO_BLOCKS: Mapping[str, ModelBlock] = MappingProxyType({})


def read_blocks(
    value: object, vocabulary: Vocabulary, report: Callable[[str, Fault], None]
) -> Mapping[str, ModelBlock]:
    """The blocks by the model's own name.

    ``report`` gets what is wrong, with the model as it is written, or an empty text if no block is to blame; that is
    left out.
    """
    if value is None:
        return NO_BLOCKS
    if not isinstance(value, dict):
        fault = Fault(f"must map models to parameters, not {shown(value)}", "per_model: {MODEL: {resolution: 720p}}")
        report("", fault)
        return NO_BLOCKS
    blocks: dict[str, ModelBlock] = {}
    for name, params in value.items():
        try:
            own_name = _check_block(name, params, blocks, vocabulary)
        except Fault as fault:
            report(name, fault)
        else:
            blocks[own_name] = _read_block(name, params, report)
    return blocks


def _read_block(name: str, fields: Mapping[str, object], report: Callable[[str, Fault], None]) -> ModelBlock:
    params = {key: value for key, value in fields.items() if key not in CHECK_KEYS}
    return ModelBlock(name, params, read_check_keys(fields, lambda key, fault: report(f"{name}.{key}", fault)))


def _check_block(name: str, params: object, others: Mapping[str, ModelBlock], vocabulary: Vocabulary) -> str:
    """The own name of the model of a block. Raises ``Fault``."""
    model = vocabulary.find_model(name)
    if model is None and not vocabulary.any_model:
        raise Fault("is not a known model", suggest_closest(name, vocabulary.catalog))
    own_name = model.id if model else name
    if own_name in others:
        raise Fault(f"is the model that {others[own_name].name} names, too", "keep one of the two")
    if not isinstance(params, dict) or not params:
        raise Fault(f"must be a mapping of parameters, not {shown(params)}", "{resolution: 720p}")
    for key in params:
        if key in JOB_KEYS and key not in CHECK_KEYS:
            raise Fault(f"{key} is no parameter, and the same for every model", "write it beside per_model")
    return own_name
