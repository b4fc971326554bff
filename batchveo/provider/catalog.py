"""The Veo models and their parameters.

From the service's public model pages (state of August 2026). The case of values matters there: ``720p`` for one model
is ``720P`` for another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """The input of a model."""

    TEXT = "text"
    IMAGE = "image"
    REFERENCE = "reference images"
    FRAMES = "first and last frame"
    EXTEND = "video"
    TEXT_OR_IMAGE = "text or image"


class ParamType(StrEnum):
    """The type of a parameter's value in a request."""

    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    URL = "url"
    URL_LIST = "list of urls"


class Media(StrEnum):
    """What the URL of a parameter leads to."""

    IMAGE = "image"
    VIDEO = "video"


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One parameter of a model: the only description of it.

    Manifest validation, the JSON Schema, the sandbox, the prices and ``batchveo models`` all read this record and add
    nothing to it.
    """

    type: ParamType
    choices: tuple[str | int, ...] = ()
    """The values that it takes, as they are sent; a manifest may write those of text in any case."""
    default: str | int | bool | None = None
    """The value that the service assumes if it is absent; ``None`` if the service states none."""
    required: bool = False
    media: Media | None = None
    """Of URLs: the kind of file behind them."""
    takes_data: bool = False
    """Whether the model's page documents a Base64 data URI here, and not only an https URL."""
    any_case: bool = False
    """Whether the service itself takes the choices in any case."""
    description: str = ""

    @property
    def data_uri(self) -> Media | None:
        """The kind of data URI that it takes; ``None`` if it takes only https URLs."""
        return self.media if self.takes_data else None

    @property
    def json_type(self) -> str:
        """The JSON type of the value in a request, in the words of JSON Schema."""
        return {ParamType.URL: "string", ParamType.URL_LIST: "array"}.get(self.type, self.type.value)

    @property
    def is_free_text(self) -> bool:
        """Whether it takes any text."""
        return self.type is ParamType.STRING and not self.choices

    @property
    def is_closed(self) -> bool:
        """Whether the values are few or of one simple form: choices, whole numbers, booleans."""
        return bool(self.choices) or self.type in {ParamType.INTEGER, ParamType.BOOLEAN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model: its name in requests, its input, and its parameters without ``model``."""

    id: str
    kind: Kind
    params: Mapping[str, Param]
    featured: bool = False
    last_frame_duration: int | None = None
    """The only duration that goes with ``last_image_url``, if the page documents such a rule."""

    @property
    def required(self) -> tuple[str, ...]:
        """The parameters that must be given."""
        return tuple(name for name, param in self.params.items() if param.required)

    def duration_of(self, request: Mapping[str, object]) -> object:
        """The length in seconds of a request, or the one that the service assumes."""
        return request.get("duration", self.params["duration"].default)

    def fits_last_frame(self, request: Mapping[str, object]) -> bool:
        """Whether the duration of a request goes with its ``last_image_url``, if it has one."""
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


def _make_auto_fix(*, default: bool) -> Param:
    return Param(
        type=ParamType.BOOLEAN,
        default=default,
        description="Let the service rewrite a prompt that fails its content policy.",
    )


def _make_duration(*choices: int, default: int) -> Param:
    return Param(type=ParamType.INTEGER, choices=choices, default=default, description="Length in seconds.")


def _make_resolution(*choices: str, default: str) -> Param:
    return Param(type=ParamType.STRING, choices=choices, default=default, description="Short side of the picture.")


def _make_url(description: str, media: Media, *, required: bool = False, takes_data: bool = False) -> Param:
    return Param(type=ParamType.URL, media=media, required=required, takes_data=takes_data, description=description)


_SECONDS = _make_duration(4, 6, 8, default=8)
_LOWER_P = _make_resolution("720p", "1080p", default="1080p")
_UPPER_P = _make_resolution("720P", "1080P", default="720P")
_FIRST = "First frame, 720p or larger."
_LAST = "Last frame, 720p or larger."

_VEO31_COMMON = {"resolution": _LOWER_P, "generate_audio": _AUDIO, "provider": _PROVIDER}
_VEO31_TEXT = {
    "prompt": _PROMPT,
    "aspect_ratio": _ASPECT,
    "duration": _SECONDS,
    **_VEO31_COMMON,
    "seed": _SEED,
    "auto_fix": _make_auto_fix(default=True),
    "negative_prompt": _NEGATIVE,
    "enhance_prompt": _ENHANCE,
}
_VEO31_IMAGE = {
    "prompt": _PROMPT,
    "image_url": _make_url(_FIRST, Media.IMAGE, required=True),
    "aspect_ratio": _ASPECT,
    "duration": _SECONDS,
    **_VEO31_COMMON,
}
_VEO31_REFERENCE = {
    "prompt": _PROMPT,
    "image_urls": Param(
        type=ParamType.URL_LIST,
        media=Media.IMAGE,
        required=True,
        description="Reference images, each 720p or larger.",
    ),
    "duration": _make_duration(8, default=8),
    **_VEO31_COMMON,
}
_VEO31_FRAMES = {**_VEO31_IMAGE, "last_image_url": _make_url(_LAST, Media.IMAGE, required=True, takes_data=True)}
_VEO31_EXTEND = {
    "prompt": _PROMPT,
    "video_url": _make_url("The video to extend.", Media.VIDEO, required=True, takes_data=True),
    "aspect_ratio": Param(
        type=ParamType.STRING,
        choices=("auto", "16:9", "9:16"),
        default="auto",
        description="Shape of the picture.",
    ),
    "duration": _make_duration(7, default=7),
    "resolution": _make_resolution("720p", default="720p"),
    "generate_audio": _AUDIO,
    "auto_fix": _make_auto_fix(default=False),
    "provider": _PROVIDER,
}
_LITE_IMAGES = {
    "image_url": _make_url(_FIRST, Media.IMAGE, takes_data=True),
    "last_image_url": _make_url(_LAST, Media.IMAGE, takes_data=True),
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
_VEO3_IMAGE = {**_VEO3_TEXT, "image_url": _make_url(_FIRST, Media.IMAGE, required=True, takes_data=True)}
_VEO2 = {
    "prompt": _PROMPT,
    "aspect_ratio": _ASPECT,
    "duration": _make_duration(5, 6, 7, 8, default=5),
    "seed": _SEED,
    "negative_prompt": _NEGATIVE,
    "enhance_prompt": _ENHANCE,
}


def _list_models() -> tuple[Model, ...]:
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


MODELS: Mapping[str, Model] = MappingProxyType({model.id: model for model in _list_models()})
"""Every known model by its name in requests, in the order of the documentation."""


def list_parameters(media: Media) -> tuple[str, ...]:
    """The parameters, of any model, whose URLs lead to ``media``."""
    params = (item for model in MODELS.values() for item in model.params.items())
    return tuple(dict.fromkeys(name for name, param in params if param.media is media))
