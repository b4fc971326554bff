"""Films, frame by frame: none is lost, none is shown twice, and picture and sound stay together."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

av = pytest.importorskip("av", reason="films need the extra media")

import numpy as np  # noqa: E402 - only with the extra

from batchveo.core.films import Film, FilmClip  # noqa: E402 - only with the extra
from batchveo.media.film import join_clips  # noqa: E402 - only with the extra
from batchveo.media.frames import read_frame  # noqa: E402 - only with the extra
from tests.helpers.video_clips import MOVING, SILENCE, TONE, write_clip  # noqa: E402 - only with the extra

FPS = 12
PLAIN = {"preset": "ultrafast", "bf": "0"}
LAST_NEEDED = {"preset": "fast", "x264-params": "bframes=2:b-adapt=0"}
"""Frames before the last one refer to it."""
LOSSLESS = 138.0
SEEN = 38.0
"""Decibels from which on nobody sees a difference."""


def make_chain(
    folder: Path, length: int = 3, *, frames: int = 12, repeats: bool = True, suffix: str = ".mp4", **how: Any
) -> list[Path]:
    """Clips of one moving picture; each begins with the last frame of the one before, or with the frame after it."""
    step = frames - repeats
    return [
        write_clip(
            folder / f"clip{number}{suffix}",
            [(MOVING, (step * number + frames) / FPS)],
            skip=step * number,
            **({"coding": PLAIN} | how),
        )
        for number in range(length)
    ]


def join(paths: list[Path], part: str | None = "last") -> tuple[Film, Path]:
    clips = [FilmClip(path, path.stem, part if number else None) for number, path in enumerate(paths)]
    target = paths[0].parent / "film.mp4"
    return join_clips(clips, target), target


def read_frames(path: Path) -> list[tuple[float, Any]]:
    """The time of each frame, and its pixels."""
    with av.open(str(path)) as container:
        return [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def read_sound(path: Path) -> Any:
    """The samples of the left channel, 48,000 a second, from the time 0 of the film on."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=48_000)
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    samples = np.zeros(max(part.pts + part.samples for part in parts), np.float32)
    for part in parts:
        samples[max(0, part.pts) : part.pts + part.samples] = part.to_ndarray()[0][max(0, -part.pts) :]
    return samples


def read_chapters(path: Path) -> list[tuple[str, int]]:
    with av.open(str(path)) as container:
        return [(str(each["metadata"]["title"]), int(each["start"])) for each in container.chapters()]


def compare(one: Any, other: Any) -> float:
    """How alike two pictures are, in decibels (PSNR)."""
    error = np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def check_frames(film: Path, clips: list[Path], *, repeats: bool = True, least: float = LOSSLESS) -> None:
    """Each frame of the clips is in the film, in its order, once, and they follow each other evenly."""
    found = read_frames(film)
    wanted = [
        picture
        for number, clip in enumerate(clips)
        for _, picture in read_frames(clip)[: -1 if repeats and number < len(clips) - 1 else None]
    ]
    assert len(found) == len(wanted)
    for (_, picture), right, before in zip(found, wanted, [None, *wanted], strict=False):
        assert compare(picture, right) >= least
        if before is not None and (before != right).any():
            assert compare(picture, right) > compare(picture, before)
    assert [time for time, _ in found] == pytest.approx([number / FPS for number in range(len(wanted))], abs=1e-4)
    with av.open(str(film)) as container:
        video = container.streams.video[0]
        assert float(video.duration * video.time_base) == pytest.approx(len(wanted) / FPS, abs=1e-3)


@pytest.mark.parametrize(
    ("codec", "suffix", "coding"),
    [
        ("libx264", ".mp4", PLAIN),
        ("libx265", ".mp4", {"preset": "ultrafast", "x265-params": "bframes=0:log-level=none"}),
        ("libvpx-vp9", ".mp4", {"deadline": "realtime", "cpu-used": "8"}),
        ("libvpx-vp9", ".webm", {"deadline": "good", "cpu-used": "4"}),
        ("libsvtav1", ".mp4", {"preset": "12", "svtav1-params": "keyint=-1"}),
    ],
)
def test_clips_that_agree_are_copied(tmp_path: Path, codec: str, suffix: str, coding: Mapping[str, str]) -> None:
    """Pixel by pixel; also those of WebM files, whose times are whole milliseconds."""
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV has no {codec} here")
    clips = make_chain(tmp_path, codec=codec, suffix=suffix, coding=coding)
    film, path = join(clips)
    assert film.is_copied
    check_frames(path, clips)
    assert film.frames == 34
    assert film.begins == pytest.approx((0, 11 / FPS, 22 / FPS))
    assert read_chapters(path) == [("clip0", 0), ("clip1", 917), ("clip2", 1833)]


