"""A night whose videos go into a bucket, from the purchase to the dataset."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from obstore.store import S3Store

import batchveo
from batchveo.cli import status_of
from batchveo.sandbox import Service
from batchveo.storage.stored_video import local_copy, video_at
from batchveo.web.app import make_app
from batchveo.web.security import Secrets
from batchveo.web.thumbnails import make_poster
from tests.helpers.chains import assert_frames_sent
from tests.storage.conftest import Bucket

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bucket")]
MANIFEST = """
defaults: {model: google/veo-3.1-t2v-fast, resolution: 720p, duration: 4}
jobs:
  - {name: "<script>", prompt: "A dragon"}
  - {name: "fox {index} 狐", prompt: "A fox", repeat: 2, seed: "{index}"}
"""
STEMS = ["_script_", "fox 0 狐", "fox 1 狐"]


@pytest.fixture
def service(quick_service: Service) -> Service:
    Path("m.yaml").write_text(MANIFEST)
    return quick_service


@pytest.fixture
def night(bucket: Bucket, service: Service) -> Bucket:
    assert status_of(["run", "m.yaml", "--output", bucket.url]) == 0
    return bucket


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    assert status_of(["jobs", "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def open_store(bucket: Bucket) -> S3Store:
    return S3Store(bucket.name, prefix="my night", client_options={"allow_http": True})


def damage(bucket: Bucket, stem: str, content: bytes) -> None:
    open_store(bucket).put(f"{stem}.mp4", content)


def test_run_again_verify_and_refetch(night: Bucket, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """The same command again buys and fetches nothing; what is damaged is told, fetched again, and right then."""
    assert night.keys() == sorted(f"my night/{stem}.{end}" for stem in STEMS for end in ("json", "mp4"))
    assert [row["file"] for row in rows(capsys)] == [f"{night.url}/{stem}.mp4" for stem in STEMS]
    assert status_of(["run", "m.yaml", "--output", night.url]) == 0
    assert len(service.generations) == 3
    assert status_of(["verify"]) == 0
    damage(night, STEMS[1], b"no video")
    assert status_of(["verify", "--refetch"]) == 1
    assert f"{night.url}/{STEMS[1]}.mp4: 8 bytes, recorded were" in capsys.readouterr().out
    assert status_of(["resume", "--output", night.url]) == 0
    assert status_of(["verify"]) == 0
    assert status_of(["verify", "--output", f"{night.url}/elsewhere"]) == 1
    assert capsys.readouterr().out.count(": missing") == 3
    assert len(service.generations) == 3
    assert "hush-hush" not in "".join(path.read_text(errors="replace") for path in Path("state").iterdir())


def test_nothing_is_bought_where_the_place_cannot_be_written(
    bucket: Bucket, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 3, and which bucket."""
    assert status_of(["run", "m.yaml", "--output", "s3://not-there/x"]) == 3
    assert "s3://not-there/x: there is no such bucket" in capsys.readouterr().err
    assert not service.generations
    assert status_of(["doctor", "--output", "s3://not-there/x"]) == 1
    assert status_of(["doctor", "--output", bucket.url]) == 0
    assert bucket.keys() == []


