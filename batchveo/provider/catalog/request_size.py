"""How much of each measure of a price list a request asks for: seconds, videos, frames, inputs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from batchveo.core.formatting import add_article
from batchveo.provider.catalog.model import Model
from batchveo.provider.catalog.parameters import Media, Param, Value

LENGTHS = ("duration", "duration_seconds", "seconds")
"""The parameters that name the length of the video in seconds."""
RATES = ("frames_per_second", "fps")
COUNTS = ("n", "num_videos", "number_of_videos", "num_outputs", "sample_count")
"""The parameters that name how many videos one request makes."""
FOLLOWS_INPUT = ("match_input_num_frames", "match_input_frames_per_second")
CHOSEN_BY_SERVICE = frozenset({"-1", "auto", "adaptive", "default"})
"""Values by which the service itself chooses one."""
_NUMBER = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(?:s|secs?|seconds?)?")
_INPUT = re.compile(r"\b(input|reference|source)s?\b")


class Measure(StrEnum):
    """What a rate of a price list is for."""

    SECOND = "second"
    MINUTE = "minute"
    VIDEO = "video"
    FRAME = "frame"
    INPUT_IMAGE = "input image"
    INPUT_VIDEO = "input video"
    INPUT_AUDIO = "input audio"
    INPUT_SECOND = "second of input"

    @property
    def words(self) -> str:
        """``a second``, ``an input image``."""
        return add_article(self.value)


_MEASURES: Mapping[str, Measure] = {
    **dict.fromkeys(("second", "seconds", "sec", "secs", "s"), Measure.SECOND),
    **dict.fromkeys(("minute", "minutes", "min"), Measure.MINUTE),
    **dict.fromkeys(
        ("video", "videos", "generation", "generations", "request", "requests", "item", "items", "call", "calls"),
        Measure.VIDEO,
    ),
    **dict.fromkeys(("frame", "frames"), Measure.FRAME),
}
_INPUT_MEASURES: Mapping[str, Measure] = {
    **dict.fromkeys(("image", "images"), Measure.INPUT_IMAGE),
    **dict.fromkeys(("video", "videos"), Measure.INPUT_VIDEO),
    **dict.fromkeys(("audio", "audios"), Measure.INPUT_AUDIO),
    **dict.fromkeys(("second", "seconds", "sec", "secs", "s", "minute", "minutes", "min"), Measure.INPUT_SECOND),
}
_INPUT_MEDIA = {
    Measure.INPUT_IMAGE: {Media.IMAGE, Media.FILE},
    Measure.INPUT_VIDEO: {Media.VIDEO, Media.FILE},
    Measure.INPUT_AUDIO: {Media.AUDIO, Media.FILE},
    Measure.INPUT_SECOND: {Media.VIDEO, Media.AUDIO, Media.FILE},
}


@dataclass(frozen=True, slots=True)
class Amount:
    """How much it is; ``is_bound``: at most that."""

    most: float
    is_bound: bool = False


def to_word(value: object) -> str:
    """A value in the form in which values are compared: ``5``, ``"5"`` and ``"5s"`` are one, ``True`` is ``"TRUE"``."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.15g}"
    word = str(value).strip().lower()
    number = _NUMBER.fullmatch(word)
    return f"{float(number[1]):.15g}" if number else word


def find_measure(row: Mapping[str, Any]) -> Measure | None:
    """What a rate is for, by its ``unit`` or ``measure`` and its ``name``; ``None`` if no request is measured by it."""
    unit = _split(row.get("unit") or row.get("measure") or row.get("name"))
    name = _split(row.get("name"))
    if _INPUT.search(f"{name} {unit}"):
        words = [word for word in reversed(f"{name} {unit}".split()) if word in _INPUT_MEASURES]
        return _INPUT_MEASURES[words[0]] if words else None
    # "output video second" is a second; of "compute second" nothing is known
    words = [word for word in unit.split() if word not in {"a", "per", "output", "of"}]
    if len(words) > 1 and words[0] == "video":
        words = words[1:]
    return _MEASURES.get(words[0]) if len(words) == 1 else None


def _split(text: object) -> str:
    return re.sub(r"[^a-z0-9]+", " ", str(text or "").lower()).strip()


