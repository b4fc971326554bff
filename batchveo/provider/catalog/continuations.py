"""How a model continues a chain: what it takes of the video before, and in which parameter."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from batchveo.provider.catalog.model import Model
from batchveo.provider.catalog.parameters import Media, Param, ParamType

LEADING = ("image_url", "first_frame", "start_image_url", "first_frame_image_url")
"""Parameters of the image that a video begins with."""
VIDEO_URL = "video_url"


class Taken(StrEnum):
    """What a model takes of the video before."""

    VIDEO = "video"
    FRAME = "frame"
    GENERATION_ID = "generation_id"


class Continuation(NamedTuple):
    """One way in which a model continues a chain. ``takes_data``: in the request, not only as an address."""

    taken: Taken
    parameter: str
    takes_data: bool

    @property
    def sentence(self) -> str:
        """In words."""
        way = "" if self.takes_data or self.taken is not Taken.FRAME else " (by address: needs --inputs)"
        return f"{_SENTENCES[self.taken]} in {self.parameter}{way}"


_SENTENCES = {
    Taken.VIDEO: "extends the video",
    Taken.FRAME: "begins with the last frame",
    Taken.GENERATION_ID: "takes the generation id",
}


def list_continuations(model: Model) -> list[Continuation]:
    """All ways, first the one that ``chain:`` takes."""
    chained = find_continuation(model)
    ids = [name for name, param in model.params.items() if takes_generation_id(name, param)]
    by_id = [Continuation(Taken.GENERATION_ID, name, takes_data=True) for name in ids]
    return [chained, *by_id] if chained else by_id


def find_continuation(model: Model) -> Continuation | None:
    """The way that ``chain:`` takes: the whole video if the model extends videos, else its last frame, if it can."""
    # the catalogue has no other sign: of the models that take a video, most change it
    extends = VIDEO_URL in model.required and "extend" in model.id
    field = VIDEO_URL if extends else _find_image_field(model)
    if field is None:
        return None
    return Continuation(Taken.VIDEO if extends else Taken.FRAME, field, model.params[field].takes_data)


def _find_image_field(model: Model) -> str | None:
    """The parameter of the first frame."""
    images = [name for name, param in model.params.items() if is_address(param) and param.media is Media.IMAGE]
    leading = [name for name in LEADING if name in images]
    return next(iter([*leading, *(name for name in images if name in model.required)]), None)


def takes_generation_id(name: str, param: Param) -> bool:
    """Whether a parameter takes the id of an earlier generation."""
    return name.endswith("_id") and param.is_free_text


def is_address(param: Param) -> bool:
    """Whether a parameter is one address, which a link may fill."""
    return param.type is ParamType.STRING and param.media is not None
