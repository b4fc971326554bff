"""Clips whose truth is known, and files that are made to do harm."""

from __future__ import annotations

import os
import random
import socket
import struct
import time
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

pytest.importorskip("av", reason="measuring needs the extra media")

import av

from batchveo.core.measures import CheckLevel, Measures
from batchveo.media import media_pass
from batchveo.media.media_pass import measure_file
from batchveo.media.near_copies import group_near_copies
from batchveo.sandbox.sample_clips import FLAWED, SCENES, name_clip_file, sample_video
from tests.helpers.samples import sample_cases
from tests.helpers.video_clips import BLACK, MOVING, SILENCE, STILL, TONE, write_clip

CLIPS = Path(__file__).parents[2] / "batchveo/sandbox/clips"


def measure(path: Path, level: CheckLevel = CheckLevel.BASIC) -> Measures:
    return measure_file(path, level)


@cache
def measure_sample(name: str) -> Measures:
    """One of the sandbox's clips, as it is in the package."""
    return measure(CLIPS / name)


def problem_of(path: Path) -> str:
    """The only problem of a file that cannot be decoded."""
    measures = measure(path)
    assert not measures.is_decoded
    assert measures.hashes == ()
    (problem,) = measures.problems
    return problem


def test_a_clip_of_all_kinds_of_parts(tmp_path: Path) -> None:
    """Moving, black for 1.5 s, still for 2 s; a tone, then silence for 2.5 s."""
    path = write_clip(tmp_path / "a.mp4", [(MOVING, 2), (BLACK, 1.5), (STILL, 2)], sound=[(TONE, 3), (SILENCE, 2.5)])
    measures = measure(path)
    assert (measures.width, measures.height, measures.frames, measures.codec) == (160, 90, 66, "h264")
    assert measures.duration_seconds == pytest.approx(5.5, abs=0.01)
    assert measures.fps == pytest.approx(12, abs=0.01)
    assert measures.bitrate == pytest.approx(path.stat().st_size * 8 / 5.5, rel=0.01)
    assert measures.black_seconds == pytest.approx(1.5, abs=0.1)
    assert measures.frozen_seconds == pytest.approx(3.5, abs=0.1)  # black does not change either
    assert measures.silent_seconds == pytest.approx(2.5, abs=0.1)
    assert measures.loudness_lufs == pytest.approx(-22, abs=1)
    assert (measures.has_sound, measures.cuts, measures.blur, measures.problems) == (True, 2, None, ())
    assert (measures.level, len(measures.hashes)) == (CheckLevel.BASIC, 8)


def test_hashes_are_in_the_order_of_time(tmp_path: Path) -> None:
    """Three eighths of black have none of the bits that the bars before and after have."""
    measures = measure(write_clip(tmp_path / "a.mp4", [(STILL, 2), (BLACK, 3), (STILL, 3)]))
    assert [number == 0 for number in measures.hashes] == [False] * 2 + [True] * 3 + [False] * 3


def test_a_clip_without_sound(tmp_path: Path) -> None:
    """Upright; nothing is known of a sound that is not there."""
    measures = measure(write_clip(tmp_path / "a.mov", [(MOVING, 1)], width=90, height=160))
    assert (measures.width, measures.height, measures.has_sound) == (90, 160, False)
    assert (measures.silent_seconds, measures.loudness_lufs, measures.frozen_seconds) == (None, None, 0)


def test_a_clip_of_another_container(tmp_path: Path) -> None:
    """WebM with VP8 and Opus."""
    measures = measure(write_clip(tmp_path / "a.webm", [(MOVING, 2)], sound=[(TONE, 2)]))
    assert (measures.codec, measures.frames, measures.has_sound, measures.problems) == ("vp8", 24, True, ())
    assert measures.loudness_lufs == pytest.approx(-22, abs=1)


def test_sound_that_is_shorter_than_the_picture(tmp_path: Path) -> None:
    """Its end is silent as well."""
    measures = measure(write_clip(tmp_path / "a.mp4", [(MOVING, 4)], sound=[(TONE, 1.5)]))
    assert measures.silent_seconds == pytest.approx(2.5, abs=0.1)


def test_short_pauses_are_no_silence(tmp_path: Path) -> None:
    """A picture that stays for a moment is not frozen either."""
    parts = [(MOVING, 1), (STILL, 0.5), (MOVING, 1)]
    measures = measure(write_clip(tmp_path / "a.mp4", parts, sound=[(TONE, 1), (SILENCE, 0.5), (TONE, 1)]))
    assert (measures.silent_seconds, measures.frozen_seconds, measures.cuts) == (0, 0, 2)


