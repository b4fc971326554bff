"""Posters: the first good frame, kept within bounds."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from batchveo.web.thumbnails import Posters, _choose_frame, make_poster
from tests.web.conftest import Night


def grey(level: int) -> Image.Image:
    return Image.new("RGB", (64, 36), (level, level, level))


def scene() -> Image.Image:
    picture = grey(0)
    picture.paste((255, 255, 255), (0, 0, 32, 36))
    return picture


def test_a_fade_from_black_is_passed_over() -> None:
    """The first frame that shows something is taken; where none does, the one that shows most."""
    dim = grey(0)
    dim.paste((9, 9, 9), (0, 0, 32, 36))
    assert _choose_frame(iter([grey(0), dim, scene(), scene()])) == scene()
    assert _choose_frame(iter([grey(0), dim, grey(0)])) == dim
    assert _choose_frame(iter([])) is None


def test_a_poster_is_small(night: Night) -> None:
    """It fits its bounds, whatever the video's size."""
    content = make_poster(night.videos / "fox.mp4", width=100, height=100)
    assert content is not None
    assert max(Image.open(io.BytesIO(content)).size) <= 100


@pytest.mark.parametrize("content", [b"", b"no video", b"\x00\x00\x00\x18ftypisom"])
def test_what_is_no_video_has_no_poster(tmp_path: Path, content: bytes) -> None:
    """And breaks nothing."""
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    assert make_poster(path) is None


def test_the_oldest_posters_go(night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are never many more than may be."""
    monkeypatch.setattr("batchveo.web.thumbnails.PRUNE_STEP", 1)
    posters = Posters(tmp_path / "kept", most=2)
    for number in range(4):
        assert posters.read_poster(night.videos / "fox.mp4", f"{number:064x}")
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_a_folder_that_cannot_be_written_to_costs_only_time(night: Night, tmp_path: Path) -> None:
    """A poster is made all the same; a hash that is none names no file."""
    (tmp_path / "taken").write_text("a file")
    assert Posters(tmp_path / "taken").read_poster(night.videos / "fox.mp4", "0" * 64)
    assert Posters(tmp_path / "kept").read_poster(night.videos / "fox.mp4", "../../x")
    assert not (tmp_path / "kept").exists()


def test_a_bomb_has_no_poster(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for its pixels nor for its length: a video is looked at within bounds."""
    assert make_poster(night.videos / "fox.mp4")
    monkeypatch.setattr("batchveo.web.thumbnails.MOST_SECONDS", -1.0)
    assert make_poster(night.videos / "fox.mp4") is None
    monkeypatch.undo()
    monkeypatch.setattr("batchveo.storage.probe.MOST_PIXELS", 100)
    assert make_poster(night.videos / "fox.mp4") is None