class RequestSize:
    """What ``request`` asks for, with the defaults of ``model``, as far as that is known."""

    def __init__(self, model: Model | None, request: Mapping[str, Value]) -> None:
        self._model = model
        self._params: Mapping[str, Param] = model.params if model else {}
        # null is the same as to leave a field out
        self._request = {name: value for name, value in request.items() if value is not None}

    def has(self, name: str) -> bool:
        """Whether the request or the model has a field of this name."""
        return name in self._request or name in self._params

    def list_possible(self, name: str) -> Sequence[Value] | None:
        """The values that a field may have when the service makes the video; ``None`` if nothing is known of it."""
        param = self._params.get(name)
        value = self._request.get(name, None if param is None else param.default)
        if value is not None and not isinstance(value, Mapping | list):
            if to_word(value) not in CHOSEN_BY_SERVICE:
                return (value,)
            # the price list may name the word itself
            return None if param is None or not param.choices else (value, *param.choices)
        return param.choices if value is None and param is not None and param.choices else None

    def measure(self, measure: Measure) -> Amount | None:
        """How many of ``measure`` the request asks for; ``None`` if it cannot be known."""
        if measure in _INPUT_MEDIA:
            return self._count_inputs(measure)
        videos = self._count_videos()
        amount = self._measure_video(measure)
        if videos is None or amount is None:
            return None
        return Amount(amount.most * videos, amount.is_bound)

    def _measure_video(self, measure: Measure) -> Amount | None:
        """How many of ``measure`` one video has."""
        if measure is Measure.VIDEO:
            return Amount(1.0)
        if measure is Measure.FRAME:
            return self._count_frames()
        seconds = self._find_seconds()
        if seconds is None or measure is Measure.SECOND:
            return seconds
        return Amount(seconds.most / 60, seconds.is_bound)

    def _count_videos(self) -> float | None:
        counts = [self._request[name] for name in COUNTS if name in self._request]
        numbers = [_read_number(count) for count in counts]
        known = [number for number in numbers if number is not None]
        return max(known, default=1.0) if len(known) == len(numbers) else None

    def _find_seconds(self) -> Amount | None:
        """The length of one video: as asked, else the default, else what other parameters show."""
        name = next((name for name in LENGTHS if self.has(name)), None)
        shots = self._sum_shots()
        if name is None:
            return self._find_seconds_by_frames() if shots is None else shots
        asked = self._find_most(name)
        if asked is None or shots is None:
            return asked
        # the length of the whole and the lengths of its shots: whichever the service goes by
        return Amount(max(asked.most, shots.most), is_bound=asked.is_bound or asked.most != shots.most)

    def _find_most(self, name: str) -> Amount | None:
        """The value of a number, or the largest that it can be if the service chooses it."""
        param = self._params.get(name)
        value = self._request.get(name, None if param is None else param.default)
        if value is not None and to_word(value) not in CHOSEN_BY_SERVICE:
            number = _read_number(value)
            return None if number is None else Amount(number)
        if param is None:
            return None
        numbers = [_read_number(choice) for choice in param.choices if to_word(choice) not in CHOSEN_BY_SERVICE]
        most = max((number for number in numbers if number is not None), default=param.maximum)
        lengths = {number for number in numbers if number is not None}
        return None if most is None or None in numbers else Amount(most, is_bound=len(lengths) != 1)

    def _sum_shots(self) -> Amount | None:
        """The seconds of a video that is asked for shot by shot."""
        shots = self._request.get("multi_prompt")
        param = self._params.get("multi_prompt")
        items = param.items if param is not None else None
        if not isinstance(shots, list) or not any(isinstance(shot, Mapping) for shot in shots):
            return None
        length = items.fields.get("duration") if items is not None else None
        default = None if length is None else _read_number(length.default)
        given = [shot.get("duration") if isinstance(shot, Mapping) else None for shot in shots]
        seconds = [default if each is None else _read_number(each) for each in given]
        known = [each for each in seconds if each is not None]
        return Amount(sum(known)) if known and len(known) == len(seconds) else None

    def _count_frames(self) -> Amount | None:
        if any(self._is_unsure(name) for name in (*FOLLOWS_INPUT, "num_interpolated_frames")):
            return None
        if self.has("num_frames"):
            return self._find_most("num_frames")
        seconds, rate = self._find_seconds(), self._find_rate()
        return Amount(seconds.most * rate.most, seconds.is_bound or rate.is_bound) if seconds and rate else None

    def _find_seconds_by_frames(self) -> Amount | None:
        if not self.has("num_frames"):
            return None
        frames, rate = self._count_frames(), self._find_rate()
        if frames is None or rate is None or not rate.most:
            return None
        # some services count the seconds at the default rate, whichever is asked for
        name = next(name for name in RATES if self.has(name))
        usual = _read_number(self._params[name].default) if name in self._params else None
        slower = min(rate.most, usual) if usual else rate.most
        return Amount(frames.most / slower, frames.is_bound or slower < rate.most)

    def _find_rate(self) -> Amount | None:
        """The frames of a second; at most so many are no bound of a length, so only a known rate counts."""
        name = next((name for name in RATES if self.has(name)), None)
        rate = self._find_most(name) if name else None
        return None if rate is None or rate.is_bound else rate

    def _is_unsure(self, name: str) -> bool:
        """Whether the length may follow from something else than the request: the field is not known to be off."""
        if not self.has(name):
            return False
        param = self._params.get(name)
        value = self._request.get(name, None if param is None else param.default)
        return value is None or to_word(value) not in {"false", "0"}

    def _count_inputs(self, measure: Measure) -> Amount | None:
        """How many inputs the request has; of the seconds of an input nothing is known, unless there is none."""
        if self._model is None:
            return None
        wanted = _INPUT_MEDIA[measure]
        count = sum(
            _count_values(self._request.get(name), path)
            for name, param in self._params.items()
            for path, leaf in param.find_media()
            if leaf.media in wanted
        )
        return None if measure is Measure.INPUT_SECOND and count else Amount(float(count))


def _count_values(value: Value, path: Sequence[str]) -> int:
    """How many values are at ``path`` in ``value``; ``"*"`` is any item of a list."""
    return sum(1 for _ in _list_values(value, path))


def _list_values(value: Value, path: Sequence[str]) -> Iterator[Value]:
    if value is None:
        return
    if not path:
        yield value
    elif path[0] == "*" and isinstance(value, list):
        for item in value:
            yield from _list_values(item, path[1:])
    elif isinstance(value, Mapping):
        yield from _list_values(value.get(path[0]), path[1:])


def _read_number(value: Value) -> float | None:
    """A number of seconds or frames, also written ``"5"`` or ``"5s"``; ``None`` if it is none above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    number = _NUMBER.fullmatch(str(value).strip().lower())
    found = float(number[1]) if number else 0.0
    return found if found > 0 else None
