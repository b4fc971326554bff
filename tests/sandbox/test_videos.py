"""Which sample clip a generation gets."""

from __future__ import annotations

import pytest

from batchveo.sandbox.sample_clips import SCENES, sample_video
from tests.helpers.manual_sandbox import Desk


def video(desk: Desk, **changes: object) -> bytes:
    body: bytes = desk.download(desk.finished(**changes)).body
    return body


def picked(
    desk: Desk, body: bytes, *, seconds: int = 4, portrait: bool = False, among: tuple[str, ...] = SCENES
) -> str:
    """The clip that the last generation's video is, with its label."""
    label = f"{desk.service.generations[-1].id} {0:012}"
    clips = {sample_video(clip, label=label, seconds=seconds, portrait=portrait): clip for clip in among}
    return clips[body]


def test_every_scene_is_shown_and_no_two_videos_are_the_same(desk: Desk) -> None:
    """Even if all requests are the same."""
    videos = []
    scenes = set()
    for _ in range(100):
        videos.append(video(desk))
        scenes.add(picked(desk, videos[-1]))
    assert scenes == set(SCENES)
    assert len(set(videos)) == 100


def test_a_generation_keeps_its_video(desk: Desk) -> None:
    """Another download, or another sandbox that was opened at the same moment, has the same bytes."""
    path = desk.finished()
    body = desk.download(path).body
    assert body == desk.download(path).body == video(Desk())


@pytest.mark.parametrize("seconds", [4, 6, 8])
@pytest.mark.parametrize(("ratio", "portrait"), [("16:9", False), ("9:16", True)])
def test_length_and_shape_are_those_of_the_request(desk: Desk, seconds: int, ratio: str, portrait: bool) -> None:
    """As the service has them."""
    body = video(desk, duration=seconds, aspect_ratio=ratio)
    assert picked(desk, body, seconds=seconds, portrait=portrait)


@pytest.mark.parametrize("name", ["black", "frozen", "silent", "small"])
def test_a_flaw_chooses_its_clip(name: str) -> None:
    """In the length and shape of the request."""
    desk = Desk(faults={name: 1.0})
    body = video(desk, aspect_ratio="9:16")
    assert picked(desk, body, portrait=True, among=(name,))


def test_a_short_video_is_half_as_long() -> None:
    """Of any scene; the poll reports the size that it has."""
    desk = Desk(faults={"short": 1.0})
    body = video(desk, duration=8)
    assert picked(desk, body, seconds=4)
    assert desk.poll(desk.service.generations[-1].id)["video"]["file_size"] == len(body)


def test_a_flaw_strikes_by_its_chance() -> None:
    """The same seed spoils the same generations."""
    first, second = (Desk(faults={"black": 0.3, "short": 0.3}) for _ in range(2))
    for desk in (first, second):
        for _ in range(60):
            desk.submit()
    flaws = [generation.flaw for generation in first.service.generations]
    assert set(flaws) == {"", "black", "short"}
    assert flaws == [generation.flaw for generation in second.service.generations]
