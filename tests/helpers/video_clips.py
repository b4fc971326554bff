"""Clips that PyAV makes for a test: parts of a picture and of sound, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.filter import Graph

MOVING = "testsrc2"
BLACK = "color=black"
STILL = "smptebars"
TONE = "sine=frequency=440"
SILENCE = "anullsrc"
_RATE = 48_000

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
) -> Path:
    """Write a clip with these parts, each a filter that makes pictures or sound and its seconds; returns ``path``.

    Without parts there is no such track. ``options`` are those of the container.
    """
    webm = path.suffix == ".webm"
    with av.open(str(path), "w", options=dict(options or {})) as container:
        video, audio = None, None
        if picture:
            video = container.add_stream("libvpx" if webm else "libx264", rate=fps)
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
            video.options = {"deadline": "realtime"} if webm else {"preset": "ultrafast", "bf": "0"}
        if sound:
            audio = container.add_stream("libopus" if webm else "aac", rate=_RATE, layout="mono")
        if video is not None:
            for number, frame in enumerate(_make_pictures(picture, f"{width}x{height}", fps, blur=blur)):
                frame.pts, frame.time_base = number, Fraction(1, fps)
                container.mux(video.encode(frame))
            container.mux(video.encode())
        if audio is not None:
            samples = 0
            for sounds in _make_sounds(sound, webm=webm):
                sounds.pts, sounds.time_base = samples, Fraction(1, _RATE)
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


def _make_sounds(parts: Parts, *, webm: bool) -> Iterator[av.AudioFrame]:
    layout = f"sample_fmts={'flt' if webm else 'fltp'}:sample_rates={_RATE}:channel_layouts=mono"
    for source, seconds in parts:
        name, _, options = source.partition("=")
        settings = f"{options}:" if options else ""
        yield from _pull((name, f"{settings}duration={seconds}:sample_rate={_RATE}"), ("aformat", layout))


def _pull(*filters: tuple[str, str]) -> Iterator[Any]:
    sink = "abuffersink" if filters[-1][0] == "aformat" else "buffersink"
    graph = Graph()
    graph.link_nodes(*(graph.add(*each) for each in filters), graph.add(sink)).configure()
    try:
        while True:
            yield graph.pull()
    except (av.error.EOFError, av.error.BlockingIOError):
        return