def test_more_motion_and_more_blur_are_larger(tmp_path: Path) -> None:
    """Of a picture that moves and one that does not, of a sharp one and a blurred one."""
    moving = measure(write_clip(tmp_path / "a.mp4", [(MOVING, 2)]), CheckLevel.ALL)
    still = measure(write_clip(tmp_path / "b.mp4", [(STILL, 2)]), CheckLevel.ALL)
    blurred = measure(write_clip(tmp_path / "c.mp4", [(MOVING, 2)], blur=True), CheckLevel.ALL)
    assert moving.motion is not None
    assert still.motion is not None
    assert moving.motion > 5 > 0.5 > still.motion
    assert moving.blur is not None
    assert blurred.blur is not None
    assert blurred.blur > 1.5 * moving.blur
    assert measure(write_clip(tmp_path / "d.mp4", [(BLACK, 1)]), CheckLevel.ALL).blur is None


@pytest.mark.parametrize("portrait", [False, True])
@pytest.mark.parametrize("scene", SCENES)
def test_good_samples_have_no_flaw(scene: str, portrait: bool) -> None:
    """Whatever they show."""
    measures = measure_sample(name_clip_file(scene, portrait=portrait))
    assert (measures.black_seconds, measures.frozen_seconds, measures.silent_seconds) == (0, 0, 0)
    assert (measures.duration_seconds, measures.cuts, measures.problems) == (8, 0, ())
    assert {measures.width, measures.height} == {320, 180}
    assert measures.motion is not None
    assert measures.motion > 0.5


@pytest.mark.parametrize("portrait", [False, True])
def test_flawed_samples_have_their_flaw(portrait: bool) -> None:
    """Each only its own."""
    found = {flaw: measure_sample(name_clip_file(flaw, portrait=portrait)) for flaw in FLAWED}
    assert [flaw for flaw in FLAWED if found[flaw].black_seconds == 8] == ["black"]
    assert [flaw for flaw in FLAWED if found[flaw].frozen_seconds == 8] == ["black", "frozen"]
    assert [flaw for flaw in FLAWED if found[flaw].silent_seconds == 8] == ["silent"]
    assert [flaw for flaw in FLAWED if found[flaw].loudness_lufs is None] == ["silent"]
    assert [flaw for flaw in FLAWED if min(found[flaw].width or 0, found[flaw].height or 0) < 100] == ["small"]


def list_varied_sources() -> list[str]:
    # a colour that is not named is another one each time, and may be nearly black
    colours = "c0=orange:c1=skyblue:c2=olive:c3=white:c4=purple:c5=teal"
    gradients = [f"gradients=seed={seed}:speed=0.05:nb_colors={2 + seed}:{colours}" for seed in range(5)]
    zones = [f"zoneplate=kt={speed}:kx2={size}:ky2={size}" for speed in (5, 20) for size in (5, 20)]
    dark = "gradients=c0=0x202020:c1=0x505060:c2=0x302020:c3=0x404040:speed=0.1:seed=1"
    return [MOVING, "testsrc", dark, *gradients, *zones]


@pytest.mark.parametrize(
    ("fps", "width", "height"), sample_cases([(8, 160, 90), (24, 90, 160), (30, 128, 128)], size=1)
)
def test_varied_good_clips_raise_no_alarm(tmp_path: Path, fps: int, width: int, height: int) -> None:
    """Sharp and soft, slow and fast, dark and bright: 60 of them with the samples and all sizes."""
    for source in list_varied_sources():
        path = write_clip(tmp_path / "a.mp4", [(source, 2)], [(TONE, 2)], fps=fps, width=width, height=height)
        measures = measure(path, CheckLevel.ALL)
        flaws = (measures.black_seconds, measures.frozen_seconds, measures.silent_seconds, measures.cuts)
        assert (flaws, measures.problems) == ((0, 0, 0, 0), ()), source
        assert (measures.frames, measures.width, measures.height) == (2 * fps, width, height)


def test_near_copies_among_the_samples() -> None:
    """The flawed ones that were made of a good one, and no other."""
    clips = [(path.stem, measure_sample(path.name).hashes) for path in CLIPS.glob("*.mp4")]
    assert group_near_copies(clips) == [
        ("balloon-16x9", "silent-16x9"),
        ("balloon-9x16", "silent-9x16"),
        ("black-16x9", "black-9x16"),
        ("frozen-16x9", "vase-16x9"),
        ("frozen-9x16", "vase-9x16"),
        ("small-16x9", "snow-16x9"),
        ("small-9x16", "snow-9x16"),
    ]


def test_a_video_of_the_sandbox(tmp_path: Path) -> None:
    """As long as it was ordered, also longer than its clip."""
    path = tmp_path / "a.mp4"
    for seconds in (4, 12):
        path.write_bytes(sample_video("sea", label="t", seconds=seconds, portrait=False))
        assert measure(path).duration_seconds == seconds
        assert measure(path).problems == ()


