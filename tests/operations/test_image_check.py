"""Images that jobs begin with, looked at before a night is spent on them."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import anyio
import anyio.lowlevel
import httpx
import pytest
from PIL import Image

from batchveo.core.models import InputFile
from batchveo.operations import image_check
from batchveo.operations.image_check import AT_ONCE, HOPELESS, ImageCheck, NamedImages, check_images
from batchveo.provider import VideoClient
from batchveo.provider.video_client import IMAGE_SECONDS, MOST_IMAGE_BYTES
from batchveo.store import PreviewedJob

pytestmark = pytest.mark.anyio

Answer = Callable[[httpx.Request], httpx.Response]


def image(width: int, height: int, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height)).save(out, kind)
    return out.getvalue()


def job(*urls: str, line: int = 1, inputs: tuple[InputFile, ...] = (), model: str | None = None,
        request: Mapping[str, object] | None = None) -> PreviewedJob:  # fmt: skip
    """A job with some images; of a model of Veo, unless it is of another."""
    return PreviewedJob(
        id=f"{line}", name="a", stem="a", model=model or "google/veo-3.1-reference-to-video",
        request=request or {"image_urls": list(urls)},
        source="m.yaml", line=line, inputs=inputs, state=None, taken=False,
    )  # fmt: skip


async def public(host: str, port: int) -> list[str]:
    return [host] if host[0].isdigit() else ["93.184.215.14"]


async def checked(named: list[PreviewedJob], answer: object) -> ImageCheck:
    found = NamedImages()
    for one in named:
        found.add_job(one)
    videos = VideoClient(transport=httpx.MockTransport(answer), resolve=public)  # type: ignore[arg-type]
    return await check_images(found, videos=videos)


def words(check: ImageCheck) -> list[str]:
    return [f"{problem.image} {problem.problem}" for problem in check.problems]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(
    ("size", "good"), [((1280, 720), True), ((720, 1280), True), ((1280, 719), False), ((719, 2000), False)]
)
async def test_the_shorter_side_counts(kind: str, size: tuple[int, int], good: bool) -> None:
    """A standing image is as good as a lying one."""
    check = await checked([job("https://a.example/1")], lambda _: httpx.Response(200, content=image(*size, kind)))
    assert check.sizes
    small = f"is too small: {size[0]}x{size[1]}; the shorter side must be 720 pixels or more"
    assert words(check) == ([] if good else [f"https://a.example/1 {small}"])


IMAGE = "https://a.example/1"
KEYFRAMES = {"frame0": {"type": "image", "url": IMAGE}, "frame1": {"type": "generation", "id": "g-1"}}
NESTED = [
    ("luma/ray-2", {"keyframes": KEYFRAMES}),
    ("klingai/video-o1-reference-to-video", {"elements": [{"reference_image_urls": [IMAGE], "frontal_image_url": ""}]}),
    ("klingai/kling-video-v1.6-pro-effects", {"image_url": [IMAGE]}),
    ("klingai/kling-video-v1.6-pro-effects", {"image_url": IMAGE}),
    ("runway/act_two", {"character": {"type": "image", "url": IMAGE}}),
    ("acme/unknown", {"image_url": IMAGE, "last_image_url": [IMAGE]}),
]


@pytest.mark.parametrize(("model", "request_"), NESTED, ids=[model for model, _ in NESTED])
async def test_images_are_found_at_any_depth_and_their_size_is_veos_rule(
    model: str, request_: dict[str, object]
) -> None:
    """In lists, in objects, in what may be a text or a list; other models take small images too."""
    named = [job(model=model, request={"prompt": "a", **request_})]
    check = await checked(named, lambda _: httpx.Response(200, content=image(300, 300)))
    assert check.checked >= 1
    assert not [problem for problem in check.problems if problem.image == IMAGE]
    check = await checked(named, lambda _: httpx.Response(404))
    assert "404" in {problem.image: problem.problem for problem in check.problems}[IMAGE]


async def test_a_video_is_not_checked_as_an_image() -> None:
    """The type beside the URL says what it leads to."""
    act = {"character": {"type": "video", "url": IMAGE}, "reference": {"type": "video", "url": IMAGE}}
    check = await checked([job(model="runway/act_two", request=act)], lambda _: pytest.fail("it was asked for"))
    assert check.checked == 0


async def test_a_small_image_is_a_problem_of_those_jobs_whose_models_refuse_it() -> None:
    """The place is that of the first of them."""
    other = {"model": "klingai/video-v3-pro-image-to-video", "request": {"image_url": IMAGE}}
    named = [job(line=1, **other), job(IMAGE, line=4), job(IMAGE, line=5), job(line=9, **other)]  # type: ignore[arg-type]
    check = await checked(named, lambda _: httpx.Response(200, content=image(500, 500)))
    assert [(problem.line, problem.jobs) for problem in check.problems] == [(4, 2)]
    check = await checked(named, lambda _: httpx.Response(404))
    assert [(problem.line, problem.jobs) for problem in check.problems] == [(1, 4)]


async def test_each_image_is_asked_for_once_and_told_with_its_first_place() -> None:
    """However many jobs and fields name it."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url.path))
        return httpx.Response(404)

    check = await checked([job("https://a.example/1", line=3), job("https://a.example/1", line=9)], answer)
    assert asked == ["/1"]
    assert [(p.source, p.line, p.jobs) for p in check.problems] == [("m.yaml", 3, 2)]
    assert "404" in check.problems[0].problem