def test_a_lost_state_takes_them_in(night: Bucket, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """By the sidecars, as they are read; one that is damaged is fetched again, and none is bought."""
    before = rows(capsys)
    shutil.rmtree("state")
    damage(night, STEMS[1], b"no video")
    assert status_of(["run", "m.yaml", "--output", night.url]) == 0
    err = capsys.readouterr().err
    assert f"imported 2 finished videos found in {night.url}" in err
    assert "fox 0 狐: 8 bytes, recorded were" in err
    assert len(service.generations) == 3
    assert len(night.keys()) == 6
    after = rows(capsys)
    for name in ("id", "file", "sha256", "generation_id", "cost_usd", "bytes"):
        assert [row[name] for row in after] == [row[name] for row in before], name
    assert status_of(["verify"]) == 0


def test_chains_take_frames_from_videos_in_the_bucket(
    bucket: Bucket, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a database that is lost between two links is no reason to buy one again."""
    pytest.importorskip("av", reason="frames need the extra media")
    short = {"model": "google/veo-3-1-lite-generate-preview", "chain": ["dawn", "noon"], "name": "day"}
    Path("m.yaml").write_text(json.dumps([short]))
    assert status_of(["run", "m.yaml", "--output", bucket.url]) == 0
    shutil.rmtree("state")
    assert status_of(["run", "m.yaml", "--output", bucket.url]) == 0
    assert len(service.generations) == 2
    Path("m.yaml").write_text(json.dumps([{**short, "chain": [*short["chain"], "dusk"]}]))
    assert status_of(["run", "m.yaml", "--output", bucket.url]) == 0
    assert len(service.generations) == 3
    with batchveo.Store(Path("state/batchveo.db"), writing=False) as store:
        assert_frames_sent(service, list(store.jobs()))
    assert [row["state"] for row in rows(capsys)] == ["succeeded"] * 3


@contextmanager
def page(state: str = "state/batchveo.db") -> Iterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_app(Path(state), keys=Secrets()))
    yield httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700")


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_page_plays_them(night: Bucket) -> None:
    """Whole, in ranges, with sidecar and poster; what is not there says so."""
    with batchveo.Store(Path("state/batchveo.db"), writing=False) as store:
        job = next(store.queries.iter_succeeded_pages())[0]
        with local_copy(video_at(job)) as copy:
            whole = copy.read_bytes()
        assert not copy.exists()
        assert (make_poster(video_at(job)) or b"")[:2] == b"\xff\xd8"
    with page() as client:
        url = f"/videos/{job.id}.mp4"
        answer = await client.get(url)
        assert (answer.status_code, answer.content) == (200, whole)
        assert answer.headers["accept-ranges"] == "bytes"
        size = len(whole)
        for asked, start, end in [("0-1", 0, 2), ("5-", 5, size), ("-7", size - 7, size), (f"9-{size}9", 9, size)]:
            part = await client.get(url, headers={"range": f"bytes={asked}"})
            assert (part.status_code, part.content) == (206, whole[start:end])
            assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        for odd in ("bytes=0-1,4-5", "bytes=9-2", "bytes=-", "pages=1-2"):
            assert (await client.get(url, headers={"range": odd})).status_code == 200
        changed = {"range": "bytes=0-1", "if-range": '"another"'}
        assert (await client.get(url, headers=changed)).status_code == 200
        beyond = await client.get(url, headers={"range": f"bytes={size}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
        assert (await client.get(f"/sidecars/{job.id}.json")).json()["job_id"] == job.id
        assert (await client.get(f"/posters/{job.id}.jpg")).status_code == 200
        open_store(night).delete(str(job.file))
        assert (await client.get(url)).status_code == 404


def test_the_report_names_them(night: Bucket, capsys: pytest.CaptureFixture[str]) -> None:
    """No browser opens s3://, so the places stand there as text; the page lands in the current folder."""
    assert status_of(["report"]) == 0
    text = Path("report.html").read_text()
    assert f"{night.url}/fox 0 狐.mp4" in text
    assert '"href"' not in text.partition('id="data">')[2].partition("</script>")[0]


@pytest.mark.parametrize("form", ["videofolder", "webdataset"])
def test_a_dataset_from_a_bucket(night: Bucket, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Copied whole, resumable, and nothing else is left in the folder."""
    assert status_of(["export", "data", "--format", form]) == 0
    names = sorted(path.name for path in Path("data").rglob("*"))
    assert ".fetching" not in names
    if form == "videofolder":
        videos = sorted(Path("data").rglob("*.mp4"))
        assert [video.stem for video in videos] == STEMS
        assert not any(video.is_symlink() for video in videos)
        videos[0].unlink()
        Path("data/.fetching").mkdir()
        Path("data/.fetching/rest.mp4").write_bytes(b"what a death left")
    assert status_of(["export", "data", "--format", form]) == 0
    assert sorted(path.name for path in Path("data").rglob("*")) == names
    damage(night, STEMS[0], b"no video")
    capsys.readouterr()
    assert status_of(["export", "more", "--format", form]) == 1
    assert "recorded were" in capsys.readouterr().err


def test_clips_in_a_bucket_are_measured_and_scored(night: Bucket, capsys: pytest.CaptureFixture[str]) -> None:
    """By copies, which are gone then; what was measured is added to the sidecars there."""
    Path("size.py").write_text(
        "import json, sys\n"
        "for clip in map(json.loads, sys.stdin):\n"
        "    size = len(open(clip['path'], 'rb').read())\n"
        "    print(json.dumps({'id': clip['id'], 'bytes': size, 'path': clip['path']}))\n"
    )
    assert status_of(["check"]) == 0
    assert status_of(["check", "--with", f"'{sys.executable}' size.py"]) == 0
    for row in rows(capsys):
        assert isinstance(row["scores"], dict)
        assert row["scores"]["size.bytes"] == row["bytes"]
        assert not Path(row["scores"]["size.path"]).exists()
        assert isinstance(row["checks"], dict)
        sidecar = json.loads(bytes(open_store(night).get(f"{Path(str(row['file'])).stem}.json").bytes()))
        assert sidecar["checks"] == row["checks"]
    damage(night, STEMS[1], b"no video")
    S3Store(night.name, prefix="my night", client_options={"allow_http": True}).delete(f"{STEMS[2]}.mp4")
    assert status_of(["check", "--again"]) == 1
    out, err = capsys.readouterr()
    assert f"{night.url}/{STEMS[1]}.mp4: cannot be read: its content has changed since it was downloaded" in out
    assert f"{night.url}/{STEMS[2]}.mp4: cannot be read: " in out
    assert "3 clips, 1 measured now, 2 unreadable" in err
