"""What is in a video file."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import batchveo.sandbox
from batchveo.core.errors import UsageError
from batchveo.sandbox.sample_clips import sample_video
from batchveo.storage import probe
from batchveo.storage.probe import UnreadableVideo, open_video, probe_video

CLIPS = Path(batchveo.sandbox.__file__).with_name("clips")


def film(path: Path, *, rate: Fraction, sound: int | None) -> Path:
    """Two seconds of grey, with ``sound`` channels of silence."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=rate)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("aac", rate=48_000) if sound else None
        if audio is not None:
            audio.layout = "stereo" if sound == 2 else "mono"
        picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 128, dtype=np.uint8), format="rgb24")
        for _ in range(round(rate * 2)):
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        if audio is not None:
            silence = np.zeros((sound or 1, 1024), dtype=np.float32)
            for _ in range(93):
                frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout=audio.layout.name)
                frame.sample_rate = 48_000
                container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


def remux(source: Path, path: Path, options: dict[str, str]) -> Path:
    """The same pictures and sound in boxes of another order."""
    with av.open(str(source)) as old, av.open(str(path), "w", options=options) as new:
        copies = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                new.mux(packet)
    return path


@pytest.mark.parametrize(("portrait", "size"), [(False, (320, 180)), (True, (180, 320))])
def test_a_video_of_the_sandbox(tmp_path: Path, portrait: bool, size: tuple[int, int]) -> None:
    """What its headers tell; an index in fragments lists no number of pictures."""
    path = tmp_path / "v.mp4"
    path.write_bytes(sample_video("sea", label="t", seconds=4, portrait=portrait))
    info = probe_video(path)
    assert (info.width, info.height) == size
    assert (info.frame_rate, info.fps, info.duration, info.frames) == (Fraction(8), 8.0, 4.0, None)
    assert (info.video_codec, info.pixel_format) == ("h264", "yuv420p")
    assert (info.has_sound, info.audio_codec, info.channels, info.sample_rate) == (True, "aac", 1, 16_000)


@pytest.mark.parametrize("scene", sorted(path.stem for path in CLIPS.glob("*.mp4")))
@pytest.mark.parametrize("options", [{}, {"movflags": "frag_keyframe+empty_moov"}, {"movflags": "faststart"}])
def test_one_picture_tells_as_much_as_twenty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scene: str, options: dict[str, str]
) -> None:
    """With any order of the boxes: little is read, nothing is lost."""
    path = remux(CLIPS / f"{scene}.mp4", tmp_path / "v.mp4", options)
    info = probe_video(path)
    monkeypatch.setattr(probe, "PROBE_BYTES", 5_000_000)
    assert probe_video(path) == info


@pytest.mark.parametrize("channels", [1, 2])
def test_a_video_with_sound(tmp_path: Path, channels: int) -> None:
    """Its codec, channels and rate; a rate of pictures that no float can hold stays exact."""
    info = probe_video(film(tmp_path / "v.mp4", rate=Fraction(24_000, 1001), sound=channels))
    assert info.frame_rate == Fraction(24_000, 1001)
    assert info.fps == pytest.approx(23.976, abs=1e-3)
    assert info.frames == 48
    assert info.duration == pytest.approx(2.0, abs=0.1)
    assert (info.has_sound, info.audio_codec, info.channels, info.sample_rate) == (True, "aac", channels, 48_000)


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", b"\0\0\0\x08ftyp", bytes(5000)])
def test_what_is_no_video(tmp_path: Path, content: bytes) -> None:
    """One error of ours, whatever the library says."""
    path = tmp_path / "v.mp4"
    path.write_bytes(content)
    with pytest.raises(UnreadableVideo, match="not a readable video"):
        probe_video(path)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    """A file of the right kind without a picture."""
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        audio = container.add_stream("aac", rate=48_000)
        audio.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48_000
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    with pytest.raises(UnreadableVideo, match="no picture"):
        probe_video(path)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    """As every other missing file does."""
    with pytest.raises(FileNotFoundError):
        probe_video(tmp_path / "v.mp4")


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names it."""
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UsageError, match=r"batchveo\[media\]"):
        probe_video(tmp_path / "v.mp4")


def test_other_files_in_a_videos_name_are_not_followed(tmp_path: Path) -> None:
    """A list of files, which FFmpeg would open one by one, is no video."""
    (tmp_path / "other.mp4").write_bytes(sample_video("sea", label="t", seconds=4, portrait=False))
    path = tmp_path / "list.mp4"
    path.write_text("ffconcat version 1.0\nfile other.mp4\n")
    with pytest.raises(UnreadableVideo):
        probe_video(path)


def test_a_bomb_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames beyond the bound stay what they are: bytes."""
    path = film(tmp_path / "v.mp4", rate=Fraction(8), sound=None)
    monkeypatch.setattr("batchveo.storage.probe.MOST_PIXELS", 64 * 48 - 1)
    with pytest.raises(UnreadableVideo, match="too large"):
        probe_video(path)
    with open_video(path) as container, pytest.raises(av.FFmpegError):
        next(container.decode(video=0))
