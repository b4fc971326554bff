"""Generations: the check of a submit's body, and what becomes of it, decided when the submit is accepted.

The documentation does not say what the service does with a field that a model does not have. Here it is refused, since
that shows a client's mistakes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from urllib.parse import urlsplit
from uuid import UUID

from batchveo.provider.catalog import Catalog, Model
from batchveo.provider.catalog.parameters import Param, ParamType, find_violations, has_type
from batchveo.sandbox.answer_shapes import find_shape
from batchveo.sandbox.calls import Refused
from batchveo.sandbox.prices import count_credits
from batchveo.sandbox.seeded_random import FaultPlan, SeededRandom
from batchveo.sandbox.settings import ENDINGS, VIDEO, Settings

_LONGEST_KEPT = 4096
"""Characters of a request's value that are kept as they are."""
_REASONS = (
    "The prompt could not be turned into a video. Try another wording.",
    "The generated video was withheld by the safety filters.",
    "The model failed to process the request.",
)
_USUAL_SECONDS = 8
_USUAL_FRAME_RATE = 16
_SHAPES = ("aspect_ratio", "ratio", "size", "frame_size")
"""The parameters that may name the picture's width and height, such as ``9:16`` or ``720x1280``."""
_SIDES = re.compile(r"(\d+) ?[:x*] ?(\d+)")
_TYPE_NAMES = {str: "string", bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}


class Status(StrEnum):
    """The documented statuses of a generation."""

    QUEUED = "queued"
    GENERATING = "generating"
    COMPLETED = "completed"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One accepted submit; times are seconds since the epoch, ``file`` is its video's opaque name."""

    ordinal: int
    id: str
    file: str
    model: str
    request: Mapping[str, object]
    request_id: str
    client_request_id: str | None
    submitted_at: float
    started_at: float
    ready_at: float
    known_at: float
    seconds: int
    portrait: bool
    credits: int
    failure: str | None = None
    ending: str = ""
    """The fault that it ends by, of ``ENDINGS``."""
    flaw: str = ""
    """What is wrong with its video, of ``VIDEO``."""

    def status(self, now: float) -> Status:
        """Its status at this moment."""
        if now < self.ready_at:
            return Status.QUEUED if now < self.started_at else Status.GENERATING
        return Status.COMPLETED if self.failure is None else Status.ERROR

    @property
    def is_charged(self) -> bool:
        """Whether it costs its price in the end."""
        return self.failure is None or self.ending == "charged-error"

    def count_charged(self, now: float) -> int:
        """The credits that it has cost by this moment."""
        return self.credits if now >= self.ready_at and self.is_charged else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """The valid body of a submit: the model, the name that the body has for it, and the whole body."""

    model: Model
    model_name: str
    body: Mapping[str, object]

    @property
    def seconds(self) -> int:
        """The length of the video."""
        if seconds := self._find_number("duration"):
            return round(seconds)
        duration = self.model.params.get("duration")
        if duration is not None and duration.choices and isinstance(duration.choices[0], int):
            return duration.choices[0]
        frames = self._find_number("num_frames")
        rate = self._find_number("frames_per_second") or _USUAL_FRAME_RATE
        return max(round(frames / rate), 1) if frames else _USUAL_SECONDS

    @property
    def portrait(self) -> bool:
        """Whether the video is higher than wide."""
        found = (_SIDES.fullmatch(str(self.model.find_value(self.body, name))) for name in _SHAPES)
        return any(int(sides[1]) < int(sides[2]) for sides in found if sides)

    @property
    def credits(self) -> int:
        """The price of the video."""
        return count_credits(self.model, self.body, self.seconds)

    def _find_number(self, name: str) -> float | None:
        value = self.model.find_value(self.body, name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationFactory:
    """Makes the generation of each accepted submit, with everything that will become of it."""

    settings: Settings
    chances: SeededRandom
    ids: SeededRandom
    faults: FaultPlan

    def make_generation(
        self,
        request: GenerationRequest,
        *,
        ordinal: int,
        now: float,
        request_id: str,
        client_request_id: str | None,
        legacy: bool,
    ) -> Generation:
        """The generation of this request; ``legacy``: the submit came on the legacy path."""
        settings = self.settings
        takes = self.chances.draw_log_normal(settings.generation_median, settings.generation_sigma, "takes", ordinal)
        ending = self.faults.pick_fault(ENDINGS, ordinal) or ""
        failed = ending and ending != "no-url"
        hidden = self.faults.has_fault("poll-404", ordinal)
        return Generation(
            ordinal=ordinal,
            id=self._make_id(request.model_name, ordinal, legacy=legacy),
            file=self.ids.draw_hex("file", ordinal),
            model=request.model_name,
            # data URIs have megabytes, and thousands of generations are kept
            request={name: _shorten_value(value) for name, value in request.body.items()},
            request_id=request_id,
            client_request_id=client_request_id,
            submitted_at=now,
            started_at=now + settings.queued_share * takes,
            ready_at=now + takes,
            known_at=now + settings.unknown_for if hidden else now,
            seconds=request.seconds,
            portrait=request.portrait,
            credits=request.credits,
            failure=self.chances.draw_choice(_REASONS, "reason", ordinal) if failed else None,
            ending=ending,
            flaw=self.faults.pick_fault(VIDEO, ordinal) or "",
        )

    def _make_id(self, model: str, ordinal: int, *, legacy: bool) -> str:
        style = self.settings.id_style
        if style == "long" or (style == "by-path" and legacy):
            return f"{UUID(bytes=self.ids.draw_bytes('id', ordinal), version=4)}:{model}"
        return f"f_X_{self.ids.draw_word(17, 'id', ordinal)}"


def _shorten_value(value: object) -> object:
    if not isinstance(value, str) or len(value) <= _LONGEST_KEPT:
        return value
    digest = sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{value[:64]}... ({len(value)} characters, SHA-256 {digest})"


def read_generation_request(body: bytes, catalog: Catalog) -> GenerationRequest:
    """Check the body of a submit; raises a 400 that lists everything that is wrong with it."""
    request = _parse_object(body)
    name = request.get("model")
    if not isinstance(name, str):
        raise _refuse_body(f"model: Expected string, received {_name_type(name)}")
    model = catalog.get(name)
    if model is None:
        raise _refuse_body(f"model: Invalid enum value. Received '{name}'")
    if problems := list(_find_problems(model, request)):
        raise _refuse_body(*problems, lists_details=find_shape(model).lists_details)
    return GenerationRequest(model=model, model_name=name, body=request)


def read_model_name(body: bytes) -> str:
    """The model that a body asks for, however wrong the rest is; empty if the body names none."""
    try:
        name = _parse_object(body).get("model")
    except Refused:
        return ""
    return name if isinstance(name, str) else ""


def _parse_object(body: bytes) -> dict[str, object]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "The body is not valid JSON") from error
    if not isinstance(request, dict):
        raise _refuse_body(f"Expected object, received {_name_type(request)}")
    return request


