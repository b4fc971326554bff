"""What the jobs of a plan send to each model, and what a model lacks of that which others get."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from batchveo.core.formatting import write_value
from batchveo.manifest.vocabulary import TEXTS
from batchveo.provider.catalog import Catalog

_Values = dict[tuple[type, object], None]
"""Values with their types: 1 and true are equal in Python."""
MOST_VALUES = 4
"""Values of a field that are shown; if there are more, the field varies."""
LONGEST_VALUE = 24
"""Characters of a value that is shown; a longer one is a text, and texts vary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequests:
    """The fields of the requests to one model.

    ``sent``: the values of each field in the order in which they came, none if it varies. ``refused``: what other
    models get and this one does not take. ``absent``: what other models get, and this one takes but does not get, each
    with what the service assumes; ``None`` if that is not known.
    """

    model: str
    sent: Mapping[str, Sequence[str]]
    refused: Sequence[str] = ()
    absent: Mapping[str, object] = field(default_factory=dict)


class RequestCounter:
    """Collects the fields of the requests to each model."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, _Values | None]] = {}

    def add_request(self, model: str, request: Mapping[str, object]) -> None:
        """Note the fields of one request; ``model`` itself is none of them."""
        fields = self._values.setdefault(model, {})
        for name, value in request.items():
            values = fields.setdefault(name, {})
            if values is None or name == "model":
                continue
            if name in TEXTS:
                fields[name] = None
                continue
            is_short = isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= LONGEST_VALUE)
            if not is_short or (len(values) >= MOST_VALUES and (type(value), value) not in values):
                fields[name] = None
            else:
                values[type(value), value] = None

    def list_models(self, catalog: Catalog) -> list[ModelRequests]:
        """What each model gets and lacks, in the order in which the models came."""
        given = dict.fromkeys(name for fields in self._values.values() for name in fields if name != "model")
        return [_describe_model(model, fields, given, catalog) for model, fields in self._values.items()]


def _describe_model(
    name: str, fields: Mapping[str, _Values | None], given: Iterable[str], catalog: Catalog
) -> ModelRequests:
    sent = {key: _write_values(values) for key, values in fields.items() if key != "model"}
    model = catalog.get(name)
    missing = [key for key in given if key not in sent]
    if model is None:
        return ModelRequests(model=name, sent=sent)
    return ModelRequests(
        model=name,
        sent=sent,
        refused=[key for key in missing if key not in model.params],
        absent={key: model.params[key].default for key in missing if key in model.params},
    )


def _write_values(values: _Values | None) -> tuple[str, ...]:
    return () if values is None else tuple(write_value(value) for _, value in values)
