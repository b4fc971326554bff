"""Folders that change, refuse or know less than others while a paid video is on its way into them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable
from io import FileIO
from pathlib import Path

import anyio.from_thread
import anyio.lowlevel
import httpx
import pytest

from batchveo.core.destination import BESIDE, NONE, Sidecars
from batchveo.core.models import JobState
from batchveo.core.outcomes import DiskRefused, Downloaded, DownloadError
from batchveo.engine.stages import video_fetcher
from batchveo.engine.stages.video_fetcher import VideoFetcher
from batchveo.provider import VideoClient
from batchveo.provider.http_messages import StallDetector, Stalled
from batchveo.storage import local
from batchveo.storage.base import at_once
from batchveo.storage.sidecar import sidecar_path
from batchveo.storage.video_file import VideoFile
from tests.engine.stages.test_video_fetcher import Cut, Handler, fetch, public, video
from tests.helpers.factories import make_job
from tests.storage.test_mp4 import WHOLE

pytestmark = pytest.mark.anyio
ONE = make_job(JobState.DOWNLOADING, seq=1)
TWO = make_job(JobState.DOWNLOADING, seq=2, id="f" * 20, generation_id="g-2", stem="a dog")


async def both(folder: Path, between: Callable[[], object]) -> list[object]:
    """What comes of two videos of one run, with something that happens between them."""
    async with VideoClient(transport=httpx.MockTransport(video), resolve=public) as videos:
        fetching = VideoFetcher(videos, folder, disk=at_once)
        first = await fetching.fetch(ONE)
        between()
        return [first, await fetching.fetch(TWO)]


def remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


async def test_a_folder_that_was_deleted_is_made_anew(tmp_path: Path) -> None:
    """The next video is had; `verify` tells of those that were deleted."""
    folder = tmp_path / "videos"
    first, second = await both(folder, lambda: remove(folder))
    assert isinstance(first, Downloaded)
    assert isinstance(second, Downloaded)
    assert (folder / second.file).read_bytes() == WHOLE


def unmounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the folders are another device's."""
    stat = Path.stat

    def other(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        status = list(stat(path, follow_symlinks=follow_symlinks))
        status[2] += follow_symlinks  # st_dev, not for lstat, which compares files
        return os.stat_result(status)

    monkeypatch.setattr(Path, "stat", other)


async def test_a_drive_that_is_gone_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the rest would be written under its empty mount point."""
    folder = tmp_path / "videos"

    def unmount() -> None:
        remove(folder)
        folder.mkdir()
        unmounted(monkeypatch)

    _, second = await both(folder, unmount)
    assert isinstance(second, DiskRefused)
    assert local.ANOTHER_DRIVE in second.reason
    assert list(folder.iterdir()) == []


async def test_a_drive_that_is_gone_with_its_folder_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not made anew on the drive above it."""
    folder = tmp_path / "usb" / "videos"

    def unmount() -> None:
        remove(folder)
        unmounted(monkeypatch)

    _, second = await both(folder, unmount)
    assert isinstance(second, DiskRefused)
    assert not folder.exists()


async def test_a_network_folder_that_came_back_is_known_by_its_videos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under another device number."""
    _, second = await both(tmp_path, lambda: unmounted(monkeypatch))
    assert isinstance(second, Downloaded)


async def test_a_folder_that_goes_while_a_video_comes_is_made_anew(tmp_path: Path) -> None:
    """The first try fails as this file's trouble; the next one has the video."""
    folder = tmp_path / "videos"

    class Deleting(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield WHOLE[:50]
            if folder.exists():
                remove(folder)
            yield WHOLE[50:]

    script = [httpx.Response(200, stream=Deleting()), httpx.Response(200, content=WHOLE)]
    async with VideoClient(transport=httpx.MockTransport(lambda request: script.pop(0)), resolve=public) as videos:
        fetching = VideoFetcher(videos, folder, disk=at_once)
        first = await fetching.fetch(ONE)
        second = await fetching.fetch(ONE)
    assert isinstance(first, DownloadError)
    assert isinstance(second, Downloaded)
    assert (folder / second.file).read_bytes() == WHOLE


async def test_a_folder_in_place_of_the_video(tmp_path: Path) -> None:
    """It is a name that somebody has."""
    (tmp_path / "a cat.mp4").mkdir()
    outcome = await fetch(video, tmp_path)
    assert isinstance(outcome, Downloaded)
    assert outcome.file == "a cat~01234567.mp4"


async def test_a_folder_in_place_of_the_part(tmp_path: Path) -> None:
    """The video is had under a plain name."""
    VideoFile.choose(tmp_path, ONE).part.mkdir()
    outcome = await fetch(video, tmp_path, ONE)
    assert isinstance(outcome, Downloaded)
    assert outcome.file.startswith("video-")


@pytest.mark.parametrize("code", [errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ])
async def test_a_name_that_is_refused_when_its_part_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """FAT does so: it looks for any name, but makes only some. The video is had at once."""
    open_part = VideoFile.open_part

    def picky(part: Path, *, keep: int) -> FileIO:
        if "cat" in part.name:
            raise OSError(code, os.strerror(code))
        return open_part(part, keep=keep)

    monkeypatch.setattr(VideoFile, "open_part", staticmethod(picky))
    outcome = await fetch(video, tmp_path)
    assert isinstance(outcome, Downloaded)
    assert outcome.file.startswith("video-")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".mp4"]


async def test_a_folder_that_takes_no_name_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends: the job is put aside, with words."""

    def refuse(part: Path, *, keep: int) -> FileIO:
        raise OSError(errno.ENAMETOOLONG, "File name too long")

    monkeypatch.setattr(VideoFile, "open_part", staticmethod(refuse))
    outcome = await fetch(video, tmp_path)
    assert isinstance(outcome, DownloadError)
    assert outcome.tries == video_fetcher.ONE_FILE_TRIES
    assert "File name too long" in outcome.reason


def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(part: Path, path: Path) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.parametrize("sidecars", [Sidecars(), NONE])
async def test_without_links_a_name_that_was_taken_meanwhile_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sidecars: Sidecars
) -> None:
    """Neither the video nor the sidecar of another is replaced, and no claim is left beside it."""
    without_links(monkeypatch)

    class Late(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield WHOLE
            (tmp_path / "a cat.mp4").write_text("precious")

    outcome = await fetch(lambda request: httpx.Response(200, stream=Late()), tmp_path, sidecars=sidecars)
    assert isinstance(outcome, Downloaded)
    assert (tmp_path / "a cat.mp4").read_text() == "precious"
    assert (tmp_path / outcome.file).read_bytes() == WHOLE
    assert not sidecar_path(tmp_path / "a cat.mp4").exists()


async def test_a_name_that_was_taken_meanwhile_is_left_alone(tmp_path: Path) -> None:
    """With links too."""

    class Late(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield WHOLE
            (tmp_path / "a cat.mp4").write_text("precious")

    outcome = await fetch(lambda request: httpx.Response(200, stream=Late()), tmp_path)
    assert isinstance(outcome, Downloaded)
    assert (tmp_path / "a cat.mp4").read_text() == "precious"
    assert not sidecar_path(tmp_path / "a cat.mp4").exists()
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".mp4", ".mp4"]


async def test_another_worker_that_was_quicker_by_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever ends last, the sidecar explains the video that stands there, and there is one."""
    other = WHOLE + b"\x00\x00\x00\x09free!"

    def quicker(writer: local.FolderWriter) -> None:
        theirs = VideoFile.choose(tmp_path, ONE, writer="2")
        theirs.part.write_bytes(other)
        theirs.publish_part(ONE, size=len(other), sha256=hashlib.sha256(other).hexdigest())

    monkeypatch.setattr(local.FolderWriter, "_check_video", quicker)
    async with VideoClient(transport=httpx.MockTransport(video), resolve=public) as videos:
        outcome = await VideoFetcher(videos, tmp_path, disk=at_once, writer="1").fetch(ONE)
    assert isinstance(outcome, Downloaded)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a cat.json", "a cat.mp4"]
    says = json.loads((tmp_path / "a cat.json").read_text())
    assert says["sha256"] == outcome.sha256 == hashlib.sha256((tmp_path / "a cat.mp4").read_bytes()).hexdigest()


async def test_a_link_that_is_said_to_exist_but_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS repeats a request whose answer was lost, and reports what the first one did."""
    link = os.link

    def repeated(part: Path, path: Path) -> None:
        link(part, path)
        link(part, path)

    monkeypatch.setattr(os, "link", repeated)
    outcome = await fetch(video, tmp_path)
    assert isinstance(outcome, Downloaded)
    assert outcome.file == "a cat.mp4"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a cat.json", "a cat.mp4"]


async def test_sidecars_whose_folder_cannot_be_written_stop_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other video's sidecar would fare better; the video is not lost: it is fetched again."""
    open_ = os.open

    def refuse(path: str | Path, *args: int, **options: int) -> int:
        if Path(path).parent == tmp_path / "facts":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open_(path, *args, **options)

    monkeypatch.setattr(os, "open", refuse)
    outcome = await fetch(video, tmp_path / "videos", sidecars=Sidecars(folder=tmp_path / "facts"))
    assert isinstance(outcome, DiskRefused)
    assert "Permission denied" in outcome.reason
    assert list((tmp_path / "videos").iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
async def test_a_full_disk_gets_its_room_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Nothing of a video that did not fit stays."""
    write = local.FolderWriter.write_block

    def full(self: local.FolderWriter) -> None:
        write(self)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(local.FolderWriter, "write_block", full)
    assert isinstance(await fetch(video, tmp_path), DiskRefused)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a file that is always full")
async def test_a_disk_that_is_full_in_the_middle_of_a_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write itself fails, in the thread that would have finished the video: nothing is published."""
    open_part = VideoFile.open_part

    def full(part: Path, *, keep: int) -> FileIO:
        open_part(part, keep=keep).close()
        return FileIO(os.open("/dev/full", os.O_WRONLY), "wb")

    monkeypatch.setattr(VideoFile, "open_part", staticmethod(full))
    outcome = await fetch(video, tmp_path)
    assert isinstance(outcome, DiskRefused)
    assert os.strerror(errno.ENOSPC) in outcome.reason
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a file that is always full")
async def test_a_disk_that_is_full_before_the_sidecar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A video never has its name before its sidecar is whole, and the room of both is given back."""
    open_new = VideoFile._open_sidecar_part

    def full(part: Path) -> FileIO:
        open_new(part).close()
        return FileIO(os.open("/dev/full", os.O_WRONLY), "wb")

    monkeypatch.setattr(VideoFile, "_open_sidecar_part", staticmethod(full))
    assert isinstance(await fetch(video, tmp_path), DiskRefused)
    assert list(tmp_path.iterdir()) == []


async def test_every_name_is_given_to_what_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Video synced, sidecar synced, then the sidecar's name, the video's name, and the folder synced."""
    steps: list[str] = []
    fsync, link = os.fsync, os.link

    def spy_sync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        paths = [path for path in (tmp_path, *tmp_path.iterdir()) if os.path.samestat(path.stat(), status)]
        steps.append(f"sync {paths[0].suffixes[-2:] if paths[0] != tmp_path else 'folder'}")
        fsync(descriptor)

    def spy_link(part: Path, path: Path) -> None:
        steps.append(f"name {path.suffix}")
        link(part, path)

    monkeypatch.setattr(os, "fsync", spy_sync)
    monkeypatch.setattr(os, "link", spy_link)
    assert isinstance(await fetch(video, tmp_path), Downloaded)
    token = next(step for step in steps if step.startswith("sync ['."))
    assert steps == [token, "sync ['.json', '.part']", "name .json", "name .mp4", "sync folder"]


async def test_a_part_is_removed_when_nobody_has_it_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows removes no file that is open."""
    opened: list[FileIO] = []
    removed: list[Path] = []
    open_part, unlink = VideoFile.open_part, Path.unlink

    def open_and_note(part: Path, *, keep: int = 0) -> FileIO:
        opened.append(open_part(part, keep=keep))
        return opened[-1]

    def refuse_open(path: Path, missing_ok: bool = False) -> None:
        assert all(file.closed for file in opened)
        removed.append(path)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(VideoFile, "open_part", staticmethod(open_and_note))
    monkeypatch.setattr(Path, "unlink", refuse_open)
    await fetch(lambda _: httpx.Response(200, content=b"no video" * 1_000), tmp_path)
    assert len(opened) == len(removed) == 1
    assert list(tmp_path.iterdir()) == []


async def test_a_video_gets_its_name_when_nobody_has_it_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows and some network folders rename no open file; and its room is given back if that fails."""
    link = os.link
    opened: list[FileIO] = []
    open_part = VideoFile.open_part

    def open_and_note(part: Path, *, keep: int = 0) -> FileIO:
        opened.append(open_part(part, keep=keep))
        return opened[-1]

    def refuse_open(part: Path, path: Path) -> None:
        assert all(file.closed for file in opened)
        link(part, path)

    def refuse(folder: Path) -> str:
        raise OSError(errno.ENOSPC, "full", str(folder))

    monkeypatch.setattr(VideoFile, "open_part", staticmethod(open_and_note))
    monkeypatch.setattr(os, "link", refuse_open)
    assert isinstance(await fetch(video, tmp_path / "one"), Downloaded)
    assert len(opened) == 1
    monkeypatch.setattr(VideoFile, "publish_part", lambda *args, **kwargs: refuse(tmp_path))
    assert isinstance(await fetch(video, tmp_path / "two"), DiskRefused)
    assert list((tmp_path / "two").iterdir()) == []


async def test_a_cancelled_run_finishes_the_video_that_is_being_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread is waited for: no other process may find a half-named video."""
    check = local.FolderWriter._check_video
    scope = anyio.CancelScope()

    def cancel_and_check(writer: local.FolderWriter) -> None:
        anyio.from_thread.run_sync(scope.cancel)
        check(writer)

    monkeypatch.setattr(local.FolderWriter, "_check_video", cancel_and_check)
    async with VideoClient(transport=httpx.MockTransport(video), resolve=public) as videos:
        with scope:
            await VideoFetcher(videos, tmp_path).fetch(ONE)
    assert scope.cancel_called
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a cat.json", "a cat.mp4"]


JUNK: list[Handler] = [
    lambda request: httpx.Response(200, html="<html>sign in</html>"),
    lambda request: httpx.Response(200, content=WHOLE[:-9]),
    lambda request: httpx.Response(200, content=WHOLE, headers={"content-length": "9"}),
]


@pytest.mark.parametrize("handler", JUNK)
async def test_nothing_stays_of_what_is_no_video(tmp_path: Path, handler: Handler) -> None:
    """The next try begins anew in any case."""
    assert isinstance(await fetch(handler, tmp_path), DownloadError)
    assert list(tmp_path.iterdir()) == []


async def test_what_came_before_a_break_stays(tmp_path: Path) -> None:
    """The next try asks for the rest only."""
    stream = Cut(WHOLE, 50)
    answer = httpx.Response(200, stream=stream, headers={"etag": '"1"'})
    assert isinstance(await fetch(lambda request: answer, tmp_path), DownloadError)
    assert [path.read_bytes() for path in tmp_path.glob("*.part")] == [WHOLE[:50]]


async def test_an_endless_page_is_left_in_its_first_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before the bound: it does not begin as a video does."""
    monkeypatch.setattr(local, "BLOCK_BYTES", 1000)
    sent = 0

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal sent
            while sent < 1_000_000:
                sent += 500
                yield b"<p>" * 500
                await anyio.lowlevel.checkpoint()

    outcome = await fetch(lambda request: httpx.Response(200, stream=Endless()), tmp_path)
    assert isinstance(outcome, DownloadError)
    assert "begins with" in outcome.reason
    assert sent < 5000
    assert list(tmp_path.iterdir()) == []


def test_a_drip_is_a_stall_by_the_length_that_was_announced() -> None:
    """40 MB at ten bytes a second would hold a slot for weeks; for a few kilobytes the same pace will do."""
    large, small = StallDetector(0.0, total=40_000_000), StallDetector(0.0, total=4000)
    small.add(300, 31.0)
    with pytest.raises(Stalled, match="300 bytes came in 31 s"):
        large.add(300, 31.0)
    slow = StallDetector(0.0, total=40_000_000)
    for number in range(1, 200):
        slow.add(2500 * 31, 31.0 * number)


def test_a_drip_of_no_announced_length_ends() -> None:
    """After some hours: the slot is others' too."""
    flow = StallDetector(0.0)
    for number in range(1, 697):
        flow.add(300, 31.0 * number)
    with pytest.raises(Stalled, match="longer than 6 hours"):
        flow.add(300, 31.0 * 697)


NESTED = make_job(JobState.DOWNLOADING, seq=3, stem="veo3/red/a cat")
FILE = "veo3/red/a cat.mp4"


@pytest.mark.parametrize("sidecars", [BESIDE, Sidecars(folder=Path("facts")), NONE])
async def test_a_video_in_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sidecars: Sidecars) -> None:
    """It is found again by its name in the output folder, with its sidecar in folders of the same names."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "videos"
    outcome = await fetch(video, folder, NESTED, sidecars=sidecars)
    assert isinstance(outcome, Downloaded)
    assert (outcome.folder, outcome.file) == (str(folder), FILE)
    assert (folder / FILE).read_bytes() == WHOLE
    sidecar = sidecars.of(folder, FILE)
    if sidecar is not None:
        assert sidecar.as_posix().endswith("veo3/red/a cat.json")
        assert json.loads(sidecar.read_text())["file"] == FILE
    assert not list(tmp_path.rglob("*.part"))
    (again,) = {await fetch(video, folder, NESTED, sidecars=sidecars)}
    assert again == outcome


@pytest.mark.parametrize("place", ["veo3", "veo3/red"])
@pytest.mark.parametrize("kind", ["file", "link"])
async def test_a_video_is_not_lost_to_what_is_in_the_place_of_its_folder(tmp_path: Path, place: str, kind: str) -> None:
    """It is written under its plain name; nothing is written to where a link leads."""
    folder, elsewhere = tmp_path / "videos", tmp_path / "else"
    (folder / place).parent.mkdir(parents=True)
    elsewhere.mkdir()
    if kind == "file":
        (folder / place).write_text("precious")
    else:
        (folder / place).symlink_to(elsewhere)
    outcome = await fetch(video, folder, NESTED)
    assert isinstance(outcome, Downloaded)
    assert outcome.file.startswith("video-")
    assert (folder / outcome.file).read_bytes() == WHOLE
    assert await fetch(video, folder, NESTED) == outcome
    assert list(elsewhere.iterdir()) == []
    assert kind == "link" or (folder / place).read_text() == "precious"


async def test_a_link_in_the_folder_of_all_sidecars_is_not_followed(tmp_path: Path) -> None:
    """As with the folder of the videos."""
    elsewhere, facts = tmp_path / "else", tmp_path / "facts"
    elsewhere.mkdir()
    facts.mkdir()
    (facts / "veo3").symlink_to(elsewhere)
    outcome = await fetch(video, tmp_path / "videos", NESTED, sidecars=Sidecars(folder=facts))
    assert isinstance(outcome, Downloaded)
    assert outcome.file.startswith("video-")
    assert list(elsewhere.iterdir()) == []


async def test_a_link_that_comes_during_the_download_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folders are made, and looked at, just before the file gets its name."""
    folder, elsewhere = tmp_path / "videos", tmp_path / "else"
    elsewhere.mkdir()
    check = local.FolderWriter._check_video

    def plant(writer: local.FolderWriter) -> None:
        (folder / "veo3").symlink_to(elsewhere)
        check(writer)

    monkeypatch.setattr(local.FolderWriter, "_check_video", plant)
    outcome = await fetch(video, folder, NESTED)
    assert isinstance(outcome, Downloaded)
    assert outcome.file.startswith("video-")
    assert list(elsewhere.iterdir()) == []