def _refuse_body(*problems: str, lists_details: bool = False) -> Refused:
    message = f"Body validation error. {'; '.join(problems)}"
    return Refused(400, message, details=problems if lists_details else ())


def _find_problems(model: Model, request: Mapping[str, object]) -> Iterator[str]:
    for name, value in request.items():
        if name == "model":  # checked by the caller, who needs it to find the parameters
            continue
        if name not in model.params:
            yield f"Unrecognized key in object: '{name}'"
        else:
            yield from (f"{name}{place}: {hint}" for place, hint in _check_value(model.params[name], value))
    for name in model.required:
        if name not in request:
            yield f"{name}: Required"
    for rule in model.find_broken_rules(request):
        yield ", ".join(model.describe_broken(rule, request))


def _check_value(param: Param, value: object) -> Iterator[tuple[str, str]]:
    """What is wrong with a value, and where in it: ``.frame0.url``, ``[2]``, empty for the whole."""
    if value is None and (param.nullable or param.type is ParamType.NULL):
        return
    if param.alternatives:
        found = [list(_check_value(each, value)) for each in param.alternatives]
        if all(found):
            # an alternative that fails as a whole, as by its type, is not what the writer meant
            meant = [problems for problems in found if all(place for place, _ in problems)]
            yield from min(meant, key=len, default=[("", "Invalid input")])
    # the service takes 8.0 for no integer, and in Python True is an int as well
    elif not has_type(value, param.type) or (param.type is ParamType.INTEGER and isinstance(value, float)):
        yield "", f"Expected {param.type}, received {_name_type(value)}"
    elif param.choices and (str(value).lower() if param.any_case else value) not in param.choices:
        yield "", f"Invalid enum value. Expected {' | '.join(map(repr, param.choices))}, received {value!r}"
    elif isinstance(value, str):
        yield from (("", hint) for hint in _check_text(param, value))
    elif isinstance(value, list):
        yield from _check_list(param, value)
    elif isinstance(value, dict):
        yield from _check_object(param, value)
    else:
        yield from (("", f"Expected {each.expected}") for each in find_violations(param, value))


def _check_text(param: Param, text: str) -> Iterator[str]:
    if param.media is not None and not _is_url(param, text):
        yield "Invalid url"
    if len(text) < max(param.min_length or 0, param.required):
        yield f"String must contain at least {max(param.min_length or 0, 1)} character(s)"
    if param.max_length is not None and len(text) > param.max_length:
        yield f"String must contain at most {param.max_length} character(s)"


def _check_list(param: Param, value: list[object]) -> Iterator[tuple[str, str]]:
    least = max(param.min_length or 0, param.is_address_list)
    if len(value) < least:
        yield "", f"Array must contain at least {least} element(s)"
    if param.max_length is not None and len(value) > param.max_length:
        yield "", f"Array must contain at most {param.max_length} element(s)"
    if param.items is not None:
        for index, item in enumerate(value):
            yield from ((f"[{index}]{place}", hint) for place, hint in _check_value(param.items, item))


def _check_object(param: Param, value: dict[str, object]) -> Iterator[tuple[str, str]]:
    for name, part in param.fields.items():
        if name in value:
            yield from ((f".{name}{place}", hint) for place, hint in _check_value(part, value[name]))
        elif part.required:
            yield f".{name}", "Required"


def _name_type(value: object) -> str:
    return "null" if value is None else _TYPE_NAMES[type(value)]


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
