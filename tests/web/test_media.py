"""Videos, posters and sidecars, sent by the id of their job."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from batchveo.web.app import make_app
from batchveo.web.security import Secrets
from tests.web.conftest import Client, Night


def test_videos_come_whole_and_in_ranges(client: Client, night: Night) -> None:
    """By the id of the job."""
    url = f"/videos/{night.named('fox').id}.mp4"
    whole = client.get(url)
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, night.content, "video/mp4")
    part = client.get(url, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, night.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(night.content)}"
    assert client.get(url, headers={"range": f"bytes={len(night.content)}-"}).status_code == 416
    assert client.get(f"/sidecars/{night.named('fox').id}.json").json() == {"name": "x"}


def test_without_a_sidecar_beside_it_the_database_tells_the_same(client: Client, night: Night) -> None:
    """`--sidecars` puts it elsewhere, or nowhere."""
    job = night.named("fox")
    (night.videos / "fox.json").unlink()
    answer = client.get(f"/sidecars/{job.id}.json")
    assert answer.headers["content-type"] == "application/json"
    says = answer.json()
    assert (says["file"], says["bytes"], says["sha256"]) == ("fox.mp4", job.bytes, job.sha256)
    assert (says["prompt"], says["generation_id"], says["cost_usd"]) == ("fox", job.generation_id, 1.56)


def test_only_plain_videos_are_served(client: Client, night: Night) -> None:
    """Not what a link leads to, no other kind of file, nothing of a job without a video."""
    job = night.named("fox")
    secret = night.videos.parent / "secret.mp4"
    secret.write_bytes(b"secret")
    (night.videos / "fox.mp4").unlink()
    assert client.get(f"/videos/{job.id}.mp4").status_code == 404
    (night.videos / "fox.mp4").symlink_to(secret)
    assert client.get(f"/videos/{job.id}.mp4").status_code == 404
    assert client.get(f"/videos/{night.named('waiting').id}.mp4").status_code == 404


@pytest.mark.parametrize("file", ["../secret.mp4", "secret.txt"])
def test_a_state_from_elsewhere_opens_no_other_file(client: Client, night: Night, file: str) -> None:
    """Even where it says so."""
    for name in ("secret.mp4", "videos/secret.txt"):
        (night.videos.parent / name).write_text("secret")
    job = night.named("fox")
    with closing(sqlite3.connect(night.path)) as state, state:
        state.execute("UPDATE jobs SET file = ? WHERE seq = ?", (file, job.seq))
    assert client.get(f"/videos/{job.id}.mp4").status_code == 404


def test_posters_are_pictures_and_are_kept(client: Client, night: Night) -> None:
    """Beside the state, by the hash of the video."""
    job = night.named("fox")
    poster = client.get(f"/posters/{job.id}.jpg")
    assert (poster.headers["content-type"], poster.content[:2]) == ("image/jpeg", b"\xff\xd8")
    kept = night.path.with_name("night.db.posters") / f"{job.sha256}.jpg"
    assert kept.read_bytes() == poster.content


def test_without_the_extra_there_are_no_posters(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is told so, and shows first frames by itself."""
    monkeypatch.setattr("batchveo.web.app.has_media_extra", lambda: False)
    keys = Secrets()
    client = Client(make_app(night.path, keys=keys), keys)
    assert '<meta name="posters" content="no">' in client.get("/").text
    assert client.get(f"/posters/{night.named('fox').id}.jpg").status_code == 404
