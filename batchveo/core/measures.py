"""The measures of a finished clip: what they are, and how what came differs from what was asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from types import MappingProxyType

VERSION = 1
"""How clips are measured; a change after which the same file gets other numbers raises it."""
HASHED_FRAMES = 8
"""Frames of a clip that are hashed, if it has as many."""

SECONDS_OFF = 0.5
"""Models round lengths: a clip that is no further from what was asked is as long as asked."""
PART_OFF = 0.05
"""Models round sizes to multiples of 8 or 16 pixels: the part by which a side or a ratio may differ."""
_AREA_OFF = 0.1
_MOST_PROBLEMS, _LONGEST_PROBLEM = 20, 500
_LARGEST = 2**53
"""No measure is larger: every number of it is one in JSON, and in a database."""
_LINES = {"hd": 720, "fhd": 1080, "2k": 1440, "4k": 2160, "8k": 4320}
_SOUND_PARAMETERS = ("generate_audio", "sound", "audio")
_SIZE = re.compile(r"(\d{2,5})\s*[x*×]\s*(\d{2,5})", re.IGNORECASE)
_RATIO = re.compile(r"(\d{1,5}(?:\.\d{1,5})?)\s*[:/x]\s*(\d{1,5}(?:\.\d{1,5})?)", re.IGNORECASE)


class CheckLevel(StrEnum):
    """How much of a clip is measured."""

    NONE = "none"
    BASIC = "basic"
    ALL = "all"


def find_highest_level(levels: Iterable[CheckLevel]) -> CheckLevel:
    """The level that measures most; ``none`` of no levels."""
    return max(levels, default=CheckLevel.NONE, key=list(CheckLevel).index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The numbers of a finished clip; ``None`` for what is not known, and for all of them if it cannot be decoded.

    ``duration_seconds``: from the first decoded frame to the end of the last one. ``width``, ``height``: pixels.
    ``fps``: decoded frames a second. ``frames``: how many were decoded. ``codec``: of the picture, as FFmpeg names it.
    ``bitrate``: bits a second of the whole file.

    ``black_seconds``: seconds in which the picture is black. ``frozen_seconds``: seconds in which it does not change,
    in parts of at least one second; black parts do not change either. ``cuts``: how often the scene changes from one
    frame to the next. ``motion``: how much the brightness of a pixel changes in a second on average, in percent of its
    range. ``blur``: width of an edge in pixels if the longer side has 960, the median of a frame each second; larger
    is less sharp. Only of level ``all``, and ``None`` too if no frame has an edge.

    ``has_sound``: there is a sound track with samples. ``silent_seconds``: seconds below -60 dBFS, or without sound, in
    parts of at least one second; ``None`` without a sound track. ``loudness_lufs``: integrated loudness by EBU R 128
    in LUFS; ``None`` without a sound track, or if it is silent.

    ``hashes``: 64-bit difference hashes of ``HASHED_FRAMES`` frames, in the order of time: those in the middle of each
    eighth of the clip. A bit of a hash is set if one of 8 x 8 parts of the picture is clearly brighter than its right
    neighbour, by 3 of 255 or more: row by row from the top left, the first one in the highest bit. Empty if nothing was
    decoded.

    ``problems``: short sentences on what is wrong with the file. ``level``: what was measured. ``version``: how.
    ``is_conclusive``: false if decoding was given up for another reason than the content of the file, such as a time
    limit.
    """

    level: CheckLevel
    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    frames: int | None = None
    codec: str | None = None
    bitrate: int | None = None
    black_seconds: float | None = None
    frozen_seconds: float | None = None
    silent_seconds: float | None = None
    loudness_lufs: float | None = None
    has_sound: bool | None = None
    cuts: int | None = None
    motion: float | None = None
    blur: float | None = None
    hashes: tuple[int, ...] = ()
    problems: tuple[str, ...] = ()
    version: int = VERSION
    is_conclusive: bool = True

    @property
    def is_decoded(self) -> bool:
        """Whether the file has a picture that can be decoded."""
        return self.frames is not None

    def to_record(self) -> dict[str, object]:
        """All fields as JSON values; each hash is a text of 16 hexadecimal digits."""
        return asdict(self) | {
            "level": self.level.value,
            "hashes": [f"{number:016x}" for number in self.hashes],
            "problems": list(self.problems),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> Measures:
        """What ``to_record`` made; raises ``ValueError`` if it is nothing of the kind."""
        known = {field.name for field in fields(cls)}
        hashes, problems = record.get("hashes"), record.get("problems")
        if record.keys() != known or not isinstance(hashes, list) or not isinstance(problems, list):
            raise ValueError("not a record of measures")
        plain = {name: value for name, value in record.items() if name in MEASURES or name == "version"}
        for name, value in plain.items():
            _check_type(name, value)
        return cls(
            level=CheckLevel(str(record["level"])),
            hashes=tuple(_read_hash(text) for text in hashes),
            problems=tuple(_read_text(text) for text in problems[:_MOST_PROBLEMS]),
            is_conclusive=record["is_conclusive"] is True,
            **plain,  # type: ignore[arg-type]  # checked one by one
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One of the numbers: its name, Python type, unit (empty if it has none), meaning, and the level that has it."""

    name: str
    type: type[int | float | str]
    unit: str
    meaning: str
    level: CheckLevel = CheckLevel.BASIC


MEASURES: Mapping[str, Measure] = MappingProxyType({
    measure.name: measure
    for measure in (
        Measure(name="duration_seconds", type=float, unit="s", meaning="length of the decoded picture"),
        Measure(name="width", type=int, unit="px", meaning="width of the picture"),
        Measure(name="height", type=int, unit="px", meaning="height of the picture"),
        Measure(name="fps", type=float, unit="frames/s", meaning="decoded frames a second"),
        Measure(name="frames", type=int, unit="frames", meaning="decoded frames"),
        Measure(name="codec", type=str, unit="", meaning="codec of the picture, such as h264"),
        Measure(name="bitrate", type=int, unit="bit/s", meaning="size of the file by its length"),
        Measure(name="black_seconds", type=float, unit="s", meaning="time with a black picture"),
        Measure(
            name="frozen_seconds", type=float, unit="s", meaning="time without any change, in parts of 1 s or longer"
        ),
        Measure(
            name="silent_seconds", type=float, unit="s", meaning="time below -60 dBFS, in parts of 1 s or longer"
        ),
        Measure(name="loudness_lufs", type=float, unit="LUFS", meaning="integrated loudness by EBU R 128"),
        Measure(name="has_sound", type=bool, unit="", meaning="whether there is a sound track"),
        Measure(name="cuts", type=int, unit="cuts", meaning="changes of the scene from one frame to the next"),
        Measure(name="motion", type=float, unit="%/s", meaning="average change of a pixel's brightness in a second"),
        Measure(
            name="blur",
            type=float,
            unit="px",
            meaning="width of an edge if the longer side has 960 px; larger is less sharp",
            level=CheckLevel.ALL,
        ),
    )
})  # fmt: skip
"""The measures that have one value each, by name."""


def _check_type(name: str, value: object) -> None:
    wanted = int if name == "version" else MEASURES[name].type
    fits = type(value) is wanted or (wanted is float and type(value) is int) or (value is None and name in MEASURES)
    if not fits:
        raise ValueError(f"{name} is not of the type {wanted.__name__}")
    if isinstance(value, str) and _read_text(value) != value:
        raise ValueError(f"{name} has other characters than a codec")
    if isinstance(value, int | float) and not -_LARGEST <= value <= _LARGEST:  # NaN, too
        raise ValueError(f"{name} is out of bounds")


def _read_text(text: object) -> str:
    """A text that a database and a terminal can have."""
    return "".join(character if character.isprintable() else "?" for character in str(text)[:_LONGEST_PROBLEM])


def _read_hash(text: object) -> int:
    if not isinstance(text, str) or not re.fullmatch(r"[0-9a-f]{16}", text):
        raise ValueError("not a hash of 64 bits")
    return int(text, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """A parameter of a request, and what came in its place, both as texts for people."""

    parameter: str
    asked: str
    came: str

    def __str__(self) -> str:
        return f"{self.parameter}: asked for {self.asked}, got {self.came}"


def compare_request(request: Mapping[str, object], measures: Measures) -> tuple[Mismatch, ...]:
    """How the clip differs from its request: length, size, shape, sound.

    What the request does not have, leaves to the model (``auto``), or has in a form that is not known is not compared;
    neither is what was not measured.
    """
    comparisons = (
        _compare_duration(request.get("duration"), measures),
        _compare_resolution(request.get("resolution"), measures),
        _compare_aspect_ratio(request.get("aspect_ratio"), measures),
        *(_compare_sound(name, request.get(name), measures) for name in _SOUND_PARAMETERS),
    )
    return tuple(mismatch for mismatch in comparisons if mismatch is not None)


def describe_measures(request: Mapping[str, object], measures: Measures) -> dict[str, object]:
    """The measures with a value, what came otherwise than asked, and what is wrong with the file, as JSON values."""
    found = {name: getattr(measures, name) for name in MEASURES if getattr(measures, name) is not None}
    return {
        "level": measures.level.value,
        **found,
        "mismatches": [str(each) for each in compare_request(request, measures)],
        "problems": list(measures.problems),
    }


def _compare_duration(asked: object, measures: Measures) -> Mismatch | None:
    seconds, came = _read_number(asked, unit="s"), measures.duration_seconds
    if seconds is None or came is None:
        return None
    frame = 1 / measures.fps if measures.fps else 0.0
    if abs(came - seconds) <= max(SECONDS_OFF, frame):
        return None
    return Mismatch(parameter="duration", asked=f"{seconds:g} s", came=f"{round(came, 2):g} s")


def _compare_resolution(asked: object, measures: Measures) -> Mismatch | None:
    if not isinstance(asked, str) or not measures.width or not measures.height:
        return None
    width, height = measures.width, measures.height
    if size := _SIZE.fullmatch(asked.strip()):
        fits = _are_close((width, height), map(int, size.groups()))
    else:
        lines = _LINES.get(asked.strip().lower()) or _read_number(asked, unit="p")
        if lines is None:
            return None
        # for other shapes than 16:9 some models keep the shorter side, some the number of pixels
        pixels = lines * lines * 16 / 9
        fits = _are_close((min(width, height),), (lines,)) or abs(width * height - pixels) <= _AREA_OFF * pixels
    return None if fits else Mismatch(parameter="resolution", asked=asked, came=f"{width}x{height}")


def _compare_aspect_ratio(asked: object, measures: Measures) -> Mismatch | None:
    ratio = _RATIO.fullmatch(asked.strip()) if isinstance(asked, str) else None
    if asked is None or ratio is None or not measures.width or not measures.height:
        return None
    across, down = map(float, ratio.groups())
    if not across or not down or _are_close((measures.width / measures.height,), (across / down,)):
        return None
    return Mismatch(parameter="aspect_ratio", asked=str(asked), came=f"{measures.width}x{measures.height}")


def _compare_sound(parameter: str, asked: object, measures: Measures) -> Mismatch | None:
    if not isinstance(asked, bool) or measures.has_sound is None:
        return None
    if asked and not measures.has_sound:
        return Mismatch(parameter=parameter, asked="sound", came="no sound track")
    if not asked and measures.loudness_lufs is not None:  # a silent track is no sound
        return Mismatch(parameter=parameter, asked="no sound", came=f"sound of {measures.loudness_lufs:g} LUFS")
    return None


def _read_number(value: object, *, unit: str) -> float | None:
    """A number, also as a text, with or without its unit; ``None`` if it is none above zero."""
    if isinstance(value, str):
        text = value.strip().lower().removesuffix(unit).strip()
        value = float(text) if re.fullmatch(r"\d{1,5}(\.\d{1,5})?", text) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < float("inf") else None


def _are_close(numbers: Iterable[float], wanted: Iterable[float]) -> bool:
    return all(abs(number - want) <= PART_OFF * want for number, want in zip(numbers, wanted, strict=True))
