from __future__ import annotations

import pytest

from batchveo.sandbox import Ending
from tests.helpers.manual_sandbox import Desk


@pytest.fixture
def path(desk):
    return desk.finished()


@pytest.fixture
def video(desk, path):
    return desk.service.video(desk.service.generations[0].id)


def spoilt(**faults):
    """The answer to a download under this fault, with the right bytes."""
    desk = Desk(faults={name.replace("_", "-"): 1.0 for name in faults})
    path = desk.finished()
    return desk.download(path, range="bytes=10-"), desk.service.video(desk.service.generations[0].id)


def test_the_whole_file(desk, path, video):
    """A download is the video, with its length, its ETag and its type."""
    answer = desk.download(path)
    assert (answer.status, answer.body) == (200, video)
    assert answer.headers["content-length"] == str(len(video))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "video/mp4"


def test_head_tells_without_sending(desk, path, video):
    """HEAD has the same headers and no body."""
    answer = desk.download(path, method="HEAD")
    assert answer.body == b""
    assert answer.headers == desk.download(path).headers


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=100-", slice(100, None)),
        ("bytes=100-999999", slice(100, None)),
        ("bytes=-7", slice(-7, None)),
    ],
)
def test_a_part(desk, path, video, asked, wanted):
    """A range is answered with 206 and where it belongs."""
    answer = desk.download(path, range=asked)
    start, stop, _ = wanted.indices(len(video))
    assert (answer.status, answer.body) == (206, video[start:stop])
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(video)}"


@pytest.mark.parametrize("asked", ["bytes=999999-", "bytes=-0"])
def test_a_part_that_is_not_there(desk, path, video, asked):
    """A range beyond the end is 416 with the file's length."""
    answer = desk.download(path, range=asked)
    assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{len(video)}")


@pytest.mark.parametrize("asked", ["bytes=5-1", "bytes=-", "bytes=0-1,3-4", "lines=0-1"])
def test_a_range_that_makes_no_sense_is_ignored(desk, path, asked):
    """The whole file comes, as RFC 9110 has it."""
    assert desk.download(path, range=asked).status == 200


def test_if_range(desk, path):
    """With the right ETag the part comes, with another one the whole file."""
    etag = desk.download(path).headers["etag"]
    assert desk.download(path, range="bytes=5-", if_range=etag).status == 206
    assert desk.download(path, range="bytes=5-", if_range='"other"').status == 200


def test_unknown_and_unfinished_videos(desk):
    """A file that does not exist, or not yet, is 404."""
    desk.submit()
    assert desk.download("/files/nothing.mp4").status == 404
    assert desk.download(f"/files/{desk.service.generations[0].file}.mp4").status == 404


def test_a_key_sent_along_is_a_leak(desk, path):
    """A download needs no key, and one that comes with it is noted."""
    assert desk.download(path).status == 200
    assert desk.service.leaks == ()
    desk.download(path, authorization="Bearer key")
    assert desk.service.leaks == (path,)


def fetch(desk, path, **changes):
    base, _, query = path.partition("?")
    sent = {**dict(pair.split("=") for pair in query.split("&")), **changes}
    return desk.get(base, *sent.items(), headers={}).status


def test_a_signed_url_expires():
    """After its time a URL is 403, and a poll gives a fresh one; forged ones never work."""
    desk = Desk(url_ttl=60.0)
    path = desk.finished()
    assert fetch(desk, path) == 200
    assert fetch(desk, path, expires="9999999999.0") == 403
    assert desk.download(path.partition("?")[0]).status == 403
    desk.now += 60
    assert fetch(desk, path) == 403
    fresh = desk.poll(desk.service.generations[0].id)["video"]["url"].removeprefix("http://sandbox.invalid")
    assert fetch(desk, fresh) == 200


def test_a_url_that_counts_its_seconds_expires():
    """It says for how long it is good, from when it came; without its signature it never works."""
    desk = Desk(faults={"expiring-url": 1.0}, url_ttl=30.0)
    path = desk.finished()
    assert "?Expires=30&" in path
    assert fetch(desk, path) == 200
    assert desk.download(path.partition("?")[0]).status == 403
    assert fetch(desk, path, Expires="3000") == 403
    desk.now += 30
    assert fetch(desk, path) == 403
    fresh = desk.poll(desk.service.generations[0].id)["video"]["url"].removeprefix("http://sandbox.invalid")
    assert fetch(desk, fresh) == 200


def test_padding():
    """Videos grow to the size asked for, and the poll says so."""
    desk = Desk(video_bytes=1_000_000)
    answer = desk.download(desk.finished())
    polled = desk.poll(desk.service.generations[0].id)
    assert len(answer.body) == polled["video"]["file_size"] == 1_000_000


def test_bodies_that_break_off():
    """Half the body comes, then the connection ends in one way or the other."""
    short, video = spoilt(short_body=1)
    assert (short.delivery.ending, short.headers["content-length"]) == (Ending.CLOSED, str(len(video) - 10))
    assert b"".join(short.delivery.split(short.body)) == video[10:][: short.delivery.kept]
    assert spoilt(reset_body=1)[0].delivery.ending is Ending.RESET


def test_a_range_can_be_ignored():
    """The whole file comes with 200 in place of a part."""
    answer, video = spoilt(ignore_range=1)
    assert (answer.status, answer.body) == (200, video)


def test_answers_that_are_no_video():
    """A page with status 200, nothing at all, a 503."""
    page, empty, unavailable = (spoilt(**{name: 1})[0] for name in ("html_200", "empty_body", "cdn_503"))
    assert (page.status, page.headers["content-type"]) == (200, "text/html")
    assert (empty.status, empty.headers["content-length"]) == (200, "0")
    assert unavailable.status == 503


def test_a_slow_body_comes_in_pieces():
    """The pieces are the whole, with pauses that add up."""
    answer, video = spoilt(slow_body=1)
    pieces = list(answer.delivery.split(answer.body))
    assert b"".join(pieces) == video[10:]
    assert len(pieces) * answer.delivery.pause == pytest.approx(90.0)


def test_a_changed_etag_means_other_bytes():
    """Parts of two encodings must not be put together."""
    desk = Desk(faults={"changed-etag": 1.0})
    path = desk.finished()
    first, second = desk.download(path), desk.download(path)
    assert first.headers["etag"] != second.headers["etag"]
    assert first.body != second.body
    assert len(first.body) == len(second.body)
