"""Which models make videos from what, and which take a parameter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum

from batchveo.provider.catalog.model import Model
from batchveo.provider.catalog.parameters import Media, Param


class Input(StrEnum):
    """What a model can make a video from. It may need more than one of these at once."""

    TEXT = "text"
    IMAGE = "image"
    FRAMES = "frames"
    REFERENCE = "reference"
    VIDEO = "video"
    AUDIO = "audio"

    @property
    def sentence(self) -> str:
        """In words."""
        return _SENTENCES[self]


_SENTENCES = {
    Input.TEXT: "a prompt alone",
    Input.IMAGE: "an image that the video starts from or animates",
    Input.FRAMES: "a first and a last frame",
    Input.REFERENCE: "images of what the video is to show",
    Input.VIDEO: "another video",
    Input.AUDIO: "sound, such as speech",
}
_LAST_FRAME = re.compile(r"last|tail|end_(image|frame)|frame1")
_AIDS = re.compile(r"mask|alpha")
"""Images that only say which part of another one is meant."""


def list_inputs(model: Model) -> tuple[Input, ...]:
    """What the model can make a video from, by the parameters that it needs or takes."""
    found = {each for name, param in model.params.items() for each in _find_inputs(name, param)}
    needed = {leaf.media for param in model.params.values() if param.required for _, leaf in param.find_media()}
    if not needed:
        found.add(Input.TEXT)
    # an image is not enough for a model that needs a last frame, a video or sound as well
    if needed & {Media.VIDEO, Media.AUDIO} or any(map(_LAST_FRAME.search, model.required)):
        found.discard(Input.IMAGE)
    elif Input.FRAMES in found:
        found.add(Input.IMAGE)
    return tuple(each for each in Input if each in found)


def _find_inputs(name: str, param: Param) -> Iterator[Input]:
    for path, leaf in param.find_media():
        words = ".".join((name, *path))
        if _AIDS.search(words):
            continue
        if leaf.media is Media.AUDIO:
            yield Input.AUDIO
        elif leaf.media is Media.VIDEO:  # one in an object of a list is about a person or a thing to show
            yield Input.REFERENCE if path[:1] == ("*",) and len(path) > 1 else Input.VIDEO
        elif leaf.media is Media.IMAGE:
            yield _find_image_input(words, path)


def _find_image_input(words: str, path: tuple[str, ...]) -> Input:
    if _LAST_FRAME.search(words):
        return Input.FRAMES
    return Input.REFERENCE if "*" in path or "reference" in words or "character" in words else Input.IMAGE


def takes_parameter(model: Model, path: str) -> bool:
    """Whether a model has this parameter, or this part of one: ``keyframes``, ``keyframes.frame0.url``."""
    first, *below = path.replace("[]", "").split(".")
    return first in model.params and _has_part(model.params[first], below)


def _has_part(param: Param, path: list[str]) -> bool:
    if not path:
        return True
    within = [*param.alternatives, *([] if param.items is None else [param.items])]
    if path[0] in param.fields and _has_part(param.fields[path[0]], path[1:]):
        return True
    return any(_has_part(part, path) for part in within)
