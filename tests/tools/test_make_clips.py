"""The script that makes the sample clips."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.sandbox.sample_clips import FLAWED, SCENES, name_clip_file
from batchveo.storage.probe import probe_video
from tools import make_clips
from tools.make_clips import Clip, clips, write_clip
from tools.scenes import DRAWINGS
from tools.sounds import SOUNDS


def test_every_scene_is_drawn_and_sounds() -> None:
    """And nothing else is; the flawed clips too are of scenes."""
    assert set(DRAWINGS) == set(SOUNDS) == set(SCENES)
    names = [(clip.name, clip.height > clip.width) for clip in clips()]
    assert sorted(names) == sorted((name, portrait) for name in (*SCENES, *FLAWED) for portrait in (False, True))
    assert {clip.scene for clip in clips()} == set(SCENES)


def test_a_clip_is_made_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte."""
    monkeypatch.setattr(make_clips, "LONGEST", 2)
    clip = Clip(name="clock", scene="clock", width=96, height=54)
    for name in ("a.mp4", "b.mp4"):
        write_clip(clip, tmp_path / name)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert probe_video(tmp_path / "a.mp4").duration == 2.0


def test_names_choose_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In both shapes; the others are left as they are."""
    monkeypatch.setattr(make_clips, "LONGEST", 1)
    monkeypatch.setattr(make_clips, "FOLDER", tmp_path / "clips")
    make_clips.main(["small"])
    names = {name_clip_file("small", portrait=portrait) for portrait in (False, True)}
    assert {path.name for path in (tmp_path / "clips").iterdir()} == names
    said = capsys.readouterr().out
    assert all(name in said for name in names)
