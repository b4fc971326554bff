"""Makes the sample clips of the sandbox anew: ``python -m tools.make_clips [NAME...]``.

Needs PyAV and numpy (the extra ``dev``). A clip is a fragmented MP4 with one fragment for each second, so that its
first seconds are its first boxes: the sandbox cuts clips to the length that a request asks for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np

import batchveo.sandbox
from batchveo.sandbox.sample_clips import FLAWED, LONGEST, SCENES, name_clip_file
from tools.canvas import Canvas
from tools.scenes import DRAWINGS
from tools.sounds import RATE, Sound, make_sound

FOLDER = Path(batchveo.sandbox.__file__).parent / "clips"
FLAWED_SCENES = {"black": "rain", "frozen": "vase", "silent": "balloon", "small": "snow"}
"""What the flawed clips show or sound like apart from their flaw."""
FRAME_RATE = 8
LONG_SIDE, SHORT_SIDE = 320, 180
SMALL_LONG_SIDE, SMALL_SHORT_SIDE = 96, 54
SOUND_BITS = 10_000
"""Bits a second."""
_SAMPLES_A_FRAME = 1024
_Packet: TypeAlias = "av.Packet[av.VideoStream] | av.Packet[av.AudioStream]"
_FRAGMENTS = {
    # default_base_moof: offsets count from their own fragment, so that a box can be put in before it
    "movflags": "empty_moov+default_base_moof+skip_trailer",
    "frag_duration": "1000000",
    "fflags": "bitexact",
}
_PICTURES = {
    "preset": "veryslow",
    "tune": "animation",
    "crf": "39",
    "bf": "0",  # a picture that refers to a later one could not be shown if the clip ends between them
    "g": str(FRAME_RATE * LONGEST),  # a second key picture would make the frozen clip jump
    "x264-params": "threads=1",  # more of them may cut the work differently on another machine
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """What to make: the scene that is seen and heard, and the size in pixels; a flaw is the name of its clip."""

    name: str
    scene: str
    width: int
    height: int

    def frames(self) -> Iterator[av.VideoFrame]:
        """The pictures, in order."""
        for number in range(LONGEST * FRAME_RATE):
            canvas = Canvas(self.width, self.height)
            if self.name != "black":
                DRAWINGS[self.scene](canvas, 0.0 if self.name == "frozen" else number / FRAME_RATE)
            pixels = np.round(np.clip(canvas.rgb, 0, 1) * 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FRAME_RATE)
            yield frame

    def sound(self) -> Sound:
        """The samples."""
        sound = make_sound(self.scene, LONGEST)
        return np.zeros_like(sound) if self.name == "silent" else sound


def clips() -> Iterator[Clip]:
    """All of them, in both shapes."""
    for name in (*SCENES, *FLAWED):
        long, short = (SMALL_LONG_SIDE, SMALL_SHORT_SIDE) if name == "small" else (LONG_SIDE, SHORT_SIDE)
        scene = FLAWED_SCENES.get(name, name)
        yield Clip(name=name, scene=scene, width=long, height=short)
        yield Clip(name=name, scene=scene, width=short, height=long)


def write_clip(clip: Clip, path: Path) -> None:
    """Draw, encode and write a clip; the same versions of the libraries write the same bytes."""
    with av.open(str(path), "w", format="mp4", options=_FRAGMENTS) as container:
        packets = [*_encode_frames(clip, container), *_encode_sound(clip, container)]
        for packet in sorted(packets, key=_place):
            container.mux_one(packet)


def _place(packet: _Packet) -> tuple[Fraction, int]:
    """By time; at the same time the picture first, since a fragment begins with it."""
    assert packet.dts is not None
    return packet.dts * packet.time_base, packet.stream_index


def _encode_frames(clip: Clip, container: av.container.OutputContainer) -> Iterator[_Packet]:
    stream = container.add_stream("libx264", rate=FRAME_RATE, options=_PICTURES)
    stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
    stream.codec_context.flags |= av.codec.context.Flags.bitexact
    for frame in clip.frames():
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _encode_sound(clip: Clip, container: av.container.OutputContainer) -> Iterator[_Packet]:
    stream = container.add_stream("aac", rate=RATE, layout="mono")
    stream.bit_rate = SOUND_BITS
    stream.codec_context.flags |= av.codec.context.Flags.bitexact
    samples = clip.sound().astype(np.float32)[None, :]
    for start in range(0, samples.shape[1], _SAMPLES_A_FRAME):
        frame = av.AudioFrame.from_ndarray(samples[:, start : start + _SAMPLES_A_FRAME], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        yield from _delayed(stream.encode(frame))
    yield from _delayed(stream.encode(None))


def _delayed(packets: list[_Packet]) -> Iterator[_Packet]:
    # The encoder's first packet lies before 0. Left there, the muxer would move the pictures instead.
    for packet in packets:
        assert packet.pts is not None
        packet.pts = packet.dts = packet.pts + _SAMPLES_A_FRAME
        yield packet


def main(names: list[str]) -> None:
    """Make the clips of these names, or all."""
    FOLDER.mkdir(exist_ok=True)
    for clip in clips():
        if not names or clip.name in names:
            path = FOLDER / name_clip_file(clip.name, portrait=clip.height > clip.width)
            write_clip(clip, path)
            print(f"{path.stat().st_size:7,}  {path.name}")


if __name__ == "__main__":
    main(sys.argv[1:])