def test_a_last_frame_that_others_need_cannot_be_left_out(tmp_path: Path) -> None:
    """Then the picture is encoded anew, in a quality in which nobody sees it."""
    clips = make_chain(tmp_path, coding=LAST_NEEDED)
    film, path = join(clips)
    assert not film.is_copied
    check_frames(path, clips, least=SEEN)
    assert film.frames == 34


def test_frames_that_refer_to_later_ones_are_copied_if_all_are_shown(tmp_path: Path) -> None:
    clips = make_chain(tmp_path, repeats=False, coding=LAST_NEEDED)
    film, path = join(clips, "video")
    assert film.is_copied
    check_frames(path, clips, repeats=False)


def test_a_clip_that_begins_otherwise_loses_no_frame(tmp_path: Path) -> None:
    """The model was given the frame, and drew something else."""
    clips = [write_clip(tmp_path / "a.mp4", [(MOVING, 1.0)]), write_clip(tmp_path / "b.mp4", [("smptebars", 1.0)])]
    film, path = join(clips)
    assert film.frames == 24
    check_frames(path, clips, repeats=False)


def test_a_frame_that_is_drawn_anew_is_shown_once(tmp_path: Path) -> None:
    """With other codings than that of the model before, and a little darker."""
    first = make_chain(tmp_path, 1)[0]
    second = make_chain(tmp_path, 2, coding={"preset": "ultrafast", "crf": "35"})[1]
    film, path = join([first, second])
    assert film.frames == 23
    assert len(read_frames(path)) == 23


def test_a_clip_goes_on_from_a_frame_within_the_one_before(tmp_path: Path) -> None:
    """What comes after that frame is not shown."""
    clips = [make_chain(tmp_path, 1)[0], write_clip(tmp_path / "b.mp4", [(MOVING, 2.0)], skip=6, coding=PLAIN)]
    film, path = join(clips, "0.5")
    assert film.is_copied
    assert film.begins == (0.0, 0.5)
    whole = [picture for _, picture in read_frames(write_clip(tmp_path / "whole.mp4", [(MOVING, 2.0)], coding=PLAIN))]
    nearest = [int(np.argmax([compare(picture, other) for other in whole])) for _, picture in read_frames(path)]
    assert nearest == list(range(24))


@pytest.mark.parametrize("coding", [PLAIN, {"preset": "ultrafast", "bf": "0", "crf": "33"}], ids=["same", "worse"])
def test_a_video_that_holds_its_parent_is_taken_alone(tmp_path: Path, coding: Mapping[str, str]) -> None:
    """The chapters are where the new parts begin; it may be coded anew."""
    clips = [
        write_clip(tmp_path / f"clip{number}.mp4", [(MOVING, number + 1.0)], [(TONE, number + 1.0)], coding=coding)
        for number in range(3)
    ]
    film, path = join(clips, "video")
    assert (film.is_copied, film.begins, film.seconds) == (True, (0.0, 1.0, 2.0), 3.0)
    check_frames(path, clips[-1:])
    assert read_chapters(path) == [("clip0", 0), ("clip1", 1000), ("clip2", 2000)]
    assert read_packets(path, "audio") == read_packets(clips[-1], "audio")


def test_only_new_parts_of_an_extended_video(tmp_path: Path) -> None:
    """Each begins with the frame after the last one: nothing is left out."""
    clips = make_chain(tmp_path, repeats=False)
    _, path = join(clips, "video")
    check_frames(path, clips, repeats=False)


def test_new_parts_that_repeat_the_last_frame(tmp_path: Path) -> None:
    clips = make_chain(tmp_path)
    _, path = join(clips, "video")
    check_frames(path, clips)


