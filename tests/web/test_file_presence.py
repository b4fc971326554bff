"""Videos that are not where they were put: the page never calls them done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchveo.storage.objects import Head
from batchveo.storage.stored_video import BucketVideo
from batchveo.store import Store
from batchveo.web import file_presence
from batchveo.web.app import make_app
from batchveo.web.file_presence import VideoPresence
from batchveo.web.security import Secrets
from batchveo.web.static_report import write_report
from tests.web.conftest import Client, Night

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
LIES = "The video was stored and verified."


def row(folder: object, *, file: str = "fox.mp4", size: int = 3) -> dict[str, object]:
    return {"id": "j", "state": "succeeded", "folder": str(folder), "file": file, "bytes": size}


def remove(path: Path) -> None:
    path.unlink()


def link(path: Path) -> None:
    path.rename(path.with_name("other.mp4"))
    path.symlink_to(path.with_name("other.mp4"))


def fold(path: Path) -> None:
    path.unlink()
    path.mkdir()


def unmount(path: Path) -> None:
    path.parent.rename(path.parent.with_name("away"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:10])


@pytest.mark.parametrize("harm", [remove, link, fold, unmount])
def test_a_video_that_is_gone_is_said_by_the_card_and_the_job(
    client: Client, night: Night, harm: Callable[[Path], None]
) -> None:
    """There is nothing to play, and what to do is told."""
    harm(night.videos / "fox.mp4")
    card = client.get("/api/jobs").json()["jobs"][0]
    job = client.get(f"/api/jobs/{card['id']}").json()
    for told in (card, job):
        assert (told["video"], told["problem"]["word"], told["problem"]["gone"]) == (False, "Not on disk", True)
        assert "`batchveo verify --refetch`" in told["problem"]["says"]


def test_a_video_of_another_length_is_damaged(client: Client, night: Night) -> None:
    """It may still be played, in part."""
    cut(night.videos / "fox.mp4")
    card = client.get("/api/jobs").json()["jobs"][0]
    assert (card["video"], card["problem"]["word"]) == (True, "Damaged")
    assert card["problem"]["says"].startswith(f"Its file has 10 bytes; {len(night.content):,} were recorded.")


def test_videos_that_were_moved_are_looked_for_where_they_are(night: Night) -> None:
    """The job tells their place of today."""
    moved = night.videos.rename(night.videos.with_name("moved"))
    keys = Secrets()
    client = Client(make_app(night.path, keys=keys, videos=moved), keys)
    job = client.get(f"/api/jobs/{night.named('fox').id}").json()
    assert (job["problem"], job["video"], job["file"]) == (None, True, str(moved / "fox.mp4"))


@pytest.mark.parametrize(
    ("file", "folder"),
    [("../x.mp4", "/"), ("a/../x.mp4", "/"), ("/x.mp4", "/"), ("x.txt", "/"), ("x.mp4", "odd://place")],
)
def test_a_database_that_names_no_video_is_believed_nothing(file: str, folder: str) -> None:
    """Whatever it says."""
    assert VideoPresence().find_problems([row(folder, file=file)])["j"].word in ("Not on disk", "Cannot be read")


def test_a_video_in_folders_is_found(tmp_path: Path) -> None:
    """By its name in the output folder, wherever that is today."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/fox.mp4").write_bytes(b"123")
    assert VideoPresence().find_problems([row(tmp_path, file="a/b/fox.mp4")]) == {}
    assert VideoPresence(tmp_path).find_problems([row("/gone", file="a/b/fox.mp4")]) == {}


class Bucket:
    """Answers of a bucket, and how often it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.size: int | None = 3
        self.asked = 0
        self.hold: threading.Event | None = None
        monkeypatch.setattr(BucketVideo, "read_head", lambda video: self.head(video))

    def head(self, video: BucketVideo) -> Head:
        self.asked += 1
        if self.hold is not None:
            self.hold.wait(30)
        if self.size is None:
            raise FileNotFoundError(2, "there is no such object", str(video))
        return Head(self.size, {})


def test_a_bucket_is_asked_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or anew for somebody who opens the job; what it does not hold is not in it."""
    bucket, looked = Bucket(monkeypatch), VideoPresence()
    assert looked.find_problems([row("s3://bucket/night")]) == {}
    bucket.size = None
    assert looked.find_problems([row("s3://bucket/night")]) == {}
    assert bucket.asked == 1
    told = looked.find_problems([row("s3://bucket/night")], anew=True)["j"]
    assert (told.word, told.gone) == ("Not in the bucket", True)
    bucket.size = 4
    later = time.monotonic() + file_presence.REMEMBERED_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later + 1)
    assert looked.find_problems([row("s3://bucket/night")])["j"].word == "Damaged"
    assert bucket.asked == 3


