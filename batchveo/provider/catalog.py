"""The Veo models and the parameters each of them takes.

Written from the service's public model pages (state of August 2026). Spelling of values matters there:
``720p`` for one model is ``720P`` for another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """What a model makes its video from."""

    TEXT = "text"
    IMAGE = "image"
    REFERENCE = "reference images"
    FRAMES = "first and last frame"
    EXTEND = "video"
    TEXT_OR_IMAGE = "text or image"


class ParamType(StrEnum):
    """The type of a parameter's value on the wire."""

    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    URL = "url"
    URL_LIST = "list of urls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One parameter of a model: its type, the values it takes, what the service assumes when it is absent.

    Manifest validation, the JSON Schema and the sandbox all follow from this record. ``data_uri`` is the kind of
    Base64 data URI that the model's page documents here (``"image"`` or ``"video"``); ``None`` means that only an
    https URL is documented. ``default`` is ``None`` if the service states none. A manifest may write string choices
    in any case; they are sent as listed. ``any_case``: the service itself takes them in any case.
    """

    type: ParamType
    choices: tuple[str | int, ...] = ()
    default: str | int | bool | None = None
    required: bool = False
    data_uri: str | None = None
    description: str = ""
    any_case: bool = False

    @property
    def json_type(self) -> str:
        """The JSON type of the value in a request, in the words of JSON Schema."""
        return {ParamType.URL: "string", ParamType.URL_LIST: "array"}.get(self.type, self.type.value)

    @property
    def is_free_text(self) -> bool:
        """Whether any text may stand here; what is not a choice, a number, a boolean or a URL."""
        return self.type is ParamType.STRING and not self.choices

    @property
    def is_closed(self) -> bool:
        """Whether the values are few or of one simple form: choices, whole numbers, booleans."""
        return bool(self.choices) or self.type in {ParamType.INTEGER, ParamType.BOOLEAN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model: its name on the wire, what it makes its video from, and its parameters without ``model``."""

    id: str
    kind: Kind
    params: Mapping[str, Param]
    featured: bool = False
    last_frame_duration: int | None = None
    """The only duration taken together with ``last_image_url``, where the page documents such a rule."""

    @property
    def required(self) -> tuple[str, ...]:
        """The parameters that must be given."""
        return tuple(name for name, param in self.params.items() if param.required)

    def duration_of(self, request: Mapping[str, object]) -> object:
        """The length in seconds that a request asks for, or the one that the service assumes."""
        return request.get("duration", self.params["duration"].default)

    def fits_last_frame(self, request: Mapping[str, object]) -> bool:
        """Whether the duration of a request is taken together with its ``last_image_url``, if it has one."""
        if self.last_frame_duration is None or "last_image_url" not in request:
            return True
        return self.duration_of(request) == self.last_frame_duration


_PROMPT = Param(type=ParamType.STRING, required=True, description="What the video shows.")
_SEED = Param(type=ParamType.INTEGER, description="Same seed and request: similar videos. Random if absent.")
_NEGATIVE = Param(type=ParamType.STRING, description="What to keep out of the video.")
_ENHANCE = Param(type=ParamType.BOOLEAN, default=True, description="Let the service enrich the prompt.")
_AUDIO = Param(type=ParamType.BOOLEAN, default=True, description="Make sound as well.")
_PROVIDER = Param(
    type=ParamType.STRING,
    choices=("auto", "google", "fal"),
    default="auto",
    description="Who runs it: Google, the fal.ai mirror, or Google first and then the mirror.",
    any_case=True,
)
_ASPECT = Param(type=ParamType.STRING, choices=("16:9", "9:16"), description="Shape of the picture.")
_PERSONS = Param(
    type=ParamType.STRING,
    choices=("dont_allow", "allow_adult"),
    default="allow_adult",
    description="Whether people may be generated.",
)


def _auto_fix(*, default: bool) -> Param:
    return Param(
        type=ParamType.BOOLEAN,
        default=default,
        description="Let the service rewrite a prompt that fails its content policy.",
    )


def _duration(*choices: int, default: int) -> Param:
    return Param(type=ParamType.INTEGER, choices=choices, default=default, description="Length in seconds.")


def _resolution(*choices: str, default: str) -> Param:
    return Param(type=ParamType.STRING, choices=choices, default=default, description="Short side of the picture.")


def _url(description: str, *, required: bool = False, data_uri: str | None = None) -> Param:
    return Param(type=ParamType.URL, required=required, data_uri=data_uri, description=description)


_SECONDS = _duration(4, 6, 8, default=8)
_LOWER_P = _resolution("720p", "1080p", default="1080p")
_UPPER_P = _resolution("720P", "1080P", default="720P")
_FIRST = "First frame, 720p or larger."
_LAST = "Last frame, 720p or larger."