def write_table_first(path: Path, *, seconds: float = 4) -> bytes:
    """A clip that has its table before its content, so that a part of it can be played."""
    write_clip(path, [(MOVING, seconds)], sound=[(TONE, seconds)], options={"movflags": "faststart"})
    return path.read_bytes()


def test_a_file_that_was_cut_off(tmp_path: Path) -> None:
    """It is measured as far as it goes, and says how far it should go."""
    path = tmp_path / "a.mp4"
    path.write_bytes(write_table_first(path)[: path.stat().st_size // 2])
    measures = measure(path)
    assert measures.frames is not None
    assert 5 < measures.frames < 44
    assert "the file ends early: " in " ".join(measures.problems)
    assert " of 4.0 s can be decoded" in " ".join(measures.problems)


def test_a_file_without_its_table(tmp_path: Path) -> None:
    """The table is at the end of most files."""
    path = write_clip(tmp_path / "a.mp4", [(MOVING, 1)])
    path.write_bytes(path.read_bytes()[:-300])
    assert problem_of(path).startswith("it cannot be decoded: ")


def test_damaged_content(tmp_path: Path) -> None:
    """Pictures with other bytes in them."""
    path = tmp_path / "a.mp4"
    content = bytearray(write_table_first(path))
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)
    measures = measure(path)
    assert measures.is_decoded
    assert any(problem.startswith("it is damaged: ") for problem in measures.problems)


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXT-X-TARGETDURATION:8\n#EXTINF:8,\n{url}\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '{url}'\n",
        b"file '{path}'\n",
        b'<?xml version="1.0"?><MPD><Period><BaseURL>{url}</BaseURL></Period></MPD>',
        b"[playlist]\nFile1={url}\n",
        b"\xff\xd8\xff\xe0 a picture",
        b"GIF89a",
        b"garbage of no kind",
        b"x",
    ],
)
def test_lists_and_scripts_lead_nowhere(tmp_path: Path, content: bytes, listener: socket.socket) -> None:
    """Neither to an address nor to a good video beside it."""
    other = write_clip(tmp_path / "other.mp4", [(MOVING, 1)])
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/clip.mp4"
    path = tmp_path / "a.mp4"
    path.write_bytes(content.replace(b"{url}", url.encode()).replace(b"{path}", str(other).encode()))
    assert problem_of(path) == "it is no MP4, MOV, WebM or Matroska file"
    path.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0" + path.read_bytes())
    assert problem_of(path).startswith("it cannot be decoded: ")
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def test_tracks_in_other_files_are_not_read(tmp_path: Path) -> None:
    """A movie may name another file as the place of its content: FFmpeg reads it if it is allowed to."""
    other = write_clip(tmp_path / "other.mp4", [(MOVING, 1)])
    path = tmp_path / "a.mp4"
    path.write_bytes(move_content(other.read_bytes(), "other.mp4"))
    with av.open(str(path), options={"enable_drefs": "1"}) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12
    assert problem_of(path) == "no frame of it can be decoded"


def move_content(movie: bytes, name: str) -> bytes:
    """The movie, but its content is zeros, and is said to be in the file ``name`` in the same folder."""
    target = f"/{name}".encode()
    target = b"/" * (len(target) % 2) + target
    alias = bytes(4 + 10 + 28 + 12 + 64 + 16) + struct.pack(">HH", 1, 1) + bytes(16)
    alias += struct.pack(">HH", 2, len(target)) + target + struct.pack(">HH", 0xFFFF, 0)
    old, new = b"\0\0\0\x0curl \0\0\0\x01", struct.pack(">I", len(alias) + 8) + b"alis" + alias
    place = movie.index(old)
    moved = bytearray(movie.replace(old, new))
    for box in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        begin = movie.rindex(box, 0, place) - 4
        struct.pack_into(">I", moved, begin, struct.unpack_from(">I", movie, begin)[0] + len(new) - len(old))
    content = moved.index(b"mdat") + 4
    end = content - 8 + struct.unpack_from(">I", moved, content - 8)[0]
    moved[content:end] = bytes(end - content)
    return bytes(moved)


