from __future__ import annotations

import pytest

from batchveo.sandbox import Ending, Response
from batchveo.sandbox.sample_clips import SCENES, sample_video
from tests.helpers.sandbox_client import SandboxClient


@pytest.fixture
def path(sandbox: SandboxClient) -> str:
    return sandbox.finished()


@pytest.fixture
def video(sandbox: SandboxClient, path: str) -> bytes:
    return sandbox.service.video(sandbox.service.generations[0].id)


def spoilt(fault: str) -> tuple[Response, bytes]:
    """The answer to a download under this fault, with the right bytes."""
    sandbox = SandboxClient(faults={fault: 1.0})
    path = sandbox.finished()
    return sandbox.download(path, range="bytes=10-"), sandbox.service.video(sandbox.service.generations[0].id)


def test_the_whole_file(sandbox: SandboxClient, path: str, video: bytes) -> None:
    """A download is the video, with its length, its ETag and its type."""
    answer = sandbox.download(path)
    assert (answer.status, answer.body) == (200, video)
    assert answer.headers["content-length"] == str(len(video))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "video/mp4"


def test_head_tells_without_sending(sandbox: SandboxClient, path: str, video: bytes) -> None:
    """HEAD has the same headers and no body."""
    answer = sandbox.download(path, method="HEAD")
    assert answer.body == b""
    assert answer.headers == sandbox.download(path).headers


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=100-", slice(100, None)),
        ("bytes=100-999999", slice(100, None)),
        ("bytes=-7", slice(-7, None)),
    ],
)
def test_a_part(sandbox: SandboxClient, path: str, video: bytes, asked: str, wanted: slice) -> None:
    """A range is answered with 206 and where it belongs."""
    answer = sandbox.download(path, range=asked)
    start, stop, _ = wanted.indices(len(video))
    assert (answer.status, answer.body) == (206, video[start:stop])
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(video)}"


@pytest.mark.parametrize("asked", ["bytes=999999-", "bytes=-0"])
def test_a_part_that_is_not_there(sandbox: SandboxClient, path: str, video: bytes, asked: str) -> None:
    """A range beyond the end is 416 with the file's length."""
    answer = sandbox.download(path, range=asked)
    assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{len(video)}")


@pytest.mark.parametrize("asked", ["bytes=5-1", "bytes=-", "bytes=0-1,3-4", "lines=0-1"])
def test_a_range_that_makes_no_sense_is_ignored(sandbox: SandboxClient, path: str, asked: str) -> None:
    """The whole file comes, as RFC 9110 has it."""
    assert sandbox.download(path, range=asked).status == 200


def test_if_range(sandbox: SandboxClient, path: str) -> None:
    """With the right ETag the part comes, with another one the whole file."""
    etag = sandbox.download(path).headers["etag"]
    assert sandbox.download(path, range="bytes=5-", if_range=etag).status == 206
    assert sandbox.download(path, range="bytes=5-", if_range='"other"').status == 200


def test_unknown_and_unfinished_videos(sandbox: SandboxClient) -> None:
    """A file that does not exist, or not yet, is 404."""
    sandbox.submit()
    assert sandbox.download("/files/nothing.mp4").status == 404
    assert sandbox.download(f"/files/{sandbox.service.generations[0].file}.mp4").status == 404


def test_a_key_sent_along_is_a_leak(sandbox: SandboxClient, path: str) -> None:
    """A download needs no key, and one that comes with it is noted."""
    assert sandbox.download(path).status == 200
    assert sandbox.service.leaks == ()
    sandbox.download(path, authorization="Bearer key")
    assert sandbox.service.leaks == (path,)


def fetch(sandbox: SandboxClient, path: str, **changes: str) -> int:
    base, _, query = path.partition("?")
    sent = {**dict(pair.split("=") for pair in query.split("&")), **changes}
    return sandbox.get(base, *sent.items(), headers={}).status


def test_a_signed_url_expires() -> None:
    """After its time a URL is 403, and a poll gives a fresh one; forged ones never work."""
    sandbox = SandboxClient(url_ttl=60.0)
    path = sandbox.finished()
    assert fetch(sandbox, path) == 200
    assert fetch(sandbox, path, expires="9999999999.0") == 403
    assert sandbox.download(path.partition("?")[0]).status == 403
    sandbox.now += 60
    assert fetch(sandbox, path) == 403
    fresh = sandbox.poll(sandbox.service.generations[0].id)["video"]["url"].removeprefix("http://sandbox.invalid")
    assert fetch(sandbox, fresh) == 200


def test_a_url_that_counts_its_seconds_expires() -> None:
    """It says for how long it is good, from when it came; without its signature it never works."""
    sandbox = SandboxClient(faults={"expiring-url": 1.0}, url_ttl=30.0)
    path = sandbox.finished()
    assert "?Expires=30&" in path
    assert fetch(sandbox, path) == 200
    assert sandbox.download(path.partition("?")[0]).status == 403
    assert fetch(sandbox, path, Expires="3000") == 403
    sandbox.now += 30
    assert fetch(sandbox, path) == 403
    fresh = sandbox.poll(sandbox.service.generations[0].id)["video"]["url"].removeprefix("http://sandbox.invalid")
    assert fetch(sandbox, fresh) == 200


