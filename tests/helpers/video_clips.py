"""Clips that PyAV makes for a test: parts of a picture and of sound, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
from av.filter import Graph
from av.video.frame import PictureType

MOVING = "testsrc2"
BLACK = "color=black"
STILL = "smptebars"
TONE = "sine=frequency=440"
SILENCE = "anullsrc"
_RATE = 48_000
_FINE = Fraction(1, 12_000)
_CODING = {"libx264": {"preset": "ultrafast", "bf": "0"}, "libvpx": {"deadline": "realtime"}}

Parts = Sequence[tuple[str, float]]


def write_clip(
    path: Path,
    picture: Parts,
    sound: Parts = (),
    *,
    width: int = 160,
    height: int = 90,
    fps: int = 12,
    blur: bool = False,
    options: Mapping[str, str] | None = None,
    skip: int = 0,
    codec: str | None = None,
    coding: Mapping[str, str] | None = None,
    rate: int = _RATE,
    times: Callable[[int], Fraction] | None = None,
) -> Path:
    """Write a clip with these parts, each a filter that makes pictures or sound and its seconds; returns ``path``.

    Without parts there is no such track. ``options`` are those of the container, ``coding`` those of the ``codec`` of
    the picture. ``skip``: pictures that are left out at the beginning. ``times``: when each picture is shown, in
    seconds, if not at ``fps``. ``rate``: samples of sound a second.
    """
    webm = path.suffix == ".webm"
    with av.open(str(path), "w", options=dict(options or {})) as container:
        video: Any = None
        audio: Any = None
        if picture:
            codec = codec or ("libvpx" if webm else "libx264")
            video = container.add_stream(codec, rate=fps)
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
            video.options = dict(coding or _CODING.get(codec, {}))
        if sound:
            audio = container.add_stream("libopus" if webm else "aac", rate=rate, layout="mono")
        if video is not None:
            if times is not None:
                video.codec_context.time_base = _FINE
            frames = islice(_make_pictures(picture, f"{width}x{height}", fps, blur=blur), skip, None)
            for number, frame in enumerate(frames):
                frame.pts, frame.time_base = number, Fraction(1, fps)
                if coding is not None:
                    frame.pict_type = PictureType.NONE  # the filter asks for key frames only
                if times is not None:
                    frame.pts, frame.time_base = round(times(number) / _FINE), _FINE
                container.mux(video.encode(frame))
            container.mux(video.encode())
        if audio is not None:
            samples = 0
            for sounds in _make_sounds(sound, rate, webm=webm):
                sounds.pts, sounds.time_base = samples, Fraction(1, rate)
                samples += sounds.samples
                container.mux(audio.encode(sounds))
            container.mux(audio.encode())
    return path


def _make_pictures(parts: Parts, size: str, fps: int, *, blur: bool) -> Iterator[av.VideoFrame]:
    for source, seconds in parts:
        name, _, options = source.partition("=")
        settings = f"{options}:" if options else ""
        source_of_pictures = (name, f"{settings}size={size}:rate={fps}:duration={seconds}")
        yield from _pull(source_of_pictures, ("gblur", f"sigma={4 if blur else 0}"), ("format", "yuv420p"))


def _make_sounds(parts: Parts, rate: int, *, webm: bool) -> Iterator[av.AudioFrame]:
    layout = f"sample_fmts={'flt' if webm else 'fltp'}:sample_rates={rate}:channel_layouts=mono"
    for source, seconds in parts:
        name, _, options = source.partition("=")
        settings = f"{options}:" if options else ""
        yield from _pull((name, f"{settings}duration={seconds}:sample_rate={rate}"), ("aformat", layout))


def _pull(*filters: tuple[str, str]) -> Iterator[Any]:
    sink = "abuffersink" if filters[-1][0] == "aformat" else "buffersink"
    graph = Graph()
    graph.link_nodes(*(graph.add(*each) for each in filters), graph.add(sink)).configure()
    try:
        while True:
            yield graph.pull()
    except (av.error.EOFError, av.error.BlockingIOError):
        return