_VEO31_COMMON = {"resolution": _LOWER_P, "generate_audio": _AUDIO, "provider": _PROVIDER}
_VEO31_TEXT = {
    "prompt": _PROMPT,
    "aspect_ratio": _ASPECT,
    "duration": _SECONDS,
    **_VEO31_COMMON,
    "seed": _SEED,
    "auto_fix": _auto_fix(default=True),
    "negative_prompt": _NEGATIVE,
    "enhance_prompt": _ENHANCE,
}
_VEO31_IMAGE = {
    "prompt": _PROMPT,
    "image_url": _url(_FIRST, required=True),
    "aspect_ratio": _ASPECT,
    "duration": _SECONDS,
    **_VEO31_COMMON,
}
_VEO31_REFERENCE = {
    "prompt": _PROMPT,
    "image_urls": Param(type=ParamType.URL_LIST, required=True, description="Reference images, each 720p or larger."),
    "duration": _duration(8, default=8),
    **_VEO31_COMMON,
}
_VEO31_FRAMES = {**_VEO31_IMAGE, "last_image_url": _url(_LAST, required=True, data_uri="image")}
_VEO31_EXTEND = {
    "prompt": _PROMPT,
    "video_url": _url("The video to extend.", required=True, data_uri="video"),
    "aspect_ratio": Param(
        type=ParamType.STRING,
        choices=("auto", "16:9", "9:16"),
        default="auto",
        description="Shape of the picture.",
    ),
    "duration": _duration(7, default=7),
    "resolution": _resolution("720p", default="720p"),
    "generate_audio": _AUDIO,
    "auto_fix": _auto_fix(default=False),
    "provider": _PROVIDER,
}
_LITE_IMAGES = {
    "image_url": _url(_FIRST, data_uri="image"),
    "last_image_url": _url(_LAST, data_uri="image"),
}
_LITE_PREVIEW = {
    "prompt": _PROMPT,
    **_LITE_IMAGES,
    "aspect_ratio": _ASPECT,
    "duration": _SECONDS,
    **_VEO31_COMMON,
}
_LITE_001 = {
    "prompt": _PROMPT,
    **_LITE_IMAGES,
    "aspect_ratio": _ASPECT,
    "duration": _SECONDS,
    "resolution": _UPPER_P,
    "generate_audio": _AUDIO,
    "person_generation": _PERSONS,
}
_VEO3_TEXT = {
    "prompt": _PROMPT,
    "aspect_ratio": _ASPECT,
    "duration": _SECONDS,
    "resolution": _UPPER_P,
    "generate_audio": _AUDIO,
    "seed": _SEED,
    "negative_prompt": _NEGATIVE,
    "enhance_prompt": _ENHANCE,
}
_VEO3_IMAGE = {**_VEO3_TEXT, "image_url": _url(_FIRST, required=True, data_uri="image")}
_VEO2 = {
    "prompt": _PROMPT,
    "aspect_ratio": _ASPECT,
    "duration": _duration(5, 6, 7, 8, default=5),
    "seed": _SEED,
    "negative_prompt": _NEGATIVE,
    "enhance_prompt": _ENHANCE,
}


def _models() -> tuple[Model, ...]:
    return (
        Model(id="google/veo-3.1-t2v", kind=Kind.TEXT, params=_VEO31_TEXT, featured=True),
        Model(id="google/veo-3.1-t2v-fast", kind=Kind.TEXT, params=_VEO31_TEXT, featured=True),
        Model(id="google/veo-3.1-i2v", kind=Kind.IMAGE, params=_VEO31_IMAGE),
        Model(id="google/veo-3.1-i2v-fast", kind=Kind.IMAGE, params=_VEO31_IMAGE, featured=True),
        Model(
            id="google/veo-3.1-reference-to-video",
            kind=Kind.REFERENCE,
            params=_VEO31_REFERENCE,
            featured=True,
        ),
        Model(id="google/veo-3.1-first-last-image-to-video", kind=Kind.FRAMES, params=_VEO31_FRAMES),
        Model(id="google/veo-3.1-first-last-image-to-video-fast", kind=Kind.FRAMES, params=_VEO31_FRAMES),
        Model(id="google/veo3", kind=Kind.TEXT, params=_VEO3_TEXT, featured=True),
        Model(id="google/veo-3.0-fast", kind=Kind.TEXT, params=_VEO3_TEXT),
        Model(id="google/veo-3.0-i2v", kind=Kind.IMAGE, params=_VEO3_IMAGE),
        Model(id="google/veo-3.0-i2v-fast", kind=Kind.IMAGE, params=_VEO3_IMAGE),
        Model(id="google/veo3-1-extend-video", kind=Kind.EXTEND, params=_VEO31_EXTEND),
        Model(id="google/veo3-1-fast-extend-video", kind=Kind.EXTEND, params=_VEO31_EXTEND),
        Model(
            id="google/veo-3-1-lite-generate-preview",
            kind=Kind.TEXT_OR_IMAGE,
            params=_LITE_PREVIEW,
            last_frame_duration=8,
        ),
        Model(id="veo-3.1-lite-generate-001", kind=Kind.TEXT_OR_IMAGE, params=_LITE_001),
        Model(id="veo2", kind=Kind.TEXT, params=_VEO2),
    )


MODELS: Mapping[str, Model] = MappingProxyType({model.id: model for model in _models()})
"""Every known model by its name on the wire, in the order of the documentation."""
