"""The tracks of an MP4 by its boxes, compared with what PyAV says of the same file."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from batchveo.sandbox.sample_clips import FLAWED, SCENES, sample_video
from batchveo.storage import probe
from batchveo.storage.mp4_tracks import read_tracks
from batchveo.storage.probe import RepeatedProbe, probe_video

ORDERS: list[dict[str, str]] = [
    {},
    {"movflags": "faststart"},
    {"movflags": "frag_keyframe+empty_moov"},
    {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "300000"},
    {"use_editlist": "0"},
    {"video_track_timescale": "90000"},
]
"""Options of FFmpeg for the order and kinds of the boxes."""


def film(
    path: Path,
    codec: str,
    *,
    rate: Fraction = Fraction(24),
    times: range | list[int] = range(13),
    sound: str | None = None,
    pixels: str = "yuv420p",
    boxes: dict[str, str] | None = None,
) -> Path:
    """Pictures of noise at ``times`` in frames, which make a coder refer to later pictures, and silence."""
    with av.open(str(path), "w", format="mp4", options=boxes or {}) as container:
        video = container.add_stream(codec, rate=rate)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = 64, 48, pixels
        audio = container.add_stream("aac", rate=44_100, layout=sound) if sound else None
        noise = np.random.default_rng(1)
        for time in times:
            pixel = noise.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            picture = av.VideoFrame.from_ndarray(pixel, format="rgb24")
            picture.pts, picture.time_base = time, 1 / rate
            container.mux(video.encode(picture))
        container.mux(video.encode())
        if audio is not None:
            silence = np.zeros((len(audio.layout.channels), 22_050), dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout=audio.layout.name)
            frame.sample_rate = 44_100
            container.mux([*audio.encode(frame), *audio.encode()])
    return path


def assert_as_pyav(path: Path) -> None:
    """The file is read, and as PyAV reads it."""
    tracks, info = read_tracks(path), probe_video(path)
    assert tracks is not None
    assert (tracks.frame_rate, tracks.duration, tracks.frames) == (info.frame_rate, info.duration, info.frames)


@pytest.mark.parametrize("seconds", [1, 8, 11])
@pytest.mark.parametrize("scene", [*SCENES, *FLAWED])
def test_the_sample_clips(tmp_path: Path, scene: str, seconds: int) -> None:
    """Their fragments, of both shapes."""
    for portrait in (False, True):
        path = tmp_path / "v.mp4"
        path.write_bytes(sample_video(scene, label="t", seconds=seconds, portrait=portrait))
        assert_as_pyav(path)


@pytest.mark.parametrize("boxes", ORDERS, ids=lambda boxes: " ".join(boxes.values()) or "usual")
@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libvpx-vp9"])
@pytest.mark.parametrize("rate", [Fraction(24), Fraction(30_000, 1001)])
def test_other_orders_of_boxes(tmp_path: Path, codec: str, boxes: dict[str, str], rate: Fraction) -> None:
    """With and without pictures that are shown later than decoded, and lists of edits."""
    assert_as_pyav(film(tmp_path / "v.mp4", codec, rate=rate, boxes=boxes, sound="stereo"))


def test_pictures_that_last_differently_long(tmp_path: Path) -> None:
    """The rate is the average."""
    assert_as_pyav(film(tmp_path / "v.mp4", "mpeg4", times=[0, 1, 2, 5, 7, 8, 20]))


@pytest.mark.parametrize("boxes", [{"movflags": "dash"}, {"movflags": "isml+frag_keyframe"}])
def test_an_unusual_file(tmp_path: Path, boxes: dict[str, str]) -> None:
    """It is left to PyAV."""
    assert read_tracks(film(tmp_path / "v.mp4", "mpeg4", boxes=boxes)) is None


def test_a_file_that_is_cut_or_damaged(tmp_path: Path) -> None:
    """No error: what is cut off is left to PyAV."""
    whole = film(tmp_path / "v.mp4", "libx264", sound="mono", boxes={"movflags": "faststart"}).read_bytes()
    end = whole.index(b"mdat")
    path = tmp_path / "w.mp4"
    for length in range(0, end, 7):
        path.write_bytes(whole[:length])
        assert read_tracks(path) is None
    for at in range(0, end, 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        read_tracks(path)
    with pytest.raises(FileNotFoundError):
        read_tracks(tmp_path / "missing.mp4")


def test_pyav_opens_one_clip_of_each_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All values of the others are as PyAV would say."""
    short, long = film(tmp_path / "a.mp4", "libx264"), film(tmp_path / "b.mp4", "libx264", times=range(30))
    louder = film(tmp_path / "c.mp4", "libx264", sound="stereo")
    others = [film(tmp_path / "d.mp4", "libx264", pixels="yuv444p"), film(tmp_path / "e.mp4", "libx264", sound="mono")]
    paths = [short, long, louder, *others]
    expected = [probe_video(path) for path in paths]
    opened: list[Path] = []

    def note(path: Path) -> probe.MediaInfo:
        opened.append(path)
        return probe_video(path)

    monkeypatch.setattr(probe, "probe_video", note)
    repeated = RepeatedProbe()
    assert [repeated.read_headers(path) for path in paths * 2] == expected * 2
    assert opened == [short, louder, *others]


def test_a_kind_that_pyav_reads_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyAV opens each clip of it."""
    path = film(tmp_path / "v.mp4", "libx264")
    opened: list[Path] = []

    def read_longer(path: Path) -> probe.MediaInfo:
        opened.append(path)
        return replace(probe_video(path), frames=14)

    monkeypatch.setattr(probe, "probe_video", read_longer)
    repeated = RepeatedProbe()
    assert {repeated.read_headers(path).frames for _ in range(3)} == {14}
    assert len(opened) == 3
