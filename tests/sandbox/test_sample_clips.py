"""The sample clips: whole, playable, with what they promise to have, or to lack."""

from __future__ import annotations

import io
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from batchveo.sandbox.sample_clips import FLAWED, LONGEST, SCENES, name_clip_file, sample_video
from batchveo.storage.mp4 import check_mp4
from batchveo.storage.probe import probe_video

STILL = 0.1
"""Mean difference of two pictures, of 255 steps, below which nothing moves."""
QUIET = 1e-3
FOLDER = files("batchveo.sandbox").joinpath("clips")


def clip(name: str, seconds: int = LONGEST, *, portrait: bool = False, label: str = "x") -> bytes:
    return sample_video(name, label=label, seconds=seconds, portrait=portrait)


def pictures(video: bytes) -> NDArray[np.int16]:
    """The brightness of every pixel: picture, row, column."""
    with av.open(io.BytesIO(video), mode="r") as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)]).astype(np.int16)


def movement(shown: NDArray[np.int16]) -> NDArray[np.float64]:
    """How much each picture differs from the one before."""
    differences: NDArray[np.float64] = np.abs(np.diff(shown, axis=0)).mean(axis=(1, 2))
    return differences


def loudness(video: bytes) -> float:
    """The root mean square of the sound, of 1."""
    with av.open(io.BytesIO(video), mode="r") as container:
        samples = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])
    return float(np.sqrt((samples.astype(float) ** 2).mean()))


def length(stream: av.VideoStream | av.AudioStream) -> Fraction:
    """Seconds."""
    assert stream.duration is not None
    assert stream.time_base is not None
    return stream.duration * stream.time_base


def test_the_folder_holds_these_clips_and_they_are_small() -> None:
    """Each in both shapes; all together are a small part of an installation."""
    names = {name_clip_file(name, portrait=portrait) for name in (*SCENES, *FLAWED) for portrait in (False, True)}
    assert {entry.name for entry in FOLDER.iterdir()} == names
    assert sum(len(entry.read_bytes()) for entry in FOLDER.iterdir()) < 800_000


@pytest.mark.parametrize("portrait", [False, True])
@pytest.mark.parametrize("name", [*SCENES, *FLAWED])
def test_a_clip_is_whole(tmp_path: Path, name: str, portrait: bool) -> None:
    """Its boxes, its picture and its sound are as those of any other video."""
    path = tmp_path / "v.mp4"
    path.write_bytes(clip(name, portrait=portrait))
    check_mp4(path)
    info = probe_video(path)
    size = (96, 54) if name == "small" else (320, 180)
    assert (info.width, info.height) == (size[::-1] if portrait else size)
    assert (info.frame_rate, info.duration, info.video_codec, info.pixel_format) == (8, LONGEST, "h264", "yuv420p")
    assert (info.audio_codec, info.channels, info.sample_rate) == ("aac", 1, 16_000)


@pytest.mark.parametrize("portrait", [False, True])
@pytest.mark.parametrize("name", SCENES)
def test_a_scene_shows_something_that_moves_and_sounds(name: str, portrait: bool) -> None:
    """In each of its seconds, in whatever shape."""
    video = clip(name, portrait=portrait)
    shown = pictures(video)
    assert min(picture.std() for picture in shown) > 10
    assert movement(shown).reshape(-1, 9).max(axis=1).min() > STILL
    assert loudness(video) > 10 * QUIET


@pytest.mark.parametrize("portrait", [False, True])
def test_what_is_wrong_with_a_flawed_clip(portrait: bool) -> None:
    """That, and nothing else."""
    black, frozen, silent, small = (clip(name, portrait=portrait) for name in FLAWED)
    shown = {video: pictures(video) for video in (black, frozen, silent, small)}
    assert shown[black].max() < 20
    assert movement(shown[frozen]).max() < STILL
    assert loudness(silent) < QUIET
    assert min(loudness(black), loudness(frozen), loudness(small)) > 10 * QUIET
    assert min(movement(shown[silent]).max(), movement(shown[small]).max()) > STILL
    assert min(shown[video].std() for video in (frozen, silent, small)) > 10


@pytest.mark.parametrize("seconds", [*range(1, LONGEST + 1), 10, 16, 20])
def test_a_clip_is_cut_or_repeated_to_its_seconds(seconds: int) -> None:
    """Every picture up to there can be decoded; the sound ends with the picture, give or take a packet a round."""
    with av.open(io.BytesIO(clip("train", seconds)), mode="r") as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        assert length(video) == seconds
        assert abs(length(sound) - seconds) <= Fraction(1024, 16_000) * -(-seconds // LONGEST)
        times = [float(frame.time or 0) for frame in container.decode(video)]
    assert times == [number / 8 for number in range(seconds * 8)]


def test_the_index_comes_first() -> None:
    """A player can begin while the video is still arriving."""
    video = clip("sea")
    assert video.index(b"ftyp") < video.index(b"moov") < video.index(b"mdat")


def test_a_label_makes_a_video_of_its_own() -> None:
    """Its last box begins with it; the same label is the same video."""
    video = clip("sea", label="generation 1")
    assert video.endswith(b"\0\0\0\x14freegeneration 1")
    assert clip("sea", label="generation 2") != video == clip("sea", label="generation 1")


@pytest.mark.parametrize("more", [0, 1, 7, 8, 100_000])
def test_padding(tmp_path: Path, more: int) -> None:
    """The box of the label fills a video up to any size, and nothing is ever cut off."""
    plain = clip("sea", 4)
    path = tmp_path / "v.mp4"
    path.write_bytes(sample_video("sea", label="x", seconds=4, portrait=False, size=len(plain) + more))
    assert path.stat().st_size == len(plain) + more
    check_mp4(path)
    assert probe_video(path).duration == 4.0
    assert sample_video("sea", label="x", seconds=4, portrait=False, size=100) == plain