def test_a_slow_bucket_holds_up_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has not said yet is no problem, until it says it."""
    bucket, looked = Bucket(monkeypatch), VideoPresence(patience=0.0)
    bucket.hold, bucket.size = threading.Event(), None
    assert looked.find_problems([row("s3://bucket/night")]) == {}
    bucket.hold.set()
    looked = VideoPresence(patience=30.0)
    assert looked.find_problems([row("s3://bucket/night")])["j"].word == "Not in the bucket"


def test_card_and_panel_say_that_a_file_is_missing(new_page: Open, url: str, night: Night) -> None:
    """In the place of the picture and of the player; nothing is asked of the server that is not there."""
    (night.videos / "fox.mp4").unlink()
    page = new_page(url)
    card = page.locator(".card", has=page.get_by_role("link", name="fox", exact=True))
    card.locator(".card-facts").get_by_text("Not on disk").wait_for()
    assert "Done" not in card.inner_text()
    page.get_by_role("link", name="fox", exact=True).click()
    panel = page.get_by_role("dialog", name="fox")
    panel.locator(".panel-missing").get_by_text("`batchveo verify --refetch`").wait_for()
    assert panel.locator("video").count() == 0
    assert panel.locator(".panel-state").inner_text().strip() == "Not on disk"
    assert LIES not in panel.inner_text()


def test_a_file_that_goes_while_the_page_is_open_is_said_when_it_is_looked_at(
    browser_page: Page, url: str, night: Night
) -> None:
    """The card follows what the panel finds."""
    page = browser_page
    page.goto(url)
    card = page.locator(".card", has=page.get_by_role("link", name="fox", exact=True))
    card.locator("img").wait_for()
    (night.videos / "fox.mp4").unlink()
    page.get_by_role("link", name="fox", exact=True).click()
    page.get_by_role("dialog").locator(".panel-missing").wait_for()
    page.keyboard.press("Escape")
    card.locator(".card-facts").get_by_text("Not on disk").wait_for()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_report_says_that_a_file_is_missing(browser_page: Page, night: Night, when: str) -> None:
    """Gone when the report was written, or afterwards."""
    if when == "before":
        (night.videos / "fox.mp4").unlink()
    with Store(night.path, writing=False) as store:
        written = write_report(store, night.videos / "report.html", now=99.0)
    (night.videos / "fox.mp4").unlink(missing_ok=True)
    page = browser_page
    page.goto(f"{written.path.as_uri()}#/job/{night.named('fox').id}")
    panel = page.get_by_role("dialog", name="fox")
    panel.locator(".panel-missing").wait_for()
    panel.locator(".panel-state").get_by_text("Not on disk").wait_for()
    assert LIES not in panel.inner_text()
    page.keyboard.press("Escape")
    card = page.locator(".card", has=page.get_by_role("link", name="fox", exact=True))
    card.locator(".card-facts").get_by_text("Not on disk").wait_for()


def test_a_damaged_video_that_does_not_play_is_tried_once(browser_page: Page, url: str, night: Night) -> None:
    """And stays damaged, on the page and in the report."""
    cut(night.videos / "fox.mp4")
    with Store(night.path, writing=False) as store:
        written = write_report(store, night.videos / "report.html", now=99.0)
    page = browser_page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if ".mp4" in request.url else None)
    for base in (url, written.path.as_uri()):
        page.goto(f"{base}#/job/{night.named('fox').id}")
        panel = page.get_by_role("dialog", name="fox")
        panel.locator(".panel-missing").get_by_text("Damaged").wait_for()
        page.evaluate("async () => { for (let i = 0; i < 12; i += 1) await new Promise(requestAnimationFrame); }")
        assert panel.locator("video").count() == 0
        page.keyboard.press("Escape")
        card = page.locator(".card", has=page.get_by_role("link", name="fox", exact=True))
        card.locator(".card-facts").get_by_text("Damaged").wait_for()
    assert len([one for one in asked if "fox" in one or night.named("fox").id in one]) < 8
