"""Films in a real browser: they play to their end, and show each clip at its chapter."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("av", reason="films need the extra media")

from batchveo.core.films import FilmClip
from batchveo.media.film import join_clips
from tests.helpers.video_clips import TONE, write_clip
from tests.web.conftest import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser

COLOURS = {
    "red": (254, 0, 0),
    "lime": (0, 255, 1),
    "blue": (0, 0, 254),
    "yellow": (255, 255, 0),
    "white": (255, 255, 255),
}
PLAY = """async () => {
    const video = document.querySelector("video");
    const end = new Promise((done, fail) => {
        video.onended = done;
        video.onerror = () => fail(new Error(video.error.message));
    });
    video.playbackRate = 8;
    await video.play();
    await end;
    return {seconds: video.duration, width: video.videoWidth, sound: video.webkitAudioDecodedByteCount};
}"""
SHOW = """async ([at, colour]) => {
    const video = document.querySelector("video");
    const seeked = new Promise((done) => (video.onseeked = done));
    video.currentTime = at;
    await seeked;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 1;
    const context = canvas.getContext("2d", {willReadFrequently: true});
    let shown;
    // on a busy machine the picture comes a little after the event
    for (let looks = 0; looks < 100; looks += 1) {
        context.drawImage(video, 0, 0, 1, 1);
        shown = Array.from(context.getImageData(0, 0, 1, 1).data).slice(0, 3);
        if (shown.every((one, place) => Math.abs(one - colour[place]) < 40)) break;
        await new Promise((done) => setTimeout(done, 50));
    }
    return shown;
}"""


@pytest.mark.parametrize("copied", [True, False], ids=["copied", "encoded"])
def test_a_film_of_five_clips_plays_to_its_end(tmp_path: Path, browser: Browser, *, copied: bool) -> None:
    """With its sound; the first and the last frame of each chapter are those of its clip."""
    clips = [
        write_clip(
            tmp_path / f"{colour}.mp4",
            [(f"color={colour}", 1.0)],
            [(TONE, 1.0)],
            coding={"preset": "ultrafast", "bf": "0"},
            width=160 if copied or number else 240,
        )
        for number, colour in enumerate(COLOURS)
    ]
    target = tmp_path / "film.mp4"
    film = join_clips(
        [FilmClip(clip, clip.stem, "last" if number else None) for number, clip in enumerate(clips)], target
    )
    assert film.is_copied is copied
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    content = base64.b64encode(target.read_bytes()).decode()
    page.set_content(f'<video muted src="data:video/mp4;base64,{content}"></video>')
    played = page.evaluate(PLAY)
    assert played["seconds"] == pytest.approx(film.seconds, abs=0.05)
    assert played["width"] == (160 if copied else 240)
    assert played["sound"] > 0
    for (_, colour), begin in zip(COLOURS.items(), film.begins, strict=True):
        for at in (begin + 0.01, begin + 0.99):
            shown = page.evaluate(SHOW, [at, list(colour)])
            assert max(abs(one - other) for one, other in zip(shown, colour, strict=True)) < 40
    page.close()