def test_new_parts_of_a_picture_in_which_nothing_moves(tmp_path: Path) -> None:
    """No frame says which of the two it is; the sound of each is kept."""
    parts = [("smptebars", 1.0), ("smptebars", 2.0)]
    clips = [write_clip(tmp_path / f"{n}.mp4", [part], [(TONE, part[1])]) for n, part in enumerate(parts)]
    film, _ = join(clips, "video")
    assert film.seconds == pytest.approx(3.0, abs=1.5 / FPS)


def read_packets(path: Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.best(kind)) if packet.size]


def test_one_clip_is_copied_with_its_sound(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", [(MOVING, 1.0)], [(TONE, 1.0)])
    film, path = join([clip])
    assert film == Film(seconds=1.0, frames=12, begins=(0.0,), is_copied=True)
    assert read_packets(path, "video") == read_packets(clip, "video")
    assert read_packets(path, "audio") == read_packets(clip, "audio")


def uneven(number: int) -> Fraction:
    return Fraction(number * number % 7 + number * 10, 120)


@pytest.mark.parametrize("coding", [PLAIN, LAST_NEEDED], ids=["copied", "encoded"])
def test_each_frame_keeps_its_time(tmp_path: Path, coding: Mapping[str, str]) -> None:
    """In clips whose rate is not constant."""
    clips = make_chain(tmp_path, 2, times=uneven, coding=coding)
    film, path = join(clips)
    assert film.is_copied == (coding is PLAIN)
    second = float(uneven(11))
    expected = [float(uneven(n)) for n in range(11)] + [second + float(uneven(n)) for n in range(12)]
    assert [time for time, _ in read_frames(path)] == pytest.approx(expected, abs=1e-4)


def test_clips_of_other_sizes_rates_and_sounds(tmp_path: Path) -> None:
    """Each is shown whole, in its own rate, in the size of the first."""
    clips = [
        write_clip(tmp_path / "0.mp4", [("color=red", 1.0)], [(TONE, 1.0)], fps=24, rate=44_100),
        write_clip(tmp_path / "1.mp4", [("color=lime", 1.0)], width=90, height=160, fps=30),
        write_clip(tmp_path / "2.webm", [("color=blue", 1.0)], [(TONE, 1.0)], width=320, height=180, fps=25),
    ]
    film, path = join(clips)
    frames = read_frames(path)
    assert (film.is_copied, film.frames, len(frames)) == (False, 79, 79)
    assert film.begins == pytest.approx((0, 1, 2), abs=1e-3)
    for begin, end, fps in ((0, 24, 24), (24, 54, 30), (54, 79, 25)):
        gaps = [after - before for (before, _), (after, _) in pairwise(frames[begin:end])]
        assert gaps == pytest.approx([1 / fps] * len(gaps), abs=1e-3)
    assert {picture.shape for _, picture in frames} == {(90, 160, 3)}
    assert [picture[45, 80].argmax() for _, picture in (frames[0], frames[30], frames[60])] == [0, 1, 2]
    assert [int(picture[45, 10].max()) < 8 for _, picture in (frames[0], frames[30], frames[60])] == [
        False,
        True,
        False,
    ]
    sound = read_sound(path)
    loud = [np.abs(sound[round(48_000 * at) : round(48_000 * (at + 0.5))]).max() for at in (0.25, 1.25, 2.25)]
    assert loud[0] > 0.05
    assert loud[1] < 1e-3
    assert loud[2] > 0.05


def turn_clip(path: Path) -> Path:
    """The clip as phones store it: by a matrix in the header of the track, a quarter to the left."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    struct.pack_into(">9i", content, at, 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def read_upright(path: Path) -> list[tuple[int, Any]]:
    with av.open(str(path)) as container:
        return [(frame.rotation, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def test_turned_clips(tmp_path: Path) -> None:
    """If all are turned, the film is, too; else all are turned upright."""
    clips = [turn_clip(clip) for clip in make_chain(tmp_path, 2)]
    film, path = join(clips)
    assert film.is_copied
    assert {rotation for rotation, _ in read_upright(path)} == {rotation for rotation, _ in read_upright(clips[0])}
    plain = write_clip(tmp_path / "plain.mp4", [("color=red", 0.5)], width=90, height=160, coding=PLAIN)
    film, path = join([clips[0], plain], None)
    frames = read_upright(path)
    assert not film.is_copied
    assert {(rotation, picture.shape) for rotation, picture in frames} == {(0, (160, 90, 3))}


def test_the_colours_of_another_matrix(tmp_path: Path) -> None:
    """HD has another one than small pictures: a film shows each in the colours that players give it."""
    large = write_clip(tmp_path / "0.mp4", [("color=lime", 0.25)], width=1280, height=720)
    small = write_clip(tmp_path / "1.mp4", [("color=lime", 0.25)], width=320, height=180)
    for clips in ([large, small], [small, large]):
        _, path = join(clips, None)
        for at, clip in ((0.0, clips[0]), (0.4, clips[1])):
            wanted, found = (read_colour(read_frame(*each)) for each in ((clip, "first"), (path, str(at))))
            assert abs(wanted - found).max() <= 6


def read_colour(image: bytes) -> Any:
    """That of the middle of a PNG image."""
    with av.open(BytesIO(image)) as container:
        pixels = next(container.decode(video=0)).to_ndarray(format="rgb24")
    return pixels[pixels.shape[0] // 2, pixels.shape[1] // 2].astype(int)


def test_sound_and_picture_do_not_drift(tmp_path: Path) -> None:
    """Over twenty clips, each with a tone that begins in its middle."""
    half = [(SILENCE, 0.5), ("sine=frequency=880", 0.25), (SILENCE, 0.25)]
    clips = []
    for begin in range(0, 220, 11):
        picture = [(MOVING, (begin + 12) / FPS)]
        clips.append(write_clip(tmp_path / f"{begin}.mp4", picture, half, skip=begin, rate=44_100, coding=PLAIN))
    film, path = join(clips)
    assert (film.is_copied, film.frames) == (True, 221)
    sound = np.abs(read_sound(path))
    expected = [begin + 0.5 for begin in film.begins]
    onsets = [at + np.argmax(sound[round(at * 48_000) :] > 0.02) / 48_000 for at in film.begins]
    assert onsets == pytest.approx(expected, abs=0.012)
    assert onsets[-1] - onsets[0] == pytest.approx(expected[-1] - expected[0], abs=0.003)
    assert len(sound) / 48_000 == pytest.approx(film.seconds, abs=0.03)


@pytest.mark.parametrize("repeats", [True, False])
def test_sounds_do_not_click_at_a_seam(tmp_path: Path, repeats: bool) -> None:
    """One fades into the other: no two samples differ more than those of the tones themselves."""
    tone = [("sine=frequency=200", 1.0)]
    clips = [
        write_clip(tmp_path / f"{n}.mp4", [(MOVING, (11 * n + 12) / FPS)], tone, skip=11 * n, coding=PLAIN)
        for n in range(3)
    ]
    _, path = join(clips, "last" if repeats else None)
    sound = read_sound(path)
    inside, whole = np.abs(np.diff(sound[4800:28_800])).max(), np.abs(np.diff(sound[1000:-3000])).max()
    assert whole < 3 * inside
    assert np.abs(sound).max() < 0.3


def test_a_clip_that_is_broken(tmp_path: Path) -> None:
    """The error names it, and says what is wrong with it."""
    good, other = make_chain(tmp_path, 2)
    other.write_bytes(other.read_bytes()[:-2000])
    with pytest.raises(OSError, match=r"damaged|ends early|decoded") as raised:
        join([good, other])
    assert raised.value.filename == str(other)
    other.write_bytes(b"no video")
    with pytest.raises(OSError, match="no MP4") as raised:
        join([good, other])
    assert raised.value.filename == str(other)
    sound = write_clip(tmp_path / "sound.mp4", [], [(TONE, 1.0)])
    with pytest.raises(OSError, match="holds no picture"):
        join([good, sound])
    with pytest.raises(FileNotFoundError):
        join([good, tmp_path / "missing.mp4"])


def test_a_film_that_cannot_be_written(tmp_path: Path) -> None:
    """The error is about the film, not about its clips."""
    clips = make_chain(tmp_path, 2)
    target = tmp_path / "none" / "film.mp4"
    with pytest.raises(OSError, match="the film cannot be written") as raised:
        join_clips([FilmClip(clip, clip.stem) for clip in clips], target)
    assert raised.value.filename == str(target)