def test_padding() -> None:
    """Videos grow to the size asked for, and the poll says so."""
    sandbox = SandboxClient(video_bytes=1_000_000)
    answer = sandbox.download(sandbox.finished())
    polled = sandbox.poll(sandbox.service.generations[0].id)
    assert len(answer.body) == polled["video"]["file_size"] == 1_000_000


def test_bodies_that_break_off() -> None:
    """Half the body comes, then the connection ends in one way or the other."""
    short, video = spoilt("short-body")
    assert (short.delivery.ending, short.headers["content-length"]) == (Ending.CLOSED, str(len(video) - 10))
    assert b"".join(short.delivery.split(short.body)) == video[10:][: short.delivery.kept]
    assert spoilt("reset-body")[0].delivery.ending is Ending.RESET


def test_a_range_can_be_ignored() -> None:
    """The whole file comes with 200 in place of a part."""
    answer, video = spoilt("ignore-range")
    assert (answer.status, answer.body) == (200, video)


def test_answers_that_are_no_video() -> None:
    """A page with status 200, nothing at all, a 503."""
    page, empty, unavailable = (spoilt(name)[0] for name in ("html-200", "empty-body", "cdn-503"))
    assert (page.status, page.headers["content-type"]) == (200, "text/html")
    assert (empty.status, empty.headers["content-length"]) == (200, "0")
    assert unavailable.status == 503


def test_a_slow_body_comes_in_pieces() -> None:
    """The pieces are the whole, with pauses that add up."""
    answer, video = spoilt("slow-body")
    pieces = list(answer.delivery.split(answer.body))
    assert b"".join(pieces) == video[10:]
    assert len(pieces) * answer.delivery.pause == pytest.approx(90.0)


def test_a_changed_etag_means_other_bytes() -> None:
    """Parts of two encodings must not be put together."""
    sandbox = SandboxClient(faults={"changed-etag": 1.0})
    path = sandbox.finished()
    first, second = sandbox.download(path), sandbox.download(path)
    assert first.headers["etag"] != second.headers["etag"]
    assert first.body != second.body
    assert len(first.body) == len(second.body)


def read_video(sandbox: SandboxClient, **changes: object) -> bytes:
    body: bytes = sandbox.download(sandbox.finished(**changes)).body
    return body


def picked(
    sandbox: SandboxClient, body: bytes, *, seconds: int = 4, portrait: bool = False, among: tuple[str, ...] = SCENES
) -> str:
    """The clip that the last generation's video is, with its label."""
    label = f"{sandbox.service.generations[-1].id} {0:012}"
    clips = {sample_video(clip, label=label, seconds=seconds, portrait=portrait): clip for clip in among}
    return clips[body]


def test_every_scene_is_shown_and_no_two_videos_are_the_same(sandbox: SandboxClient) -> None:
    """Even if all requests are the same."""
    videos = []
    scenes = set()
    for _ in range(100):
        videos.append(read_video(sandbox))
        scenes.add(picked(sandbox, videos[-1]))
    assert scenes == set(SCENES)
    assert len(set(videos)) == 100


def test_a_generation_keeps_its_video(sandbox: SandboxClient) -> None:
    """Another download, or another sandbox that was opened at the same moment, has the same bytes."""
    path = sandbox.finished()
    body = sandbox.download(path).body
    assert body == sandbox.download(path).body == read_video(SandboxClient())


@pytest.mark.parametrize("seconds", [4, 6, 8])
@pytest.mark.parametrize(("ratio", "portrait"), [("16:9", False), ("9:16", True)])
def test_length_and_shape_are_those_of_the_request(
    sandbox: SandboxClient, seconds: int, ratio: str, portrait: bool
) -> None:
    """As the service has them."""
    body = read_video(sandbox, duration=seconds, aspect_ratio=ratio)
    assert picked(sandbox, body, seconds=seconds, portrait=portrait)


@pytest.mark.parametrize("name", ["black", "frozen", "silent", "small"])
def test_a_flaw_chooses_its_clip(name: str) -> None:
    """In the length and shape of the request."""
    sandbox = SandboxClient(faults={name: 1.0})
    body = read_video(sandbox, aspect_ratio="9:16")
    assert picked(sandbox, body, portrait=True, among=(name,))


def test_a_short_video_is_half_as_long() -> None:
    """Of any scene; the poll reports the size that it has."""
    sandbox = SandboxClient(faults={"short": 1.0})
    body = read_video(sandbox, duration=8)
    assert picked(sandbox, body, seconds=4)
    assert sandbox.poll(sandbox.service.generations[-1].id)["video"]["file_size"] == len(body)


def test_a_flaw_strikes_by_its_chance() -> None:
    """The same seed spoils the same generations."""
    first, second = (SandboxClient(faults={"black": 0.3, "short": 0.3}) for _ in range(2))
    for sandbox in (first, second):
        for _ in range(60):
            sandbox.submit()
    flaws = [generation.flaw for generation in first.service.generations]
    assert set(flaws) == {"", "black", "short"}
    assert flaws == [generation.flaw for generation in second.service.generations]