def test_an_address_as_a_name_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg reads some names as addresses; here they are files."""
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mp4", [(MOVING, 1)])
    path = Path("concat:clip.mp4|clip.mp4")
    (tmp_path / "clip.mp4").rename(path)
    assert measure(path).frames == 12


def test_tags_in_another_encoding_are_no_fault_of_the_clip(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [(MOVING, 1)])
    content = path.read_bytes()
    assert b"Lavf" in content  # the name of its writer, as a tag
    path.write_bytes(content.replace(b"Lavf", b"\xff\xfevf"))
    assert measure(path).is_decoded


def test_a_picture_that_claims_to_be_huge(tmp_path: Path) -> None:
    """Its table says 65,535 by 65,535 pixels; nothing of that size is made."""
    path = write_clip(tmp_path / "a.mp4", [(MOVING, 1)])
    content = path.read_bytes()
    entry = content.index(b"avc1", content.index(b"stsd"))
    size = entry + 4 + 6 + 2 + 16
    assert content[size : size + 4] == bytes([0, 160, 0, 90])
    huge = content[:size] + b"\xff" * 4 + content[size + 4 :]
    path.write_bytes(huge)
    assert measure(path).width == 160  # what the pictures themselves say
    path.write_bytes(huge.replace(b"avcC", b"free"))  # then only the table says it
    assert not measure(path).is_decoded


def test_pictures_with_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not decoded."""
    path = write_clip(tmp_path / "a.mp4", [(MOVING, 1)])
    monkeypatch.setattr(media_pass, "MOST_PIXELS", 160 * 90 - 1)
    assert problem_of(path) == "its picture has no size, or too large a one"


@pytest.mark.parametrize(
    ("bound", "value", "problem"),
    [
        ("MOST_FRAMES", 10, "it has more than 10 frames"),
        ("MOST_SECONDS", 1.0, "it is longer than 1 s"),
        ("MOST_PACKETS", 20, "it has more than 20 packets"),
    ],
)
def test_clips_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: float, problem: str
) -> None:
    """They are measured up to the bound."""
    path = write_clip(tmp_path / "a.mp4", [(MOVING, 3)], sound=[(TONE, 3)])
    monkeypatch.setattr(media_pass, bound, value)
    measures = measure(path)
    assert measures.problems == (f"{problem}; the rest is not measured",)
    assert (measures.frames or 0) < 20


def test_times_that_jump(tmp_path: Path) -> None:
    """Two frames a day apart: as long as a day, and so out of bounds."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=12)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 12)
        for number in (0, 1, 12 * 86_400):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 12)
            container.mux(video.encode(frame))
        container.mux(video.encode())
    assert any("it is longer than 600 s" in problem for problem in measure(path).problems)


def test_files_with_many_tracks(tmp_path: Path) -> None:
    """More than a video of any service has."""
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        tracks = [container.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(20)]
        for track in tracks:
            sound = av.AudioFrame(format="s16", layout="mono", samples=800)
            sound.sample_rate, sound.pts = 8000, 0
            container.mux(track.encode(sound))
    assert not measure(path).is_decoded


def test_sound_without_a_picture(tmp_path: Path) -> None:
    """It is no clip."""
    path = write_clip(tmp_path / "a.mp4", [], sound=[(TONE, 1)])
    assert problem_of(path) == "the file holds no picture"


def test_sound_of_another_codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture is measured, and that there is a sound track."""
    path = write_clip(tmp_path / "a.mp4", [(MOVING, 1)], sound=[(TONE, 1)])
    monkeypatch.setattr(media_pass, "SOUND_CODECS", ("mp3",))
    measures = measure(path)
    assert (measures.frames, measures.has_sound, measures.silent_seconds) == (12, True, None)
    assert measures.problems == ("its sound cannot be measured: its codec is not known: aac",)


@pytest.mark.parametrize("kind", [".mp4", ".webm"])
def test_any_damage_ends_in_measures_or_a_problem(tmp_path: Path, kind: str) -> None:
    """Bytes changed and cut at random, most of them in the tables."""
    path = write_clip(tmp_path / f"a{kind}", [(MOVING, 0.5)], sound=[(TONE, 0.5)])
    good = path.read_bytes()
    for _ in range(60):
        content = bytearray(good)
        for _ in range(random.choice((1, 5, 50))):
            reach = random.choice((600, len(content)))
            place = random.randrange(min(reach, len(content)))
            content[random.choice((place, -1 - place))] = random.choice((0, 255, random.randrange(256)))
        path.write_bytes(content[: random.choice((len(content), random.randrange(len(content))))])
        measures = measure(path, CheckLevel.ALL)
        assert measures.is_decoded or measures.problems
        assert Measures.from_record(measures.to_record()) == measures


def test_what_cannot_be_opened_is_no_fault_of_the_clip(tmp_path: Path) -> None:
    """A missing file, a folder, and a pipe, which is not waited for; an empty file is one."""
    with pytest.raises(FileNotFoundError):
        measure(tmp_path / "a.mp4")
    with pytest.raises(OSError, match="not a file"):
        measure(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mp4")
        began = time.monotonic()
        with pytest.raises(OSError, match="not a file"):
            measure(tmp_path / "pipe.mp4")
        assert time.monotonic() - began < 5
    (tmp_path / "empty.mp4").touch()
    assert problem_of(tmp_path / "empty.mp4") == "the file is empty"


def test_the_level_none_is_none(tmp_path: Path) -> None:
    """Callers decide what is measured at all."""
    with pytest.raises(ValueError, match="measures nothing"):
        measure(tmp_path, CheckLevel.NONE)