@pytest.mark.parametrize(
    "content", [b"<html>gone</html>", b"", b"\x00" * 5000, b"GIF", b"\x89PNG", b"<script>alert(1)</script>"]
)
async def test_what_is_no_image(content: bytes) -> None:
    """Whatever its headers say."""
    headers = {"content-type": "image/png"}
    check = await checked([job("https://a.example/1")], lambda _: httpx.Response(200, content=content, headers=headers))
    assert words(check) == ["https://a.example/1 is no image"]


async def test_a_moment_of_trouble_is_asked_about_again() -> None:
    """Once."""
    answers = [httpx.Response(503), httpx.Response(200, content=image(800, 800))]
    check = await checked([job("https://a.example/1")], lambda _: answers.pop(0))
    assert words(check) == []
    assert answers == []


async def test_private_networks_are_not_asked() -> None:
    """Nor by a redirect, nor this machine unless the service is on it."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(302, headers={"location": "https://192.168.0.1/router"})

    urls = ["https://10.0.0.1/1", "http://127.0.0.1/1", "https://a.example/redirects"]
    check = await checked([job(*urls)], answer)
    assert asked == ["93.184.215.14"]
    assert len(check.problems) == 3
    assert all("not a public address" in problem.problem for problem in check.problems)


async def test_only_the_beginning_is_read() -> None:
    """An endless image costs no more than a mebibyte; a large one not even that."""
    sent = 0

    async def endless(first: bytes) -> AsyncIterator[bytes]:
        nonlocal sent
        yield first
        while True:
            sent += 65536
            await anyio.lowlevel.checkpoint()
            yield b"\x00" * 65536

    check = await checked(
        [job("https://a.example/1")], lambda _: httpx.Response(200, content=endless(image(800, 800)[:64]))
    )
    assert words(check) == []
    assert sent <= 65536
    check = await checked([job("https://a.example/1")], lambda _: httpx.Response(200, content=endless(b"\x00")))
    assert words(check) == ["https://a.example/1 is no image"]
    assert sent <= MOST_IMAGE_BYTES + 3 * 65536


async def test_a_drip_is_given_up() -> None:
    """After twenty seconds, twice."""

    async def drip() -> AsyncIterator[bytes]:
        while True:
            await anyio.sleep(1)
            yield b"\xff"

    begun = anyio.current_time()
    check = await checked([job("https://a.example/1")], lambda _: httpx.Response(200, content=drip()))
    assert "does not answer within 20 s" in words(check)[0]
    assert anyio.current_time() - begun < 2 * IMAGE_SECONDS + 5


async def test_many_images_a_few_at_a_time() -> None:
    """In bounded numbers, all of them told about."""
    going = peak = 0
    content = image(64, 64)

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal going, peak
        going += 1
        peak = max(peak, going)
        await anyio.sleep(0.1)
        going -= 1
        return httpx.Response(200, content=content)

    check = await checked([job(f"https://a.example/{n}", line=n) for n in range(300)], answer)
    assert check.checked == len(check.problems) == 300
    assert check.problems[17].line == 17
    assert peak == AT_ONCE


async def test_a_host_that_never_answers_is_not_asked_ten_thousand_times() -> None:
    """The others are said to be unasked; another host is not to blame."""
    asked = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        if request.headers["host"] == "good.example":
            return httpx.Response(200, content=image(800, 800))
        asked += 1
        raise httpx.ConnectError("refused")

    named = [job(f"https://dead.example/{n}", line=n) for n in range(1000)]
    check = await checked([*named, job("https://good.example/1")], answer)
    assert len(check.problems) == 1000
    assert asked <= HOPELESS + AT_ONCE
    assert "not requested" in check.problems[-1].problem
    assert "refused" in check.problems[-1].problem


async def test_local_files_and_data_are_looked_at_too(tmp_path: Path) -> None:
    """Without the network; the file goes by its path."""
    small, gone = tmp_path / "small.png", tmp_path / "gone.png"
    small.write_bytes(image(100, 100))
    files = tuple(InputFile(sha256=f"{n}", media_type="image/png", path=str(p)) for n, p in enumerate((small, gone)))
    data = "data:image/png;base64," + base64.b64encode(image(300, 400)).decode()
    named = job(files[0].reference, files[1].reference, data, inputs=files)
    check = await checked([named], lambda _: pytest.fail("the network was asked"))
    assert [problem.image for problem in check.problems] == [str(small), str(gone), data]
    assert "100x100" in words(check)[0]
    assert "cannot be read" in words(check)[1]
    assert "300x400" in words(check)[2]


async def test_without_pillow_only_whether_they_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """And that is said."""
    monkeypatch.setattr(image_check, "find_spec", lambda name: None)
    check = await checked([job("https://a.example/1")], lambda _: httpx.Response(200, content=image(10, 10)))
    assert not check.sizes
    assert words(check) == []
    check = await checked([job("https://a.example/1")], lambda _: httpx.Response(200, text="not found, sorry" * 9))
    assert words(check) == ["https://a.example/1 is no image"]
