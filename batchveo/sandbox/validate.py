"""The check of a submit's body, as strict as the models' pages are.

What the service does with a field that a model does not know is undocumented; here it is refused, since that
shows a client's mistakes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from batchveo.provider.catalog import Model, Param, ParamType
from batchveo.sandbox.errors import bad_request
from batchveo.sandbox.prices import NAMES, price

_TYPES = {"string": str, "integer": int, "boolean": bool, "array": list}
_JSON_NAMES = {str: "string", bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A valid submit: the model, the name it was asked for by, and the whole request."""

    model: Model
    named: str
    request: Mapping[str, object]

    @property
    def seconds(self) -> int:
        """The length of the video."""
        seconds = self.model.duration_of(self.request)
        return seconds if isinstance(seconds, int) else 8

    @property
    def portrait(self) -> bool:
        """Whether the video is higher than wide."""
        return self.request.get("aspect_ratio") == "9:16"

    @property
    def credits(self) -> int:
        """What the video costs."""
        return price(self.model, self.request, self.seconds)


def read_order(body: bytes) -> Order:
    """The order in a submit's body; raises a 400 that names all that is wrong with it."""
    request = _json_object(body)
    named = request.get("model")
    if not isinstance(named, str):
        raise _invalid(f"model: Expected string, received {_json_name(named)}")
    model = NAMES.get(named)
    if model is None:
        raise _invalid(f"model: Invalid enum value. Received '{named}'")
    if problems := list(_problems(model, request)):
        raise _invalid(*problems)
    return Order(model=model, named=named, request=request)


def named_model(body: bytes) -> str:
    """The model that a body asks for, however wrong the rest is; empty where it names none."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    named = request.get("model") if isinstance(request, dict) else None
    return named if isinstance(named, str) else ""


def _json_object(body: bytes) -> dict[str, object]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise bad_request("The body is not valid JSON") from error
    if not isinstance(request, dict):
        raise _invalid(f"Expected object, received {_json_name(request)}")
    return request


def _invalid(*problems: str) -> Exception:
    return bad_request(f"Body validation error. {'; '.join(problems)}")


def _problems(model: Model, request: Mapping[str, object]) -> Iterator[str]:
    for name, value in request.items():
        if name == "model":
            continue
        if name not in model.params:
            yield f"Unrecognized key in object: '{name}'"
        elif hint := _hint(model.params[name], value):
            yield f"{name}: {hint}"
    for name in model.required:
        if name not in request:
            yield f"{name}: Required"
    if not model.fits_last_frame(request):
        expected, received = model.last_frame_duration, model.duration_of(request)
        yield f"duration: Expected {expected} with last_image_url, received {received}"


def _hint(param: Param, value: object) -> str | None:
    if not isinstance(value, _TYPES[param.json_type]) or isinstance(value, bool) != (param.json_type == "boolean"):
        return f"Expected {param.json_type}, received {_json_name(value)}"
    if param.type is ParamType.URL_LIST and isinstance(value, list):
        return _list_hint(param, value)
    if param.type is ParamType.URL:
        return None if _is_url(param, str(value)) else "Invalid url"
    if param.choices and (str(value).lower() if param.any_case else value) not in param.choices:
        return f"Invalid enum value. Expected {' | '.join(map(repr, param.choices))}, received {value!r}"
    return "String must contain at least 1 character(s)" if param.required and not value else None


def _list_hint(param: Param, value: list[object]) -> str | None:
    if not value:
        return "Array must contain at least 1 element(s)"
    wrong = [index for index, url in enumerate(value) if not isinstance(url, str) or not _is_url(param, url)]
    return f"Invalid url at index {wrong[0]}" if wrong else None


def _json_name(value: object) -> str:
    return "null" if value is None else _JSON_NAMES[type(value)]


def _is_url(param: Param, text: str) -> bool:
    if text.startswith("data:"):
        media, comma, content = text[5:].partition(",")
        kind = f"{param.data_uri}/"
        return param.data_uri is not None and media.startswith(kind) and bool(comma and content)
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
